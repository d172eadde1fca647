"""What is sent to a witness (C2SP tlog-witness): the size it saw last, a proof, a checkpoint.

old <size>
<hash in base64>               at most 63 lines; none from size 0
                               an empty line
<the checkpoint, a signed note>
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.errors import FormatError
from custody.formats import note, strict

LARGEST_REQUEST = note.LARGEST_NOTE + 4096
_MOST_HASHES = 63
_DOING = "read witness request"


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint to be cosigned, and the proof that it goes on from size *old*."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def load(data: bytes) -> Request:
    """Read a request strictly: what it returns prints the same again.

    :raises FormatError: if it is not in the form at the top of this module; the checkpoint is
        not looked into.
    """
    head, divider, tail = strict.utf8(data, _DOING, LARGEST_REQUEST).partition("\n\n")
    if not divider or not tail:
        raise FormatError(_DOING, None, "it has no checkpoint")
    first, *lines = head.split("\n")
    if not first.startswith("old "):
        raise FormatError(_DOING, "old", "the line is missing")
    if len(lines) > _MOST_HASHES:
        raise FormatError(_DOING, None, f"more than {_MOST_HASHES} hashes")
    return Request(
        strict.decimal(first.removeprefix("old "), _DOING, "old"),
        tuple(strict.base64_bytes(line, _DOING, "hash", length=32) for line in lines),
        tail.encode(),
    )


def dump(request: Request) -> bytes:
    """Print a request.

    :raises FormatError: if :func:`load` would not read the very same request back.
    """
    lines = [f"old {request.old}", *(strict.base64_text(item) for item in request.hashes)]
    data = "\n".join(lines).encode() + b"\n\n" + request.checkpoint
    if load(data) != request:
        raise FormatError("write witness request", None, "it would not read back the same")
    return data
