"""What is held, and what lies behind it in the files, as the records and payload of one bundle."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from custody import durable, reading
from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.reader import Create
from custody.acquire.walk import error_fields
from custody.errors import CustodyError
from custody.formats import inventory, names
from custody.pace import Pace
from custody.watch.followed import LARGEST_HOLE, READ, Followed, end_of_data
from custody.watch.follower import Follower

_LEAST_SHARE = 64 << 10
_HOLE = f"nothing but a hole of more than {LARGEST_HOLE >> 20} MiB follows; it is not read"


@dataclass(frozen=True, slots=True)
class Cut:
    """How far one content is in the bundle: so far it is sealed, once the bundle is."""

    item: Followed
    held: int
    length: int
    chain: str
    whole: Any


class _Written(NamedTuple):
    sha256: str
    length: int
    whole: Any


@dataclass(slots=True)
class Sealing:
    """One bundle of pieces in the making; :meth:`commit` when it has its name.

    :ivar most: about how many bytes to read for it, shared by the files that are behind, so that
        nobody who makes one of them large keeps the others waiting.
    :ivar is_cut: whether some have more than that; the next bundle goes on there.
    """

    follower: Follower
    accounts: Accounts
    pace: Pace
    most: int = 256 << 20
    is_cut: bool = False
    cuts: list[Cut] = field(default_factory=list)
    noted: dict[bytes, Record] = field(default_factory=dict)
    size: int = 0
    _share: int = 0
    _due: list[Followed] = field(default_factory=list)

    def is_due(self) -> bool:
        """Whether there is anything to seal; what cannot be read is noted, and let be."""
        self._due = [item for item in self.follower.pending() if self._gives(item)]
        return bool(self._due or self.follower.notes)

    def _gives(self, item: Followed) -> bool:
        if item.held or (item.sealed_path and item.sealed_path != item.path):
            return True
        with _opened(item) as fd:
            if fd is None:
                return not item.sealed_path and not item.status.st_size
            try:
                status = os.fstat(fd)
                if not item.sealed_path and not status.st_size:
                    return True
                if end_of_data(fd, item.end, status.st_size) <= item.end:
                    self._leave(item, status, {"outcome": outcomes.LIMIT_SKIPPED, "remark": _HOLE})
                    return False
                if os.pread(fd, 1, item.end):
                    return True
                item.stuck = (status.st_size, status.st_mtime_ns)
            except OSError as err:
                why = {"outcome": outcomes.UNREADABLE, "error": error_fields(err)}
                self._leave(item, item.status, why)
        return False

    def _leave(self, item: Followed, status: os.stat_result, why: Record) -> None:
        item.stuck = (status.st_size, status.st_mtime_ns)
        about = metadata.describe(status, self.accounts)
        self.follower.note(item.path, {**metadata.path_fields(item.path), **about, **why})

    def records(self, create: Create) -> Generator[Record]:
        """Write every piece that is due, and give all records in the order of a walk."""
        self.noted = dict(self.follower.notes)
        pending: dict[bytes, list[Followed]] = {}
        behind = 0
        for item in self._due:
            pending.setdefault(item.path, []).append(item)
            behind += item.behind > 0
        self._share = max(_LEAST_SHARE, self.most // max(1, behind))
        missing = {p for p, r in self.noted.items() if r["outcome"] == outcomes.MISSING}
        yield from (self.noted[path] for path in self.noted if path in missing)
        shown = self.noted.keys() - missing
        for path, is_directory in walk_order(shown | pending.keys()):
            if is_directory:
                yield self._directory(path)
                continue
            if path in shown:
                yield self.noted[path]
            for item in sorted(pending.get(path, ()), key=lambda item: item.generation):
                piece = self._piece(item, create)
                if piece is not None:
                    yield piece

    def commit(self, bundle: str) -> None:
        """The bundle is published under this name: what is in it need not be held any longer."""
        for cut in self.cuts:
            item = cut.item
            item.offset += cut.length
            item.chain, item.whole, item.sealed_path = cut.chain, cut.whole, item.path
            item.held_since, item.bundle = 0, bundle
            self.follower.sealed(item, cut.held)
        for path, record in self.noted.items():
            if self.follower.notes.get(path) is record:
                del self.follower.notes[path]

    def _directory(self, path: bytes) -> Record:
        seen = self.follower.directories.get(path)
        if seen is not None:
            return seen
        return {**metadata.path_fields(path), "outcome": outcomes.DIRECTORY, "ancestor": True}

    def _piece(self, item: Followed, create: Create) -> Record | None:
        """The record of what follows the sealed part of one content, and its payload.

        :raises StorageError: if the payload could not be written.
        """
        with _opened(item) as fd:
            record = self._described(item, fd)
            size = item.end if fd is None or item.ended else os.fstat(fd).st_size
            if size <= item.offset and item.sealed_path:
                return self._moved(item, record)
            if size <= item.offset and (item.ended or item.status.st_size):
                return None  # nothing of it is here, and it cannot be opened just now
            if size > item.end + self._share:
                size, self.is_cut = item.end + self._share, True
            begun = str(item.held_since or time.time_ns())
            written = self._write(item, fd, size, create)
            after = item.status.st_size if fd is None or item.ended else os.fstat(fd).st_size
        end = item.offset + written.length
        after = after if written.length else 0
        chain = inventory.chain(item.chain, written.sha256)
        cut = Cut(item, len(item.held), written.length, chain, written.whole)
        self.cuts.append(cut)
        self.size += written.length
        return record | {
            "outcome": _outcome(item, written.length, end, after),
            "payload": names.piece_name(item.path, item.generation),
            "sha256": written.sha256,
            "size": written.length,
            "size_before": end,
            "size_after": after,
            "read_started": begun,
            "read_finished": str(time.time_ns()),
            **_place(item.generation, item.offset, written.length, chain),
        }

    def _described(self, item: Followed, fd: int | None) -> Record:
        about = (
            metadata.describe(item.status, self.accounts)
            if fd is None
            else metadata.describe_open(fd, os.fstat(fd), self.accounts)
        )
        record = {**metadata.path_fields(item.path), **about}
        if item.gone:
            record["remark"] = "no name led to it any more"
        if item.sealed_path and item.sealed_path != item.path:
            record |= metadata.path_fields(item.sealed_path, "rotated_from")
        return record

    def _moved(self, item: Followed, record: Record) -> Record | None:
        """The record of a new name, where there is nothing new beside it."""
        if item.sealed_path == item.path:
            return None
        self.cuts.append(Cut(item, 0, 0, item.chain, item.whole))
        place = _place(item.generation, item.offset, 0, item.chain)
        return record | {"outcome": outcomes.ROTATED, **place}

    def _write(self, item: Followed, fd: int | None, size: int, create: Create) -> _Written:
        """Write what is held, and then what the file has up to *size*."""
        target = create(names.piece_name(item.path, item.generation), False)
        try:
            # In copies: a view that a failure keeps alive would forbid holding more.
            for start in range(0, len(item.held), READ):
                durable.write_all(target, bytes(item.held[start : start + READ]))
            digest, length = hashlib.sha256(item.held), len(item.held)
            whole = item.whole.copy() if hasattr(item.whole, "copy") else item.whole
            for data in self._rest(item, fd, size):
                durable.write_all(target, data)
                digest.update(data)
                item.samples.grow(item.offset + length, data)
                length += len(data)
                if whole is not None:
                    whole.update(data)
        except OSError as err:
            raise durable.storage_error("write", "payload", err) from err
        finally:
            os.close(target)
        return _Written(digest.hexdigest(), length, whole)

    def _rest(self, item: Followed, fd: int | None, size: int) -> Iterator[bytes]:
        offset = item.end
        if fd is not None and not item.ended:
            size = min(size, end_of_data(fd, offset, os.fstat(fd).st_size))
        while fd is not None and not item.ended and offset < size:
            try:
                data = os.pread(fd, min(READ, size - offset), offset)
            except OSError:  # what was read so far is a piece; the next look says what is wrong
                return
            if not data:
                return
            yield data
            offset += len(data)
            self.pace.spend(len(data))


def _place(generation: str, offset: int, length: int, chain: str) -> Record:
    return {
        "generation": generation, "offset": offset, "length": length, "chain_sha256": chain,
    }  # fmt: skip


def _outcome(item: Followed, length: int, end: int, after: int) -> str:
    if after < end:
        return outcomes.TRUNCATED
    if item.sealed_path and item.sealed_path != item.path:
        return outcomes.ROTATED
    if after > end:
        return outcomes.GREW
    return outcomes.COLLECTED if length else outcomes.EMPTY


@contextmanager
def _opened(item: Followed) -> Iterator[int | None]:
    """The file's descriptor; opened again through no link where it was let go; else None."""
    if item.fd is not None or item.ended:
        yield item.fd
        return
    with ExitStack() as stack:
        fd = None
        with suppress(CustodyError, OSError):
            relative = os.fsdecode(item.path).lstrip("/")
            fd = stack.enter_context(reading.open_beneath(Path("/"), relative))
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != item.identity:
                fd = None
        yield fd


def walk_order(paths: Collection[bytes]) -> Iterator[tuple[bytes, bool]]:
    """*paths* and the directories that lead to them, as a walk comes by them.

    :returns: each path, and whether it is such a directory.
    """
    children: dict[bytes, set[bytes]] = {}
    directories: set[bytes] = set()
    for path in paths:
        step, parent = path, path.rpartition(b"/")[0]
        children.setdefault(parent, set()).add(step)
        while parent and parent not in directories:
            directories.add(parent)
            step, parent = parent, parent.rpartition(b"/")[0]
            children.setdefault(parent, set()).add(step)
    todo = [b""]
    while todo:
        place = todo.pop()
        if place:
            yield place, True
        here = sorted(children.get(place, ()))
        yield from ((path, False) for path in here if path not in directories or path in paths)
        todo += [path for path in reversed(here) if path in directories]
