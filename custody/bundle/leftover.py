"""What interrupted collections left in ``incoming/``, taken over where it is the source's still.

It is never trusted, whoever wrote it: no record of the interrupted run is read.  A large file of
the same name and size is hashed, the source is read and hashed as always, and only where both are
the same the file is moved into the new bundle instead of being written again.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from custody import durable, reading
from custody.bundle import layout
from custody.bundle.payload import Payload
from custody.errors import CustodyError, LockedError, StorageError
from custody.identity import protection
from custody.pump import CHUNK, Copied

_DRAFT = re.compile(r"[0-9]{8}T[0-9]{6}Z-[A-Za-z0-9-]+-[0-9a-f]{6}\Z")


class Leftovers:
    """The drafts of interrupted runs, held against others; use it as a context manager.

    :param incoming: where they lie, a directory that nobody else can write to.
    :param draft: the new bundle's directory.
    :param payload: makes its directories.
    :ivar used: the names of those that something was taken from.
    """

    def __init__(self, incoming: Path, draft: Path, payload: Payload) -> None:
        self._draft = draft
        self._payload = payload
        self._held = ExitStack()
        self._roots: list[Path] = []
        self.files = self.bytes = 0
        self.used: list[str] = []
        for root in _drafts(incoming):
            if root != draft:
                self._hold(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _hold(self, root: Path) -> None:
        try:
            self._held.enter_context(durable.lock_directory(root))
        except LockedError:  # it is not interrupted: another process is at work there
            return
        self._roots.append(root)

    def adopt(self, name: str, size: int, read: Callable[[], Copied]) -> Copied | None:
        """Move a payload file of an interrupted run into the new bundle, if it is the source's.

        :param read: reads the source, and says what it is.
        :returns: what *read* said; None if there is no such file, or it is another one.
        :raises StorageError: if it cannot be moved.
        """
        source: Copied | None = None
        for root in self._roots:
            if not _is_there(root, name, size):
                continue
            source = source or read()
            if source.error is not None or source.length != size:
                return None
            if _digest(root, name, size) == source.sha256:
                self._move(root, name, size)
                return source
        return None

    def _move(self, root: Path, name: str, size: int) -> None:
        there = (root / name).lstat()
        self._payload.make_directories(name)
        durable.publish(root / name, self._draft / name)
        if not os.path.samestat(there, (self._draft / name).lstat()):
            raise StorageError("take over", name, "another file stands there now")
        self.files += 1
        self.bytes += size
        if root.name not in self.used:
            self.used.append(root.name)


def amount(incoming: Path) -> int:
    """How many bytes might be taken over, at most, and so need no room."""
    total = 0
    for root in _drafts(incoming):
        payload = root / layout.PAYLOAD
        if payload.is_symlink():  # it leads out: nothing can be taken over from there
            continue
        for above, _, files in os.walk(payload):
            for name in files:
                with suppress(OSError):  # gone meanwhile
                    one = os.lstat(os.path.join(above, name))
                    total += one.st_blocks * 512 if one.st_size > CHUNK else 0
    return total


def _drafts(incoming: Path) -> Iterator[Path]:
    """Unfinished bundles, the newest first; a sealed one is somebody's to publish."""
    try:
        found = sorted((path for path in incoming.iterdir()), reverse=True)
    except OSError:
        return
    for path in found:
        if not _DRAFT.match(path.name) or path.is_symlink() or not path.is_dir():
            continue
        if not os.path.lexists(path / layout.STATEMENT):
            yield path


def _is_there(root: Path, name: str, size: int) -> bool:
    """Whether a file is there that is ours alone, at its whole length."""
    try:
        with reading.open_beneath(root, name) as fd:
            status = os.fstat(fd)
    except CustodyError:
        return False
    if status.st_size != size:
        return False
    if protection.has_no_modes(status):
        return True
    shared = stat.S_IMODE(status.st_mode) & 0o077
    return status.st_nlink == 1 and status.st_uid == os.geteuid() and not shared


def _digest(root: Path, name: str, size: int) -> str:
    """The digest of a file; empty if it cannot be read."""
    try:
        with reading.open_beneath(root, name) as fd, os.fdopen(os.dup(fd), "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return digest if os.fstat(fd).st_size == size else ""
    except (CustodyError, OSError):
        return ""
