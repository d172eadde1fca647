"""What the ledger of a case says of one bundle: its number, its copies, and who has them.

Copies are numbered ``C1``, ``C2``, ... in the order of their entries.  Whoever needs the next
number, or wants to give something away, asks while holding the case's lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from custody.case import Case
from custody.errors import DifferenceError, FormatError, NotFoundError, UsageError
from custody.formats import canonical, dsse, statement
from custody.formats.statement import Event
from custody.handover import (
    COPIED,
    ORIGINAL,
    RECEIVED,
    REFUSED,
    RELEASED,
    is_copy_name,
    subject,
)

_SEALED, _DISPOSED = "sealed", "disposed"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that could be read as an event: its number, its bytes, and what it says."""

    index: int
    data: bytes
    event: Event

    @property
    def sha256(self) -> str:
        """The digest of its bytes, hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True)
class Thing:
    """The original or a copy, as far as the ledger tells.

    :ivar digest: the SHA-256 (hex) of its tag manifest; empty for the original.
    :ivar out: the release by which it is away, or None where it is here.
    :ivar disposed: the number of the entry that says so, or None.
    """

    digest: str = ""
    out: Entry | None = None
    disposed: int | None = None


@dataclass(slots=True)
class Standing:
    """One bundle in the ledger of its case.

    :ivar statements: the digests of its statements that were entered, each with its entry.
    :ivar things: the original under that name, and each copy under its number.
    """

    bundle: str
    evidence_number: str = ""
    statements: dict[str, int] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=lambda: {ORIGINAL: Thing()})

    @property
    def next_copy(self) -> str:
        """The number that the next copy has."""
        return f"C{max((int(name[1:]) for name in self.things if name != ORIGINAL), default=0) + 1}"

    def label(self, copy: str) -> str:
        """What is written on a copy: the evidence number, else the bundle's id, and its number."""
        return f"{self.evidence_number or self.bundle}/{copy}"

    def require_here(self, name: str) -> Thing:
        """The original or a copy, if it may be given away.

        :raises NotFoundError: if the ledger has no such copy.
        :raises UsageError: if it is away already, or was disposed of.
        """
        thing = self.things.get(name)
        if thing is None:
            hint = "custody ledger list shows the copies that were made"
            raise NotFoundError("find copy", self.label(name), "no entry made it", hint=hint)
        what = self.bundle if name == ORIGINAL else self.label(name)
        if thing.disposed is not None:
            why = f"it was disposed of, by entry {thing.disposed}; nothing was entered"
            raise UsageError("release", what, why)
        if thing.out is not None:
            to = thing.out.event.details.get("to")
            who = to.get("name", "somebody") if isinstance(to, dict) else "somebody"
            why = (
                f"it was released to {who} by entry {thing.out.index} and has not come back;"
                " nothing was entered"
            )
            back = "" if name == ORIGINAL else f" --copy {name}"
            hint = f'when it is back: custody receive PATH --case DIR --from "..."{back}'
            raise UsageError("release", what, why, hint=hint)
        return thing

    def take(self, entry: Entry) -> None:
        """Go on by one entry that is about this bundle."""
        event, details = entry.event, entry.event.details
        copy = details.get("copy")
        name = copy if is_copy_name(copy) else ORIGINAL
        if event.kind == _SEALED:
            self.statements.setdefault(entry.sha256, entry.index)
            self._number(event)
        elif event.kind == COPIED and name != ORIGINAL:
            self.things.setdefault(name, Thing(subject(event, "copy")))
        elif event.kind == RELEASED:
            self.things.setdefault(name, Thing(subject(event, RELEASED))).out = entry
        elif event.kind == REFUSED and "release" in details:
            self._came_back(str(details["release"]))
        elif event.kind == RECEIVED and "received_by" not in details:
            self._intake(entry, name)
        elif event.kind == _DISPOSED and (name != ORIGINAL or details.get(ORIGINAL) is True):
            self.things.setdefault(name, Thing()).disposed = entry.index

    def _number(self, event: Event) -> None:
        number = event.details.get("evidence_number")
        if isinstance(number, str) and number:
            self.evidence_number = number

    def _came_back(self, release: str) -> None:
        for thing in self.things.values():
            if thing.out is not None and thing.out.sha256 == release:
                thing.out = None

    def _intake(self, entry: Entry, name: str) -> None:
        details = entry.event.details
        if details.get("verdict") == "failed":
            return
        self.statements.setdefault(str(details.get("statement")), entry.index)
        self._number(entry.event)
        if name != ORIGINAL or details.get(ORIGINAL) is True:
            self.things.setdefault(name, Thing()).out = None


def of(case: Case, bundle: str) -> Standing:
    """Read what the ledger of *case* says of *bundle*.

    :raises DifferenceError: if the entries cannot be read.
    """
    return several(case, [bundle])[bundle]


def several(case: Case, bundles: Collection[str]) -> dict[str, Standing]:
    """The same of many bundles, in one reading."""
    found = {name: Standing(name) for name in bundles}
    for entry in entries(case, [name for name in found if name]):
        known = found.get(entry.event.words.get("item", ""))
        if known is not None:
            known.take(entry)
    return found


def bearers(case: Case, numbers: Collection[str]) -> dict[str, set[str]]:
    """The bundles that were given each of these evidence numbers, at any time.

    :raises DifferenceError: if the entries cannot be read.
    """
    found: dict[str, set[str]] = {number: set() for number in numbers}
    for entry in entries(case, numbers) if numbers else ():
        event, item = entry.event, entry.event.words.get("item", "")
        if event.kind in (_SEALED, RECEIVED) and event.details.get("verdict") != "failed":
            given = event.details.get("evidence_number")
            if isinstance(given, str) and given in found:
                found[given].add(item)
    return found


def entries(case: Case, words: Collection[str]) -> Iterator[Entry]:
    """The events in the ledger of *case* that hold any of *words* anywhere, oldest first.

    Entries of a form that is not known here are passed over; the ledger's own check names them.

    :raises DifferenceError: if the entries cannot be read.
    """
    wanted = [canonical.dump(word)[1:-1] for word in words]
    needles = {part for word in wanted for part in dsse.spellings(word)}
    with _readable(case):
        for index, data in case.log.entries_with(needles):
            if not any(needle in data for needle in needles):
                continue
            try:
                payload = dsse.load(data).payload
                if any(word in payload for word in wanted):
                    yield Entry(index, data, statement.load(payload))
            except FormatError:
                continue


def entry_with(case: Case, sha256: str) -> tuple[int, bytes] | None:
    """The first entry whose bytes have this digest (hex), and its number.

    :raises DifferenceError: if the entries cannot be read.
    """
    with _readable(case):
        for index, data in enumerate(case.log.entries()):
            if hashlib.sha256(data).hexdigest() == sha256:
                return index, data
    return None


@contextmanager
def _readable(case: Case) -> Iterator[None]:
    try:
        yield
    except (FormatError, NotFoundError) as err:
        hint = "custody ledger verify names what differs; nothing was written"
        raise DifferenceError("read ledger", case.directory, str(err), hint=hint) from err
