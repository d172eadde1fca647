"""Reading one path of a live host, once, and saying what came of it.

A file is opened relative to its directory, never through a link, never blocking, without
touching its access time where the system allows.  Exactly the size seen at opening is copied,
in one pass that hashes too.  Whatever happens becomes the record's outcome; nothing is raised
for the source's sake, only for the destination's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

from custody import durable, pump
from custody.acquire import metadata, outcomes
from custody.acquire.listing import Listed
from custody.acquire.metadata import Accounts, Record
from custody.acquire.rules import LARGEST_FILE, Left, Rules
from custody.acquire.walk import Batch, Place, error_fields, failed, outcome_of
from custody.formats import journal
from custody.pace import Pace
from custody.pump import Copied, Pump

LARGEST_ENDLESS = 16 << 20
_ONE_READ = pump.CHUNK
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOATIME = getattr(os, "O_NOATIME", 0)
_SEALING_KEY_NAME = b"fss"
SEALING_KEY = Left(outcomes.EXCLUDED, "the secret key that seals the journal beside it; not taken")

# Makes a new payload file: its name, and whether it is large; the caller closes the descriptor.
Create = Callable[[str, bool], int]
# Begins a large payload file in a stream: its name and its size; gives what takes the content in.
Pour = Callable[[str, int], Callable[[memoryview], None]]
# Takes over what an interrupted run wrote: the name, the size, and what reads the source; gives
# what that said, or None where there is nothing to take over.
Adopt = Callable[[str, int, Callable[[], Copied]], Copied | None]
Read = tuple[Listed, Record]
Tick = Callable[[int], None]


class Reader:
    """Reads files for one collection; use it as a context manager.

    :param create: makes a payload file, raising StorageError.
    :param tick: told how many bytes of a large file have been read, now and then.
    :param pour: takes large files where they go into a stream.
    :param adopt: takes over large files that an interrupted run wrote.
    """

    def __init__(
        self,
        create: Create,
        rules: Rules,
        accounts: Accounts,
        tick: Tick,
        pour: Pour | None = None,
        adopt: Adopt | None = None,
    ) -> None:
        self._create = create
        self._pour = pour
        self._adopt = adopt
        self._rules = rules
        self._accounts = accounts
        self._tick = tick
        self._pace = Pace(rules.rate)
        self._open = ExitStack()
        self._pump: Pump | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def batch(self, step: Batch) -> Iterator[Read]:
        """Read every name of a batch and close its directory.

        One by one: whoever is interrupted has a record of each file that is finished.
        """
        try:
            for listed in step.listed:
                marked = listed.name in step.marked
                yield listed, self.read(step.fd, step.place, listed, marked=marked)
        finally:
            os.close(step.fd)

    def read(
        self, directory: int, place: Place, listed: Listed, *, marked: bool, only: bool = False
    ) -> Record:
        """Read one name of an open directory.

        :param only: read nothing but the listed inode; another file there is as good as none.
        :returns: its inventory record.
        :raises StorageError: if the payload could not be written.
        """
        path = place.join(listed.name)
        try:
            status = os.stat(listed.name, dir_fd=directory, follow_symlinks=False)
            unread = self.unread(directory, path, listed.name, status)
        except OSError as err:
            return failed(path, outcome_of(err), err)
        if unread is not None:
            return unread
        try:
            fd = open_quietly(directory, listed.name)
        except OSError as err:
            return failed(path, outcome_of(err), err) | metadata.describe(status, self._accounts)
        try:
            if only and os.fstat(fd).st_ino != listed.inode:
                return failed(path, outcomes.VANISHED, OSError(errno.ENOENT, "another file"))
            return self._open_file(
                fd, directory, path, listed.name, place.payload(listed.name, marked=marked)
            )
        finally:
            os.close(fd)

    def unread(
        self, directory: int, path: bytes, name: bytes, status: os.stat_result
    ) -> Record | None:
        """The record of what is not to be read: no regular file, a secret, or over a limit.

        :returns: None for a file that is to be read.
        :raises OSError: if it is gone.
        """
        if not stat.S_ISREG(status.st_mode):
            return self._special(directory, path, name, status)
        left = self._rules.left(status)
        if left is None and name == _SEALING_KEY_NAME and _is_sealing_key(directory, name):
            left = SEALING_KEY
        if left is None:
            return None
        return self._settled(path, status, left.outcome) | {"remark": left.reason}

    def _settled(self, path: bytes, status: os.stat_result, outcome: str) -> Record:
        return {
            **metadata.path_fields(path),
            "outcome": outcome,
            "size": _sayable(status.st_size),
            **metadata.describe(status, self._accounts),
        }

    def _link(self, directory: int, path: bytes, name: bytes) -> Record:
        target = os.readlink(name, dir_fd=directory)
        record = {
            **metadata.path_fields(path),
            "outcome": outcomes.SYMLINK,
            **metadata.path_fields(target, "link_target"),
            **metadata.describe_unopened(directory, name, self._accounts),
        }
        leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not self._rules.inside(leads_to):
            record["remark"] = "leads out of the sources; not followed"
        return record

    def _special(self, directory: int, path: bytes, name: bytes, status: os.stat_result) -> Record:
        """What is not opened: a link, FIFO, socket or device, or a directory that is new here."""
        if stat.S_ISLNK(status.st_mode):
            return self._link(directory, path, name)
        about = metadata.describe_unopened(directory, name, self._accounts)
        if stat.S_ISDIR(status.st_mode):
            err = OSError(errno.EISDIR, "a directory stands here now")
            return failed(path, outcomes.CHANGED, err) | about
        return {**metadata.path_fields(path), "outcome": outcomes.SPECIAL, **about}

    def _open_file(self, fd: int, directory: int, path: bytes, name: bytes, payload: str) -> Record:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):  # swapped between the look and the opening
            return self._settled(path, before, outcomes.SPECIAL)
        left = self._rules.left(before)  # it may be another file than the one looked at
        if left is not None:
            return self._settled(path, before, left.outcome) | {"remark": left.reason}
        record = {
            **metadata.path_fields(path),
            **metadata.describe_open(fd, before, self._accounts),
            "size_before": before.st_size,
            "read_started": str(time.time_ns()),
        }
        copied, after = self._copy(fd, payload, before.st_size)
        record["read_finished"] = str(time.time_ns())
        record["size_after"] = _sayable(after.st_size)
        record["size"] = copied.length
        record["sha256"] = copied.sha256
        record["payload"] = payload
        record["outcome"] = outcomes.of_read(before, after, copied.length)
        if copied.error is not None:
            record["outcome"] = outcomes.UNREADABLE
            record["error"] = error_fields(copied.error)
        elif before.st_size == 0 and after.st_size == 0 and copied.length:
            self._endless(record, copied.length)
        elif before.st_ctime_ns != after.st_ctime_ns:
            self._renamed(record, directory, name, path, after)
        return record

    def _endless(self, record: Record, length: int) -> None:
        """A file that shows the kernel: it says size 0 and has content all the same."""
        record["outcome"] = outcomes.COLLECTED
        if length >= LARGEST_ENDLESS:
            record["outcome"] = outcomes.LIMIT_SKIPPED
            record["remark"] = f"has no size and did not end within {LARGEST_ENDLESS} bytes"

    def _renamed(
        self, record: Record, directory: int, name: bytes, path: bytes, after: os.stat_result
    ) -> None:
        """Whether the name led elsewhere by the time its file had been read to the end."""
        try:
            now = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if (now.st_dev, now.st_ino) == (after.st_dev, after.st_ino):
                return
        except OSError:
            pass
        whole = record["size"] == record["size_before"] and after.st_size >= record["size_before"]
        if (
            whole
            and record["outcome"] == outcomes.CHANGED
            and (str(after.st_mtime_ns) == record["modified"])
        ):
            record["outcome"] = outcomes.COLLECTED if record["size"] else outcomes.EMPTY
        new_name = find_inode(directory, after.st_ino)
        if new_name is None:
            record["remark"] = "its name was gone once it had been read"
            return
        record |= metadata.path_fields(os.path.join(os.path.dirname(path), new_name), "rotated_to")
        if record["outcome"] not in outcomes.GAPS:
            record["outcome"] = outcomes.ROTATED

    def _copy(self, fd: int, payload: str, size: int) -> tuple[Copied, os.stat_result]:
        """Copy the first *size* bytes, and look at the file again."""
        if size <= _ONE_READ:
            return self._copy_whole(fd, payload, size)
        if self._pour is not None:
            take = self._pour(payload, size)
            copied = self._large().copy(fd, None, size, self._paced(), take)
            return copied, os.fstat(fd)
        if self._adopt is not None:
            taken = self._adopt(
                payload, size, lambda: self._large().copy(fd, None, size, self._paced())
            )
            if taken is not None:
                return taken, os.fstat(fd)
        target = self._create(payload, True)
        try:
            copied = self._large().copy(fd, target, size, self._paced())
            return copied, os.fstat(fd)
        finally:
            os.close(target)

    def _copy_whole(self, fd: int, payload: str, size: int) -> tuple[Copied, os.stat_result]:
        """Copy a small file through memory, or a file that claims to be empty.

        A file of size 0 that has a size by now is a log that grew: at opening it was empty.  That
        is judged by the very look that is recorded, so that the record agrees with itself.
        """
        data, error = _read_up_to(fd, size or LARGEST_ENDLESS)
        self._pace.spend(len(data))
        after = os.fstat(fd)
        if size == 0 and after.st_size > 0:
            data = b""
        target = self._create(payload, False)
        try:
            durable.write_all(target, data)
        except OSError as err:
            raise durable.storage_error("write", payload, err) from err
        finally:
            os.close(target)
        return Copied(len(data), hashlib.sha256(data).hexdigest(), error), after

    def _paced(self) -> Tick:
        """Tells how far a large file is, and keeps to the rate."""
        before = 0

        def tick(done: int) -> None:
            nonlocal before
            self._pace.spend(done - before)
            before = done
            self._tick(done)

        return tick

    def _large(self) -> Pump:
        """The pump, with its threads and buffers, from the first large file on."""
        if self._pump is None:
            self._pump = self._open.enter_context(Pump())
        return self._pump


def find_inode(directory: int, inode: int) -> bytes | None:
    """The name in an open directory that leads to *inode*, if there is one."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.inode() == inode:
                    return os.fsencode(entry.name)
    except OSError:
        return None
    return None


def open_quietly(directory: int, name: bytes) -> int:
    """Open a file of a live host: through no link, without blocking, without touching its times.

    :raises OSError: if it cannot be opened.
    """
    try:
        return os.open(name, _FLAGS | _NOATIME, dir_fd=directory)
    except PermissionError:  # only the owner and root may ask for O_NOATIME
        return os.open(name, _FLAGS, dir_fd=directory)


def _is_sealing_key(directory: int, name: bytes) -> bool:
    """Whether this file holds the key with which a journal seals what comes next."""
    try:
        fd = open_quietly(directory, name)
    except OSError:  # what cannot be opened cannot be collected either
        return False
    try:
        return os.read(fd, len(journal.SEALING_KEY_MAGIC)) == journal.SEALING_KEY_MAGIC
    except OSError:
        return False
    finally:
        os.close(fd)


def _sayable(size: int) -> int:
    """A size as a record can say it; a planted sparse file may claim more (RFC 8785 numbers)."""
    return min(size, LARGEST_FILE)


def _read_up_to(fd: int, limit: int) -> tuple[bytes, OSError | None]:
    pieces: list[bytes] = []
    room = limit
    try:
        while room and (piece := os.read(fd, room)):
            pieces.append(piece)
            room -= len(piece)
    except OSError as err:
        return b"".join(pieces), err
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), None
