"""The calls that make something durable, and what is said when one of them fails."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from custody.errors import StorageError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100


def storage_error(doing: str, path: object, err: OSError) -> StorageError:
    """Say in a responder's words why a write failed."""
    words = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EROFS: "the file system is read-only",
        errno.EFBIG: "the file is too large for this file system",
        errno.EACCES: "permission denied",
        errno.EPERM: "not permitted",
    }
    why = words.get(err.errno or 0, err.strerror or str(err))
    return StorageError(doing, path, why)


@contextmanager
def without_modes() -> Iterator[None]:
    """Let a file system without modes (FAT, some FUSE) refuse one; the caller judges that."""
    try:
        yield
    except OSError as err:
        if err.errno not in (errno.EPERM, errno.ENOSYS, errno.ENOTSUP):
            raise


@contextmanager
def private_umask() -> Iterator[None]:
    """Make every file and directory created inside private, also by other threads."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte of *data*, however many calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    """Make the names in *path* durable."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    except OSError as err:  # some network and FUSE file systems cannot sync a directory
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def sync_file_system(fd: int) -> None:
    """Make everything written so far on the file system of *fd* durable: one call, not one a file.

    :raises OSError: if the system reports that a write was lost (Linux 5.8 and newer do).
    """
    syncfs = getattr(_libc(), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    if syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def sync_file(fd: int) -> None:
    """Make one open file's content durable."""
    os.fsync(fd)


def _libc() -> ctypes.CDLL | None:
    if os.name != "posix":
        return None
    return ctypes.CDLL(None, use_errno=True)


def rename_new(staged: Path, final: Path) -> None:
    """``renameat2(RENAME_NOREPLACE)``, or a look and a rename where the system lacks it."""
    renameat2 = getattr(_libc(), "renameat2", None)
    if renameat2 is not None:
        result = renameat2(
            _AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(final), _RENAME_NOREPLACE
        )
        if result == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(final))
    if os.path.lexists(final):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    os.rename(staged, final)
