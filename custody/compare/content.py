"""Two open files, read in step: are they equal, and if not, from which byte on.

Memory is constant, each byte is read at most once, and what is a hole on both sides is not read.
Digests are made in the same pass where they are wanted: one for both sides as long as they are
equal, and two from the first difference on.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

from custody import pump

CHUNK = pump.CHUNK
_AHEAD = 3
_THREADS = 2
_ZEROS = memoryview(bytes(CHUNK))


class Match(NamedTuple):
    """How far two files agree.

    :ivar same: how many bytes from the start are equal.
    :ivar differs: whether a byte differs after that; else one of them ends there, or both.
    :ivar copy: the size of the copy, as read.
    :ivar original: the size of the original, as read.
    :ivar copy_sha256: hex; empty where no digests were wanted.
    """

    same: int
    differs: bool
    copy: int
    original: int
    copy_sha256: str = ""
    original_sha256: str = ""


class Twin:
    """The digests of two files that are equal until they are not."""

    def __init__(self) -> None:
        self._one = hashlib.sha256()
        self._other: Any = None

    def take(self, copy: Any, original: Any, *, equal: bool) -> None:
        """The next bytes of both."""
        if not equal and self._other is None:
            self._other = self._one.copy()
        self._one.update(copy)
        if self._other is not None:
            self._other.update(original)

    def digests(self) -> tuple[str, str]:
        """Of the copy and of the original, in hex."""
        one = self._one.hexdigest()
        return one, one if self._other is None else self._other.hexdigest()


def small(copy: bytes, original: bytes, *, digests: bool) -> Match:
    """Compare two files that are in memory."""
    equal = copy == original
    same = len(copy) if equal else first_difference(copy, original)
    differs = same < min(len(copy), len(original))
    if not digests:
        return Match(same, differs, len(copy), len(original))
    one = hashlib.sha256(copy).hexdigest()
    other = one if equal else hashlib.sha256(original).hexdigest()
    return Match(same, differs, len(copy), len(original), one, other)


def first_difference(one: bytes, other: bytes) -> int:
    """The offset of the first byte that differs, or the length of the shorter one."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:  # the first difference lies in [low, high)
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


class _Piece(NamedTuple):
    offset: int
    length: int
    copy_hole: bool
    original_hole: bool


class _Turn(NamedTuple):
    """A piece that is being read on both sides: how many bytes each had, and where they are."""

    piece: _Piece
    copy: Future[int]
    original: Future[int]
    buffers: tuple[bytearray, bytearray]


class Stepper:
    """Compares large files, one pair at a time; use it as a context manager.

    :param tick: told how many bytes of the pair are done.
    """

    def __init__(self, tick: Callable[[int], None] = lambda _done: None) -> None:
        self._tick = tick
        self._threads: ThreadPoolExecutor | None = None
        # Used over and over: new memory for each piece would cost more than reading it.
        self._free: list[tuple[bytearray, bytearray]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def compare(
        self, copy: int, copy_size: int, original: int, original_size: int, *, digests: bool
    ) -> Match:
        """Compare two open files of these sizes.

        A file that turns out to be shorter than its size is taken to end there.

        :raises OSError: if one of them cannot be read.
        """
        twin = Twin() if digests else None
        common = min(copy_size, original_size)
        found = self._in_step(copy, original, common, twin)
        same, differs, copy_end, original_end = found
        if twin is not None or not differs:
            start = same if differs or copy_end is not None or original_end is not None else common
            copy_size = self._rest(copy, start, copy_end or copy_size, twin, first=True)
            original_size = self._rest(
                original, start, original_end or original_size, twin, first=False
            )
        if twin is None:
            return Match(same, differs, copy_size, original_size)
        return Match(same, differs, copy_size, original_size, *twin.digests())

    def digest(self, fd: int, size: int) -> tuple[int, str]:
        """The length and the digest of one open file.

        :raises OSError: if it cannot be read.
        """
        twin = Twin()
        length = self._rest(fd, 0, size, twin, first=True)
        return length, twin.digests()[0]

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="custody-compare")
        return self._threads

    def _in_step(
        self, copy: int, original: int, size: int, twin: Twin | None
    ) -> tuple[int, bool, int | None, int | None]:
        """Until the first difference, or *size*.

        :returns: how many bytes are equal, whether one differs after them, and where the copy
            and the original ended if that was before their time.
        """
        same = 0
        turns: deque[_Turn] = deque()
        pieces = _pieces(copy, original, size, skip=twin is None)
        try:
            while True:
                while len(turns) < _AHEAD and (piece := next(pieces, None)) is not None:
                    turns.append(self._send(copy, original, piece))
                if not turns:
                    return same, False, None, None
                piece, one, other, buffers = turns.popleft()
                counts = one.result(), other.result()
                at = _alike(*buffers, *counts)
                same = piece.offset + at
                if twin is not None:  # what follows a difference is read again, side by side
                    view = memoryview(buffers[0])[:at]
                    twin.take(view, view, equal=True)
                self._free.append(buffers)
                self._tick(same)
                ends = [piece.offset + count if count < piece.length else None for count in counts]
                if at < max(counts) or ends != [None, None]:
                    return same, at < min(counts), ends[0], ends[1]
        finally:
            for turn in turns:
                for future in (turn.copy, turn.original):
                    if not future.cancel():
                        future.exception()

    def _send(self, copy: int, original: int, piece: _Piece) -> _Turn:
        pool = self._pool()
        buffers = self._buffers()
        if piece.copy_hole and piece.original_hole and piece.length > CHUNK:
            nothing: Future[int] = Future()
            nothing.set_result(0)
            end = piece.offset + piece.length
            return _Turn(piece._replace(length=0, offset=end), nothing, nothing, buffers)
        offset, length = piece.offset, piece.length
        one = pool.submit(_read, copy, offset, length, piece.copy_hole, buffers[0])
        other = pool.submit(_read, original, offset, length, piece.original_hole, buffers[1])
        return _Turn(piece, one, other, buffers)

    def _buffers(self) -> tuple[bytearray, bytearray]:
        return self._free.pop() if self._free else (bytearray(CHUNK), bytearray(CHUNK))

    def _rest(self, fd: int, start: int, size: int, twin: Twin | None, *, first: bool) -> int:
        """Read one side on to its end where its digest is wanted; returns where it ends."""
        if twin is None or start >= size:
            return size
        at = start
        buffers = self._buffers()
        for offset, length, hole in _from(pump.extents(fd, size), start):
            for place in range(offset, offset + length, CHUNK):
                wanted = min(CHUNK, offset + length - place)
                count = _read(fd, place, wanted, hole, buffers[0])
                data = memoryview(buffers[0])[:count]
                twin.take(data if first else b"", b"" if first else data, equal=False)
                at = place + count
                self._tick(at)
                if count < wanted:
                    return at
        self._free.append(buffers)
        return at


def _read(fd: int, offset: int, length: int, hole: bool, buffer: bytearray) -> int:
    """Fill the buffer's beginning; gives how many bytes there were."""
    view = memoryview(buffer)
    if hole:
        view[:length] = _ZEROS[:length]
        return length
    done = 0
    while done < length and (count := os.preadv(fd, [view[done:length]], offset + done)):
        done += count
    return done


def _alike(one: bytearray, other: bytearray, a: int, b: int) -> int:
    """How many bytes agree of the first *a* of one buffer and the first *b* of the other."""
    if a == b == len(one) and one == other:
        return a
    return first_difference(bytes(one[:a]), bytes(other[:b]))


Extent = tuple[int, int, bool]


def _from(extents: Iterator[Extent], start: int) -> Iterator[Extent]:
    for offset, length, hole in extents:
        end = offset + length
        if end > start:
            begin = max(offset, start)
            yield begin, end - begin, hole


def _pieces(copy: int, original: int, size: int, *, skip: bool) -> Iterator[_Piece]:
    """What to read, in order: at most a chunk at a time.

    :param skip: give what is a hole on both sides as one piece, however long it is.
    """
    ours, theirs = pump.extents(copy, size), pump.extents(original, size)
    a, b = next(ours, None), next(theirs, None)
    while a is not None and b is not None:
        start, end = a[0], min(a[0] + a[1], b[0] + b[1])
        if skip and a[2] and b[2] and end > start:
            yield _Piece(start, end - start, True, True)
        else:
            for offset in range(start, end, CHUNK):
                yield _Piece(offset, min(CHUNK, end - offset), a[2], b[2])
        a = next(ours, None) if a[0] + a[1] == end else (end, a[0] + a[1] - end, a[2])
        b = next(theirs, None) if b[0] + b[1] == end else (end, b[0] + b[1] - end, b[2])
