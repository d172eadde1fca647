"""Samples of what is known of a file, to notice that it was rewritten before the known offset.

Reading everything again at every rescan would be a load of its own; a few blocks tell nearly as
much: the first, the last before the offset, and some in between that nobody can guess.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

BLOCK = 4_096
_MOST_BETWEEN = 8


class Sample(NamedTuple):
    """A block of the known prefix: where it is, how long, and its SHA-256."""

    offset: int
    length: int
    digest: bytes


@dataclass(slots=True)
class Samples:
    """The samples of one content."""

    head: Sample | None = None
    tail: Sample | None = None
    between: list[Sample] = field(default_factory=list)
    _turn: int = 0

    def grow(self, offset: int, data: bytes | memoryview) -> None:
        """Take in what follows the prefix known so far: *data* at *offset*."""
        if not data:
            return
        view = memoryview(data)
        if self.head is None or (self.head.offset == 0 and self.head.length < BLOCK):
            self._head(offset, view)
        if self.tail is not None and self.tail.offset:
            self._between(self.tail)  # small pieces leave samples behind, too
        last = view[-BLOCK:]
        self.tail = _sample(offset + len(view) - len(last), last)
        if len(view) >= BLOCK:
            at = secrets.randbelow(len(view) - BLOCK + 1)
            self._between(_sample(offset + at, view[at : at + BLOCK]))

    def _head(self, offset: int, view: memoryview) -> None:
        if offset == 0:
            self.head = _sample(0, view[:BLOCK])

    def _between(self, sample: Sample) -> None:
        if len(self.between) < _MOST_BETWEEN:
            self.between.append(sample)
        elif (place := secrets.randbelow(4 * _MOST_BETWEEN)) < _MOST_BETWEEN:
            self.between[place] = sample

    def some(self) -> list[Sample]:
        """The last one, and each of the others in its turn: for a file that grows all the time."""
        every = self.every()
        others = every[1:]
        self._turn += 1
        return every[:1] + ([others[self._turn % len(others)]] if others else [])

    def every(self) -> list[Sample]:
        """All of them."""
        ends = [sample for sample in (self.tail, self.head) if sample is not None]
        return ends + self.between


def _sample(offset: int, data: memoryview) -> Sample:
    return Sample(offset, len(data), hashlib.sha256(data).digest())


def changed(fd: int, samples: list[Sample]) -> Sample | None:
    """The first sample that the file no longer has, or None.

    :raises OSError: if it cannot be read.
    """
    for sample in samples:
        data = os.pread(fd, sample.length, sample.offset)
        if hashlib.sha256(data).digest() != sample.digest:
            return sample
    return None
