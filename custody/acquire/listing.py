"""What a directory lists: each name with its inode and its type, packed into one short value.

One value a name (name, NUL, inode, type) keeps a directory with a million entries in bounded
memory, and values that are sorted are names that are sorted.
"""

from __future__ import annotations

import os
import stat
import struct
from bisect import bisect_left
from collections.abc import Collection, Container, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from custody.acquire.sources import Node

_DIRECTORY, _FILE, _OTHER = b"d", b"f", b"o"
_TYPES = {stat.S_IFDIR: _DIRECTORY, stat.S_IFREG: _FILE}
_TAIL = struct.Struct("<xQc")  # what is packed after the name


class Listed(NamedTuple):
    """One name as the directory listing gave it; the *inode* is 0 where it was not listed.

    :ivar is_file: whether the listing said that it is a regular file; it may have said nothing.
    """

    name: bytes
    inode: int
    is_file: bool = False


def whole(fd: int) -> list[bytes]:
    """Everything in a directory, packed and sorted.

    :raises OSError: if it cannot be listed.
    """
    with os.scandir(fd) as entries:
        packed = sorted(
            _pack(os.fsencode(entry.name), entry.inode(), _type(entry)) for entry in entries
        )
    # A directory that changes while it is listed may give one name twice.
    twice = [i for i, (a, b) in enumerate(pairwise(Names(packed)), 1) if a == b]
    for index in reversed(twice):
        del packed[index]
    return packed


def some(fd: int, node: Node, silent: Container[bytes] = ()) -> list[bytes]:
    """The same for the names in *node* alone; those that are not there are listed too.

    :param silent: names that are listed and not looked at.
    """
    packed = []
    for name, below in node.children.items():
        if name in silent:
            packed.append(_pack(name, 0, _OTHER))
            continue
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except OSError:
            packed.append(_pack(name, 0, _DIRECTORY if below.children else _OTHER))
        else:
            kind = _TYPES.get(stat.S_IFMT(status.st_mode), _OTHER)
            packed.append(_pack(name, status.st_ino, kind))
    return sorted(packed)


class Names(Collection[bytes]):
    """The names in a listing, in its order; a second list of them would double the memory."""

    def __init__(self, listing: Sequence[bytes]) -> None:
        self._listing = listing

    def __len__(self) -> int:
        return len(self._listing)

    def __iter__(self) -> Iterator[bytes]:
        return map(name_of, self._listing)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and inode_of(self._listing, name) is not None


def unpack(packed: bytes) -> Listed:
    """One packed value as it was listed."""
    inode, kind = _TAIL.unpack_from(packed, len(packed) - _TAIL.size)
    return Listed(name_of(packed), inode, kind == _FILE)


def name_of(packed: bytes) -> bytes:
    """The name in a packed value."""
    return packed[: -_TAIL.size]


def is_directory(packed: bytes) -> bool:
    """Whether a packed value is a directory's."""
    return packed.endswith(_DIRECTORY)


def inode_of(listing: Sequence[bytes], name: bytes) -> int | None:
    """The inode under which *name* stands in a sorted listing; None if it does not."""
    index = bisect_left(listing, name + b"\0")
    if index < len(listing) and name_of(listing[index]) == name:
        return unpack(listing[index]).inode
    return None


def _type(entry: os.DirEntry[str]) -> bytes:
    try:
        if entry.is_file(follow_symlinks=False):
            return _FILE
        return _DIRECTORY if entry.is_dir(follow_symlinks=False) else _OTHER
    except OSError:  # it cannot be looked at: reading it will say why
        return _OTHER


def _pack(name: bytes, inode: int, kind: bytes) -> bytes:
    return name + _TAIL.pack(inode, kind)
