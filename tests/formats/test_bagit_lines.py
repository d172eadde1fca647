"""BagIt's text files: what we write is what we read, and nothing else is."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.formats import bagit, names

DIGEST = hashlib.sha256(b"").hexdigest()
raw_name = st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"/", b"_"))


@given(raw_name, st.binary())
def test_a_manifest_line_reads_back(raw: bytes, content: bytes) -> None:
    """Every payload name that we make stands in a manifest line and comes back from it."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"data/{names.component_name(raw)}"
    assert bagit.parse_manifest_line(bagit.manifest_line(digest, name)) == (digest, name)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", DIGEST.encode(), f"{DIGEST}  data/a".encode(), f"{DIGEST} data/a\n".encode(),
        f"{DIGEST} *data/a\n".encode(), f"{DIGEST}\tdata/a\n".encode(),
        f"{DIGEST.upper()}  data/a\n".encode() if DIGEST.upper() != DIGEST else b"",
        f"{DIGEST[1:]}  data/a\n".encode(), f"{DIGEST}  \n".encode(),
        f"{DIGEST}  /etc/passwd\n".encode(), f"{DIGEST}  data/../../x\n".encode(),
        f"{DIGEST}  ./data/a\n".encode(), f"{DIGEST}  data//a\n".encode(),
        f"{DIGEST}  data/\n".encode(), f"{DIGEST}  C:\\x\n".encode(), f"{DIGEST}  C:x\n".encode(),
        f"{DIGEST}  data\\a\n".encode(), f"{DIGEST}  data/a\r\n".encode(),
        f"{DIGEST}  data/a\n\n".encode(), f"{DIGEST}  data/\xe9\n".encode("latin-1"),
        f"{DIGEST}  data/a\0\n".encode(), f"\\{DIGEST}  data/a\\nb\n".encode(),
        f"\ufeff{DIGEST}  data/a\n".encode(),
    ],
)  # fmt: skip
def test_junk_in_a_manifest_is_refused(line: bytes) -> None:
    """A line that is not exactly digest, two spaces and an inner path is no manifest line."""
    with pytest.raises(FormatError):
        bagit.parse_manifest_line(line)


@given(raw_name)
def test_sha256sum_reads_our_lines(raw: bytes) -> None:
    """No name that we make needs an escape of sha256sum's (a backslash or a newline)."""
    assert not set(names.component_name(raw)) & set("\\\n\r")


def test_sha256sum_agrees(tmp_path: Path) -> None:
    """The coreutils program accepts the lines for the most awkward of names."""
    (tmp_path / "data").mkdir()
    lines = b""
    for raw in (b" a", b"-c", b"a  b", b"\\n", b"*x", b"#x", b"\xff\n"):
        name = f"data/{names.component_name(raw)}"
        (tmp_path / name).write_bytes(raw)
        lines += bagit.manifest_line(hashlib.sha256(raw).hexdigest(), name)
    (tmp_path / "m").write_bytes(lines)
    command = ["sha256sum", "--quiet", "--strict", "-c", "m"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True),
        st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"])).filter(
            str.strip
        ),
        max_size=5,
    )
)
def test_bag_info_reads_back(fields: dict[str, str]) -> None:
    """Labels and values come back as they were given."""
    assert bagit.load_info(bagit.dump_info(fields)) == fields


@pytest.mark.parametrize(
    "data",
    [
        b"a: b", b"a:b\n", b"a : b\n", b": b\n", b"a: \n", b"a: b\n\n", b"a: b\na: c\n",
        b"a: b\n  c\n",        b"a: \xff\n", b"\xef\xbb\xbfa: b\n", b"a b: c\n", b"\n", b"a:\tb\n",
    ],
)  # fmt: skip
def test_other_bag_info_is_refused(data: bytes) -> None:
    """Folded lines, repeated labels, missing ends and other encodings are refused."""
    with pytest.raises(FormatError):
        bagit.load_info(data)
