"""Files that moved while their directory was being read: found again by inode and finished."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from custody.acquire import metadata, outcomes
from custody.acquire.listing import Listed, inode_of
from custody.acquire.metadata import Record
from custody.acquire.reader import Read, Reader
from custody.acquire.walk import Finished
from custody.formats import inventory

_NOBODY = metadata.Accounts({}, {})


class _Missed(NamedTuple):
    """A file that was not there under the name it was listed under.

    :ivar held: the record of a name that led nowhere; None if another file stood there, which
        has its own record.
    """

    listed: Listed
    held: Record | None


class _Now(NamedTuple):
    """A second look at a directory: the names that lead to what was missed, by inode; and the
    inodes that the missed names are listed with now."""

    names: dict[int, list[bytes]]
    inodes: dict[bytes, int]


@dataclass(slots=True)
class Moved:
    """What one directory's batches left open.

    :ivar missed: what was not met under its name; several names may lead to one file.
    :ivar met: the exact path at which a file was met that had not been listed there, by inode.
    """

    missed: list[_Missed] = field(default_factory=list)
    met: dict[int, bytes] = field(default_factory=dict)

    def take(self, reads: Iterable[Read]) -> Iterator[Record]:
        """Note what moved; give every record that is settled."""
        for listed, record in reads:
            if record["outcome"] == outcomes.VANISHED and listed.inode:
                self.missed.append(_Missed(listed, record))
                continue
            inode = int(record.get("inode", 0))
            if listed.inode and inode and inode != listed.inode:
                self.missed.append(_Missed(listed, None))
                self.met.setdefault(inode, inventory.raw_path(record))
            yield record

    def settle(self, step: Finished, reader: Reader) -> Iterator[Record]:
        """Look for what was missed, read it, and give the records; closes the step's directory."""
        try:
            if self.missed:
                now = self._look_again(step.fd)
                for missed in self.missed:
                    yield from self._one(step, reader, missed, now)
        finally:
            os.close(step.fd)

    def _look_again(self, directory: int) -> _Now:
        wanted = {item.listed.inode for item in self.missed}
        asked = {item.listed.name for item in self.missed}
        now = _Now({}, {})
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    inode, name = entry.inode(), os.fsencode(entry.name)
                    if inode in wanted:
                        now.names.setdefault(inode, []).append(name)
                    if name in asked:
                        now.inodes[name] = inode
        except OSError:
            return now
        return now

    def _one(self, step: Finished, reader: Reader, missed: _Missed, now: _Now) -> Iterator[Record]:
        (name, inode), held = (missed.listed.name, missed.listed.inode), missed.held
        if held is None and now.inodes.get(name) == inode and _inode(step, name) != inode:
            # Nothing moved: listings and files have different inodes here, as at a mount.
            return
        path = step.place.join(name)
        known = self.met.get(inode) or self._read_already(step, inode, now)
        if known is not None:
            if held is not None:  # its content is in the record of the name it has now
                moved = {"outcome": outcomes.ROTATED, "inode": str(inode)}
                to = metadata.path_fields(known, "rotated_to")
                yield metadata.path_fields(path) | moved | to
            return
        for other in sorted(now.names.get(inode, ())):
            if self._is_taken(step, other) or _is_newer(step, other):
                continue
            there = Listed(other, inode)
            record = reader.read(step.fd, step.place, there, marked=True, only=True)
            if record.get("inode") != str(inode):
                continue
            record |= metadata.path_fields(path, "rotated_from")
            if record["outcome"] not in outcomes.GAPS:
                record["outcome"] = outcomes.ROTATED
            self.met[inode] = step.place.join(other)
            yield record
            return
        yield held or {
            **metadata.path_fields(path),
            "outcome": outcomes.ROTATED_UNFINISHED,
            "inode": str(inode),
            "remark": "the file listed under this name was replaced and not found again",
        }

    def _read_already(self, step: Finished, inode: int, now: _Now) -> bytes | None:
        """Another name of the same file that was listed and read under it: a hard link."""
        missed = {item.listed.name for item in self.missed}
        for other in sorted(now.names.get(inode, ())):
            if other not in missed and inode_of(step.listing, other) == inode:
                return step.place.join(other)
        return None

    @staticmethod
    def _is_taken(step: Finished, name: bytes) -> bool:
        """Whether the payload name of a second reading of *name* may exist from the first."""
        if inode_of(step.listing, name) is None:
            return False
        marked = name in step.marked
        return step.place.payload(name, marked=True) == step.place.payload(name, marked=marked)


def _inode(step: Finished, name: bytes) -> int:
    """The inode that a name leads to, whatever the listing says; 0 where it leads nowhere."""
    try:
        return os.stat(name, dir_fd=step.fd, follow_symlinks=False).st_ino
    except OSError:
        return 0


def _is_newer(step: Finished, name: bytes) -> bool:
    """Whether a file was made after its directory was listed: inode numbers are used again."""
    try:
        about = metadata.describe_unopened(step.fd, name, _NOBODY)
    except OSError:
        return True
    return int(about.get("born", 0)) > step.listed_at
