"""The entries of a ledger as they lie there, each with the event in it where it has one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from custody.errors import FormatError, NotFoundError
from custody.formats import dsse, statement
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.ledger.reader import LedgerReader
from custody.ledger.tiles import TILE_WIDTH

UNREADABLE = "unreadable"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    :ivar sha256: of its bytes.
    :ivar envelope: None where the bytes are no envelope; *why* then says what they are not.
    :ivar event: None where there is no envelope, or something else than an event in it.
    """

    index: int
    sha256: str
    envelope: Envelope | None
    event: Event | None
    why: str = ""

    @property
    def kind(self) -> str:
        """The type of the event, or that there is none."""
        if self.event is not None:
            return self.event.kind
        return UNREADABLE if self.envelope is None else UNKNOWN


@dataclass(frozen=True, slots=True)
class Unread:
    """Entries ``first .. last`` that cannot be read, and why."""

    first: int
    last: int
    why: str


def read(ledger: LedgerReader) -> tuple[list[Entry], list[Unread]]:
    """Every entry that the checkpoint covers and that can be read, and those that cannot.

    :raises NotFoundError: if there is no checkpoint.
    :raises FormatError: if the checkpoint is malformed.
    :raises StorageError: if the system cannot read it.
    """
    found: list[Entry] = []
    unread: list[Unread] = []
    size = ledger.checkpoint().size
    for start in range(0, size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, size)
        try:
            found += _some(ledger, start, end)
        except (FormatError, NotFoundError) as err:
            unread.append(Unread(start, end - 1, str(err)))
    return found, unread


def _some(ledger: LedgerReader, start: int, end: int) -> list[Entry]:
    return [entry(index, data) for index, data in enumerate(ledger.entries(start, end), start)]


def entry(index: int, data: bytes) -> Entry:
    """Look at the bytes of one entry; never raises."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        envelope = dsse.load(data)
    except FormatError as err:
        return Entry(index, digest, None, None, str(err))
    try:
        if envelope.payload_type != dsse.IN_TOTO:
            why = f"its payload type is {envelope.payload_type}"
            return Entry(index, digest, envelope, None, why)
        return Entry(index, digest, envelope, statement.load(envelope.payload))
    except FormatError as err:
        return Entry(index, digest, envelope, None, str(err))
