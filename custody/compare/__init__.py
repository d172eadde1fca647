"""Compare: a copy against its original, path by path.

Either side is a file, a directory or a bundle; the original may be the live paths that a bundle
came from, and may change meanwhile.  Both sides are walked in one order and merged; every pair is
read once, in step, in constant memory; what stands on one side alone is looked for under other
names at the end.  Nothing on either side is written, and nothing is opened but regular files.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from custody.compare import bundled, halves, moved
from custody.compare.choose import Chosen, choose, live
from custody.compare.entries import EVERYTHING, Share
from custody.compare.moved import Alone
from custody.compare.pairs import Judge, Known
from custody.compare.results import (
    EXTRA,
    GROWN,
    IDENTICAL,
    MISSING,
    MODIFIED,
    NOT_COMPARED,
    PERHAPS_CUT,
    STATUSES,
    TRUNCATED,
    Result,
    Tally,
)
from custody.compare.resume import Earlier, Progress
from custody.compare.sides import Side, Single
from custody.errors import UsageError

__all__ = ["STATUSES", "Chosen", "Comparison", "Result", "choose", "live", "run"]

DIFFERENT = (TRUNCATED, MODIFIED, MISSING, EXTRA)
MOST_UNREAD_KEPT = 10_000

Tick = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done; how many there are is not known."""


@dataclass(slots=True)
class Comparison:
    """What a comparison came to, counted up while it runs.

    :ivar totals: how many items have which status.
    :ivar unread: what could not be compared, as far as it is listed: path and reason.
    :ivar unread_count: how many those are.
    :ivar perhaps_cut: how many grown files may rather be copies that were never finished.
    :ivar copy_sha256: what stands for the whole copy: the digest of a file, of a bundle's tag
        manifest, or of the list of a directory's files; only where digests were wanted.
    :ivar not_sought: how many things on one side alone were not looked for under other names.
    :ivar taken_over: how many results come from an earlier run, which began at *began*.
    """

    totals: Counter[str] = field(default_factory=Counter)
    unread: list[tuple[bytes, str]] = field(default_factory=list)
    unread_count: int = 0
    files: int = 0
    bytes: int = 0
    perhaps_cut: int = 0
    copy_sha256: str = ""
    original_sha256: str = ""
    not_sought: int = 0
    taken_over: int = 0
    began: str = ""

    @property
    def identical(self) -> bool:
        """Whether everything was compared and nothing differs at all."""
        return not self.unread_count and set(self.totals) <= {IDENTICAL}

    @property
    def differs(self) -> bool:
        """Whether the copy is not what the original was."""
        return any(self.totals[status] for status in DIFFERENT)

    @property
    def looks_swapped(self) -> bool:
        """Whether all that differs would be a log that grew, the other way round."""
        others = sum(self.totals[status] for status in (*DIFFERENT, GROWN))
        return self.totals[TRUNCATED] > 0 and others == self.totals[TRUNCATED]


def run(
    chosen: Chosen,
    comparison: Comparison,
    *,
    now: datetime,
    digests: bool = False,
    every: bool = True,
    resume: Path | None = None,
    progress: Tick = lambda *_: None,
) -> Iterator[Result]:
    """Compare, and give every item with its last status; *comparison* is complete at the end.

    :param every: give also those that are identical; they are counted anyway.
    :param digests: make one digest that stands for each side.
    :param resume: a file that keeps what was found, and may have it from an earlier run.
    :raises DifferenceError: if a bundle's inventory is damaged.
    :raises UsageError: if *resume* lies in what is compared.
    """
    if resume is None:
        yield from _run(chosen, comparison, _Wish(digests, every), None, progress)
        return
    real = os.fsencode(os.path.realpath(resume))
    if any(side.holds(real) for side in (chosen.copy, chosen.original)):
        why = "it lies in what is compared, and nothing is written there"
        raise UsageError("resume from", resume, why, hint="name a file elsewhere")
    with Progress(resume, chosen.copy, chosen.original, now) as kept:
        yield from _run(chosen, comparison, _Wish(digests, every), kept, progress)
        comparison.taken_over, comparison.began = kept.taken_over, kept.began


class _Wish(NamedTuple):
    digests: bool
    every: bool


def _run(
    chosen: Chosen, comparison: Comparison, wish: _Wish, kept: Progress | None, progress: Tick
) -> Iterator[Result]:
    alone = Alone()
    copy, original = _Summary(chosen.copy), _Summary(chosen.original)

    def large(done: int) -> None:
        progress(comparison.files, comparison.bytes + done, None, None)

    for result in _results(chosen, wish, kept, large):
        if isinstance(result, Tally):
            comparison.files += result.files
            comparison.bytes += result.size
            comparison.totals[IDENTICAL] += result.files
            progress(comparison.files, comparison.bytes, None, None)
            continue
        comparison.files += bool(result.size or result.kind)
        comparison.bytes += result.size
        progress(comparison.files, comparison.bytes, None, None)
        if result.status == IDENTICAL and kept is None and not wish.digests:
            comparison.totals[IDENTICAL] += 1
            yield result
            continue
        copy.add(result.raw, result.copy_sha256)
        original.add(result.raw, result.original_sha256)
        if kept is not None:
            kept.add(result)
        given = alone.take(result)
        if given is not None:
            yield from _counted(given, comparison)
    with Judge(chosen.copy, chosen.original) as judge:
        for result in moved.settle(alone, judge):
            yield from _counted(result, comparison)
    comparison.not_sought = alone.overflow
    if wish.digests:
        comparison.copy_sha256, comparison.original_sha256 = copy.sha256(), original.sha256()


def _counted(result: Result, comparison: Comparison) -> Iterator[Result]:
    if result.status == NOT_COMPARED:
        comparison.unread_count += 1
        if len(comparison.unread) < MOST_UNREAD_KEPT:
            comparison.unread.append((result.raw, result.detail))
        return
    comparison.totals[result.status] += 1
    comparison.perhaps_cut += result.status == GROWN and PERHAPS_CUT in result.detail
    yield result


def _results(
    chosen: Chosen, wish: _Wish, kept: Progress | None, tick: Callable[[int], None]
) -> Iterator[Result | Tally]:
    def work(share: Share, tick: Callable[[int], None]) -> Iterator[Result | Tally]:
        known: Known = lambda _copy, _original: None  # noqa: E731 - the ordinary case
        if kept is not None and kept.length:
            known = _with_digests(Earlier(kept.path, kept.length).known, wish.digests)
        with Judge(
            chosen.copy, chosen.original, digests=wish.digests, stamps=kept is not None,
            every=wish.every, tick=tick,
        ) as judge:  # fmt: skip
            yield from judge.run(share, known)

    if isinstance(chosen.copy, Single) or isinstance(chosen.original, Single):
        return work(EVERYTHING, tick)
    return halves.shared(work, tick)


def _with_digests(known: Known, digests: bool) -> Known:
    def wanted(copy: object, original: object) -> Result | None:
        found = known(copy, original)  # type: ignore[arg-type]
        return None if found is None or (digests and not found.copy_sha256) else found

    return wanted


class _Summary:
    """One digest for a whole side."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._list = hashlib.sha256()
        self._one = ""

    def add(self, raw: bytes, sha256: str) -> None:
        if sha256:
            self._list.update(sha256.encode() + b"  " + raw + b"\0")
            self._one = sha256

    def sha256(self) -> str:
        if isinstance(self._side, Single):
            return self._one
        if isinstance(self._side, bundled.Bundle):
            return self._side.pin.sha256
        return self._list.hexdigest()
