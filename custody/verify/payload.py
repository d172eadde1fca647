"""The payload, its manifest and the inventory, streamed in step with each other.

The manifest is read line by line, the files it names are read by a few workers, and each result
meets its inventory record as it comes; so memory is flat however many files there are.  Only if
the three lists turn out to differ are they compared exactly, a part at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from custody.acquire import outcomes
from custody.bundle import content, layout, multiset, tree
from custody.bundle.content import Line, Seen, Totals
from custody.errors import CustodyError, FormatError
from custody.findings import Finding
from custody.formats import bagit, inventory
from custody.formats.inventory import Brief
from custody.verify.docket import Docket
from custody.verify.layout import Inside, payload_name
from custody.verify.result import Progress
from custody.verify.retrace import Retrace, size_problem

PAYLOAD, INVENTORY = 4, 5
WORKERS = 2
_PART = 200_000  # names compared at a time, where lists differ
_MOST_PARTS = 64


@dataclass(slots=True)
class Counts:
    """What the inventory says became of the paths, and how much payload its records have."""

    outcomes: Counter[str] = field(default_factory=Counter)
    payload: Totals = field(default_factory=Totals)

    @property
    def gaps(self) -> int:
        """How many paths have a gap."""
        return sum(self.outcomes[name] for name in outcomes.GAPS)


@dataclass(slots=True)
class Read:
    """How much payload was read, and what the inventory says."""

    totals: Totals
    counts: Counts


def check(bag: Path, inside: Inside, oxum: str, docket: Docket, progress: Progress) -> Read:
    """Checks 4 and 5, as far as they need no other document.

    :param oxum: the Payload-Oxum in bag-info.txt; empty if that could not be read.
    """
    checker = _Checker(bag, inside, docket, _progress(oxum, progress))
    checker.run()
    checker.lists()
    read = Read(checker.totals, checker.records.counts)
    # (4) as much as bag-info.txt promises
    if oxum and oxum != read.totals.oxum() and not docket.failed(PAYLOAD):
        why = "the amount of payload is not what bag-info.txt says"
        docket.found(PAYLOAD, bagit.INFO_NAME, oxum, read.totals.oxum(), why)
    return read


def _progress(oxum: str, progress: Progress) -> Callable[[Totals], None]:
    size, dot, files = oxum.partition(".")
    known = dot and size.isdecimal() and files.isdecimal() and len(oxum) < 40
    total = (int(files), int(size)) if known else (None, None)
    return lambda totals: progress(totals.files, totals.bytes, *total)


class _Records:
    """The inventory's records that have a payload, in order; all others are checked by the way."""

    def __init__(self, bag: Path, docket: Docket) -> None:
        self.counts = Counts()
        self.readable = True
        self._bag = bag
        self._docket = docket
        self._retrace = Retrace(self._found)
        self._payloads = self._stream()

    def next(self) -> Brief | None:
        return next(self._payloads, None)

    def _stream(self) -> Iterator[Brief]:
        try:
            for number, line in enumerate(_lines(self._bag), 1):
                record = self._one(number, line)
                if record is not None and record.payload is not None:
                    yield record
        except CustodyError as err:
            self.readable = False
            self._docket.trouble(INVENTORY, layout.INVENTORY, "the inventory", err)
            return
        self._retrace.finish()

    # (5) strict canonical lines, known outcomes, the order of a walk, the names of payload
    def _one(self, number: int, line: bytes) -> Brief | None:
        try:
            record = inventory.brief(line)
        except FormatError as err:
            where = f"{layout.INVENTORY}:{number}"
            why = "a line of the inventory is not a record"
            self._found(where, "a canonical record", err.why, why)
            return None
        if record.outcome not in outcomes.ALL:
            where = f"{layout.INVENTORY}:{number}"
            self._found(where, "a known outcome", record.outcome, "an unknown outcome")
        else:
            problem = size_problem(record)
            if problem:
                where = f"{layout.INVENTORY}:{number}"
                why = f"the sizes in a record do not lead to {record.outcome}"
                self._found(where, record.outcome, problem, why)
        self.counts.outcomes[record.outcome] += 1
        if record.payload is not None:
            self.counts.payload.files += 1
            self.counts.payload.bytes += record.size
        self._retrace.take(record)
        return record

    def _found(self, path: str, expected: str, found: str, message: str) -> None:
        self._docket.found(INVENTORY, path, expected, found, message)


def _lines(bag: Path) -> Iterator[bytes]:
    return content.bounded_lines(bag, layout.INVENTORY, layout.LONGEST_RECORD)


class _Checker:
    def __init__(
        self, bag: Path, inside: Inside, docket: Docket, told: Callable[[Totals], None]
    ) -> None:
        self.totals = Totals()
        self.records = _Records(bag, docket)
        self._bag = bag
        self._inside = inside
        self._docket = docket
        self._told = told
        self._in_step = True
        self._listed = 0
        self._sum = 0
        self._readable = True

    def run(self) -> None:
        """Read every file that the manifest names, beside the inventory."""
        try:
            for seen in content.read_payload(
                self._bag, self._manifest(), fresh=False, workers=WORKERS, tick=self._tick
            ):
                self._one(seen)
        except CustodyError as err:
            self._readable = False
            self._docket.trouble(PAYLOAD, bagit.MANIFEST_NAME, "the payload manifest", err)
        while self.records.next() is not None:  # records that no manifest line stands beside
            self._in_step = False

    def _tick(self) -> None:
        self._told(self.totals)

    # (4) strict lines inside data/
    def _manifest(self) -> Iterator[Line]:
        piece: list[bytes] = []
        for line in content.manifest_lines(self._bag):
            if isinstance(line, Finding):
                self._docket.add(PAYLOAD, line)
                continue
            self._listed += 1
            piece.append(line.name.encode())
            if len(piece) == 1_024:
                self._sum += self._inside.summary.of(piece)
                piece.clear()
            yield line
        self._sum += self._inside.summary.of(piece)

    # (4) every file as its line says; (5) the same as its record says
    def _one(self, seen: Seen) -> None:
        self.totals.add(seen)
        if seen.unread:
            self._docket.unread(PAYLOAD, seen.line.name, seen.error)
        elif seen.error or seen.sha256 != seen.line.sha256:
            difference = seen.difference()
            if difference is not None:
                self._docket.add(PAYLOAD, difference)
        if not self._in_step:
            return
        record = self.records.next()
        if record is None or (record.payload, record.sha256) != (seen.line.name, seen.line.sha256):
            self._in_step = False
        elif record.size != seen.size and not seen.error and seen.sha256 == record.sha256:
            why = "the size in the inventory is not the file's"
            expected, found = f"{seen.size} bytes", f"{record.size} bytes"
            self._docket.found(INVENTORY, seen.line.name, expected, found, why)

    def lists(self) -> None:
        """Whether manifest, directory and inventory name the same files."""
        # (4) nothing unlisted, nothing twice
        if not multiset.is_same(self._sum, self._inside.payload_sum):
            for finding in _unlisted(self._bag, self._listed):
                self._docket.add(PAYLOAD, finding)
        self._docket.shown(
            PAYLOAD, f"{self.totals.files} files, {self.totals.bytes} bytes, all as listed"
        )
        # (5) the same files as the manifest, in the same order
        if not self._in_step and self.records.readable and self._readable:
            for finding in _disagreement(self._bag, self._listed):
                self._docket.add(INVENTORY, finding)
        records = self.records.counts.outcomes.total()
        self._docket.shown(INVENTORY, f"{records} records, one for every path")


# ---- where lists differ: the exact comparison, a part of the names at a time


def _parts(count: int) -> range:
    return range(min(count // _PART + 1, _MOST_PARTS))


def _mine(name: str | bytes, part: int, parts: range) -> bool:
    return hash(name) % len(parts) == part


def _names(bag: Path) -> Iterator[Line]:
    for line in content.manifest_lines(bag):
        if not isinstance(line, Finding):
            yield line


def _on_disk(bag: Path) -> Iterator[bytes]:
    for part in tree.walk(bag, layout.PAYLOAD):
        yield from (payload_name(part.path, name) for name in part.files)


def _unlisted(bag: Path, count: int) -> Iterator[Finding]:
    """Files that no line names, and lines that name a file again; missing ones are known."""
    parts = _parts(count)
    for part in parts:
        lines = (line.name.encode() for line in _names(bag))
        listed = Counter(name for name in lines if _mine(name, part, parts))
        for name, times in listed.items():
            if times > 1:
                why = "the manifest names a file more than once"
                yield Finding(name.decode(), "one line", f"{times} lines", why)
        for name in _on_disk(bag):
            if _mine(name, part, parts) and name not in listed:
                shown = name.decode("utf-8", "surrogateescape")
                why = "a payload file that the manifest does not name"
                yield Finding(shown, "nothing", "a file", why)


def _disagreement(bag: Path, count: int) -> Iterator[Finding]:
    """How the inventory's payload differs from the manifest."""
    parts = _parts(count)
    different = False
    for part in parts:
        listed = {line.name: line.sha256 for line in _names(bag) if _mine(line.name, part, parts)}
        for finding in _against(_payloads(bag), listed, part, parts):
            different = True
            yield finding
    if not different:
        why = "the inventory's payload is not in the order of the manifest"
        yield Finding(layout.INVENTORY, "the manifest's order", "another", why)


def _against(
    records: Iterable[Brief], listed: dict[str, str], part: int, parts: range
) -> Iterator[Finding]:
    seen: set[str] = set()
    for record in records:
        name = record.payload or ""
        if not _mine(name, part, parts):
            continue
        if name in seen:
            yield Finding(name, "one record", "several", "the inventory has a payload twice")
        elif name not in listed:
            why = "the inventory has a payload that the manifest does not name"
            yield Finding(name, "a line in the manifest", "none", why)
        elif listed[name] != record.sha256:
            why = "manifest and inventory give a file two digests"
            yield Finding(name, f"sha256:{listed[name]}", f"sha256:{record.sha256}", why)
        seen.add(name)
    for name in listed.keys() - seen:
        why = "a payload file that the inventory does not tell of"
        yield Finding(name, "a record", "none", why)


def _payloads(bag: Path) -> Iterator[Brief]:
    for line in _lines(bag):
        try:
            record = inventory.brief(line)
        except FormatError:
            continue
        if record.payload is not None:
            yield record
