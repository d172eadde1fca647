"""From what was asked to what will be walked: files, directories, globs, links.

All sources together become one tree of names, so that overlapping sources are read once and
siblings given one by one are named like siblings found in a walk.  No file is opened here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from custody.acquire.globs import MAGIC, Pattern, expand
from custody.acquire.image import HOST, Image

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
class Wanted:
    """What a set names: a pattern as it is written, and what it becomes on this file system.

    :ivar set: the set's name; *artifact* the definition in it that it comes from, if it does.
    :ivar patterns: one for every home where it names homes; *homes* says that it does.
    """

    text: str
    set: str
    patterns: tuple[Pattern, ...]
    artifact: str = ""
    homes: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One source as it was asked for, and the real paths it stands for.

    :ivar set: the set that names it, and *artifact* the definition in that; else empty.
    """

    text: str
    paths: tuple[bytes, ...]
    set: str = ""
    artifact: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything asked for.

    :ivar asked: each request with the paths it led to; none means that nothing was there.
    :ivar tree: all of them as one tree of names below ``/``.
    :ivar missing: absolute paths (or patterns) for which there is nothing.  What a set names and
        the host does not have is not missing.
    :ivar image: the file system that they are on.
    :ivar avoided: remote mounts that a set's patterns did not look into.
    """

    asked: tuple[Asked, ...]
    tree: Node
    missing: tuple[bytes, ...]
    image: Image = HOST
    avoided: tuple[bytes, ...] = ()


def resolve(
    requests: Sequence[str],
    wanted: Sequence[Wanted] = (),
    image: Image = HOST,
    silent: Mapping[str, bytes] | None = None,
) -> Sources:
    """Find the real paths of *requests* (files, directories or globs) and of what sets name.

    The directory part is resolved as the system would; a last component that is a symbolic link
    is itself a source, and so is what it points at, if it was named and not found by a glob.
    Only what is not there is missing; what cannot be looked at is a source, so that the walk
    records why.

    :param image: where they are looked up; *requests* are absolute if it is not this host.
    :param silent: requests that lead to where nobody answers, each with what not to look behind.
    """
    tree, asked, missing = Node(), [], []
    for request in requests:
        if silent and request in silent:
            asked.append(Asked(request, (silent[request],)))
            tree.add(silent[request])
            continue
        paths = tuple(dict.fromkeys(_paths(request, image)))
        asked.append(Asked(request, paths))
        for path in paths:
            if _is_missing(path, image):
                missing.append(path)
            else:
                tree.add(path)
        if not paths:
            missing.append(os.path.abspath(os.fsencode(request)))
    avoided: set[bytes] = set()
    for one in wanted:
        paths = tuple(dict.fromkeys(_matches(one, image, avoided)))
        asked.append(Asked(one.text, paths, one.set, one.artifact))
        for path in paths:
            tree.add(path)
    return Sources(tuple(asked), tree, tuple(dict.fromkeys(missing)), image, tuple(sorted(avoided)))


def _matches(wanted: Wanted, image: Image, avoided: set[bytes]) -> Iterator[bytes]:
    """The paths that are there.  Users write in homes: no link in one is followed."""
    for pattern in wanted.patterns:
        for path in pattern.expand(image, avoided):
            if wanted.homes or not pattern.is_plain:
                yield path
            else:
                yield from (
                    each for each in _with_targets(path, image) if not _is_missing(each, image)
                )


def _is_missing(path: bytes, image: Image) -> bool:
    """Whether the system says that nothing is there, and not merely that we may not look."""
    try:
        image.lstat(path)
    except OSError as err:
        return err.errno in (errno.ENOENT, errno.ENOTDIR)
    return False


def _paths(request: str, image: Image) -> Iterator[bytes]:
    path = image.real_parent(os.fsencode(request))
    if not MAGIC.search(request):
        yield from _with_targets(path, image)
        return
    # A name may hold these characters.  Whoever plants one turns no pattern off with it, and a
    # link that fits leads us nowhere.
    if not _is_missing(path, image):
        yield path
    yield from expand(request, image)


def _with_targets(path: bytes, image: Image) -> Iterator[bytes]:
    """The path, and, as long as it is a link, what it points at."""
    for _ in range(_MOST_LINKS):
        yield path
        try:
            target = image.readlink(path)
        except OSError:  # not a link, or it cannot be looked at
            return
        path = image.real_parent(os.path.join(os.path.dirname(path), target))
