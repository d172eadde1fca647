"""One pass over the sources, and what it means: new, renamed, copied, replaced, gone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.reader import open_quietly
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.formats import inventory
from custody.watch import alarms, kinship
from custody.watch.alarms import Alarm
from custody.watch.followed import Followed, Identity, begin
from custody.watch.follower import Follower
from custody.watch.resuming import take_up
from custody.watch.scan import Seen, scan, unopened

_MOST_FRESH = 256
_PATIENCE = 8.0


class Passes:
    """The passes of one watch, one after the other.

    :ivar patience: for how many seconds a file that may be a copy waits to be finished, or for its
        original to be truncated; the last pass has none.
    """

    def __init__(self, follower: Follower, accounts: Accounts) -> None:
        self.patience = _PATIENCE
        self.follower = follower
        self.accounts = accounts
        self._places: dict[Identity, list[bytes]] = {}
        self._at: dict[bytes, Identity] = {}
        self._fresh: list[tuple[bytes, int]] = []
        self._closed: set[bytes] = set()
        self._absent: set[bytes] = set()  # sources that are not there
        self._absent_before: set[bytes] = set()
        self._waiting: dict[Identity, tuple[float, int]] = {}  # perhaps a copy: since when; size
        self._settled: dict[Identity, tuple[int, int]] = {}  # holds nothing new: size and mtime
        self._first = not follower.before
        self._again = False

    def run(self, sources: Sources, rules: Rules) -> None:
        """Go over the sources once.

        :raises OSError: if that could not be finished; nothing is concluded from half a pass.
        """
        self._places, self._at, self._closed = {}, {}, set()
        self._absent_before, self._absent = self._absent, set()
        self.follower.directories = {}
        try:
            self._run(sources, rules)
        except OSError:
            self._absent |= self._absent_before
            raise
        finally:
            for _, fd in self._fresh:
                os.close(fd)
            self._fresh = []

    def _run(self, sources: Sources, rules: Rules) -> None:
        for record in scan(sources, rules, self.accounts, self._see):
            self._note(record)
        self._renamed()
        self._catch_up()
        self._welcome()
        self._missed()
        self.follower.back_again(self._absent_before - self._absent)
        self.follower.settle()
        self.follower.wants_pass, self._again = self._again, False
        self._first = False

    # ---- while the pass runs

    def _note(self, record: Record) -> None:
        path, outcome = inventory.raw_path(record), record["outcome"]
        if outcome == outcomes.DIRECTORY:
            self.follower.directories[path] = record
            return
        if outcome in (outcomes.UNREADABLE, outcomes.NOT_LOCAL):
            self._closed.add(path)
        if outcome == outcomes.MISSING:
            self._absent.add(path)
            if not self._first and path not in self._absent_before:
                why = "what was to be watched is not there any more"
                self.follower.alarms.append(Alarm(alarms.WATCH_LOST, path, why))
        self.follower.note(path, record)

    def _see(self, seen: Seen) -> None:
        identity = (seen.status.st_dev, seen.status.st_ino)
        places = self._places.setdefault(identity, [])
        places.append(seen.path)
        self._at[seen.path] = identity
        if len(places) > 1:
            return  # another name of the same file
        item = self.follower.files.get(identity)
        if item is None:
            if self._settled.get(identity) != (seen.status.st_size, seen.status.st_mtime_ns):
                self._open_fresh(seen)
            return
        if item.fd is None and not self._reopen(item, seen):
            return
        with suppress(OSError):  # the next pass says why, if it stays so
            self.follower.look(item)
        self.follower.looked_at(self.follower.files.get(identity, item))

    def _reopen(self, item: Followed, seen: Seen) -> bool:
        """Open a followed file again, if there is anything new about it."""
        then, now = item.status, seen.status
        if (then.st_size, then.st_mtime_ns, then.st_ctime_ns) == (
            now.st_size, now.st_mtime_ns, now.st_ctime_ns,
        ) and not item.behind:  # fmt: skip
            return False
        fd = self._open(seen)
        if fd is None:
            self.follower.judge_listed(item, now)
            return False
        if (metadata.birth_time(fd) or "") != item.born:  # the inode was used again
            self.follower.forget(item, self._loss(item))
            self._fresh.append((seen.path, fd))
            return False
        self.follower.opened(item, fd)
        return True

    def _open(self, seen: Seen) -> int | None:
        try:
            fd = open_quietly(seen.directory, seen.name)
        except OSError as err:
            self._closed.add(seen.path)
            self.follower.note(seen.path, unopened(seen, err, self.accounts))
            return None
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != (seen.status.st_dev, seen.status.st_ino):
            os.close(fd)  # it was replaced in between; the next pass sees what stands there now
            return None
        return fd

    def _open_fresh(self, seen: Seen) -> None:
        identity = (seen.status.st_dev, seen.status.st_ino)
        earlier = self.follower.before.get(identity)
        fd = self._open(seen)
        if fd is None:
            if earlier is not None:
                self.follower.judge_listed(earlier, seen.status)
            return
        most = min(_MOST_FRESH, self.follower.limits.files // 4)
        if earlier is not None or self._first or len(self._fresh) >= most:
            self._begin(seen.path, fd)
        else:
            self._fresh.append((seen.path, fd))

    # ---- when it is over

    def _renamed(self) -> None:
        for identity, places in self._places.items():
            item = self.follower.files.get(identity)
            if item is None:
                continue
            item.gone = item.missed = False
            if item.path not in places:
                item.path = places[0]
            for other in places:
                if other != item.path:
                    self._another_name(other, item)

    def _another_name(self, path: bytes, item: Followed) -> None:
        record = {
            **metadata.path_fields(path),
            "outcome": outcomes.ROTATED,
            "inode": str(item.status.st_ino),
            **metadata.path_fields(item.path, "rotated_to"),
        }
        self.follower.note(path, record)

    def _catch_up(self) -> None:
        """Read what no name leads to any more to its end, before it is held against new files."""
        for item in list(self.follower.files.values()):
            if item.fd is None or item.identity in self._places:
                continue
            with suppress(OSError):
                self.follower.look(item)
                while item.behind and self.follower.hold(item):
                    pass

    def _welcome(self) -> None:
        """Files that were not there before: copies of what is known, or new."""
        known = kinship.neighbours(self._contents()) if self._fresh else {}
        while self._fresh:
            path, fd = self._fresh.pop(0)
            near = known.get(path.rpartition(b"/")[0], kinship.Neighbours())
            if not self._is_kin(path, fd, near):
                self._begin(path, fd)

    def _is_kin(self, path: bytes, fd: int, near: kinship.Neighbours) -> bool:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        known = near.every
        packed = kinship.compressed_from(path, fd, known)
        if packed is not None:
            self._settle(identity, path, packed, fd)
            return True
        item = kinship.copied_from(fd, status.st_size, near)
        if item is not None and item.ended:
            whole = kinship.digest_of(fd, item.end)
            self._waiting.pop(identity, None)
            self.follower.take_over(item, path, fd, whole)
            return True
        if path.endswith(kinship.SUFFIXES) and any(
            kinship.looks_rotated(path, other) for other in known
        ):
            item = item or known[0]  # perhaps it is not all written yet
        now, size = time.monotonic(), status.st_size
        if item is None:
            item = kinship.unfinished_copy(path, fd, size, near)
            if item is not None:
                self._again = bool(self.patience)  # nobody looks at it meanwhile
                if self._waiting.get(identity, (now, size))[1] != size:
                    del self._waiting[identity]  # it is being written
        if (
            item is None
            or now - self._waiting.setdefault(identity, (now, size))[0] >= self.patience
        ):
            self._waiting.pop(identity, None)
            return False
        os.close(fd)
        return True

    def _contents(self) -> Iterator[Followed]:
        yield from self.follower.contents()
        for item in self.follower.before.values():
            item.ended = True  # its file may turn up under another inode
            yield item

    def _settle(self, identity: Identity, path: bytes, packed: Followed, fd: int) -> None:
        """It holds in compressed form what is known already."""
        status = os.fstat(fd)
        os.close(fd)
        self._settled[identity] = (status.st_size, status.st_mtime_ns)
        self._waiting.pop(identity, None)
        self.follower.note(
            path,
            {
                **metadata.path_fields(path),
                "outcome": outcomes.ROTATED,
                **metadata.describe(status, self.accounts),
                **metadata.path_fields(packed.path, "rotated_from"),
                "remark": f"the same content, compressed: {packed.generation}",
            },
        )
        packed.explained = packed.end

    def _begin(self, path: bytes, fd: int) -> None:
        """Follow a new file, or go on with one that an earlier run followed."""
        item = begin(path, fd)
        earlier = self.follower.before.pop(item.identity, None)
        if earlier is not None and earlier.born == item.born:
            take_up(self.follower, earlier, path, fd)
            self.follower.looked_at(self.follower.files.get(earlier.identity, earlier))
            return
        if earlier is not None:  # its inode was used again
            self.follower.forget(earlier, self._loss(earlier))
        self.follower.follow(item)
        if not self._first:
            with suppress(OSError):
                self.follower.hold(item)
        self.follower.looked_at(item)

    def _missed(self) -> None:
        """What no pass met any more."""
        for item in list(self.follower.files.values()):
            if item.identity in self._places or item.gone or self._is_closed(item.path):
                continue
            if not item.missed and self.patience:
                # It may have been renamed or packed while this pass went by: a name that came
                # behind its back is found by the next one, which comes at once.
                item.missed = self._again = True
                continue
            self._gone(item)
        before, self.follower.before = self.follower.before, {}
        for identity, item in before.items():
            if self._is_closed(item.path):
                self.follower.before[identity] = item
            else:
                self.follower.forget(item, self._loss(item))

    def _gone(self, item: Followed) -> None:
        with suppress(OSError):
            self.follower.look(item)
        if item.ended:
            return
        alarm = self._loss(item)
        if item.fd is None:
            self.follower.forget(item, alarm)
            return
        item.gone = True  # its writer may go on for a while
        if alarm is not None:
            self.follower.alarms.append(alarm)

    def _loss(self, item: Followed) -> Alarm | None:
        """What to cry about a file that is gone; nothing, if a compressed copy explains it."""
        if item.explained and item.explained == item.end and not item.behind:
            return None
        kind, why = alarms.DELETED, "no name leads to it any more"
        other = self._at.get(item.path)
        if other is not None and other != item.identity:
            kind, why = alarms.REPLACED, "another file stands in its place"
            new = self.follower.files.get(other)
            if new is not None and new.status.st_mtime_ns < item.status.st_mtime_ns:
                kind, why = alarms.REPLACED_BY_OLDER, "an older file stands in its place"
        return alarms.about(kind, item, why)

    def _is_closed(self, path: bytes) -> bool:
        """Whether it lies where this pass could not look."""
        while path:
            if path in self._closed:
                return True
            path = path.rpartition(b"/")[0]
        return b"/" in self._closed
