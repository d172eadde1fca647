"""The only place that syncs, renames and locks.

Three write verbs, each durable when it returns: :func:`create` (must not exist),
:func:`create_or_equal` (may exist with the same bytes) and :func:`replace`.  The order of system
calls is always: write, fsync file, rename or link, fsync directory.  Private as a secret:
directories 0700, files 0600, whatever the umask.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

from custody.errors import ExistsError, LockedError, StorageError

try:  # Windows and others without flock can verify, not write
    import fcntl
except ImportError:  # pragma: no cover - exercised on Windows only
    fcntl = None  # type: ignore[assignment]

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_LOCK_POLL_SECONDS = (0.001, 0.02)  # at first, and at most
_OPEN_AT_ONCE = 64
_NO_LINK = (errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP)  # no /proc, no links
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)


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
def _without_modes() -> Iterator[None]:
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


def _write_new(path: Path, data: bytes, flags: int) -> None:
    flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, PRIVATE_FILE)
    try:
        with _without_modes():
            os.fchmod(fd, PRIVATE_FILE)
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)


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
        with _without_modes():
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
        _rename_new(staged, path)
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
        _rename_new(staged, path)
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


def make_directory(path: Path) -> None:
    """Make one private directory that must not exist yet, durably.

    :raises ExistsError: if something stands at *path*.
    :raises StorageError: if it could not be made.
    """
    try:
        path.mkdir(PRIVATE_DIRECTORY)
        with _without_modes():
            path.chmod(PRIVATE_DIRECTORY)
        sync_directory(path.parent)
    except FileExistsError as err:
        raise ExistsError("create directory", path, "it exists already") from err
    except OSError as err:
        raise storage_error("create directory", path, err) from err


def ensure_directory(path: Path) -> None:
    """Make a private directory and its missing parents; an existing directory is left as it is."""
    try:
        if path.is_dir():
            return
    except OSError as err:  # pathlib lets a directory that may not be passed through
        raise storage_error("create directory", path, err) from err
    ensure_directory(path.parent)
    try:
        make_directory(path)
    except ExistsError:
        if not path.is_dir():
            raise


def ensure_private_directory(path: Path) -> None:
    """The same, and nobody but the owner has access to *path* from now on.

    :raises StorageError: if that cannot be had, on a file system that knows modes.
    """
    ensure_directory(path)
    try:
        with _without_modes():
            path.chmod(PRIVATE_DIRECTORY)
    except OSError as err:
        raise storage_error("make private", path, err) from err


def publish(staged: Path, final: Path) -> None:
    """Move a finished directory or file to its final name, never onto something else.

    The content must be synced already (:func:`sync_file_system`).

    :raises ExistsError: if something stands at *final*.
    :raises StorageError: if the move failed.
    """
    try:
        _rename_new(staged, final)
        sync_directory(final.parent)
        sync_directory(staged.parent)
    except FileExistsError as err:
        raise ExistsError("publish", final, "it exists already; nothing was overwritten") from err
    except OSError as err:
        raise storage_error("publish", final, err) from err


def _rename_new(staged: Path, final: Path) -> None:
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


@contextmanager
def lock(path: Path, *, wait_seconds: float) -> Iterator[None]:
    """Hold the writer's lock: an flock on a file that is made once and never renamed.

    The holder's process id stands in the file while it is held, so that others can name it;
    the file is empty otherwise.

    :param wait_seconds: how long to wait for another holder; 0 asks once.
    :raises LockedError: if another process still holds it after that.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    except OSError as err:
        raise storage_error("lock", path, err) from err
    try:
        _take(fd, path, wait_seconds)
        with suppress(OSError):  # a full disk: the lock is held all the same, without a name
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        try:
            yield
        finally:
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


def write_group(files: Iterable[tuple[Path, bytes]]) -> None:
    """Put several files in place, all of them durable when this returns.

    For files that nothing promises yet: what stands at their names is replaced, and a crash may
    leave any of them whole, torn or missing.  The promise is the one file written after this.
    Missing directories are made.  Order: write some, fsync each of them, and so on; at the end
    fsync each directory in which a name is new.

    :raises StorageError: if any of them could not be written durably.
    """
    _write_group(iter(files), None)


def replace_after(
    files: Iterable[tuple[Path, bytes]], path: Path, data: Callable[[], bytes]
) -> None:
    """Put several files in place, as :func:`write_group` does; then replace *path*, the promise.

    What *path* will hold is staged and synced along with the last of the files, which spares the
    disk a turn; nobody reads it there.  It gets its name when everything else is durable.

    :param data: the promise's bytes, asked for when all *files* have been taken.
    :raises StorageError: if it could not be written durably; *path* is then unchanged, or
        changed and perhaps not durable.
    """
    staged = path.with_name(path.name + ".new")
    rest = chain(files, ((staged, made()) for made in (data,)))
    _write_group(rest, staged)
    try:
        os.replace(staged, path)
        sync_directory(path.parent)
    except OSError as err:
        raise storage_error("write", path, err) from err


def _write_group(files: Iterator[tuple[Path, bytes]], staged: Path | None) -> None:
    """:param staged: the one of them whose name need not last."""
    changed: dict[Path, None] = {}
    while some := list(islice(files, _OPEN_AT_ONCE)):
        _write_some(some, changed, staged)
    _sync_directories("write", changed)


def _write_some(
    files: Sequence[tuple[Path, bytes]], changed: dict[Path, None], staged: Path | None
) -> None:
    opened: list[int] = []
    path = Path()
    try:
        for path, data in files:
            _make_parents(path.parent, changed)
            opened.append(_open_over(path))
            if path != staged:
                changed[path.parent] = None
            write_all(opened[-1], data)
        # Written first and synced then: one sync carries much of the others along.
        for fd in opened:
            sync_file(fd)
    except OSError as err:
        raise storage_error("write", path, err) from err
    finally:
        for fd in opened:
            os.close(fd)


def _sync_directories(doing: str, paths: Iterable[Path]) -> None:
    path = Path()
    try:
        for path in paths:
            sync_directory(path)
    except OSError as err:
        raise storage_error(doing, path, err) from err


def discard(paths: Sequence[Path]) -> None:
    """Remove files that nothing promises, and make that durable; a missing one is no matter.

    :raises StorageError: if one of them cannot be removed.
    """
    changed: dict[Path, None] = {}
    path = Path()
    try:
        for path in paths:
            with suppress(FileNotFoundError):
                os.unlink(path)
                changed[path.parent] = None
    except OSError as err:
        raise storage_error("remove", path, err) from err
    _sync_directories("remove", changed)


def _make_parents(path: Path, changed: dict[Path, None]) -> None:
    """Make a private directory and its missing parents; note whose names are to be synced."""
    if path.is_dir():
        return
    _make_parents(path.parent, changed)
    path.mkdir(PRIVATE_DIRECTORY)
    with _without_modes():
        path.chmod(PRIVATE_DIRECTORY)
    changed[path.parent] = None


def _open_over(path: Path) -> int:
    """Create *path* anew.  A leftover is unlinked, not truncated: it may have a second name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, PRIVATE_FILE)
    except FileExistsError:
        os.unlink(path)
        fd = os.open(path, flags, PRIVATE_FILE)
    try:
        with _without_modes():
            os.fchmod(fd, PRIVATE_FILE)
    except OSError:
        os.close(fd)
        raise
    return fd
