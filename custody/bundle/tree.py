"""What lies in a bag's directories, listed without following a link or opening a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from custody import durable, reading
from custody.errors import CustodyError, FormatError
from custody.formats import names

_RELATIVE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
_PIECE = 4_096


@dataclass(slots=True)
class Listing:
    """One directory: the names of its regular *files*, *directories*, and of all *others*."""

    files: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class Part(NamedTuple):
    """A part of a tree: some of the regular files in the directory *path*.

    :ivar path: relative to the bag, with slashes.
    :ivar files: names, at most a few thousand.
    :ivar strange: what must not be there (a link, a device, too deep a directory), and why.
    :ivar error: why the directory could not be read.
    """

    path: str
    files: list[str]
    strange: list[tuple[str, str]]
    error: CustodyError | None = None


def look(bag: Path, relative: str) -> Listing:
    """List one directory, sorted.

    :raises NotFoundError: if nothing is there.
    :raises FormatError: for a link on the way to it, or what is not a directory.
    :raises StorageError: if the system cannot read it.
    """
    listing = Listing()
    for entry in _scan(bag, relative):
        if entry.is_symlink():
            listing.others.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            listing.directories.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            listing.files.append(entry.name)
        else:
            listing.others.append(entry.name)
    for each in (listing.files, listing.directories, listing.others):
        each.sort()
    return listing


def walk(bag: Path, relative: str) -> Iterator[Part]:
    """List a whole tree, in parts; no directory is entered whose path no payload name can have.

    Memory is bounded by the directories of one level, and depth by the longest payload name.
    """
    waiting = [relative]
    while waiting:
        path = waiting.pop()
        try:
            yield from _parts(bag, path, waiting)
        except CustodyError as err:
            yield Part(path, [], [], err)


def _parts(bag: Path, path: str, waiting: list[str]) -> Iterator[Part]:
    files: list[str] = []
    strange: list[tuple[str, str]] = []
    empty = True
    for entry in _scan(bag, path):
        empty = False
        if entry.is_file(follow_symlinks=False):
            files.append(entry.name)
        elif entry.is_symlink() or not entry.is_dir(follow_symlinks=False):
            strange.append((entry.name, "a link, or not a regular file"))
        elif len(path) + 1 + len(entry.name) > names.LONGEST_NAME:
            strange.append((entry.name, "a directory deeper than any payload name"))
        else:
            waiting.append(f"{path}/{entry.name}")
        if len(files) + len(strange) >= _PIECE:
            yield Part(path, files, strange)
            files, strange = [], []
    if empty and "/" in path:
        parent, _, name = path.rpartition("/")
        yield Part(parent, [], [(name, "an empty directory, which no payload file needs")])
    if files or strange:
        yield Part(path, files, strange)


def _scan(bag: Path, relative: str) -> Iterator[os.DirEntry[str]]:
    if not _RELATIVE:
        yield from _scan_path(bag, relative)
        return
    with reading.open_directory(bag, relative) as fd:
        try:
            with os.scandir(fd) as entries:
                yield from entries
        except OSError as err:
            raise durable.storage_error("list", relative, err) from err


def _scan_path(bag: Path, relative: str) -> Iterator[os.DirEntry[str]]:
    """Where there are no descriptors relative to a directory: each step is looked at first."""
    path = bag
    for part in relative.split("/") if relative else []:
        path /= part
        if path.is_symlink() or not path.is_dir():
            raise FormatError("list", relative, "a link, or not a directory")
    try:
        with os.scandir(path) as entries:
            yield from entries
    except OSError as err:
        raise durable.storage_error("list", relative, err) from err
