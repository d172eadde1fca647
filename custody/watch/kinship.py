"""Whether a new file is a copy of a known content, as rotation makes them.

``copytruncate`` copies a log and truncates it; the copy then goes on where our knowledge of the
log ended, and has what was written in between.  Compression after rotation makes a new file with
nothing new in it.  Neither is collected twice.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from custody.watch.followed import READ, Followed
from custody.watch.prefix import BLOCK, Sample

_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b".gz": gzip.open,
    b".bz2": bz2.open,
    b".xz": lzma.open,
}
SUFFIXES = tuple(_OPENERS)


@dataclass(slots=True)
class Neighbours:
    """The contents of one directory: all of them, by their first bytes, and by their paths.

    Many new files can come at once to a directory that has many already.
    """

    every: list[Followed] = field(default_factory=list)
    by_head: dict[Sample | None, list[Followed]] = field(default_factory=dict)
    by_path: dict[bytes, Followed] = field(default_factory=dict)


def neighbours(contents: Iterable[Followed]) -> dict[bytes, Neighbours]:
    """Every content, by its directory."""
    found: dict[bytes, Neighbours] = {}
    for item in contents:
        near = found.setdefault(item.directory, Neighbours())
        near.every.append(item)
        near.by_head.setdefault(item.samples.head, []).append(item)
        near.by_path[item.path] = item
    return found


def copied_from(fd: int, size: int, near: Neighbours) -> Followed | None:
    """The content whose known bytes are the first of the open file *fd*; the longest of them."""
    digest, offset, longest = hashlib.sha256(), 0, None
    try:
        likely = [
            item
            for item in _beginning_alike(fd, near)
            if item.whole is not None and 0 < item.end <= size
        ]
        for item in sorted(likely, key=lambda item: item.end):  # one reading serves them all
            offset = _take_in(digest, fd, offset, item.end)
            if digest.digest() == item.digest():
                longest = item
    except OSError:
        return None
    return longest


def _beginning_alike(fd: int, near: Neighbours) -> list[Followed]:
    """Those whose first bytes the open file has, and those whose first bytes nobody knows."""
    first = os.pread(fd, BLOCK, 0)
    found = list(near.by_head.get(None, ()))
    for length in {head.length for head in near.by_head if head is not None}:
        head = Sample(0, length, hashlib.sha256(first[:length]).digest())
        found += near.by_head.get(head, ())
    return found


def unfinished_copy(path: bytes, fd: int, size: int, near: Neighbours) -> Followed | None:
    """The content that the open file *fd* may be a copy of which is not all written yet.

    Its first and its last bytes are those of the content; where it has none, its name goes on from
    that of the content's file.
    """
    try:
        if size:
            likely = [one for one in _beginning_alike(fd, near) if _is_part(fd, size, one)]
        else:
            shorter = (path[:length] for length in range(path.rfind(b"/") + 2, len(path)))
            likely = [near.by_path[one] for one in shorter if one in near.by_path]
    except OSError:
        return None
    return next((item for item in likely if not item.ended and size < item.end), None)


def _is_part(fd: int, size: int, item: Followed) -> bool:
    """Whether the *size* bytes of an open file end as they would in *item*."""
    if item.fd is None:
        return item.samples.head is not None
    start = max(0, size - BLOCK)
    return os.pread(fd, size - start, start) == os.pread(item.fd, size - start, start)


def compressed_from(path: bytes, fd: int, known: Iterable[Followed]) -> Followed | None:
    """The content that the open file *fd* holds in compressed form, whole and nothing else.

    No more than the longest content is ever unpacked.
    """
    opener = _OPENERS.get(path[path.rfind(b".") :])
    if opener is None:
        return None
    items = [item for item in known if item.whole is not None and item.end and not item.behind]
    if not items:
        return None
    longest = max(item.end for item in items)
    digest, length = hashlib.sha256(), 0
    try:
        with os.fdopen(os.dup(fd), "rb") as raw:
            raw.seek(0)
            with opener(raw) as plain:
                while length <= longest and (data := plain.read(READ)):
                    digest.update(data)
                    length += len(data)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, MemoryError):
        return None  # not finished yet, not what its name says, or made to need all there is
    return next(
        (item for item in items if item.end == length and item.digest() == digest.digest()),
        None,
    )


def looks_rotated(path: bytes, known: Followed) -> bool:
    """Whether *path* is named as rotation names what was at *known*'s path."""
    stem = known.path.rpartition(b"/")[2].partition(b".")[0]
    return bool(stem) and path.rpartition(b"/")[2].startswith(stem)


def digest_of(fd: int, length: int) -> Any:
    """The running SHA-256 of the first *length* bytes of an open file, or of as many as it has.

    :raises OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    _take_in(digest, fd, 0, length)
    return digest


def _take_in(digest: Any, fd: int, offset: int, end: int) -> int:
    """Add the bytes from *offset* to *end*, as far as there are any; returns where that ended."""
    while offset < end and (data := os.pread(fd, min(READ, end - offset), offset)):
        digest.update(data)
        offset += len(data)
    return offset
