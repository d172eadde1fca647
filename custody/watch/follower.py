"""What is followed, and what each look at one of the files means."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from custody.acquire import metadata
from custody.acquire.metadata import Record
from custody.counted import counted
from custody.watch import alarms, kinship, prefix
from custody.watch.alarms import Alarm
from custody.watch.followed import READ, Followed, Identity, begin

_ACTIVE_SECONDS = 300.0
_SELDOM = 30  # a file is looked at again after a part of the time for which it did not change
_KIN_SECONDS = 900.0
_MOST_ENDED = 1_000
_MOST_RESTARTS = 4  # contents of one file, each less than so many seconds after the other
_SOON_SECONDS = 60.0
_LONGEST_PAUSE = 600.0
_READ_AGAIN = 128 << 20  # so many bytes of known prefixes are read again in so many seconds
_READ_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a watch may take.

    :ivar held: the most bytes to hold in memory that are not sealed.
    :ivar files: the most files to keep open.
    """

    held: int = 32 << 20
    files: int = 512


@dataclass(frozen=True, slots=True)
class Ended:
    """A content that came to an end, when that was, and what to cry if no copy of it turns up."""

    item: Followed
    at: float
    alarm: Alarm | None = None


@dataclass(slots=True)
class Follower:
    """Everything that is followed.

    :ivar files: by device and inode.
    :ivar before: what earlier runs followed and this one has not met yet.
    :ivar ended: contents without a file; they may still have to be sealed, or turn up as copies.
    :ivar alarms: what was seen and not yet cried out.
    :ivar notes: the records of everything that is no file to be read, by path, where they are new.
    :ivar directories: the record of each directory at the last pass.
    :ivar held: how many bytes are held and not sealed.
    :ivar wants_pass: something was seen that only a pass can tell the meaning of.
    """

    limits: Limits = field(default_factory=Limits)
    files: dict[Identity, Followed] = field(default_factory=dict)
    before: dict[Identity, Followed] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    notes: dict[bytes, Record] = field(default_factory=dict)
    directories: dict[bytes, Record] = field(default_factory=dict)
    wants_pass: bool = False
    held: int = 0
    _budget: float = 0.0
    _budget_at: float = 0.0
    _said: dict[bytes, Any] = field(default_factory=dict)
    _open: dict[Identity, Followed] = field(default_factory=dict)

    # ---- looking

    def tick(self) -> None:
        """Look at the active files through their descriptors, and hold what is new."""
        now = time.monotonic()
        for item in list(self._open.values()):
            if item.fd is None or now < item.next_look:
                continue
            item.next_look = now + (now - item.last_change) / _SELDOM
            try:
                self.look(item)
            except OSError:
                self.wants_pass = True
            if item.status.st_nlink == 0 and not item.gone:
                self.wants_pass = True

    def look(self, item: Followed) -> None:
        """Look at a file that is open: what has become of it since the last look.

        :raises OSError: if it cannot be read.
        """
        if item.fd is None or time.monotonic() < item.let_be_until:
            return
        before, status = item.status, os.fstat(item.fd)
        if not _differs(status, before) and not item.behind:
            return
        item.status, item.last_change = status, time.monotonic()
        self.judge_permissions(item, before)
        if status.st_size < item.end:
            why = f"it is {counted(status.st_size, 'byte')} long now; {item.end:,} were known"
            self.start_over(item, alarms.TRUNCATED, why)
            return
        if status.st_ctime_ns != before.st_ctime_ns or status.st_mtime_ns != before.st_mtime_ns:
            grew = status.st_size > before.st_size
            samples = item.samples
            bad = prefix.changed(item.fd, samples.some() if grew else samples.every())
            if bad is not None:
                why = f"the {bad.length} bytes from {bad.offset} are not what they were"
                self.start_over(item, alarms.REWRITTEN, why)
                return
            if not grew and not self._is_whole(item):
                why = f"the first {item.end} bytes are not what they were"
                self.start_over(item, alarms.REWRITTEN, why)
                return
        self.hold(item)

    def _is_whole(self, item: Followed) -> bool:
        """Whether a file that was touched and did not grow is what it was; all of it is read.

        That is rare, as long as nobody makes it often: there is a budget for it.
        """
        now = time.monotonic()
        earned = (now - self._budget_at) * _READ_AGAIN / _READ_AGAIN_SECONDS
        self._budget, self._budget_at = min(_READ_AGAIN, self._budget + earned), now
        if item.fd is None or item.whole is None or not 0 < item.end <= self._budget:
            return True
        self._budget -= item.end
        return bool(kinship.digest_of(item.fd, item.end).digest() == item.digest())

    def hold(self, item: Followed) -> int:
        """Read what is new of an open file, as far as there is room; returns how much that was."""
        done = item.hold(max(0, min(READ, self.limits.held - self.held)))
        self.held += done
        return done

    def sealed(self, item: Followed, length: int) -> None:
        """The first *length* bytes that were held of it are sealed."""
        del item.held[:length]
        self.held -= length

    def judge_permissions(self, item: Followed, before: os.stat_result) -> None:
        """Cry where they are not what they were when the file was last sealed.

        Whoever makes a new log makes it private first, and then gives it away.
        """
        if not item.sealed_path:
            return
        now = item.status
        was = f"{before.st_mode:07o} {before.st_uid}:{before.st_gid}"
        is_now = f"{now.st_mode:07o} {now.st_uid}:{now.st_gid}"
        if was != is_now:
            why = f"permissions or owner changed from {was} to {is_now}"
            self.cry(alarms.PERMISSIONS, item, why)

    def judge_listed(self, item: Followed, listed: os.stat_result) -> None:
        """The same of a file that cannot be opened, by what its directory says of it."""
        before = item.status
        access = (listed.st_mode, *before[1:4], listed.st_uid, listed.st_gid, *before[6:10])
        times = {"st_mtime_ns": before.st_mtime_ns, "st_ctime_ns": before.st_ctime_ns}
        item.status = os.stat_result(access, times)
        self.judge_permissions(item, before)

    def start_over(self, item: Followed, kind: str, why: str) -> None:
        """The file has another content now: end the old one, and follow the new from 0."""
        fd, item.fd, item.ended = item.fd, None, True
        self._open.pop(item.identity, None)
        restarts, pause = _pause(item)
        if pause:
            why += f"; that happens so often that it is looked at again in {pause:.0f} s"
        alarm = alarms.about(kind, item, why)
        self.ended.append(Ended(item, time.monotonic(), alarm))
        self.wants_pass = True
        if fd is None:
            self.files.pop(item.identity, None)
            return
        new = begin(item.path, fd, item.count + 1)
        new.restarts, new.let_be_until = restarts, new.began + pause
        self.follow(new)
        self.hold(new)

    # ---- coming and going

    def follow(self, item: Followed) -> None:
        """Take in an open file; :meth:`looked_at` when it need not stay open."""
        self.files[item.identity] = item
        if item.fd is not None:
            self._open[item.identity] = item

    def looked_at(self, item: Followed) -> None:
        """Let go of a file that was opened, where too many are open."""
        if len(self._open) > self.limits.files and not (item.gone and item.behind):
            self.close(item)

    def opened(self, item: Followed, fd: int) -> None:
        """A followed file was opened again."""
        item.fd = fd
        self._open[item.identity] = item

    def forget(self, item: Followed, alarm: Alarm | None) -> None:
        """Its file is not there any more."""
        if self.files.get(item.identity) is item:
            del self.files[item.identity]
        self._open.pop(item.identity, None)
        item.release()
        item.ended = True
        self.ended.append(Ended(item, time.monotonic(), alarm))

    def take_over(self, item: Followed, path: bytes, fd: int, whole: Any) -> None:
        """A content goes on in another file, which is a copy of it."""
        self.ended = [one for one in self.ended if one.item is not item]
        if self.before.get(item.identity) is item:
            del self.before[item.identity]
        if self.files.get(item.identity) is item:
            del self.files[item.identity]
            self._open.pop(item.identity, None)
            item.release()
        item.path, item.fd, item.status, item.whole = path, fd, os.fstat(fd), whole
        item.ended = item.gone = False
        item.born = metadata.birth_time(fd) or ""
        item.last_change = time.monotonic()
        self.follow(item)
        self.hold(item)
        self.looked_at(item)

    def settle(self) -> None:
        """After a pass: cry out what nothing explained, and let go of what is of no more use."""
        now = time.monotonic()
        self.alarms += [one.alarm for one in self.ended if one.alarm is not None]
        kept = [
            Ended(one.item, one.at)
            for one in self.ended
            if one.item.held or now - one.at < _KIN_SECONDS
        ]
        self.ended = [one for one in kept[:-_MOST_ENDED] if one.item.held] + kept[-_MOST_ENDED:]
        idle = sorted(self._open.values(), key=lambda item: item.last_change)
        too_many = len(idle) - self.limits.files
        for number, item in enumerate(idle):
            unread = item.gone and item.behind
            if not unread and (number < too_many or now - item.last_change > _ACTIVE_SECONDS):
                self.close(item)
        self.wants_pass = False

    def close(self, item: Followed) -> None:
        """Let go of a descriptor; one whose file has no name is then gone."""
        if item.gone:
            self.forget(item, None)
            return
        self._open.pop(item.identity, None)
        item.release()

    def close_all(self) -> None:
        """Let go of every descriptor."""
        for item in self._open.values():
            item.release()
        self._open.clear()

    # ---- saying

    def cry(self, kind: str, item: Followed, why: str) -> None:
        """Something to be said at once."""
        self.alarms.append(alarms.about(kind, item, why))

    def note(self, path: bytes, record: Record) -> None:
        """The record of something that is no file to be read; kept where it says something new."""
        what = (record["outcome"], record.get("link_target"), record.get("rotated_to"))
        if self._said.get(path) != what:
            self._said[path] = what
            self.notes[path] = record

    def back_again(self, paths: Iterable[bytes]) -> None:
        """These are there again: what was noted of them is news if it happens once more."""
        for path in paths:
            self._said.pop(path, None)

    # ---- what is to be sealed

    def contents(self) -> Iterator[Followed]:
        """Every content, with a file or without."""
        yield from self.files.values()
        for one in self.ended:
            yield one.item

    def pending(self) -> list[Followed]:
        """The contents that the next bundle has something to say of."""
        live = [item for item in self.files.values() if item.is_pending]
        return live + [one.item for one in self.ended if one.item.held]

    def lag(self) -> tuple[int, float]:
        """How many bytes are not sealed, and for how many seconds the oldest of them waits."""
        waiting = [item for item in self.contents() if item.held or item.behind]
        size = sum(len(item.held) + item.behind for item in waiting)
        since = [item.held_since for item in waiting if item.held_since]
        return size, max(0.0, (time.time_ns() - min(since)) / 1e9) if since else 0.0


def _pause(item: Followed) -> tuple[int, float]:
    """How often a file began anew in quick succession, and how long to let it be after that.

    Some files are no logs: what a program writes over again every second would fill the ledger with
    alarms and the case with contents.
    """
    lasted = time.monotonic() - item.began
    soon = max(_SOON_SECONDS, 4 * (item.let_be_until - item.began))
    restarts = item.restarts + 1 if lasted < soon else 1
    over = restarts - _MOST_RESTARTS
    return restarts, min(_LONGEST_PAUSE, 2.0**over) if over > 0 else 0.0


def _differs(now: os.stat_result, before: os.stat_result) -> bool:
    return (
        now.st_size != before.st_size
        or now.st_mtime_ns != before.st_mtime_ns
        or now.st_ctime_ns != before.st_ctime_ns
    )
