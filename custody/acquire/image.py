"""The file system that is collected from: this host's own, or an image mounted somewhere on it.

Paths are always as the host that owns the file system would name them.  In an image an absolute
link leads to the image's own root, and ``..`` never leads above it, as after chroot(2).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

_MOST_LINKS = 40


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

    def place(self, path: bytes) -> bytes:
        """Where *path*, in which no link is left, lies on the running host."""
        return path if self.is_host else self.root + path

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
            return os.readlink(self.place(path))
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
        return os.lstat(self.place(path))

    def readlink(self, path: bytes) -> bytes:
        """Where the link at *path* leads.

        :raises OSError: if it is no link, or cannot be looked at.
        """
        return os.readlink(self.place(path))

    def open_file(self, path: str) -> int | None:
        """The regular file that *path* leads to, open; None if there is none.

        On a file system that may be hostile it could be a FIFO, which would block, or a device.
        """
        place = self.place(self.real(os.fsencode(path)))
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            if not stat.S_ISREG(os.lstat(place).st_mode):
                return None
            return os.open(place, flags | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return None


HOST = Image()
