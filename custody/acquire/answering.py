"""Whether who answers for a file system answers at all, asked before anything of it is touched.

A dead server, or a program that stands still behind a FUSE mount, blocks whoever looks, for ever
and without a way back.  So a source that such a mount may stand before is first looked at in a
process apart, which can be left behind.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from custody.acquire import apart, mounts
from custody.acquire.globs import MAGIC
from custody.acquire.mounts import Mount

SECONDS = 20.0


def silent(requests: Iterable[str], all_mounts: Mapping[bytes, Mount]) -> dict[str, bytes]:
    """The sources of this host behind a mount that does not answer, each with what to keep out of.

    That is the mount's own point, or the link by which the source leads somewhere.
    """
    found: dict[str, bytes] = {}
    if not any(mounts.may_hang(one.kind) for one in all_mounts.values()):
        return found
    answers: dict[bytes, bool] = {}
    for request in requests:
        path = _beginning(request)
        before = _barrier(path, all_mounts)
        if before is None:
            continue
        if before not in answers:
            answers[before] = _answers(path)
        if not answers[before]:
            found[request] = before
    return found


def refused() -> OSError:
    """The error that is recorded of what was kept out of."""
    return OSError(
        errno.ETIMEDOUT, f"no answer within {SECONDS:g} seconds; nothing below it was looked at"
    )


def _beginning(request: str) -> bytes:
    """The absolute path of a source, of a glob the directory before its first pattern."""
    found = MAGIC.search(request)
    return os.path.abspath(os.fsencode(request[: found.start()] if found else request))


def _barrier(path: bytes, all_mounts: Mapping[bytes, Mount]) -> bytes | None:
    """The first thing on the way to *path* that may lead to where nobody answers."""
    here = b""
    for name in path.split(b"/")[1:]:
        here += b"/" + name
        mount = all_mounts.get(here)
        if (mount is not None and mounts.may_hang(mount.kind)) or os.path.islink(here):
            return here
    return None


def _answers(path: bytes) -> bool:
    error = apart.read(partial(_look, path), SECONDS, 1).error
    return error is None or error.errno != errno.ETIMEDOUT


def _look(path: bytes) -> Iterator[bytes]:
    """What a collection does first; it gives nothing."""
    os.statvfs(path)
    if os.path.isdir(path):
        fd = _open(path)
        try:
            with os.scandir(fd) as entries:
                next(entries, None)
        finally:
            os.close(fd)
    yield b""


def _open(path: bytes) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # only the owner and root may ask for O_NOATIME
        return os.open(path, flags)
