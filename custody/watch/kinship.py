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
from typing import IO, Any

from custody.watch.followed import READ, Followed
from custody.watch.prefix import changed

_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b".gz": gzip.open,
    b".bz2": bz2.open,
    b".xz": lzma.open,
}
SUFFIXES = tuple(_OPENERS)


def copied_from(fd: int, size: int, known: Iterable[Followed]) -> Followed | None:
    """The content whose known bytes are the first of the open file *fd*; the longest of them."""
    fit = [item for item in known if item.whole is not None and 0 < item.end <= size]
    for item in sorted(fit, key=lambda item: item.end, reverse=True):
        heads = [] if item.samples.head is None else [item.samples.head]
        try:
            if changed(fd, heads) is None and digest_of(fd, item.end).digest() == item.digest():
                return item
        except OSError:
            return None
    return None


def compressed_from(path: bytes, fd: int, known: Iterable[Followed]) -> Followed | None:
    """The content that the open file *fd* holds in compressed form, whole and nothing else.

    No more than the longest content is ever unpacked.
    """
    opener = _OPENERS.get(path[path.rfind(b".") :])
    items = [item for item in known if item.whole is not None and item.end and not item.behind]
    if opener is None or not items:
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
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        return None  # not finished yet, or not what its name says
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
    digest, offset = hashlib.sha256(), 0
    while offset < length and (data := os.pread(fd, min(READ, length - offset), offset)):
        digest.update(data)
        offset += len(data)
    return digest
