"""Walking the sources on a host whose attacker may still be inside.

Every directory is opened relative to its parent's descriptor without following links, so that a
component swapped for a link in mid-walk leads nowhere.  The walk gives its steps in one fixed
order: a directory, the things in it that are not directories, then each directory in it, names
sorted as bytes.  Directories on the way to a source are steps too.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from custody.acquire import answering, listing
from custody.acquire.image import HOST, Image
from custody.acquire.listing import Listed
from custody.acquire.metadata import (
    Accounts,
    Record,
    describe_held,
    describe_open,
    describe_unopened,
    path_fields,
)
from custody.acquire.rules import Left, Rules
from custody.acquire.sources import Node
from custody.formats import names

BATCH = 256
# A tree may be deeper than the number of files a process may open: only the first and the last
# directories on the way down are held, the others are found again from above.
_HELD_FIRST, _HELD_LAST = 16, 48

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PASS_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOATIME = getattr(os, "O_NOATIME", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A directory: its raw *path* and the *prefix* of payload names in it, None if too long."""

    path: bytes
    prefix: str | None

    def join(self, name: bytes) -> bytes:
        """The raw path of *name* in this directory."""
        return (b"" if self.path == b"/" else self.path) + b"/" + name

    def payload(self, name: bytes, *, marked: bool) -> str:
        """The payload name of *name* in this directory."""
        component = names.component_name(name, marked=marked)
        if self.prefix is not None:
            whole = f"{self.prefix}/{component}"
            if len(whole) <= names.LONGEST_NAME:
                return whole
        return names.long_name(self.join(name))

    def below(self, name: bytes, *, marked: bool) -> Place:
        """The place of a directory in this one."""
        prefix = None
        if self.prefix is not None:
            prefix = f"{self.prefix}/{names.component_name(name, marked=marked)}"
            if len(prefix) > names.LONGEST_NAME:
                prefix = None
        return Place(self.join(name), prefix)


@dataclass(frozen=True, slots=True)
class Noted:
    """A path that is settled: a directory, or something left out or unreachable."""

    record: Record


@dataclass(frozen=True, slots=True)
class Batch:
    """Some names of one directory that are not directories; the taker closes *fd*."""

    fd: int
    place: Place
    listed: tuple[Listed, ...]
    marked: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Finished:
    """All names of a directory that are not directories have been given; the taker closes *fd*.

    :ivar listing: every name in it, as :mod:`custody.acquire.listing` packs it.
    :ivar listed_at: the host's clock just after that, in nanoseconds since 1970.
    """

    fd: int
    place: Place
    listing: Sequence[bytes] = ()
    marked: frozenset[bytes] = frozenset()
    listed_at: int = 0


Step = Noted | Batch | Finished


@dataclass(slots=True)
class _Frame:
    fd: int | None
    identity: tuple[int, int]
    name: bytes
    place: Place
    pending: Iterator[bytes]
    marked: frozenset[bytes]
    node: Node | None  # where only some names lead to a source


def walk(tree: Node, rules: Rules, accounts: Accounts, image: Image = HOST) -> Iterator[Step]:
    """Give every step of the walk over *tree*, in order."""
    walker = _Walker(rules, accounts, image)
    try:
        yield from walker.run(tree)
    finally:
        walker.close()


class _Walker:
    def __init__(self, rules: Rules, accounts: Accounts, image: Image) -> None:
        self.image = image
        self.rules = rules
        self.accounts = accounts
        self.stack: list[_Frame] = []

    def close(self) -> None:
        for frame in self.stack:
            if frame.fd is not None:
                os.close(frame.fd)

    def run(self, tree: Node) -> Iterator[Step]:
        root = _open_directory(None, self.image.root, whole=tree.wanted)
        place = Place(b"/", names.PAYLOAD)
        if tree.wanted:
            yield Noted(self.directory_record(root, place.path, ancestor=False))
        yield from self.enter(root, b"", place, None if tree.wanted else tree)
        while self.stack:
            frame = self.stack[-1]
            name = next(frame.pending, None)
            if name is None:
                self.leave()
            else:
                yield from self.descend(frame, name)

    def enter(self, fd: int, name: bytes, place: Place, node: Node | None) -> Iterator[Step]:
        """Put an open directory on the stack and give what is in it."""
        status = os.fstat(fd)
        frame = _Frame(fd, (status.st_dev, status.st_ino), name, place, iter(()), frozenset(), node)
        self.stack.append(frame)
        if len(self.stack) > _HELD_FIRST + _HELD_LAST:
            self.drop(self.stack[-_HELD_LAST - 1])
        try:
            silent = {path.rpartition(b"/")[2] for path in self.rules.silent_in(place.path)}
            packed = listing.whole(fd) if node is None else listing.some(fd, node, silent)
        except OSError as err:
            yield Noted(failed(place.path, "unreadable", err))
            return
        listed_at = time.time_ns()
        frame.marked = names.colliding(listing.Names(packed))
        frame.pending = (listing.name_of(item) for item in packed if listing.is_directory(item))
        yield from self.contents(frame, fd, packed, listed_at)

    def contents(
        self, frame: _Frame, fd: int, packed: list[bytes], listed_at: int
    ) -> Iterator[Step]:
        batch: list[Listed] = []
        some = False
        above = frame.place.join(b"")
        all_taken = frame.node is None and not self.rules.touch(frame.place.path)
        for item in packed:
            if listing.is_directory(item):
                continue
            listed = listing.unpack(item)
            settled = None
            if not all_taken:
                settled = self.settled(frame, above + listed.name, listed.name)
            if settled is not None:
                if batch:  # the order of the names is a promise
                    yield Batch(os.dup(fd), frame.place, tuple(batch), frame.marked)
                    batch, some = [], True
                yield Noted(settled)
                continue
            batch.append(listed)
            if len(batch) == BATCH:
                yield Batch(os.dup(fd), frame.place, tuple(batch), frame.marked)
                batch, some = [], True
        if batch:
            yield Batch(os.dup(fd), frame.place, tuple(batch), frame.marked)
        if batch or some:
            yield Finished(os.dup(fd), frame.place, packed, frame.marked, listed_at)

    def settled(self, frame: _Frame, path: bytes, name: bytes) -> Record | None:
        """The record of a name that is no directory and is not to be read, if it is not."""
        if path in self.rules.silent:
            return failed(path, "unreadable", answering.refused())
        left = self.rules.excluded(path, name) or self.rules.mounted(path)
        if left is not None:
            return left_out(path, left)
        node = None if frame.node is None else frame.node.children[name]
        if node is None or node.wanted:
            return None
        err = OSError(errno.ENOTDIR, "a source was below it, and it is no directory any more")
        return failed(path, "changed", err)

    def descend(self, frame: _Frame, name: bytes) -> Iterator[Step]:
        node = None if frame.node is None else frame.node.children[name]
        place = frame.place.below(name, marked=name in frame.marked)
        if place.path in self.rules.silent:
            yield Noted(failed(place.path, "unreadable", answering.refused()))
            return
        left = self.left_out(place.path, name, node)
        if left is not None:
            yield Noted(left_out(place.path, left))
            return
        whole = node is None or node.wanted
        try:
            fd = _open_directory(self.reopen(frame), name, whole=whole)
        except OSError as err:
            yield Noted(self.unopened(frame, place.path, err))
            return
        own = self.rules.own(_identity(fd))
        if own is not None:
            os.close(fd)
            yield Noted(left_out(place.path, own))
            return
        yield Noted(self.directory_record(fd, place.path, ancestor=not whole))
        yield from self.enter(fd, name, place, None if whole else node)

    def left_out(self, path: bytes, name: bytes, node: Node | None) -> Left | None:
        if node is not None:  # a source, or on the way to one: asked for by name
            return self.rules.excluded(path, name) if node.wanted else None
        return (
            self.rules.excluded(path, name)
            or self.rules.mounted(path)
            or self.rules.too_long(path, len(self.stack))
        )

    def unopened(self, frame: _Frame, path: bytes, err: OSError) -> Record:
        record = failed(path, outcome_of(err), err)
        if frame.fd is not None:
            try:
                record |= describe_unopened(frame.fd, os.path.basename(path), self.accounts)
            except OSError:
                return record
        return record

    def directory_record(self, fd: int, path: bytes, *, ancestor: bool) -> Record:
        if ancestor:  # held without the right to read it
            about = describe_held(fd, self.accounts)
            return {**path_fields(path), "outcome": "directory", "ancestor": True, **about}
        about = describe_open(fd, os.fstat(fd), self.accounts)
        return {**path_fields(path), "outcome": "directory", **about}

    def leave(self) -> None:
        frame = self.stack.pop()
        if frame.fd is not None:
            os.close(frame.fd)

    def drop(self, frame: _Frame) -> None:
        if frame.fd is not None:
            os.close(frame.fd)
            frame.fd = None

    def reopen(self, frame: _Frame) -> int:
        """The descriptor of a frame, found again from above if it was let go.

        :raises OSError: if another directory stands there now.
        """
        if frame.fd is not None:
            return frame.fd
        index = next(i for i, item in enumerate(self.stack) if item is frame)
        start = max(i for i in range(index) if self.stack[i].fd is not None)
        fd = os.dup(self.stack[start].fd or 0)
        for step in self.stack[start + 1 : index + 1]:
            try:
                child = _open_directory(fd, step.name, whole=step.node is None)
            finally:
                os.close(fd)
            fd = child
            if _identity(fd) != step.identity:
                os.close(fd)
                raise OSError(errno.ESTALE, "another directory stands here now")
        frame.fd = fd
        return fd


def _open_directory(parent: int | None, name: bytes, *, whole: bool) -> int:
    if not whole:
        return os.open(name, _PASS_FLAGS, dir_fd=parent)
    try:
        return os.open(name, _DIRECTORY_FLAGS | _NOATIME, dir_fd=parent)
    except PermissionError:
        return os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def failed(path: bytes, outcome: str, err: OSError) -> Record:
    """The record of a path that could not be looked at or read."""
    return {**path_fields(path), "outcome": outcome, "error": error_fields(err)}


def left_out(path: bytes, left: Left) -> Record:
    """The record of a path that was left out."""
    return {**path_fields(path), "outcome": left.outcome, "remark": left.reason}


def error_fields(err: OSError) -> Record:
    """An error of the system: its name, number and words."""
    number = err.errno or 0
    return {
        "name": errno.errorcode.get(number, "unknown"),
        "number": number,
        "message": err.strerror or str(err),
    }


_GONE = (errno.ENOENT, errno.ESTALE)
_OTHER_NOW = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


def outcome_of(err: OSError) -> str:
    """The outcome of a path that was there when listed and could not be opened."""
    if err.errno in _GONE:
        return "vanished"
    if err.errno in _OTHER_NOW:
        return "changed"
    return "unreadable"
