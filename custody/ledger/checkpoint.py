"""Checkpoints (C2SP tlog-checkpoint): what a log says of itself, the text under its signature."""

from __future__ import annotations

from dataclasses import dataclass

from custody.errors import FormatError
from custody.formats import note, strict
from custody.formats.note import SignedNote
from custody.ledger.merkle import HASH_BYTES

_DOING = "read checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    :ivar origin: the log's name.
    :ivar size: how many entries the tree has, below 2**63.
    :ivar root: the 32 bytes of the tree's root hash.
    :ivar extensions: further lines; our own logs have none, and no auditor checks them.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def load(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint, strictly: what it returns prints the same again.

    :raises FormatError: if there are fewer than three lines, an empty line, a size that is not a
        plain decimal below 2**63, or a root that is not 32 bytes in canonical base64.
    """
    if not text.endswith("\n"):
        raise FormatError(_DOING, None, "the final newline is missing")
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise FormatError(_DOING, None, "it has fewer than three lines")
    if not all(lines):
        raise FormatError(_DOING, None, "it has an empty line")
    origin, size, root, *extensions = lines
    return Checkpoint(
        origin,
        strict.decimal(size, _DOING, "size"),
        strict.base64_bytes(root, _DOING, "root", length=HASH_BYTES),
        tuple(extensions),
    )


def dump(checkpoint: Checkpoint) -> str:
    """Print *checkpoint* as a note's text.

    :raises FormatError: if :func:`load` would not read the very same checkpoint back.
    """
    root = strict.base64_text(checkpoint.root)
    lines = [checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions]
    text = "".join(f"{line}\n" for line in lines)
    if load(text) != checkpoint:
        raise FormatError("write checkpoint", None, "a line of it holds a newline")
    return text


def load_signed(data: bytes) -> tuple[SignedNote, Checkpoint]:
    """Read a checkpoint file: the note and what its text says, no signature checked yet.

    :raises FormatError: if either is not in its strict form.
    """
    signed = note.load(data)
    return signed, load(signed.text)
