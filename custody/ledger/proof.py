"""Receipts on disk (C2SP tlog-proof): an inclusion proof and the checkpoint it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from custody.errors import FormatError
from custody.formats import note, strict

HEADER = "c2sp.org/tlog-proof@v1"
LARGEST_PROOF = note.LARGEST_NOTE + (1 << 17)
_MOST_HASHES = 63
_DOING = "read receipt"


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof with its checkpoint.

    :ivar index: the entry's number in the log, from 0.
    :ivar hashes: the path, from the leaf's sibling to the root's child.
    :ivar checkpoint: the checkpoint's file, byte for byte; not looked into here.
    :ivar extra: bytes of the application's own, which nothing authenticates.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


def load(data: bytes) -> Proof:
    """Read a receipt strictly: what it returns prints the same again.

    :raises FormatError: if it is too long, has an unknown header, misses its index, or has a
        hash that is not 32 bytes in canonical base64.
    """
    head, divider, tail = strict.utf8(data, _DOING, LARGEST_PROOF).partition("\n\n")
    if not divider or not tail:
        raise FormatError(_DOING, None, "it has no checkpoint")
    lines = head.split("\n")
    if lines.pop(0) != HEADER:
        raise FormatError(_DOING, None, f"its first line is not {HEADER}")
    extra = _extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else b""
    if not lines or not lines[0].startswith("index "):
        raise FormatError(_DOING, "index", "the line is missing")
    index = strict.decimal(lines.pop(0).removeprefix("index "), _DOING, "index")
    if len(lines) > _MOST_HASHES:
        raise FormatError(_DOING, None, "it has more hashes than any tree is high")
    hashes = (strict.base64_bytes(line, _DOING, "hash", length=32) for line in lines)
    return Proof(index, tuple(hashes), tail.encode(), extra)


def dump(proof: Proof) -> bytes:
    """Print a receipt.

    :raises FormatError: if :func:`load` would not read the very same proof back.
    """
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {strict.base64_text(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += [strict.base64_text(item) for item in proof.hashes]
    data = "\n".join(lines).encode() + b"\n\n" + proof.checkpoint
    if load(data) != proof:
        raise FormatError("write receipt", None, "it would not read back the same")
    return data


def _extra(line: str) -> bytes:
    data = strict.base64_bytes(line.removeprefix("extra "), _DOING, "extra")
    if not data:
        raise FormatError(_DOING, "extra", "the line is there and empty")
    return data
