"""Signed notes: the published vectors, strictness both ways, and who signed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.formats import note, vkey
from custody.formats.note import NoteSignature, SignedNote
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.identity.signing import Signer

LINE = "\N{EM DASH} ada AAAAAQ==\n"  # too short on purpose
GOOD = f"\N{EM DASH} ada {base64.b64encode(b'hashs').decode()}\n"

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"),
    min_size=1,
    max_size=20,
)
TEXTS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]))
SIGNATURES = st.builds(
    NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)
NOTES = st.builds(
    lambda lines, signatures: SignedNote("\n".join(lines) + "\n", tuple(signatures)),
    st.lists(TEXTS, min_size=1),
    st.lists(SIGNATURES, min_size=1, max_size=5),
)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer.of("ada", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def opens(message: str, keys: list[VerifierKey]) -> bool:
    """The rule of the specification: some known key signed, and none of them fails."""
    try:
        return bool(notes.verified(note.load(message.encode()), keys))
    except FormatError:
        return False


def test_published_notes(vectors: Path) -> None:
    """Every published note is accepted or refused as its authors say."""
    for case in json.loads((vectors / "signed-note/notes.json").read_text())["open"]:
        keys = [vkey.parse(item) for item in case["vkeys"]]
        assert opens(case["msg"], keys) is case["ok"], case["desc"]
        if case["ok"]:
            signed = note.load(case["msg"].encode())
            assert len(notes.verified(signed, keys)) == case["verified"], case["desc"]
            assert len(signed.signatures) == case["verified"] + case["unverified"]
            assert note.dump(signed) == case["msg"].encode()


def test_published_keys(vectors: Path) -> None:
    """Every published verifier key is accepted or refused as its authors say."""
    for case in json.loads((vectors / "signed-note/notes.json").read_text())["vkey"]:
        if case["ok"]:
            assert str(vkey.parse(case["vkey"])) == case["vkey"]
        else:
            with pytest.raises(FormatError):
                vkey.parse(case["vkey"])


@settings(deadline=None)
@given(NOTES)
def test_prints_what_it_reads(signed: SignedNote) -> None:
    """Whatever prints reads back the same."""
    assert note.load(note.dump(signed)) == signed


@settings(deadline=None)
@given(
    st.binary(max_size=200) | st.text(alphabet="a\n \N{EM DASH}+=A", max_size=60).map(str.encode)
)
def test_reads_one_spelling_only(data: bytes) -> None:
    """Whatever is read prints back byte for byte; all else is refused with one error."""
    try:
        signed = note.load(data)
    except FormatError:
        return
    assert note.dump(signed) == data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no empty line"),
        (b"text\n", "no empty line"),
        (b"text\n\n", "no signature line"),
        (f"text\n{GOOD}".encode(), "no empty line"),
        (f"text\n\n{GOOD[:-1]}".encode(), "newline is missing"),
        (f"text\n\n{GOOD}\n".encode(), "no signature line"),
        (f"text\n\n{GOOD}more\n".encode(), "not a signature"),
        (f"text\n\n{LINE}".encode(), "too short"),
        (f"text\r\n\n{GOOD}".encode(), "control character 0x0d"),
        (f"te\tt\n\n{GOOD}".encode(), "control character 0x09"),
        (f"te\0t\n\n{GOOD}".encode(), "control character 0x00"),
        (b"te\xfft\n\n" + GOOD.encode(), "not valid UTF-8"),
        (f"text\n\n{GOOD.replace(' ada', ' a+a')}".encode(), "a name has no"),
        (("text\n\n" + GOOD.replace(" ada", " a\u00a0a")).encode(), "a name has no"),
        (f"text\n\n{GOOD.replace(' ada', ' ')}".encode(), "a name has no"),
        (f"text\n\n{GOOD.replace('ada ', 'ada  ')}".encode(), "base64"),
        ("text\n\n\N{EM DASH} ada\n".encode(), "has no signature"),
        ("text\n\n\N{EM DASH} ada aGFzaHN=\n".encode(), "not canonical base64"),
        ("text\n\n\N{EM DASH} ada aGFzaHM\n".encode(), "not base64"),
        (b"text\n\n- ada aGFzaHM=\n", "not a signature"),
        (f"text\n\n{GOOD * 101}".encode(), "more than 100 signature lines"),
        (f"text\n\n{GOOD * 10_000}".encode(), "more than 100 signature lines"),
        (b"x" * (1 << 20) + f"\n\n{GOOD}".encode(), "at most 1048576"),
    ],
)
def test_refuses(data: bytes, why: str) -> None:
    """A note in any other than its one spelling is refused, and the reason is said."""
    with pytest.raises(FormatError, match=why):
        note.load(data)


def test_hundred_signatures() -> None:
    """A hundred signature lines are still read; the specification asks for at least sixteen."""
    assert len(note.load(f"text\n\n{GOOD * 100}".encode()).signatures) == 100


def test_signs_and_verifies(signer: Signer) -> None:
    """A signed text is verified by its key, and by no other key of the same name."""
    other = Signer.generate("ada")
    signed = note.load(notes.sign("a text\n\nin two parts\n", signer))
    assert signed.text == "a text\n\nin two parts\n"
    assert notes.verified(signed, [other.key, signer.key]) == (signer.key,)
    assert notes.verified(signed, [other.key]) == ()


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "two\r\n", "\ud800\n"])
def test_does_not_sign(text: str, signer: Signer) -> None:
    """A text that cannot stand in a note is not signed."""
    with pytest.raises((FormatError, UnicodeEncodeError)):
        notes.sign(text, signer)


def test_known_key_must_be_right(signer: Signer) -> None:
    """A line with a known name and hash that does not verify spoils the note; it is not unknown."""
    data = notes.sign("a text\n", signer).replace(b"a text", b"a test")
    with pytest.raises(FormatError, match="not what this key signed"):
        notes.verified(note.load(data), [signer.key])


def test_cosignature(signer: Signer) -> None:
    """A witness's line (type 0x04) signs its own time and the text together."""
    witness = VerifierKey("witness", vkey.COSIGNATURE, signer.key.public)
    text = "origin\n1\nroot\n"
    signature = signer.sign(b"cosignature/v1\ntime 1679315147\n" + text.encode())
    stamped = (1679315147).to_bytes(8, "big") + signature
    line = NoteSignature("witness", witness.key_hash(), stamped)
    assert notes.cosigned_at(line) == 1679315147
    assert notes.verified(SignedNote(text, (line,)), [witness]) == (witness,)
    later = NoteSignature("witness", witness.key_hash(), bytes(8) + signature)
    with pytest.raises(FormatError):
        notes.verified(SignedNote(text, (later,)), [witness])


@pytest.mark.parametrize("signature", [b"", bytes(8), b"\xff" * 72])
def test_cosignature_refused(signature: bytes) -> None:
    """A cosignature without room for a signature, or of a time past 2**63, is refused."""
    with pytest.raises(FormatError):
        notes.cosigned_at(NoteSignature("witness", bytes(4), signature))
