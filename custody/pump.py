"""Moving bytes: one pass that reads, hashes and writes, the three overlapped.

A ring of buffers passes between a small pool, which writes a buffer out and fills it again, and
the caller's thread, which hashes in order.  Where the file system allows, writes and the reads
of the way back bypass the page cache (``O_DIRECT``): the busy host keeps its cache, and what is
read back comes from the device.  Holes of sparse files are neither read nor written, but hashed
as the zeros they stand for.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple, Self

from custody import durable

CHUNK = 1 << 20
_BUFFERS = 6
_IN_FLIGHT = 3
_ALIGNMENT = 4_096
_DIRECT = getattr(os, "O_DIRECT", 0)
_ZEROS = memoryview(bytes(CHUNK))


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a copy got: *length* bytes, their *sha256* (hex), and the error that ended it."""

    length: int
    sha256: str
    error: OSError | None = None


class _Piece(NamedTuple):
    offset: int
    length: int
    hole: bool


class _Turn(NamedTuple):
    """A buffer on its way: which piece it is being filled with, if any."""

    piece: _Piece | None
    buffer: memoryview
    future: Future[memoryview | OSError]


class Pump:
    """A few threads and buffers, for one file at a time; use it as a context manager."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="custody-io")
        self._buffers = [memoryview(mmap.mmap(-1, CHUNK)) for _ in range(_BUFFERS)]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def copy(
        self,
        source: int,
        target: int | None,
        size: int,
        tick: Callable[[int], None] = lambda _done: None,
        take: Callable[[memoryview], None] | None = None,
    ) -> Copied:
        """Copy the first *size* bytes of *source*, or, without *target*, only hash them.

        :param target: an empty file open for writing, perhaps with ``O_DIRECT``.
        :param tick: told how many bytes are done, in the caller's thread.
        :param take: given every piece in order, in the caller's thread; it may not keep it.
        :returns: less than *size* if the file ended before, or could not be read on.
        :raises StorageError: if *target* could not be written.
        """
        plan = _plan(source, size)
        ring: deque[_Turn] = deque()
        try:
            copied = self._run(source, target, plan, ring, tick, take)
            for turn in ring:
                turn.future.result()
        finally:
            wait([turn.future for turn in ring])
        if target is not None and os.fstat(target).st_size < copied.length:
            _lengthen(target, copied.length)
        return copied

    def _run(
        self,
        source: int,
        target: int | None,
        plan: Iterator[_Piece],
        ring: deque[_Turn],
        tick: Callable[[int], None],
        take: Callable[[memoryview], None] | None,
    ) -> Copied:
        digest, done = hashlib.sha256(), 0
        for buffer in self._buffers:
            self._send(ring, source, None, None, next(plan, None), buffer)
        while ring:
            piece, buffer, future = ring.popleft()
            data = future.result()
            if piece is None:
                continue
            if isinstance(data, OSError):
                return Copied(done, digest.hexdigest(), data)
            digest.update(data)
            if take is not None:
                take(data)
            done = piece.offset + len(data)
            tick(done)
            short = len(data) < piece.length
            following = None if short else next(plan, None)
            written = target if len(data) and not piece.hole else None
            self._send(
                ring, source, written, _Piece(piece.offset, len(data), False), following, buffer
            )
            if short:
                break
        return Copied(done, digest.hexdigest())

    def _send(
        self,
        ring: deque[_Turn],
        source: int,
        target: int | None,
        full: _Piece | None,
        empty: _Piece | None,
        buffer: memoryview,
    ) -> None:
        if target is None and empty is None:
            return
        future = self._pool.submit(_turn, source, target, full, empty, buffer)
        ring.append(_Turn(empty, buffer, future))


def _turn(
    source: int,
    target: int | None,
    full: _Piece | None,
    empty: _Piece | None,
    buffer: memoryview,
) -> memoryview | OSError:
    """Write the buffer out, then fill it with the next piece of the source."""
    if target is not None and full is not None:
        _write(target, buffer[: full.length], full.offset)
    if empty is None:
        return _ZEROS[:0]
    try:
        if empty.hole:
            return _ZEROS[: _within(source, empty)]
        return fill(source, buffer, empty.offset, empty.length)
    except OSError as err:
        return err


def _within(fd: int, hole: _Piece) -> int:
    """How much of a hole the file still has: zeros beyond its end would be made up."""
    return max(0, min(hole.length, os.fstat(fd).st_size - hole.offset))


def fill(fd: int, buffer: memoryview, offset: int, length: int) -> memoryview:
    """Read *length* bytes at *offset* into *buffer*, or as many as the file has.

    Whole blocks are asked for, as O_DIRECT demands; what lies beyond *length* is cut off.

    :param buffer: page-aligned, and a whole number of pages.
    """
    wanted = -(-length // _ALIGNMENT) * _ALIGNMENT
    filled = 0
    while filled < length:
        count = os.preadv(fd, [buffer[filled:wanted]], offset + filled)
        if count == 0:
            break
        filled += count
        if filled % _ALIGNMENT:  # the end of the file, as far as O_DIRECT can be asked
            _end_direct(fd)
    return buffer[: min(filled, length)]


def _write(fd: int, data: memoryview, offset: int) -> None:
    if (len(data) | offset) % _ALIGNMENT:  # the last piece of a file: O_DIRECT cannot
        _end_direct(fd)
    try:
        while data:
            count = _write_some(fd, data, offset)
            data, offset = data[count:], offset + count
            if count % _ALIGNMENT:
                _end_direct(fd)
    except OSError as err:
        raise durable.storage_error("write", "payload", err) from err


def _write_some(fd: int, data: memoryview, offset: int) -> int:
    try:
        return os.pwrite(fd, data, offset)
    except OSError as err:
        if err.errno != errno.EINVAL:
            raise
    _end_direct(fd)  # a device with larger blocks, or a file system that only promised it
    return os.pwrite(fd, data, offset)


def _lengthen(fd: int, length: int) -> None:
    """Make the hole at the end of a sparse file."""
    try:
        os.ftruncate(fd, length)
    except OSError as err:
        raise durable.storage_error("write", "payload", err) from err


def _end_direct(fd: int) -> None:
    """Go through the page cache from here on: what is left is no whole block."""
    if not _DIRECT:
        return
    import fcntl

    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    if flags & _DIRECT:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~_DIRECT)


def _plan(fd: int, size: int) -> Iterator[_Piece]:
    for offset, length, hole in extents(fd, size):
        for start in range(offset, offset + length, CHUNK):
            yield _Piece(start, min(CHUNK, offset + length - start), hole)


def extents(fd: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """The data and the holes of the first *size* bytes: (offset, length, whether a hole).

    A file that is not sparse, or a system that does not tell, gives one extent of data.  Beyond
    the end of the file there is no hole: that would make up zeros for a file that shrank.
    """
    status = os.fstat(fd)
    if not hasattr(os, "SEEK_DATA") or getattr(status, "st_blocks", size) * 512 >= size:
        yield 0, size, False
        return
    if status.st_size < size:
        yield from extents(fd, status.st_size)
        yield status.st_size, size - status.st_size, False
        return
    offset = 0
    while offset < size:
        try:
            data = min(os.lseek(fd, offset, os.SEEK_DATA), size)
            end = min(os.lseek(fd, data, os.SEEK_HOLE), size) if data < size else size
        except OSError as err:
            if err.errno != errno.ENXIO:  # no data beyond the offset
                yield offset, size - offset, False
                return
            data = end = size
        if end < data or (data == offset and end == offset):  # it changes while we look
            yield offset, size - offset, False
            return
        if data > offset:
            yield offset, data - offset, True
        if end > data:
            yield data, end - data, False
        offset = end
