"""Check 5: the inventory, read by itself from its first record to its last."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from custody.acquire import outcomes
from custody.bundle import content, layout
from custody.bundle.content import Hash, Totals
from custody.errors import CustodyError, FormatError
from custody.formats import inventory, names
from custody.formats.inventory import Brief
from custody.verify.docket import Docket
from custody.verify.result import MOST_GAPS, Gap
from custody.verify.retrace import Retrace, size_problem

INVENTORY = 5


class Trail:
    """A digest of payload names and digests in order, and another of their sizes.

    Manifest and inventory, and what was read, are followed each by itself; equal trails mean
    that they were in step from the first file to the last.
    """

    def __init__(self) -> None:
        self._names = hashlib.sha256()
        self._sizes = hashlib.sha256()

    def add(self, name: str, sha256: str, size: int) -> None:
        """The next file."""
        self._names.update(f"{sha256}  {name}\n".encode())
        self._sizes.update(b"%d\n" % size)

    def names(self) -> str:
        """What the names and digests came to."""
        return self._names.hexdigest()

    def sizes(self) -> str:
        """What the sizes came to."""
        return self._sizes.hexdigest()


@dataclass(slots=True)
class Counts:
    """What the inventory says became of the paths, and how much payload its records have.

    :ivar exports: how many records are of exports of journals.
    :ivar gap_list: the first of the paths that have a gap.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    payload: Totals = field(default_factory=Totals)
    exports: int = 0
    gap_list: list[Gap] = field(default_factory=list)

    @property
    def gaps(self) -> int:
        """How many paths have a gap."""
        return sum(self.outcomes[name] for name in outcomes.GAPS)


@dataclass(slots=True)
class Told:
    """What reading the inventory came to.

    :ivar docket: what is wrong with it by itself.
    :ivar names: the trail of its payload: names and digests.
    :ivar sizes: the trail of their sizes.
    :ivar readable: it was read to its end.
    :ivar sha256: the digest of the bytes that were parsed, hex.
    """

    docket: Docket
    counts: Counts
    names: str
    sizes: str
    readable: bool
    sha256: str


def read(bag: Path) -> Told:
    """Read the whole inventory."""
    reader = _Reader(bag)
    readable = reader.run()
    trail = reader.trail
    return Told(
        docket=reader.docket,
        counts=reader.counts,
        names=trail.names(),
        sizes=trail.sizes(),
        readable=readable,
        sha256=reader.hashed.hexdigest(),
    )


def lines(bag: Path, hashed: Hash | None = None) -> Iterator[bytes]:
    """The inventory's lines, cut at the longest that a record may be.

    :param hashed: takes in every byte of them.
    """
    return content.bounded_lines(bag, layout.INVENTORY, layout.LONGEST_RECORD, hashed)


class _Reader:
    def __init__(self, bag: Path) -> None:
        self._bag = bag
        self.docket = Docket({INVENTORY: "inventory"})
        self.counts = Counts()
        self.trail = Trail()
        self.hashed = hashlib.sha256()
        self._retrace = Retrace(self._found)

    def run(self) -> bool:
        try:
            for number, line in enumerate(lines(self._bag, self.hashed), 1):
                self._one(number, line)
        except CustodyError as err:
            self.docket.trouble(INVENTORY, layout.INVENTORY, "the inventory", err)
            return False
        self._retrace.finish()
        return True

    def _one(self, number: int, line: bytes) -> None:
        # (5) a strict canonical line
        try:
            record = inventory.brief(line)
        except FormatError as err:
            where = f"{layout.INVENTORY}:{number}"
            self._found(where, "a canonical record", err.why, "a line that is not a record")
            return
        # (5) a known outcome that its sizes can lead to
        if record.outcome not in outcomes.ALL:
            where = f"{layout.INVENTORY}:{number}"
            self._found(where, "a known outcome", record.outcome, "an unknown outcome")
        else:
            problem = size_problem(record)
            if problem:
                where = f"{layout.INVENTORY}:{number}"
                why = f"the sizes in a record do not lead to {record.outcome}"
                self._found(where, record.outcome, problem, why)
        self._count(record)
        # (5) the order of a walk, and the names that its paths make
        self._retrace.take(record)

    def _count(self, record: Brief) -> None:
        self.counts.outcomes[record.outcome] += 1
        if record.outcome in outcomes.GAPS and len(self.counts.gap_list) < MOST_GAPS:
            self.counts.gap_list.append(Gap(record.raw, record.outcome))
        if names.is_export(record.raw):
            self.counts.exports += 1
        if record.payload is not None:
            self.counts.payload.files += 1
            self.counts.payload.bytes += record.size
            self.trail.add(record.payload, record.sha256, record.size)

    def _found(self, path: str, expected: str, found: str, message: str) -> None:
        self.docket.found(INVENTORY, path, expected, found, message)
