"""Both sides merged, and each pair judged.

What stands on one side alone is given as such; whether it is missing, extra or merely moved is
found out when all is known (:mod:`custody.compare.moved`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Self

from custody.compare.content import CHUNK, Match, Stepper, small
from custody.compare.entries import (
    DIRECTORY,
    EVERYTHING,
    FILE,
    LEFT_OUT,
    LINK,
    Entry,
    Share,
)
from custody.compare.quick import quick
from custody.compare.results import (
    GROWN,
    IDENTICAL,
    METADATA,
    MODIFIED,
    NOT_COMPARED,
    ONLY_COPY,
    ONLY_ORIGINAL,
    PERHAPS_CUT,
    TRUNCATED,
    Result,
    Tally,
    differing,
    named,
)
from custody.compare.sides import Side
from custody.counted import counted
from custody.errors import FormatError

_TALLIED = 256
_LAST = b"\xff"  # sorts after every key
_CHANGED = "it changed while it was compared"

Pair = tuple[Entry | None, Entry | None]
Known = Callable[[Entry, Entry], Result | None]


def merged(copy: Side, original: Side, share: Share) -> Iterator[Pair]:
    """Both sides in the order of the walk; what has the same key on both comes together."""
    ours, theirs = copy.entries(share), original.entries(share)
    a, b = next(ours, None), next(theirs, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.key < b.key):
            yield a, None
            a = next(ours, None)
        elif a is None or b.key < a.key:
            yield None, b
            b = next(theirs, None)
        else:
            yield a, b
            a, b = next(ours, None), next(theirs, None)


class Judge:
    """Judges pairs; use it as a context manager.

    :param digests: whether every file's digest is wanted on both sides.
    :param stamps: whether results shall tell when they become stale.
    :param every: give each of the pairs that are identical, and do not merely count them.
    :param tick: told how many bytes of a large file are done.
    """

    def __init__(
        self,
        copy: Side,
        original: Side,
        *,
        digests: bool = False,
        stamps: bool = False,
        every: bool = True,
        tick: Callable[[int], None] = lambda _done: None,
    ) -> None:
        self.copy, self.original = copy, original
        self._digests = digests
        self._stamps = stamps
        self._every = every
        self.stepper = Stepper(tick)
        self._gaps = {True: _Gap(), False: _Gap()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stepper.__exit__()
        self.copy.close()
        self.original.close()

    def run(
        self, share: Share = EVERYTHING, known: Known = lambda _copy, _original: None
    ) -> Iterator[Result | Tally]:
        """Merge the two sides and judge one share of them.

        :param known: gives the result of a pair that was judged before.
        """
        quickly = not (self._digests or self._stamps)
        alike = size = 0
        for copy, original in merged(self.copy, self.original, share):
            if quickly and copy and original and copy.listed and original.listed:
                result = quick(copy, original)
                if result is not None:
                    if self._every or result.status != IDENTICAL:
                        yield result
                        continue
                    alike, size = alike + 1, size + result.size
                    if alike == _TALLIED:
                        yield Tally(result.key, alike, size)
                        alike = size = 0
                    continue
            for result in self._one(copy, original, share, known):
                if result.status:
                    yield result
        if alike:
            yield Tally(_LAST, alike, size)

    def _one(
        self, copy: Entry | None, original: Entry | None, share: Share, known: Known
    ) -> Iterator[Result]:
        left: list[Entry | None] = []
        for entry, is_copy in ((copy, True), (original, False)):
            is_there = entry is not None and entry.look()
            if entry is not None and entry.kind is LEFT_OUT:
                self._gaps[is_copy].take(entry)
                if share.takes(entry.raw):
                    yield self._left_out(entry, is_copy=is_copy)
            left.append(entry if is_there and entry and entry.kind is not LEFT_OUT else None)
        copy, original = left
        if copy is not None and original is not None:
            yield known(copy, original) or self.pair(copy, original)
        elif copy is not None:
            yield self._alone(copy, is_copy=True)
        elif original is not None:
            yield self._alone(original, is_copy=False)

    def _left_out(self, entry: Entry, *, is_copy: bool) -> Result:
        """What cannot be looked at on a side that has it; a bundle's gaps are no secret."""
        side = self.copy if is_copy else self.original
        if side.records or not entry.reason:
            return Result(entry.key, entry.raw, "")
        return self._unread(entry, f"{_side(is_copy)}: {entry.reason}")

    @staticmethod
    def _unread(entry: Entry, why: str) -> Result:
        return Result(entry.key, entry.raw, NOT_COMPARED, why)

    def _alone(self, entry: Entry, *, is_copy: bool) -> Result:
        gap = self._gaps[not is_copy]
        reason = ""
        if gap.covers(entry.raw):
            other = self.original if is_copy else self.copy
            if not gap.reason:  # left out on request
                return Result(entry.key, entry.raw, "")
            if not other.records:
                told = "" if gap.is_at(entry.raw) else NOT_COMPARED
                why = f"{_side(not is_copy)}: {gap.reason}"
                return Result(entry.key, entry.raw, told, why)
            reason = gap.reason
        status = ONLY_COPY if is_copy else ONLY_ORIGINAL
        sha256 = self.digest(entry) if self._digests and entry.kind is FILE else ""
        where = entry.where()
        return Result(
            entry.key,
            entry.raw,
            status,
            "; ".join(filter(None, (reason, entry.note))),
            entry.size(),
            entry.kind,
            where if is_copy else "",
            "" if is_copy else where,
            sha256 if is_copy else "",
            "" if is_copy else sha256,
        )

    def digest(self, entry: Entry) -> str:
        """The digest of one file, hex; empty if it cannot be read."""
        try:
            fd = entry.open()
        except OSError:
            return ""
        try:
            return self.stepper.digest(fd, os.fstat(fd).st_size)[1]
        except OSError:
            return ""
        finally:
            os.close(fd)

    def pair(self, copy: Entry, original: Entry) -> Result:
        """Judge two entries that belong together."""
        if copy.kind is not original.kind:
            detail = f"{copy.kind} in the copy, {original.kind} in the original"
            return Result(copy.key, copy.raw, MODIFIED, detail)
        try:
            return (
                self._files(copy, original) if copy.kind is FILE else self._others(copy, original)
            )
        except FormatError as err:
            return self._unread(copy, err.why)
        except OSError as err:
            return self._unread(copy, err.strerror or str(err))

    def _others(self, copy: Entry, original: Entry) -> Result:
        """Directories, links, and what is never opened."""
        fields: list[str] = []
        if copy.kind is LINK:  # a link's own times and modes mean nothing anywhere
            ours, theirs = copy.target(), original.target()
            if ours != theirs:
                detail = f"leads to {_shown(theirs)}, in the copy to {_shown(ours)}"
                return Result(copy.key, copy.raw, MODIFIED, detail)
        else:
            fields = differing(copy.facts(None), original.facts(None))
        if copy.kind is DIRECTORY and not fields:
            return Result(copy.key, copy.raw, "")
        return Result(copy.key, copy.raw, METADATA if fields else IDENTICAL, named(fields))

    def _files(self, copy: Entry, original: Entry) -> Result:
        stamp = f"{copy.stamp()}/{original.stamp()}" if self._stamps else ""
        one = copy.open()
        try:
            other = _open_if_there(original)
            if other is None:  # gone since it was listed
                return self._alone(copy, is_copy=True)
            try:
                return self._open_files(copy, one, original, other, stamp)
            finally:
                os.close(other)
        finally:
            os.close(one)

    def _open_files(self, copy: Entry, one: int, original: Entry, other: int, stamp: str) -> Result:
        before = os.fstat(one), os.fstat(other)
        if not all(stat.S_ISREG(status.st_mode) for status in before):
            return self._unread(copy, "it was replaced by something that is no file")
        sealed = copy.sealed(), original.sealed()
        digests = self._digests or any(sealed)
        found = self._content(one, before[0].st_size, other, before[1].st_size, digests)
        after = os.fstat(one), os.fstat(other)
        status, detail = _status(found)
        notes = [detail, copy.note, original.note]
        if os.path.samestat(*before):
            notes.append("one and the same file, not a copy")
        for name, promised, seen in (
            ("copy", sealed[0], found.copy_sha256),
            ("original", sealed[1], found.original_sha256),
        ):
            if promised and promised != seen:
                status = MODIFIED
                notes.append(f"the {name} is not what its bundle's inventory says")
        if any(_touched(*looks) for looks in zip(before, after, strict=True)):
            notes.append(_CHANGED)
        ours, theirs = copy.facts(one), original.facts(other)
        fields = differing(ours, theirs)
        if status == IDENTICAL and fields:
            status = METADATA
        if status == GROWN and _is_older(theirs, ours):
            notes.append(PERHAPS_CUT)
        if status not in (GROWN, TRUNCATED):
            notes.append(named(fields))
        text = "; ".join(filter(None, notes))
        kept = (found.copy_sha256, found.original_sha256) if self._digests else ("", "")
        moved = status == MODIFIED
        return Result(
            copy.key, copy.raw, status, text, max(found.copy, found.original), FILE,
            copy.where() if moved else "", original.where() if moved else "", *kept, stamp,
        )  # fmt: skip

    def _content(self, one: int, a: int, other: int, b: int, digests: bool) -> Match:
        if a <= CHUNK and b <= CHUNK:
            return small(_whole(one, a), _whole(other, b), digests=digests)
        return self.stepper.compare(one, a, other, b, digests=digests)


class _Gap:
    """The last thing that a side left out; what is beneath it follows at once in the walk."""

    def __init__(self) -> None:
        self._raw: bytes | None = None
        self.reason = ""

    def take(self, entry: Entry) -> None:
        self._raw, self.reason = entry.raw, entry.reason

    def is_at(self, raw: bytes) -> bool:
        return raw == self._raw

    def covers(self, raw: bytes) -> bool:
        mine = self._raw
        return mine is not None and (raw == mine or not mine or raw.startswith(mine + b"/"))


def _open_if_there(entry: Entry) -> int | None:
    try:
        return entry.open()
    except FileNotFoundError:
        return None


def _whole(fd: int, size: int) -> bytes:
    data = os.read(fd, size) if size else b""
    while 0 < len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data


def _status(found: Match) -> tuple[str, str]:
    if found.differs:
        sizes = "" if found.copy == found.original else (
            f"; {found.copy:,} bytes in the copy, {found.original:,} in the original"
        )  # fmt: skip
        return MODIFIED, f"first difference at byte {found.same:,}{sizes}"
    past = found.original - found.copy
    if past > 0:
        return GROWN, f"the original continues {counted(past, 'byte')} past the copy"
    if past < 0:
        return TRUNCATED, f"the copy continues {counted(-past, 'byte')} past the original"
    return IDENTICAL, ""


def _side(is_copy: bool) -> str:
    return "the copy" if is_copy else "the original"


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _is_older(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether *one* was last written no later than *other*, as far as both say."""
    mine, its = one.get("modified"), other.get("modified")
    return isinstance(mine, int) and isinstance(its, int) and mine <= its


def _touched(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
