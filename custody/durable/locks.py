"""Locks, so that one process writes at a time."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from custody.durable.basics import PRIVATE_FILE, storage_error
from custody.errors import LockedError, StorageError

try:  # Windows and others without flock can verify, not write
    import fcntl
except ImportError:  # pragma: no cover - exercised on Windows only
    fcntl = None  # type: ignore[assignment]

_LOCK_POLL_SECONDS = (0.001, 0.02)  # at first, and at most


@contextmanager
def lock(path: Path, *, wait_seconds: float) -> Iterator[None]:
    """Hold the writer's lock: an flock on a file that is made once and never renamed.

    The holder's process id stands in the file while it is held, so that others can name it;
    the file is empty otherwise.

    :param wait_seconds: how long to wait for another holder; 0 asks once.
    :raises LockedError: if another process still holds it after that.
    :raises StorageError: if it cannot be opened, or is no regular file.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    except OSError as err:
        raise storage_error("lock", path, err) from err
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StorageError("lock", path, "it is not a regular file; nothing was written")
        _take(fd, path, wait_seconds)
        with suppress(OSError):  # a full disk: the lock is held all the same, without a name
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        try:
            yield
        finally:
            with suppress(OSError):  # what was done under it is done
                os.ftruncate(fd, 0)
    finally:
        os.close(fd)


@contextmanager
def lock_directory(path: Path) -> Iterator[None]:
    """Hold a directory against others who would work in it, without leaving a file there.

    Where the file system has no such lock, nobody is held off.

    :raises LockedError: if another process holds it, or has moved it away since.
    :raises StorageError: if it cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as err:
        raise storage_error("lock", path, err) from err
    try:
        lock_open(fd, path)
        try:
            there = os.stat(path, follow_symlinks=False)
        except FileNotFoundError as err:
            raise _held(path) from err
        if not os.path.samestat(os.fstat(fd), there):
            raise _held(path)
        yield
    finally:
        os.close(fd)


def lock_open(fd: int, path: Path) -> None:
    """Hold what is open, until it is closed, where the file system has such a lock.

    :raises LockedError: if another process holds it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        raise _held(path) from err
    except OSError:  # some network and FUSE file systems have none
        return


def _held(path: Path) -> LockedError:
    why, hint = "another process is at work in it", "wait for it to finish and try again"
    return LockedError("lock", path, why, hint=hint)


def _take(fd: int, path: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    pause, longest = _LOCK_POLL_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            if time.monotonic() >= deadline:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise LockedError(
                    "lock",
                    path.parent,
                    f"process {holder} is writing to it",
                    hint="wait for it to finish and try again",
                ) from err
            time.sleep(pause)
            pause = min(2 * pause, longest)
        else:
            return
