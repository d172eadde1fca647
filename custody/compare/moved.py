"""What stands on one side alone: is it under another name on the other?

Only files of a size that both sides have are read again, so a comparison without such files pays
nothing.  Memory is bounded: beyond :data:`MOST` a side, what stands alone is not looked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from custody.compare.entries import FILE
from custody.compare.pairs import Judge
from custody.compare.results import (
    EXTRA,
    METADATA,
    MISSING,
    MODIFIED,
    MOVED,
    ONLY_COPY,
    ONLY_ORIGINAL,
    Result,
)
from custody.compare.sides import Side
from custody.errors import CustodyError

MOST = 100_000
_REPLACED = "other content stands there in the original now"


@dataclass(slots=True)
class Alone:
    """What was found on one side alone, and what differs under its own name.

    :ivar overflow: how many more there were, which were not kept.
    """

    copy: list[Result] = field(default_factory=list)
    original: list[Result] = field(default_factory=list)
    changed: list[Result] = field(default_factory=list)
    overflow: int = 0

    def take(self, result: Result) -> Result | None:
        """Keep a result that is not final; gives it back if it is, or if there is no room."""
        kept = {ONLY_COPY: self.copy, ONLY_ORIGINAL: self.original}.get(result.status)
        if result.status == MODIFIED and result.kind == FILE:
            kept = self.changed
        if kept is None:
            return result
        if len(kept) < MOST:
            kept.append(result._replace(key=b"", stamp="", copy_sha256="", original_sha256=""))
            return None
        self.overflow += 1
        return final(result)


def final(result: Result) -> Result:
    """A result with its last status: what stands alone is missing, or extra."""
    about = "" if result.kind == FILE else result.kind
    detail = "; ".join(filter(None, (about, result.detail)))
    if result.status == ONLY_COPY:
        return result._replace(status=EXTRA, detail=detail)
    if result.status == ONLY_ORIGINAL:
        return result._replace(status=MISSING, detail=detail)
    return result


def settle(alone: Alone, judge: Judge) -> Iterator[Result]:
    """Give everything that was kept its last status."""
    yield from _same_name(alone, judge)
    yield from _same_folded(alone, judge)
    moved, claimed = _sought(alone, judge)
    yield from _told(alone, moved, claimed)


def _sought(alone: Alone, judge: Judge) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Which of the copy's files are under which other name, and the names that are so taken."""
    ours = {one.raw: one for one in (*alone.changed, *alone.copy)}
    theirs = {one.raw: one for one in (*alone.changed, *alone.original)}
    sizes = _sizes(ours, judge.copy, copy=True)
    others = _sizes(theirs, judge.original, copy=False)
    names: dict[int, tuple[set[bytes], set[bytes]]] = {}
    for place, found in enumerate((sizes, others)):
        for raw, size in found.items():
            names.setdefault(size, (set(), set()))[place].add(raw)
    common = {
        size for size, (one, other) in names.items()
        if size and one and other and len(one | other) > 1
    }  # fmt: skip
    by_digest: dict[str, list[bytes]] = {}
    for raw, size in others.items():
        where = theirs[raw].original_at
        if size in common and (digest := _digest(judge, judge.original, raw, where)):
            by_digest.setdefault(digest, []).append(raw)
    moved: dict[bytes, bytes] = {}
    claimed: set[bytes] = set()
    for raw, size in sizes.items():
        if size in common and by_digest:
            free = by_digest.get(_digest(judge, judge.copy, raw, ours[raw].copy_at), [])
            if free and raw not in free:
                moved[raw] = free.pop()
                claimed.add(moved[raw])
    return moved, claimed


def _told(alone: Alone, moved: dict[bytes, bytes], claimed: set[bytes]) -> Iterator[Result]:
    for one in (*alone.changed, *alone.copy):
        if one.raw in moved:
            other = moved[one.raw]
            where = other.decode("utf-8", "backslashreplace")
            detail = f"in the original it is {where}"
            yield one._replace(status=MOVED, detail=detail, original_at=os.fsdecode(other))
            if one.status == MODIFIED and one.raw not in claimed:
                yield one._replace(status=MISSING, detail=_REPLACED)
        else:
            yield final(one)
    for one in alone.original:
        if one.raw not in claimed:
            yield final(one)


def _same_name(alone: Alone, judge: Judge) -> Iterator[Result]:
    """The same path on both sides, that the walks came by at different times or as other kinds."""
    there = {one.raw: one for one in alone.original}
    done = set[bytes]()
    for one in alone.copy:
        other = there.get(one.raw)
        if other is None:
            continue
        result = _paired(one, other, judge)
        if result is None:
            continue
        done.add(one.raw)
        if result.status == MODIFIED and result.kind == FILE and len(alone.changed) < MOST:
            alone.changed.append(result)
        elif result.status:
            yield result
    alone.copy = [one for one in alone.copy if one.raw not in done]
    alone.original = [one for one in alone.original if one.raw not in done]


def _paired(one: Result, other: Result, judge: Judge) -> Result | None:
    try:
        copy = judge.copy.again(one.raw, one.copy_at)
        original = judge.original.again(other.raw, other.original_at)
    except (OSError, CustodyError):
        return None
    return judge.pair(copy, original)


def _same_folded(alone: Alone, judge: Judge) -> Iterator[Result]:
    """Names that differ in nothing but case, because a disk could not keep it."""
    there: dict[bytes, list[Result]] = {}
    for one in alone.original:
        there.setdefault(one.raw.lower(), []).append(one)
    if not there:
        return
    left, gone = [], set[bytes]()
    for one in alone.copy:
        others = there.get(one.raw.lower(), ())
        same = [other for other in others if other.kind == one.kind]
        if len(same) != 1 or same[0].raw in gone:
            left.append(one)
            continue
        result = _paired(one, same[0], judge)
        if result is None or result.status in (MODIFIED, ONLY_COPY):
            left.append(one)
            continue
        gone.add(same[0].raw)
        name = same[0].raw.decode("utf-8", "backslashreplace")
        detail = "; ".join(filter(None, (f"in the original its name is {name}", result.detail)))
        status = result.status if result.status not in ("", "identical") else METADATA
        yield result._replace(raw=one.raw, status=status, detail=detail)
    alone.copy = left
    alone.original = [one for one in alone.original if one.raw not in gone]


def _sizes(results: dict[bytes, Result], side: Side, *, copy: bool) -> dict[bytes, int]:
    """The sizes of the files that may be under another name."""
    found = {}
    for raw, one in results.items():
        if one.kind != FILE:
            continue
        if one.status != MODIFIED:
            found[raw] = one.size
            continue
        try:
            found[raw] = side.again(raw, one.copy_at if copy else one.original_at).size()
        except (OSError, CustodyError):
            continue
    return found


def _digest(judge: Judge, side: Side, raw: bytes, where: str) -> str:
    try:
        return judge.digest(side.again(raw, where))
    except (OSError, CustodyError):
        return ""
