"""Check 5: a signed inventory that does not tell one walk, or tells it with other names, fails."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verify_bench import (
    check,
    failed,
    gather,
    records,
    reseal,
    write_records,
)

from custody.bundle import layout
from custody.collect import Destination
from custody.errors import FormatError
from custody.formats import bagit, canonical, inventory, names
from custody.verify import payload as payload_check
from custody.verify.retrace import Retrace

Records = list[dict[str, Any]]


def rewrite(bag: Path, change: Callable[[Records], Records | None]) -> None:
    """Change the inventory, and whatever counts it, and sign it all again."""
    listed: Records = records(bag)
    listed = change(listed) or listed
    write_records(bag, listed)
    counts: dict[str, int] = {}
    for record in listed:
        counts[record["outcome"]] = counts.get(record["outcome"], 0) + 1
    path = bag / layout.ACQUISITION
    document = canonical.load_object(path.read_bytes()[:-1])
    document["outcomes"] = counts
    path.write_bytes(canonical.dump(document) + b"\n")

    def counted(event: Any) -> Any:
        from dataclasses import replace

        return replace(event, details={**event.details, "outcomes": counts})

    reseal(bag, counted)


def record_of(listed: Records, ending: str) -> dict[str, Any]:
    return next(record for record in listed if record["path"].endswith(ending))


def rename_payload(bag: Path, ending: str, component: str) -> None:
    """Give a payload file another last component, everywhere."""
    listed = records(bag)
    record = record_of(listed, ending)
    old = str(record["payload"])
    new = f"{old.rpartition('/')[0]}/{component}" if "/" not in component else component
    (bag / new).parent.mkdir(parents=True, exist_ok=True)
    (bag / old).rename(bag / new)
    if not any((bag / old).parent.iterdir()):
        (bag / old).parent.rmdir()
    record["payload"] = new
    write_records(bag, listed)
    manifest = bag / bagit.MANIFEST_NAME
    manifest.write_bytes(
        manifest.read_bytes().replace(f"  {old}\n".encode(), f"  {new}\n".encode())
    )
    reseal(bag)


def test_signing_again_is_sound(bag: Path) -> None:
    """The tests' own way of signing again changes nothing by itself."""
    rewrite(bag, lambda listed: listed)
    assert check(bag).findings == ()


def _set(ending: str, **fields: Any) -> Callable[[Records], None]:
    return lambda listed: record_of(listed, ending).update(fields)


def _repeat(ending: str) -> Callable[[Records], Records]:
    return lambda listed: [
        twice for item in listed for twice in [item] * (1 + item["path"].endswith(ending))
    ]


def _directory_twice(listed: Records) -> Records:
    return [*listed, record_of(listed, "/sub")]


def _without(ending: str) -> Callable[[Records], Records]:
    return lambda listed: [item for item in listed if not item["path"].endswith(ending)]


LIES: dict[str, Callable[[Records], Records | None]] = {
    "a path twice": _repeat("/auth.log"),
    "a directory entered again": _directory_twice,
    "no record of a directory": _without("/sub"),
    "no record of a payload": _without("/auth.log"),
    "names not ascending": lambda listed: [*listed[:-3], *reversed(listed[-3:])],
    "a relative path": _set("/auth.log", path="auth.log"),
    "a path with dots": _set("/auth.log", path="/x/../auth.log"),
    "another path": _set("/auth.log", path="/var/log/auth.log"),
    "an unknown outcome": _set("/link", outcome="fine"),
    "a payload of a link": _set("/auth.log", outcome="symlink"),
    "collected, and not to the end": _set("/auth.log", size_before=1000, size_after=1000),
    "grown, and not larger": _set("/auth.log", outcome="grew"),
    "empty, and not empty": _set("/auth.log", outcome="empty"),
    "a size that is not the file's": _set("/auth.log", size=48, size_before=48, size_after=48),
    "another digest": _set("/auth.log", sha256="0" * 64),
    "collected, and no payload": _set("/link", outcome="collected"),
    "a missing source in the middle": _set("/link", outcome="missing"),
    "a field that is not known": _set("/link", colour="red"),
}


@pytest.mark.parametrize("name", LIES)
def test_an_inventory_that_lies_fails(bag: Path, name: str) -> None:
    """Also a signed inventory must tell one walk, in its order, with sizes that fit."""
    rewrite(bag, LIES[name])
    found = check(bag)
    assert found.verdict == "failed"
    assert 5 in failed(found)
    assert not set(failed(found)) & {1, 2, 3, 4, 8, 9}


@pytest.mark.parametrize(
    ("ending", "component"),
    [
        ("/auth.log", "auth2.log"),
        ("/auth.log", "auth=2Elog"),
        ("/auth.log", f"auth.log=~{hashlib.sha256(b'auth.log').hexdigest()[:32]}"),
        ("/messages", "messages"),
        ("/sub/deep/x.log", "data/x.log"),
        ("/auth.log", f"data/=~long/{hashlib.sha256(b'/auth.log').hexdigest()}"),
    ],
)
def test_a_payload_name_that_its_path_does_not_make_fails(
    bag: Path, ending: str, component: str
) -> None:
    """Every payload name is computed again: spelling, marks of collisions, and depth."""
    rename_payload(bag, ending, component)
    assert set(failed(check(bag))) == {5}


def test_a_readable_path_written_as_its_digest_fails(bag: Path) -> None:
    """The long form is only for names over 1,024 bytes."""
    path = record_of(records(bag), "/auth.log")["path"]
    rename_payload(bag, "/auth.log", names.long_name(path.encode()))
    (finding,) = check(bag).findings
    assert "short enough" in finding.message


COMPONENT = st.one_of(
    st.sampled_from([b"a", b"A", b"log", b"LOG", b"Log", b"con", b"x.", b"=", b"\xff", b"l" * 255]),
    st.binary(min_size=1, max_size=12)
    .map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda raw: raw not in (b".", b"..")),
)
PATHS = st.lists(st.lists(COMPONENT, min_size=1, max_size=6), min_size=1, max_size=12)


def plant(root: Path, paths: list[list[bytes]]) -> None:
    root.mkdir()
    for parts in paths:
        directory = os.fsencode(root)
        try:
            for part in parts[:-1]:
                directory = os.path.join(directory, part)
                os.makedirs(directory, exist_ok=True)
            with open(os.path.join(directory, parts[-1]), "xb") as stream:
                stream.write(parts[-1])
        except (FileExistsError, NotADirectoryError):
            continue


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(paths=PATHS)
def test_whatever_is_collected_verifies(
    paths: list[list[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The walk made again accepts what the walk wrote, whatever the names."""
    base = tmp_path_factory.mktemp("any")
    plant(base / "source", paths)
    bag = gather(base / "source", Destination(base / "out"))
    assert check(bag).findings == ()


def test_deep_trees_and_long_names_verify(tmp_path: Path) -> None:
    """Paths over 1,024 bytes, and collisions among directories above them, come out right."""
    deep = tmp_path / "source"
    for number in range(12):
        for name in (f"Dir{number}" + "x" * 90, f"dir{number}" + "X" * 90):
            (deep / name).mkdir(parents=True)
            (deep / name / "f.log").write_bytes(b"f")
        deep = deep / name
    bag = gather(tmp_path / "source", Destination(tmp_path / "out"))
    assert check(bag).findings == ()
    assert list((bag / "data" / "=~long").iterdir())


def test_a_child_process_finds_the_same(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long inventory is read in another process, and what is found is the same."""
    rewrite(bag, LIES["a path twice"])
    here = check(bag)
    monkeypatch.setattr(payload_check, "LONG_INVENTORY", 0)
    assert check(bag) == here


def test_names_in_parts_are_compared_to_the_end(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact comparison of long lists works through all parts of the names."""
    monkeypatch.setattr("custody.verify.exact._PART", 1)
    rewrite(bag, lambda listed: [item for item in listed if "sha256" not in item])
    found = check(bag)
    lost = [item for item in found.findings if "does not tell of" in item.message]
    assert len(lost) == 7


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBER = st.one_of(st.integers(0, 20), st.integers(0, 2**53 - 1))
FIELDS = {
    "accessed": st.integers().map(str),
    "ancestor": st.just(True),
    "device": TEXT,
    "gid": NUMBER,
    "mode": TEXT,
    "payload": TEXT,
    "sha256": st.sampled_from(["0" * 64, "f" * 64, "short"]),
    "size": NUMBER,
    "size_after": NUMBER,
    "size_before": NUMBER,
    "user": TEXT,
    "remark": TEXT,
}


@settings(max_examples=400, deadline=None)
@given(
    record=st.fixed_dictionaries({"path": TEXT, "outcome": TEXT}, optional=FIELDS),
    spoil=st.none() | st.tuples(st.integers(0, 400), st.integers(0, 7)),
)
def test_the_quick_reading_is_the_strict_one(
    record: dict[str, Any], spoil: tuple[int, int] | None
) -> None:
    """A line that the quick reading takes is one that the strict reading takes, with the same."""
    line = bytearray(inventory.dump(record))
    if spoil is not None:
        line[spoil[0] % len(line)] ^= 1 << spoil[1]
    try:
        strict = inventory.load(bytes(line))
        raw = inventory.raw_path(strict)
    except FormatError:
        with pytest.raises(FormatError):
            inventory.brief(bytes(line))
        return
    brief = inventory.brief(bytes(line))
    assert (brief.raw, brief.outcome) == (raw, strict["outcome"])
    assert brief.payload == strict.get("payload")
    assert (brief.before, brief.after) == (strict.get("size_before"), strict.get("size_after"))
    if brief.payload is not None:
        assert (brief.sha256, brief.size) == (strict["sha256"], strict["size"])


def test_late_records_of_a_rotation_are_taken() -> None:
    """Files found again under another name come after the others, and always marked."""
    found: list[tuple[str, ...]] = []
    trace = Retrace(lambda *what: found.append(what))
    marked = names.component_name(b"b.log.1", marked=True)
    rows = [
        ("/d", "directory", None, None),
        ("/d/a.log", "collected", "data/d/a.log", None),
        ("/d/c.log", "collected", "data/d/c.log", None),
        ("/d/b.log.1", "rotated", f"data/d/{marked}", "/d/b.log"),
        ("/d/e", "directory", None, None),
    ]
    for path, outcome, payload, before in rows:
        trace.take(
            inventory.Brief(
                path.encode(), outcome, payload, "", 1, 1, 1, before and before.encode()
            )
        )
    trace.finish()
    assert found == []
