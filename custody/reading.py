"""Reading files that somebody else may have prepared.

A bundle or a ledger under examination is hostile until shown otherwise: a name in it may be a
link out of it, a FIFO that blocks, a device that acts when opened, or a file without end.  Only
regular files are opened, no link is followed at any step below the root, and every read has a
limit.  Nothing is written, so all of this works on read-only media.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from custody import durable
from custody.errors import FormatError, NotFoundError

_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_DIRECTORY = _FILE | getattr(os, "O_DIRECTORY", 0)
# Without descriptors relative to a directory (Windows), each step is looked at by its path.
_RELATIVE = os.open in os.supports_dir_fd
_CHUNK = 1 << 20


def status(doing: str, path: Path, given: Path) -> os.stat_result:
    """What stands at *path* itself; nothing is opened, and a link there is not gone through.

    :param doing: for the words of an error, such as ``compare``; *given* is what it names there.
    :raises NotFoundError: if nothing is there.
    :raises StorageError: if it cannot be looked at.
    """
    try:
        return path.lstat()
    except FileNotFoundError as err:
        raise NotFoundError(doing, given, "it is not there") from err
    except OSError as err:
        raise durable.storage_error(doing, given, err) from err


def read_regular(path: Path | str, limit: int, *, dir_fd: int | None = None) -> bytes:
    """Read a whole regular file of at most *limit* bytes; its last component may not be a link.

    :param dir_fd: a directory's descriptor that *path* is relative to.
    :raises NotFoundError: if nothing is there.
    :raises FormatError: for a link, a directory, a FIFO, a device, or a longer file.
    :raises StorageError: if the system cannot read it.
    """
    with open_regular(path, dir_fd=dir_fd) as fd:
        return _read(fd, path, limit)


def read_beneath(root: Path, relative: str, limit: int) -> bytes:
    """Read the file at *relative* (with slashes) under *root*, following no link below *root*.

    :raises NotFoundError: if nothing is there.
    :raises FormatError: for a link at any step, what is not a regular file, a longer file, or a
        path that leads out of *root*.
    :raises StorageError: if the system cannot read it.
    """
    with open_beneath(root, relative) as fd:
        return _read(fd, relative, limit)


@contextmanager
def open_regular(path: Path | str, *, dir_fd: int | None = None) -> Iterator[int]:
    """A descriptor for reading a regular file; raises what :func:`read_regular` raises."""
    # Looked at before it is opened: opening alone makes some devices act.
    with _said(path):
        _require_regular(os.stat(path, dir_fd=dir_fd, follow_symlinks=False), path)
        fd = os.open(path, _FILE, dir_fd=dir_fd)
    try:
        with _said(path):
            _require_regular(os.fstat(fd), path)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def open_beneath(root: Path, relative: str) -> Iterator[int]:
    """A descriptor for reading *relative* under *root*; raises what :func:`read_beneath` raises."""
    parent, _, name = relative.rpartition("/")
    if name in ("", ".", "..") or relative.startswith("/"):
        raise FormatError("read", relative, "the path does not stay inside")
    if not _RELATIVE:
        _require_directories(root, parent)
        with open_regular(root / relative) as fd:
            yield fd
        return
    with open_directory(root, parent) as directory, open_regular(name, dir_fd=directory) as fd:
        yield fd


@contextmanager
def open_directory(root: Path, relative: str) -> Iterator[int]:
    """A descriptor of the directory *relative* under *root*, reached without following a link.

    :param relative: with slashes; empty for *root* itself.
    :raises NotFoundError: if nothing is there.
    :raises FormatError: for a link at any step, or a path that leads out of *root*.
    """
    parts = relative.split("/") if relative else []
    if any(part in ("", ".", "..") for part in parts):
        raise FormatError("read", relative, "the path does not stay inside")
    with _said(relative or root):
        parent = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            with _said(relative):
                child = os.open(part, _DIRECTORY, dir_fd=parent)
            os.close(parent)
            parent = child
        yield parent
    finally:
        os.close(parent)


def _require_directories(root: Path, relative: str) -> None:
    parts = relative.split("/") if relative else []
    if any(part in ("", ".", "..") for part in parts):
        raise FormatError("read", relative, "the path does not stay inside")
    for end in range(1, len(parts) + 1):
        _require_directory(root.joinpath(*parts[:end]), relative)


def _read(fd: int, path: Path | str, limit: int) -> bytes:
    with _said(path):
        size = os.fstat(fd).st_size
        if size > limit:
            raise FormatError("read", path, f"{size} bytes, at most {limit} are allowed")
        pieces = []
        room = limit + 1  # one more than allowed, so that a file which grows is seen
        while room and (piece := os.read(fd, min(room, _CHUNK))):
            pieces.append(piece)
            room -= len(piece)
    if not room:
        raise FormatError("read", path, f"more than {limit} bytes")
    return b"".join(pieces)


@contextmanager
def _said(path: Path | str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as err:
        raise NotFoundError("read", path, "it is not there") from err
    except OSError as err:
        if err.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG):
            raise FormatError("read", path, "a link, or not a regular file") from err
        raise durable.storage_error("read", path, err) from err
    except FormatError:  # is a ValueError, too
        raise
    except ValueError as err:  # a NUL in it, or half of a character
        raise FormatError("read", path, "no file can have this name") from err


def _require_regular(found: os.stat_result, path: Path | str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FormatError("read", path, "a link, or not a regular file")


def _require_directory(path: Path, relative: str) -> None:
    with _said(relative):
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise FormatError("read", relative, "a link on the way to it")
