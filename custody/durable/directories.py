"""Private directories, made durably."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from custody.durable.basics import (
    PRIVATE_DIRECTORY,
    storage_error,
    sync_directory,
    without_modes,
)
from custody.errors import ExistsError


def make_directory(path: Path) -> None:
    """Make one private directory that must not exist yet, durably.

    :raises ExistsError: if something stands at *path*.
    :raises StorageError: if it could not be made.
    """
    try:
        path.mkdir(PRIVATE_DIRECTORY)
        with without_modes():
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
        with without_modes():
            path.chmod(PRIVATE_DIRECTORY)
    except OSError as err:
        raise storage_error("make private", path, err) from err


def remove_unfinished(directory: Path) -> None:
    """Remove unfinished work that nobody will take up, as far as that can be done.

    :param directory: in ``incoming/``; no link in it is followed.  What is no directory stays: it
        is nobody's work, and opening a FIFO would wait for ever.
    """
    try:
        is_directory = stat.S_ISDIR(directory.lstat().st_mode)
    except OSError:
        return
    if is_directory:
        shutil.rmtree(directory, ignore_errors=True)
