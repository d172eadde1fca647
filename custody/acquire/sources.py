"""From what was asked to what will be walked: files, directories, globs, links.

All sources together become one tree of names, so that overlapping sources are read once and
siblings given one by one are named like siblings found in a walk.  Nothing is opened here; a
glob never passes through a symbolic link, because an attacker may have planted it.
"""

from __future__ import annotations

import os
import re
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
    is itself a source, and so is what it points at.
    """
    tree, asked, missing = Node(), [], []
    for request in requests:
        paths = tuple(_paths(request))
        asked.append(Asked(request, paths))
        for path in paths:
            if os.path.lexists(path):
                tree.add(path)
            else:
                missing.append(path)
        if not paths:
            missing.append(os.path.abspath(os.fsencode(request)))
    return Sources(tuple(asked), tree, tuple(dict.fromkeys(missing)))


def _paths(request: str) -> Iterator[bytes]:
    path = _real_parent(os.fsencode(request))
    if os.path.lexists(path) or not _MAGIC.search(request):
        yield from _with_targets(path)
        return
    for match in expand(request):
        yield from _with_targets(match)


def _with_targets(path: bytes) -> Iterator[bytes]:
    """The path, and, as long as it is a link, what it points at."""
    for _ in range(_MOST_LINKS):
        yield path
        if not os.path.islink(path):
            return
        path = _real_parent(os.path.join(os.path.dirname(path), os.readlink(path)))


def _real_parent(path: bytes) -> bytes:
    """Resolve all but the last component."""
    head, tail = os.path.split(path)
    if tail in (b"", b".", b".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(head or b"."), tail)


def expand(pattern: str) -> Iterator[bytes]:
    """Expand a glob, sorted: ``*``, ``?``, ``[...]`` within a component, ``**`` across them.

    Hidden names match only a pattern that begins with a dot, as in a shell.
    """
    parts = os.path.abspath(pattern).strip("/").split("/")
    fixed = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    base = os.path.realpath(os.fsencode("/" + "/".join(parts[:fixed])))
    yield from sorted(set(_expand(base, [os.fsencode(part) for part in parts[fixed:]])))


def _expand(base: bytes, parts: list[bytes]) -> Iterator[bytes]:
    if not parts:
        yield base
        return
    head, rest = parts[0], parts[1:]
    if head == b"**":
        yield from _expand(base, rest) if rest else iter(())
    elif not _MAGIC.search(os.fsdecode(head)):
        path = os.path.join(base, head)
        if os.path.lexists(path) and (not rest or not os.path.islink(path)):
            yield from _expand(path, rest)
        return
    matches = re.compile(translate(os.fsdecode(head)).encode("utf-8", "surrogateescape"), re.DOTALL)
    for name, is_directory in _names(base):
        path = os.path.join(base, name)
        if name.startswith(b".") and not head.startswith(b"."):
            continue
        if head == b"**":
            if is_directory:
                yield from _expand(path, parts)
            if not rest:
                yield path
        elif matches.match(name) and (is_directory or not rest):
            yield from _expand(path, rest)


def _names(directory: bytes) -> list[tuple[bytes, bool]]:
    try:
        with os.scandir(directory) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
