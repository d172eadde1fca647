"""Signed notes (C2SP signed-note): a text, an empty line, and one line per signature.

Only the format lives here; who signed is found by :mod:`custody.identity.notes`.  Lines by keys
that nobody here knows are kept as they are, because a log may change its key and witnesses may
add theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from custody.errors import FormatError
from custody.formats import strict, vkey
from custody.formats.vkey import VerifierKey

LARGEST_NOTE = 1 << 20
MOST_SIGNATURES = 100
_HASH_BYTES = 4
_DASH = "\N{EM DASH} "
_DOING = "read signed note"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line.

    :ivar name: the key's name.
    :ivar key_hash: the four bytes that, with the name, identify the key.
    :ivar signature: what the key made: 64 bytes for type 0x01; for type 0x04 (tlog-cosignature)
        8 bytes of POSIX time, big-endian, and then 64.
    """

    name: str
    key_hash: bytes
    signature: bytes

    def is_from(self, key: VerifierKey) -> bool:
        """Whether this line claims to be by *key*; the claim is still to be checked."""
        return self.name == key.name and self.key_hash == key.key_hash()


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text that ends in a newline, and its signature lines in the order of the file."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def signed_bytes(self) -> bytes:
        """The exact bytes under a type 0x01 signature: the text with its last newline."""
        return self.text.encode()

    def lines_from(self, keys: Iterable[VerifierKey]) -> list[tuple[VerifierKey, NoteSignature]]:
        """The signature lines that claim to be by one of *keys*, with that key."""
        known = list(keys)
        return [(key, line) for line in self.signatures for key in known if line.is_from(key)]


def load(data: bytes) -> SignedNote:
    """Read a signed note strictly: what it returns prints the same again.

    :raises FormatError: if it is over 1 MiB, not UTF-8, has a control character other than
        newline, no or more than 100 signature lines, anything after them, or base64 in another
        than the canonical spelling.
    """
    whole = strict.utf8(data, _DOING, LARGEST_NOTE)
    found = _CONTROL.search(whole)
    if found:
        raise FormatError(_DOING, None, f"control character {ord(found.group()):#04x}")
    # The last empty line divides: the text may have empty lines of its own.
    text, divider, block = whole.rpartition("\n\n")
    if not divider:
        raise FormatError(_DOING, None, "no empty line before the signatures")
    if not block.endswith("\n"):
        raise FormatError(_DOING, None, "no signature line, or its newline is missing")
    lines = block[:-1].split("\n", MOST_SIGNATURES)
    if len(lines) > MOST_SIGNATURES:
        raise FormatError(_DOING, None, f"more than {MOST_SIGNATURES} signature lines")
    return SignedNote(text + "\n", tuple(_signature(line) for line in lines))


def dump(note: SignedNote) -> bytes:
    """Print *note*.

    :raises FormatError: if :func:`load` would not read the very same note back.
    """
    lines = [_line(item) for item in note.signatures]
    try:
        data = f"{note.text}\n{''.join(lines)}".encode()
    except UnicodeEncodeError as err:
        raise FormatError("write signed note", None, "not valid Unicode") from err
    if load(data) != note:
        raise FormatError("write signed note", None, "the text does not end in a newline")
    return data


def signature_lines(signatures: Iterable[NoteSignature]) -> bytes:
    """Print signature lines alone, as a witness sends them."""
    return "".join(_line(item) for item in signatures).encode()


def _signature(line: str) -> NoteSignature:
    if not line.startswith(_DASH):
        raise FormatError(_DOING, None, "a line among the signatures is not a signature")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    if not space:
        raise FormatError(_DOING, None, "a signature line has no signature")
    vkey.check_name(name)
    data = strict.base64_bytes(encoded, _DOING, name)
    if len(data) <= _HASH_BYTES:
        raise FormatError(_DOING, name, "the signature is too short")
    return NoteSignature(name, data[:_HASH_BYTES], data[_HASH_BYTES:])


def _line(item: NoteSignature) -> str:
    return f"{_DASH}{item.name} {strict.base64_text(item.key_hash + item.signature)}\n"
