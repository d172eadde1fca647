"""Files that moved while their directory was being read: found again by inode and finished."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Record
from custody.acquire.reader import Read, Reader, find_inode
from custody.acquire.walk import Finished, Listed


@dataclass(slots=True)
class Moved:
    """What one directory's batches left open.

    :ivar missed: the file that was listed under a name and was not there, by inode; with the
        record of a name that led nowhere, which is held back until the end.
    :ivar met: where a file was met that had not been listed there, by inode.
    """

    missed: dict[int, tuple[Listed, Record | None]] = field(default_factory=dict)
    met: dict[int, Record] = field(default_factory=dict)

    def take(self, reads: list[Read]) -> Iterator[Record]:
        """Note what moved; give every record that is settled."""
        for listed, record in reads:
            if record["outcome"] == outcomes.VANISHED and listed.inode:
                self.missed[listed.inode] = (listed, record)
                continue
            inode = int(record.get("inode", 0))
            if listed.inode and inode and inode != listed.inode:
                self.missed[listed.inode] = (listed, None)
                self.met[inode] = record
            yield record

    def settle(self, step: Finished, reader: Reader) -> Iterator[Record]:
        """Look for what was missed, read it, and give the records; closes the step's directory."""
        try:
            for inode, (listed, held) in self.missed.items():
                yield from self._one(step, reader, inode, listed, held)
        finally:
            os.close(step.fd)

    def _one(
        self, step: Finished, reader: Reader, inode: int, listed: Listed, held: Record | None
    ) -> Iterator[Record]:
        path = step.place.join(listed.name)
        met = self.met.get(inode)
        if met is not None:
            if held is not None:  # its content is in the record of the name it has now
                yield {**metadata.path_fields(path), "outcome": outcomes.ROTATED,
                       "inode": str(inode), "rotated_to": met["path"]}
            return
        name = find_inode(step.fd, inode)
        if name is not None:
            record = reader.read(step.fd, step.place, Listed(name, inode), marked=True)
            if record.get("inode") == str(inode):
                record |= metadata.path_fields(path, "rotated_from")
                if record["outcome"] not in outcomes.GAPS:
                    record["outcome"] = outcomes.ROTATED
                yield record
                return
        yield held or {
            **metadata.path_fields(path),
            "outcome": outcomes.ROTATED_UNFINISHED,
            "inode": str(inode),
            "remark": "the file listed under this name was replaced and not found again",
        }
