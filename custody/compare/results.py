"""What a comparison finds, pair by pair: the statuses, and one result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

IDENTICAL, GROWN, TRUNCATED, MODIFIED = "identical", "grown", "truncated", "modified"
MISSING, EXTRA, MOVED, METADATA = "missing", "extra", "moved", "metadata"
STATUSES = (IDENTICAL, METADATA, MOVED, GROWN, TRUNCATED, MODIFIED, MISSING, EXTRA)
NOT_COMPARED = "not compared"
ONLY_COPY, ONLY_ORIGINAL = "only in the copy", "only in the original"

PERHAPS_CUT = "it was last written to no later than the copy, which may be incomplete"
"""Said of an original that goes on after the copy, and should not: nothing was added to it."""


class Result(NamedTuple):
    """What one pair came to, or what one side has alone.

    :ivar key: where it stands in the walk.
    :ivar status: one of :data:`STATUSES`, or of the three that are not final.
    :ivar size: bytes that were read, or that the one side has.
    :ivar kind: of what stands on one side alone.
    :ivar copy_at: where the copy's entry is found again; so with *original_at*.
    :ivar copy_sha256: of a file's content, hex, where digests were wanted.
    :ivar stamp: what would change if one of the two did.
    """

    key: bytes
    raw: bytes
    status: str
    detail: str = ""
    size: int = 0
    kind: str = ""
    copy_at: str = ""
    original_at: str = ""
    copy_sha256: str = ""
    original_sha256: str = ""
    stamp: str = ""


class Tally(NamedTuple):
    """Some identical pairs that nobody wants to hear of one by one: how many, and their bytes.

    :ivar key: of the last one.
    """

    key: bytes
    files: int
    size: int


_WORDS = {"modified": "modification time", "xattrs": "extended attributes"}


def named(fields: Sequence[str]) -> str:
    """The metadata that differ, in words; empty where none do."""
    return "differs in " + ", ".join(_WORDS.get(name, name) for name in fields) if fields else ""


def differing(copy: dict[str, object], original: dict[str, object]) -> list[str]:
    """The names of the metadata that both sides know and that differ."""
    if copy == original:
        return []
    return [name for name in copy if name in original and copy[name] != original[name]]
