"""The file system that is collected from: this host's own, or an image mounted somewhere on it.

Paths are always as the host that owns the file system would name them.  In an image an absolute
link leads to the image's own root, and ``..`` never leads above it, as after chroot(2).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MOST_LINKS = 40
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Image:
    """A file system by its *root*: a real absolute path without links, ``/`` for this host's.

    :ivar remote: mount points for which somebody else answers: to look into one can hang.
    """

    root: bytes = b"/"
    remote: frozenset[bytes] = frozenset()

    @property
    def is_host(self) -> bool:
        """Whether it is the running host itself."""
        return self.root == b"/"

    def is_remote(self, path: bytes) -> bool:
        """Whether *path*, taken as it is written, is or lies in such a mount."""
        while path not in self.remote:
            if path in (b"/", b""):
                return False
            path = path.rpartition(b"/")[0] or b"/"
        return True

    @contextmanager
    def _above(self, path: bytes) -> Iterator[tuple[int | None, bytes]]:
        """The open directory above *path*, and the name in it.

        In an image each step is opened through no link: one that is left, because there were too
        many to follow or it was put there meanwhile, would lead into the running host.
        """
        names = [name for name in path.split(b"/") if name]
        if self.is_host or not names:
            yield None, path if self.is_host else self.root
            return
        held = os.open(self.root, _PASS)
        try:
            for name in names[:-1]:
                below = os.open(name, _PASS, dir_fd=held)
                os.close(held)
                held = below
            yield held, names[-1]
        finally:
            os.close(held)

    def real(self, path: bytes) -> bytes:
        """*path* with every link in it resolved; what is not there stays as it is written."""
        if self.is_host:
            return os.path.realpath(path)
        todo, done, links = path.split(b"/")[::-1], b"", 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                done = done.rpartition(b"/")[0]
                continue
            here = done + b"/" + name
            target = self._target(here) if links < _MOST_LINKS else None
            if target is None:
                done = here
                continue
            links += 1
            if target.startswith(b"/"):
                done = b""
            todo += target.split(b"/")[::-1]
        return done or b"/"

    def _target(self, path: bytes) -> bytes | None:
        try:
            return self.readlink(path)
        except OSError:  # not a link, or it cannot be looked at
            return None

    def real_parent(self, path: bytes) -> bytes:
        """*path* with every link in it resolved but the last component."""
        head, tail = os.path.split(path)
        if tail in (b"", b".", b".."):
            return self.real(path)
        return os.path.join(self.real(head or b"."), tail)

    def lstat(self, path: bytes) -> os.stat_result:
        """What stands at *path*, in which no link is left.

        :raises OSError: if it cannot be looked at.
        """
        with self._above(path) as (above, name):
            return os.stat(name, dir_fd=above, follow_symlinks=False)

    def readlink(self, path: bytes) -> bytes:
        """Where the link at *path* leads.

        :raises OSError: if it is no link, or cannot be looked at.
        """
        with self._above(path) as (above, name):
            return os.readlink(name, dir_fd=above)

    def open_directory(self, path: bytes) -> int:
        """The directory at *path*, in which no link is left, open to be listed.

        Its access time is left alone where the system allows that.

        :raises OSError: if it is none, or cannot be opened.
        """
        with self._above(path) as (above, name):
            try:
                return os.open(name, _LIST | getattr(os, "O_NOATIME", 0), dir_fd=above)
            except PermissionError:  # only the owner and root may ask for O_NOATIME
                return os.open(name, _LIST, dir_fd=above)

    def open_file(self, path: str) -> int | None:
        """The regular file that *path* leads to, open; None if there is none.

        On a file system that may be hostile it could be a FIFO, which would block, or a device.
        """
        try:
            with self._above(self.real(os.fsencode(path))) as (above, name):
                if not stat.S_ISREG(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
                    return None
                return os.open(name, _READ, dir_fd=above)
        except OSError:
            return None


HOST = Image()
