"""From what was asked to what will be walked: files, directories, globs, links.

All sources together become one tree of names, so that overlapping sources are read once and
siblings given one by one are named like siblings found in a walk.  No file is opened here; a
glob never passes through a symbolic link, because an attacker may have planted it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

_MAGIC = re.compile(r"[*?[]")
_MOST_LINKS = 40


@dataclass(slots=True)
class Node:
    """A name in the tree of sources.

    :ivar children: the names below it that lead to a source.
    :ivar wanted: whether it is itself a source, with everything beneath it.
    """

    children: dict[bytes, Node] = field(default_factory=dict)
    wanted: bool = False

    def add(self, path: bytes) -> None:
        """Enter an absolute path without ``.`` and ``..``."""
        node = self
        for name in path.split(b"/"):
            if name:
                node = node.children.setdefault(name, Node())
        node.wanted = True


@dataclass(frozen=True, slots=True)
class Asked:
    """One source as it was asked for, and the real paths it stands for."""

    text: str
    paths: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything asked for.

    :ivar asked: each request with the paths it led to; none means that nothing was there.
    :ivar tree: all of them as one tree of names below ``/``.
    :ivar missing: absolute paths (or patterns) for which there is nothing.
    """

    asked: tuple[Asked, ...]
    tree: Node
    missing: tuple[bytes, ...]


def resolve(requests: Sequence[str]) -> Sources:
    """Find the real paths of *requests* (files, directories or globs).

    The directory part is resolved as the system would; a last component that is a symbolic link
    is itself a source, and so is what it points at, if it was named and not found by a glob.
    Only what is not there is missing; what cannot be looked at is a source, so that the walk
    records why.
    """
    tree, asked, missing = Node(), [], []
    for request in requests:
        paths = tuple(dict.fromkeys(_paths(request)))
        asked.append(Asked(request, paths))
        for path in paths:
            if _is_missing(path):
                missing.append(path)
            else:
                tree.add(path)
        if not paths:
            missing.append(os.path.abspath(os.fsencode(request)))
    return Sources(tuple(asked), tree, tuple(dict.fromkeys(missing)))


def _is_missing(path: bytes) -> bool:
    """Whether the system says that nothing is there, and not merely that we may not look."""
    try:
        os.lstat(path)
    except OSError as err:
        return err.errno in (errno.ENOENT, errno.ENOTDIR)
    return False


def _paths(request: str) -> Iterator[bytes]:
    path = _real_parent(os.fsencode(request))
    if not _MAGIC.search(request):
        yield from _with_targets(path)
        return
    # A name may hold these characters.  Whoever plants one turns no pattern off with it, and a
    # link that fits leads us nowhere.
    if not _is_missing(path):
        yield path
    yield from expand(request)


def _with_targets(path: bytes) -> Iterator[bytes]:
    """The path, and, as long as it is a link, what it points at."""
    for _ in range(_MOST_LINKS):
        yield path
        try:
            target = os.readlink(path)
        except OSError:  # not a link, or it cannot be looked at
            return
        path = _real_parent(os.path.join(os.path.dirname(path), target))


def _real_parent(path: bytes) -> bytes:
    """Resolve all but the last component."""
    head, tail = os.path.split(path)
    if tail in (b"", b".", b".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(head or b"."), tail)


def expand(pattern: str) -> Iterator[bytes]:
    """Expand a glob, sorted: ``*``, ``?``, ``[...]`` within a component, ``**`` across them.

    Hidden names match only a pattern that begins with a dot, as in a shell.  A directory that
    cannot be listed is given itself: who reads it will say why, and no match is lost silently.
    """
    parts = os.path.abspath(pattern).strip("/").split("/")
    # ".." may have taken the pattern away again: then all of it is fixed
    fixed = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    base = os.path.realpath(os.fsencode("/" + "/".join(parts[:fixed])))
    yield from sorted(_expand(base, [os.fsencode(part) for part in parts[fixed:]]))


def _expand(base: bytes, parts: list[bytes]) -> set[bytes]:
    """All matches; with a list of what is still to do, because trees can be deep."""
    found: set[bytes] = set()
    seen: set[tuple[bytes, int]] = set()
    todo = [(base, 0)]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        path, index = place
        if index == len(parts):
            found.add(path)
        elif _MAGIC.search(os.fsdecode(parts[index])):
            _match(path, parts, index, todo, found)
        else:
            _step(os.path.join(path, parts[index]), index, len(parts), todo, found)
    return found


def _step(
    path: bytes, index: int, count: int, todo: list[tuple[bytes, int]], found: set[bytes]
) -> None:
    """A component without a pattern: one look, through no link."""
    try:
        status = os.lstat(path)
    except OSError as err:
        if err.errno not in (errno.ENOENT, errno.ENOTDIR):
            found.add(path)
        return
    if index + 1 == count or stat.S_ISDIR(status.st_mode):
        todo.append((path, index + 1))


def _match(
    base: bytes,
    parts: list[bytes],
    index: int,
    todo: list[tuple[bytes, int]],
    found: set[bytes],
) -> None:
    """A component with a pattern: every name that fits it."""
    part, last = parts[index], index + 1 == len(parts)
    across = part == b"**"
    if across and not last:
        todo.append((base, index + 1))
    fits = re.compile(translate(os.fsdecode(part)))
    try:
        names = _names(base)
    except OSError as err:
        if err.errno not in (errno.ENOENT, errno.ENOTDIR):
            found.add(base)
        return
    for name, is_directory in names:
        if name.startswith(b".") and not part.startswith(b"."):
            continue
        path = os.path.join(base, name)
        if across:
            if is_directory:
                todo.append((path, index))
            if last:
                found.add(path)
        elif fits.match(os.fsdecode(name)) and (last or is_directory):
            todo.append((path, index + 1))


def _names(directory: bytes) -> list[tuple[bytes, bool]]:
    fd = _open_quietly(directory)
    try:
        with os.scandir(fd) as entries:
            return [(os.fsencode(entry.name), _is_directory(entry)) for entry in entries]
    finally:
        os.close(fd)


def _open_quietly(directory: bytes) -> int:
    """Open a directory for listing, without touching its access time where the system allows."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(directory, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # only the owner and root may ask for O_NOATIME
        return os.open(directory, flags)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
