"""Checks 4 and 5: the payload, its manifest and the inventory, in flat memory.

The manifest is read line by line and each file that it names; the inventory is read by itself,
in a process beside where it is long.  Both leave a trail, and equal trails mean that the two were
in step all the way.  Only if lists turn out to differ are they compared exactly, a part of the
names at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from custody.beside import beside
from custody.bundle import content, layout, multiset
from custody.bundle.content import Line, Seen, Totals
from custody.counted import counted
from custody.errors import CustodyError
from custody.findings import Finding
from custody.formats import bagit
from custody.verify import exact, inventory
from custody.verify.docket import CHANGED, Docket
from custody.verify.inventory import INVENTORY, Counts, Told, Trail
from custody.verify.layout import LAYOUT, Inside
from custody.verify.result import Progress

PAYLOAD = 4
LONG_INVENTORY = 2 << 20  # bytes; below, a process of its own costs more than it saves
_NAMES_AT_ONCE = 1_024
_LARGE = 1 << 20  # bytes in a file, on average: then two are hashed at a time


@dataclass(slots=True)
class Read:
    """How much payload was read, and what the inventory says."""

    totals: Totals
    counts: Counts


def check(
    bag: Path,
    inside: Inside,
    oxum: str,
    hashed: Mapping[str, str],
    docket: Docket,
    progress: Progress,
) -> Read:
    """Checks 4 and 5, as far as they need no other document.

    :param oxum: the Payload-Oxum in bag-info.txt; empty if that could not be read.
    :param hashed: the digests, by name, that check 3 found the tag files to have: what is parsed
        here must be the same bytes.
    """
    promised = _amount(oxum)
    workers = 2 if promised and promised.bytes > promised.files * _LARGE else 1
    payload = _Payload(bag, inside, docket, _progress(promised, progress), workers)
    work = partial(inventory.read, bag)
    if _length(bag) < LONG_INVENTORY:
        payload.run()
        told = work()
    else:
        with beside(work) as result:
            payload.run()
            told = result()
    payload.settle(oxum)
    docket.absorb(told.docket)
    if payload.readable:
        first = hashed.get(bagit.MANIFEST_NAME)
        docket.unchanged(PAYLOAD, bagit.MANIFEST_NAME, first, payload.hashed.hexdigest())
    if told.readable:
        docket.unchanged(INVENTORY, layout.INVENTORY, hashed.get(layout.INVENTORY), told.sha256)
    _agreement(bag, payload, told, docket)
    return Read(payload.totals, told.counts)


def _length(bag: Path) -> int:
    try:
        return (bag / layout.INVENTORY).lstat().st_size
    except OSError:
        return 0


def _amount(oxum: str) -> Totals | None:
    """What a Payload-Oxum promises; nothing depends on it but progress and speed."""
    size, dot, files = oxum.partition(".")
    if not dot or len(oxum) > 40 or not (size + files).isdecimal():
        return None
    return Totals(int(files or 0), int(size or 0))


def _progress(promised: Totals | None, progress: Progress) -> Callable[[Totals], None]:
    whole = (promised.files, promised.bytes) if promised else (None, None)
    return lambda totals: progress(totals.files, totals.bytes, *whole)


class _Payload:
    def __init__(
        self,
        bag: Path,
        inside: Inside,
        docket: Docket,
        told: Callable[[Totals], None],
        workers: int,
    ) -> None:
        self._workers = workers
        self.totals = Totals()
        self.trail = Trail()
        self.hashed = hashlib.sha256()
        self.listed = 0
        self.readable = True
        self._bag = bag
        self._inside = inside
        self._docket = docket
        self._told = told
        self._sum = 0
        self._spoilt = False

    @property
    def is_whole(self) -> bool:
        """Every file was read, and is as the manifest says."""
        return self.readable and not self._spoilt

    def run(self) -> None:
        """Read every file that the manifest names."""
        # (4) every file as its line says
        try:
            for seen in content.read_payload(
                self._bag,
                self._lines(),
                fresh=False,
                workers=self._workers,
                tick=self._tick,
                looked=self._inside.payload_is_plain,
            ):
                self._one(seen)
        except CustodyError as err:
            self.readable = False
            self._docket.trouble(PAYLOAD, bagit.MANIFEST_NAME, "the payload manifest", err)

    def _tick(self) -> None:
        self._told(self.totals)

    # (4) strict lines inside data/
    def _lines(self) -> Iterator[Line]:
        names: list[bytes] = []
        for line in content.manifest_lines(self._bag, self.hashed):
            if isinstance(line, Finding):
                self._docket.add(PAYLOAD, line)
                continue
            self.listed += 1
            names.append(line.name.encode())
            if len(names) == _NAMES_AT_ONCE:
                self._sum += self._inside.summary.of(names)
                names.clear()
            yield line
        self._sum += self._inside.summary.of(names)

    def _one(self, seen: Seen) -> None:
        line = seen.line
        self.totals.add(seen)
        self.trail.add(line.name, line.sha256, seen.size)
        if seen.error or seen.sha256 != line.sha256:
            self._spoilt = True
        if seen.unread:
            self._docket.unread(PAYLOAD, line.name, seen.error)
            self._docket.is_forbidden |= seen.error == "permission denied"
        elif self._spoilt:
            difference = seen.difference()
            if difference is not None:
                self._docket.add(PAYLOAD, difference)

    def settle(self, oxum: str) -> None:
        """Whether manifest, directory and bag-info.txt agree."""
        # (4) nothing unlisted, nothing twice
        if self._docket.was_unread(LAYOUT):
            self._docket.left(PAYLOAD, "a part of the payload cannot be listed")
        elif self.readable and not multiset.is_same(self._sum, self._inside.payload_sum):
            for finding in exact.unlisted(self._bag, self.listed):
                self._docket.add(PAYLOAD, finding)
            if not self._docket.failed(PAYLOAD):  # the second reading does not differ
                listed, found = "the files of the payload", "others, when it was read first"
                self._docket.found(PAYLOAD, bagit.MANIFEST_NAME, listed, found, CHANGED)
        # (4) as much as bag-info.txt promises
        if oxum and oxum != self.totals.oxum() and self.is_whole:
            why = "the amount of payload is not what bag-info.txt says"
            self._docket.found(PAYLOAD, bagit.INFO_NAME, oxum, self.totals.oxum(), why)
        shown = f"{counted(self.totals.files, 'file')}, {self.totals.bytes} bytes, all as listed"
        self._docket.shown(PAYLOAD, shown)


def _agreement(bag: Path, payload: _Payload, told: Told, docket: Docket) -> None:
    if not (payload.readable and told.readable):
        return
    # (5) the same files as the manifest, in the same order
    if told.names != payload.trail.names():
        for finding in exact.disagreement(bag, payload.listed):
            docket.add(INVENTORY, finding)
    # (5) the sizes that the files have
    elif payload.is_whole and told.sizes != payload.trail.sizes():
        for finding in exact.sizes(bag):
            docket.add(INVENTORY, finding)
        if not docket.failed(INVENTORY):
            sizes, found = "the sizes of the files", "others, when it was read first"
            docket.found(INVENTORY, layout.INVENTORY, sizes, found, CHANGED)
    records = told.counts.outcomes.total()
    docket.shown(INVENTORY, f"{counted(records, 'record')}, one for every path")
