"""Reading a bag's payload back, byte for byte, against its manifest.

The same code serves twice: before sealing, when everything is read from the device again
(*fresh*), and whenever somebody verifies.  The bag may be hostile: nothing is opened through a
link, only regular files are opened, and memory stays flat whatever the manifest claims.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self

from custody import durable, pump, reading
from custody.errors import CustodyError, FormatError, NotFoundError, StorageError
from custody.findings import Finding
from custody.formats import bagit
from custody.ordered import in_order
from custody.pump import Pump

_BATCH = 16
_AHEAD = 32
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_DIRECT = getattr(os, "O_DIRECT", 0)
_RELATIVE = os.open in os.supports_dir_fd
_NOT_A_FILE = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG)


class Hash(Protocol):
    """A digest that is going on."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""


Tick = Callable[[int, int], None]
"""Told how many files and how many bytes have been read so far."""


class Share(NamedTuple):
    """One process's part of the work: every batch whose number leaves *number* modulo *of*."""

    number: int
    of: int


WHOLE = Share(0, 1)


class Line(NamedTuple):
    """One manifest line: the digest it promises and the name."""

    sha256: str
    name: str


class Seen(NamedTuple):
    """A file as it was read: its size and digest, or why it could not be.

    :ivar unread: the error is the system's, and shows nothing about the file.
    """

    line: Line
    size: int
    sha256: str
    error: str = ""
    unread: bool = False

    def difference(self) -> Finding | None:
        """What is wrong with it, if anything."""
        line = self.line
        if self.error:
            why = "a payload file is missing or cannot be read"
            return Finding(line.name, f"sha256:{line.sha256}", self.error, why)
        if self.sha256 != line.sha256:
            why = "the content differs from what the manifest says"
            found = f"sha256:{self.sha256} ({self.size} bytes)"
            return Finding(line.name, f"sha256:{line.sha256}", found, why)
        return None


def manifest_lines(bag: Path, hashed: Hash | None = None) -> Iterator[Line | Finding]:
    """Read the payload manifest strictly, line by line; junk becomes a finding.

    :param hashed: takes in the very bytes that are parsed.
    :raises CustodyError: if there is no manifest.
    """
    lines = bounded_lines(bag, bagit.MANIFEST_NAME, bagit.LONGEST_LINE, hashed)
    for number, raw in enumerate(lines, 1):
        try:
            line = Line(*bagit.parse_manifest_line(raw))
        except FormatError as err:
            why = "the manifest has a line that is not one"
            yield Finding(
                f"{bagit.MANIFEST_NAME}:{number}", "digest, two spaces, path", err.why, why
            )
            continue
        if line.name.startswith("data/"):
            yield line
        else:
            why = "the payload manifest names something outside the payload"
            yield Finding(line.name, "a path below data/", line.name, why)


def bounded_lines(
    bag: Path, name: str, longest: int, hashed: Hash | None = None
) -> Iterator[bytes]:
    """The lines of a file in the bag, each at most *longest* bytes.

    A longer one is cut, which the parsers then refuse.

    :param hashed: takes in every byte that is given: after the last line, the file's digest.
    :raises CustodyError: if the file is not there, not a regular one, or cannot be read.
    """
    with reading.open_beneath(bag, name) as fd, os.fdopen(os.dup(fd), "rb", 1 << 18) as stream:
        while line := _read_line(stream, name, longest):
            if hashed is not None:
                hashed.update(line)
            yield line


def _read_line(stream: BinaryIO, name: str, longest: int) -> bytes:
    try:
        return stream.readline(longest)
    except OSError as err:
        raise durable.storage_error("read", name, err) from err


def read_payload(
    bag: Path,
    lines: Iterable[Line],
    *,
    fresh: bool,
    workers: int,
    tick: Callable[[], None],
    looked: bool = False,
    share: Share = WHOLE,
) -> Iterator[Seen]:
    """Read every file that *lines* name and give what was seen, in order.

    :param fresh: read from the device and not from the system's cache, where the file system
        can do that.
    :param workers: how many files are read at a time.  From a warm cache one is the quickest:
        small files leave threads nothing to overlap but the interpreter's lock, and a large
        one is read ahead while it is hashed.
    :param looked: the payload has been listed and holds regular files alone, so each need not be
        looked at again before it is opened.
    :param share: which part of the files to read, where several processes divide them.
    """
    with _Reader(bag, fresh, looked) as reader:
        batches = islice(_batches(lines), share.number, None, share.of)
        if workers == 1:
            for batch in batches:
                yield from reader.batch(batch)
                tick()
            return
        for some in in_order(batches, reader.batch, workers=workers, ahead=_AHEAD, tick=tick):
            yield from some


def _batches(lines: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Consecutive lines of one directory, a few at a time."""
    parent, batch = "", list[Line]()
    for line in lines:
        above = line.name.rpartition("/")[0]
        if batch and (above != parent or len(batch) == _BATCH):
            yield parent, batch
            batch = []
        parent = above
        batch.append(line)
    if batch:
        yield parent, batch


class _Reader:
    def __init__(self, bag: Path, fresh: bool, looked: bool) -> None:
        self._bag = bag
        self._looked = looked
        self._direct = _DIRECT if fresh else 0
        self._local = threading.local()
        self._pumps: list[Pump] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._pumps:
            each.close()

    def batch(self, task: tuple[str, list[Line]]) -> list[Seen]:
        parent, lines = task
        if not _RELATIVE:
            return [self._by_path(line) for line in lines]
        try:
            with reading.open_directory(self._bag, parent) as directory:
                start = len(parent) + 1
                return [self._one(directory, line, line.name[start:]) for line in lines]
        except CustodyError as err:
            unread = isinstance(err, StorageError)
            return [Seen(line, 0, "", err.why or str(err), unread) for line in lines]

    def _by_path(self, line: Line) -> Seen:
        try:
            with reading.open_beneath(self._bag, line.name) as fd:
                return Seen(line, *self._digest(fd, os.fstat(fd).st_size))
        except (OSError, CustodyError) as err:
            wrong = isinstance(err, FormatError | NotFoundError)
            return Seen(line, 0, "", str(err), not wrong)

    def _one(self, directory: int, line: Line, name: str) -> Seen:
        try:
            if not self._looked:  # opening alone makes some devices act
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    return Seen(line, 0, "", "a link, or not a regular file")
            fd = self._open(name, directory)
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    return Seen(line, 0, "", "not a regular file")
                return Seen(line, *self._digest(fd, status.st_size))
            finally:
                os.close(fd)
        except FileNotFoundError:
            return Seen(line, 0, "", "it is not there")
        except OSError as err:
            wrong = err.errno in _NOT_A_FILE
            return Seen(line, 0, "", err.strerror or str(err), not wrong)

    def _open(self, name: str, directory: int) -> int:
        try:
            return os.open(name, _FLAGS | _CLOEXEC | self._direct, dir_fd=directory)
        except OSError as err:
            if err.errno != errno.EINVAL or not self._direct:
                raise
        # A file system without O_DIRECT: its cached pages are given back instead.
        fd = os.open(name, _FLAGS | _CLOEXEC, dir_fd=directory)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return fd

    def _digest(self, fd: int, size: int) -> tuple[int, str]:
        if size > pump.CHUNK:
            copied = self._pump().copy(fd, None, size)
            if copied.error is not None:
                raise copied.error
            return copied.length, copied.sha256
        data = pump.fill(fd, self._buffer(), 0, size)
        return len(data), hashlib.sha256(data).hexdigest()

    def _buffer(self) -> memoryview:
        """Page-aligned memory for this thread, as O_DIRECT demands."""
        mine: memoryview | None = getattr(self._local, "buffer", None)
        if mine is None:
            mine = self._local.buffer = memoryview(mmap.mmap(-1, pump.CHUNK))
        return mine

    def _pump(self) -> Pump:
        mine: Pump | None = getattr(self._local, "pump", None)
        if mine is None:
            mine = self._local.pump = Pump()
            self._pumps.append(mine)
        return mine


@dataclass(slots=True)
class Totals:
    """How much payload there is: *files* and *bytes* (BagIt's Payload-Oxum)."""

    files: int = 0
    bytes: int = 0

    def add(self, seen: Seen) -> None:
        """Count one file in, if it is there."""
        if not seen.error:
            self.files += 1
            self.bytes += seen.size

    def oxum(self) -> str:
        """As RFC 8493 section 2.2.2 writes it."""
        return f"{self.bytes}.{self.files}"


def compare_payload(
    bag: Path,
    totals: Totals,
    *,
    fresh: bool,
    workers: int,
    tick: Tick,
    share: Share = WHOLE,
) -> Iterator[Finding]:
    """Read all payload that the manifest names and give every difference.

    :param totals: is counted up as files are read.
    :param share: as in :func:`read_payload`.
    :raises CustodyError: if there is no manifest.
    """
    junk: list[Finding] = []

    def lines() -> Iterator[Line]:
        for line in manifest_lines(bag):
            if isinstance(line, Finding):
                junk.append(line)
            else:
                yield line

    def told() -> None:
        tick(totals.files, totals.bytes)

    for seen in read_payload(bag, lines(), fresh=fresh, workers=workers, tick=told, share=share):
        totals.add(seen)
        difference = seen.difference()
        if difference is not None:
            yield difference
    yield from junk
