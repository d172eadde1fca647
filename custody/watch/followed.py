"""One content of one file: how far it is sealed, and what is held of the rest."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import Any

from custody.acquire import metadata
from custody.watch.prefix import Samples

READ = 1 << 20
LARGEST_HOLE = 64 << 20

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class Followed:
    """A content that is followed: a file, until it is truncated or rewritten.

    :ivar path: its present raw path; *sealed_path* the one in its last record, empty before.
    :ivar generation: what this content is called in the inventory, unique in the case.
    :ivar status: the last look at it.
    :ivar born: when the file was made, decimal nanoseconds; empty where the system does not tell.
    :ivar offset: how many bytes are sealed; *chain* is the chain value there, in hex.
    :ivar bundle: the last bundle that has a piece of it, as far as this run knows.
    :ivar held: what follows, read and not sealed; *held_since* when the first of it was read.
    :ivar whole: the running SHA-256 of all bytes up to the end of *held*; only its digest for one
        whose file was never opened here; None if it is not known.
    :ivar stuck: size and time of writing at the look at which there was no more to be read.
    :ivar fd: open while the file is active.
    :ivar ended: it has no file any more, or its file has another content by now.
    :ivar gone: no name leads to its file; it may still be written to by whoever has it open.
    :ivar missed: one pass did not meet it; what became of it is for the next to say.
    :ivar explained: of how many of its bytes a compressed copy was found; all of them may go.
    :ivar began: when it began to be followed; *restarts* how many contents followed quickly on one
        another before it, and *let_be_until* when to look again at a file that is rewritten all the
        time; all by the monotonic clock.
    :ivar last_change: when it was last seen to change, by the monotonic clock; *next_look* when
        to look at it again: the longer nothing changed, the later.
    """

    path: bytes
    generation: str
    status: os.stat_result
    born: str = ""
    count: int = 0
    sealed_path: bytes = b""
    offset: int = 0
    chain: str = ""
    bundle: str = ""
    held: bytearray = field(default_factory=bytearray)
    held_since: int = 0
    whole: Any = field(default_factory=hashlib.sha256)
    samples: Samples = field(default_factory=Samples)
    stuck: tuple[int, int] | None = None
    fd: int | None = None
    ended: bool = False
    gone: bool = False
    explained: int = 0
    missed: bool = False
    began: float = field(default_factory=time.monotonic)
    restarts: int = 0
    let_be_until: float = 0.0
    last_change: float = 0.0
    next_look: float = 0.0

    @property
    def identity(self) -> Identity:
        """Device and inode of its file."""
        return self.status.st_dev, self.status.st_ino

    @property
    def end(self) -> int:
        """How many bytes of it are sealed or held."""
        return self.offset + len(self.held)

    @property
    def directory(self) -> bytes:
        """The raw path of the directory that it is in."""
        return self.path.rpartition(b"/")[0]

    @property
    def behind(self) -> int:
        """How many bytes it was last seen to have that are neither sealed nor held."""
        if self.ended or self.stuck == (self.status.st_size, self.status.st_mtime_ns):
            return 0
        return max(0, self.status.st_size - self.end)

    @property
    def is_pending(self) -> bool:
        """Whether the next bundle has something to say of it."""
        renamed = bool(self.sealed_path) and self.sealed_path != self.path
        return bool(self.held) or self.behind > 0 or not self.sealed_path or renamed

    def digest(self) -> bytes:
        """The SHA-256 of all that is known of it."""
        return self.whole if isinstance(self.whole, bytes) else bytes(self.whole.digest())

    def hold(self, room: int) -> int:
        """Read what follows, at most *room* bytes, so that it is here if it is deleted there.

        :returns: how many bytes that were.
        :raises OSError: if it cannot be read.
        """
        if self.fd is None:
            return 0
        last = end_of_data(self.fd, self.end, self.status.st_size)
        wanted = min(room, last - self.end)
        done = 0
        while done < wanted:
            data = os.pread(self.fd, min(READ, wanted - done), self.end)
            if not data:
                break
            self._take(data)
            done += len(data)
        return done

    def _take(self, data: bytes) -> None:
        if not self.held:
            self.held_since = time.time_ns()
        self.samples.grow(self.end, data)
        self.held += data
        if self.whole is not None:
            self.whole.update(data)

    def release(self) -> None:
        """Close its descriptor."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def end_of_data(fd: int, offset: int, size: int) -> int:
    """Where, from *offset* on, a large hole begins: anybody can make one of any size at no cost.

    :returns: *size*, if there is none, or the system does not tell.
    """
    seek_data, seek_hole = getattr(os, "SEEK_DATA", None), getattr(os, "SEEK_HOLE", None)
    if seek_data is None or seek_hole is None:
        return size
    while size - offset > LARGEST_HOLE:
        hole = offset
        try:
            hole = os.lseek(fd, offset, seek_hole)
            offset = os.lseek(fd, hole, seek_data)
        except OSError as err:
            if err.errno == errno.ENXIO:  # it goes on to the end
                return hole if size - hole > LARGEST_HOLE else size
            return size
        if offset - hole > LARGEST_HOLE:
            return hole
    return size


def begin(path: bytes, fd: int, count: int = 0) -> Followed:
    """Begin to follow the open file *fd* from its first byte.

    :param count: how many contents this file had before.
    """
    status = os.fstat(fd)
    born = metadata.birth_time(fd) or ""
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    # Without a time of birth, an inode that is used again must not get the same name again.
    generation = f"{device}-{status.st_ino}-{born or f'at{time.time_ns()}'}-{count}"
    idle = max(0.0, time.time() - status.st_mtime_ns / 1e9)
    changed = time.monotonic() - idle
    return Followed(path, generation, status, born, count, fd=fd, last_change=changed)
