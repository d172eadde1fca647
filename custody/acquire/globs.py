"""Expanding patterns in a file system whose attacker may still be inside.

``*``, ``?`` and ``[...]`` match within a component, ``**`` across components.  Hidden names match
only a pattern that begins with a dot, as in a shell.  A glob never passes through a symbolic
link, because an attacker may have planted it; and a directory that cannot be listed is given
itself: who reads it will say why, and no match is lost silently.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate

from custody.acquire.image import HOST, Image

MAGIC = re.compile(r"[*?[]")
DEEPEST = 3  # directories that a pattern's ** passes where it says no number
_ACROSS = re.compile(rb"\*\*([0-9]{0,3})\Z")
_GONE = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of a set.

    :ivar base: an absolute path, taken literally, whose links are followed.
    :ivar parts: components below it; ``**`` passes at most :data:`DEEPEST` directories, ``**5``
        at most five.
    """

    base: bytes
    parts: tuple[bytes, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it names one path and nothing else."""
        return not any(MAGIC.search(os.fsdecode(part)) for part in self.parts)

    def expand(self, image: Image, avoided: set[bytes]) -> list[bytes]:
        """Every path that fits, sorted.

        :param avoided: gains the remote directories that were not looked into.
        """
        if image.is_remote(self.base):
            avoided.add(self.base)
            return []
        search = _Search(image, self.parts, bounded=True)
        found = sorted(search.run(image.real(self.base)))
        avoided |= search.avoided
        return found


def expand(pattern: str, image: Image = HOST) -> Iterator[bytes]:
    """Expand a glob as it stands on a command line, sorted; ``**`` passes any number."""
    parts = os.path.abspath(pattern).strip("/").split("/")
    # ".." may have taken the pattern away again: then all of it is fixed
    fixed = next((i for i, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    base = image.real(os.fsencode("/" + "/".join(parts[:fixed])))
    rest = tuple(os.fsencode(part) for part in parts[fixed:])
    yield from sorted(_Search(image, rest, bounded=False).run(base))


_State = tuple[bytes, int, int]
"""A directory, the part to match in it, and how many more directories a ``**`` may pass."""


class _Search:
    """All matches; with a list of what is still to do, because trees can be deep."""

    def __init__(self, image: Image, parts: tuple[bytes, ...], *, bounded: bool) -> None:
        self._image = image
        self._parts = parts
        self._bounded = bounded
        self._found: set[bytes] = set()
        self._todo: list[_State] = []
        self.avoided: set[bytes] = set()

    def run(self, base: bytes) -> set[bytes]:
        seen: set[_State] = set()
        self._enter(base, 0)
        while self._todo:
            state = self._todo.pop()
            if state in seen:
                continue
            seen.add(state)
            path, index, depth = state
            if index == len(self._parts):
                self._found.add(path)
            elif MAGIC.search(os.fsdecode(self._parts[index])):
                self._match(path, index, depth)
            else:
                self._step(os.path.join(path, self._parts[index]), index)
        return self._found

    def _enter(self, path: bytes, index: int) -> None:
        if self._bounded and path in self._image.remote:
            self.avoided.add(path)
            return
        across = self._across(index)
        self._todo.append((path, index, across or 0))

    def _across(self, index: int) -> int | None:
        """How many directories the part passes; None for one that stays in its component."""
        if index >= len(self._parts):
            return None
        match = _ACROSS.match(self._parts[index])
        if match is None or (match[1] and not self._bounded):
            return None
        if not self._bounded:
            return 1 << 30
        return int(match[1] or DEEPEST)

    def _step(self, path: bytes, index: int) -> None:
        """A component without a pattern: one look, through no link."""
        if self._bounded and path in self._image.remote:
            self.avoided.add(path)
            return
        try:
            status = self._image.lstat(path)
        except OSError as err:
            if err.errno not in _GONE:
                self._found.add(path)
            return
        if index + 1 == len(self._parts) or stat.S_ISDIR(status.st_mode):
            self._enter(path, index + 1)

    def _match(self, base: bytes, index: int, depth: int) -> None:
        """A component with a pattern: every name that fits it."""
        part, last = self._parts[index], index + 1 == len(self._parts)
        across = self._across(index) is not None
        if across and not last:
            self._enter(base, index + 1)
        fits = re.compile(translate(os.fsdecode(part)))
        try:
            names = _names(self._image, base)
        except OSError as err:
            if err.errno not in _GONE:
                self._found.add(base)
            return
        for name, is_directory in names:
            if name.startswith(b".") and not part.startswith(b"."):
                continue
            path = os.path.join(base, name)
            if across:
                self._pass(path, index, depth, last=last, is_directory=is_directory)
            elif fits.match(os.fsdecode(name)) and (last or is_directory):
                self._enter(path, index + 1)

    def _pass(self, path: bytes, index: int, depth: int, *, last: bool, is_directory: bool) -> None:
        """A name beneath a ``**``.  Where depth has an end, a directory at the end is no match:
        a walk would go beyond it."""
        if self._bounded and path in self._image.remote:
            self.avoided.add(path)
            return
        if is_directory and depth > 0:
            self._todo.append((path, index, depth - 1))
        if last and not (is_directory and self._bounded):
            self._found.add(path)


def _names(image: Image, directory: bytes) -> list[tuple[bytes, bool]]:
    fd = image.open_directory(directory)
    try:
        with os.scandir(fd) as entries:
            return [(os.fsencode(entry.name), _is_directory(entry)) for entry in entries]
    finally:
        os.close(fd)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
