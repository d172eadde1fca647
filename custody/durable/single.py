"""One file put in place, or one finished directory given its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from custody.durable.basics import (
    PRIVATE_FILE,
    rename_new,
    storage_error,
    sync_directory,
    without_modes,
    write_all,
)
from custody.errors import ExistsError, StorageError

_NO_LINK = (errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP)  # no /proc, no links
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)


def create(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet; it appears whole or not at all.

    A failed attempt leaves no file behind.  A crash may leave ``<name>.new`` where the file
    system has no nameless files (NFS, FAT); the next attempt overwrites it.

    :raises ExistsError: if something stands at *path*.
    :raises StorageError: if it could not be written durably.
    """
    try:
        if not _create_nameless(path, data):
            _create_staged(path, data)
        sync_directory(path.parent)
    except FileExistsError as err:
        raise ExistsError("create", path, "it exists already; nothing was overwritten") from err
    except OSError as err:
        raise storage_error("create", path, err) from err


def _create_nameless(path: Path, data: bytes) -> bool:
    """Write a file that has no name, and then give it one; False where that cannot be done."""
    try:
        fd = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_FILE)
    except (OSError, AttributeError) as err:
        if isinstance(err, OSError) and err.errno not in _NO_NAMELESS:
            raise
        return False
    try:
        with without_modes():
            os.fchmod(fd, PRIVATE_FILE)
        write_all(fd, data)
        os.fsync(fd)
        # A directory's descriptor, unused here, makes Python call linkat and follow the link.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    except OSError as err:
        if err.errno not in _NO_LINK:
            raise
        return False
    finally:
        os.close(fd)
    return True


def _create_staged(path: Path, data: bytes) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    staged = path.with_name(path.name + ".new")
    _write_new(staged, data, os.O_TRUNC)
    try:
        rename_new(staged, path)
    except OSError:
        with suppress(OSError):
            os.unlink(staged)
        raise


def create_from(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that must not exist yet from pieces as they come; it appears whole or not.

    Whatever *pieces* raises is passed on, and nothing is left behind but after a crash.

    :raises ExistsError: if something stands at *path*, or at ``<name>.new``.
    :raises StorageError: if it could not be written durably.
    """
    staged = path.with_name(path.name + ".new")
    taken = next((name for name in (path, staged) if os.path.lexists(name)), None)
    if taken is not None:
        raise ExistsError("create", taken, "it exists already; nothing was overwritten")
    try:
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as err:
        raise storage_error("create", path, err) from err
    try:
        try:
            for piece in pieces:
                write_all(fd, piece)
            os.fsync(fd)
        finally:
            os.close(fd)
        rename_new(staged, path)
        sync_directory(path.parent)
    except BaseException as err:
        with suppress(OSError):
            os.unlink(staged)
        if isinstance(err, FileExistsError):
            raise ExistsError("create", path, "it exists already; nothing was overwritten") from err
        if isinstance(err, OSError) and not isinstance(err, StorageError):
            raise storage_error("create", path, err) from err
        raise


def create_or_equal(path: Path, data: bytes) -> None:
    """Write a file that may exist already with exactly these bytes.

    :raises ExistsError: if it exists with other bytes.
    :raises StorageError: if it could not be written durably.
    """
    try:
        create(path, data)
    except ExistsError:
        if path.is_symlink() or path.read_bytes() != data:
            raise


def replace(path: Path, data: bytes, staging: Path | None = None) -> None:
    """Put *data* at *path* in one step: readers see the old bytes or the new ones.

    Callers hold a lock: the staging name ``<name>.new`` is fixed, so a crashed attempt leaves
    one file that the next attempt overwrites.

    :param staging: where that file is made, on the same file system; else beside *path*.
    :raises StorageError: if it could not be written durably; *path* is then unchanged, or
        changed and perhaps not durable.
    """
    staged = (staging or path.parent) / (path.name + ".new")
    try:
        _write_new(staged, data, os.O_TRUNC)
        os.replace(staged, path)
        sync_directory(path.parent)
    except OSError as err:
        raise storage_error("write", path, err) from err


def _write_new(path: Path, data: bytes, flags: int) -> None:
    flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, PRIVATE_FILE)
    try:
        with without_modes():
            os.fchmod(fd, PRIVATE_FILE)
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)


def publish(staged: Path, final: Path) -> None:
    """Move a finished directory or file to its final name, never onto something else.

    The content must be synced already (:func:`sync_file_system`).

    :raises ExistsError: if something stands at *final*.
    :raises StorageError: if the move failed.
    """
    try:
        rename_new(staged, final)
        sync_directory(final.parent)
        with suppress(FileNotFoundError):  # another, that published too, took it away: it was empty
            sync_directory(staged.parent)
    except FileExistsError as err:
        raise ExistsError("publish", final, "it exists already; nothing was overwritten") from err
    except OSError as err:
        raise storage_error("publish", final, err) from err
