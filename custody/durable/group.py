"""Many files at once, which nothing promises until one more is in its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from custody.durable.basics import (
    PRIVATE_DIRECTORY,
    PRIVATE_FILE,
    storage_error,
    sync_directory,
    sync_file,
    without_modes,
    write_all,
)

_OPEN_AT_ONCE = 64


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
    with without_modes():
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
        with without_modes():
            os.fchmod(fd, PRIVATE_FILE)
    except OSError:
        os.close(fd)
        raise
    return fd
