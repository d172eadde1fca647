"""The pieces of watched files in a case: which bundles hold them, and how they join.

A bundle of a watch is one whose sealed statement has ``watch`` among its details.  What is read
here is pinned: the statement is the ledger's entry, its subject the tag manifest, and that names
the inventory.  Whose signature it is, is for ``verify`` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody import reading
from custody.bundle import content, layout
from custody.errors import DifferenceError, FormatError
from custody.formats import bagit, dsse, inventory, statement
from custody.formats.inventory import Piece, Record
from custody.ledger.reader import LedgerReader

_SEALED = "sealed"
_EMPTY = inventory.chain("", hashlib.sha256(b"").hexdigest())


@dataclass(frozen=True, slots=True)
class Part:
    """A piece, where it is: the record's *payload* in *bundle*; none where only a name changed."""

    piece: Piece
    bundle: WatchBundle
    path: bytes
    payload: str
    sha256: str


class Chains:
    """Joins the pieces of each content, in whatever order their bundles were entered.

    Memory is flat as long as the pieces come in about the right order.
    """

    def __init__(self) -> None:
        self._ends: dict[str, tuple[int, str]] = {}
        self._waiting: dict[str, list[Part]] = {}

    def take(self, part: Part) -> Iterator[tuple[Part, str]]:
        """The next piece that was found.

        :returns: every piece that now joins what is known of its content, each with what is wrong
            with it, or an empty text.
        """
        waiting = self._waiting.setdefault(part.piece.generation, [])
        waiting.append(part)
        while waiting:
            end, chain = self._ends.get(part.piece.generation, (0, ""))
            follows = next((one for one in waiting if one.piece.offset <= end), None)
            if follows is None:
                return
            waiting.remove(follows)
            yield follows, self._join(follows, end, chain)
        del self._waiting[part.piece.generation]

    def _join(self, part: Part, end: int, chain: str) -> str:
        piece = part.piece
        if piece.length == 0 and piece.chain_sha256 == _EMPTY:  # that there was a file: no bytes
            self._ends[piece.generation] = (end, chain or _EMPTY)
            return ""
        if piece.offset < end:
            return f"it begins at {piece.offset}, and {end} bytes came before it"
        expected = {inventory.chain(chain, part.sha256) if part.payload else chain}
        if not end:  # what says that it was empty may come later
            expected.add(inventory.chain(_EMPTY, part.sha256))
        self._ends[piece.generation] = (end + piece.length, piece.chain_sha256)
        if piece.chain_sha256 not in expected:
            return "its chain value does not follow from the pieces before it"
        return ""

    def left(self) -> Iterator[tuple[Part, int]]:
        """The pieces that join nothing, and where the content known before them ends."""
        for generation, parts in self._waiting.items():
            end, _ = self._ends.get(generation, (0, ""))
            yield from ((part, end) for part in parts)


@dataclass(frozen=True, slots=True)
class WatchBundle:
    """A bundle of a watch, as the ledger has it.

    :ivar index: the number of its entry.
    :ivar time: when it was sealed, by its signer's clock.
    :ivar pinned: the SHA-256 of its tag manifest, hex.
    """

    index: int
    name: str
    directory: Path
    time: datetime
    pinned: str

    def records(self) -> Iterator[Record]:
        """The inventory's records, if the inventory is the one that was sealed.

        :raises DifferenceError: if it is not; said at the end, so that nothing is kept in memory.
        :raises FormatError: if a record is none.
        :raises NotFoundError: if the bundle or a part of it is missing.
        """
        tags = reading.read_beneath(
            self.directory, bagit.TAG_MANIFEST_NAME, layout.LARGEST_TAG_FILE
        )
        if hashlib.sha256(tags).hexdigest() != self.pinned:
            raise self._differs(bagit.TAG_MANIFEST_NAME)
        digest = hashlib.sha256()
        for line in content.bounded_lines(
            self.directory, layout.INVENTORY, layout.LONGEST_RECORD, digest
        ):
            yield inventory.load(line)
        if bagit.manifest_line(digest.hexdigest(), layout.INVENTORY) not in tags:
            raise self._differs(layout.INVENTORY)

    def parts(self) -> Iterator[Part]:
        """The pieces in it; raises what :meth:`records` raises."""
        for record in self.records():
            piece = inventory.piece_of(record)
            if piece is not None:
                path, payload = inventory.raw_path(record), record.get("payload", "")
                yield Part(piece, self, path, payload, record.get("sha256", ""))

    def _differs(self, name: str) -> DifferenceError:
        why = "it is not what was sealed"
        hint = f"custody verify {self.directory}"
        return DifferenceError("read bundle", self.directory / name, why, hint=hint)


def bundles(ledger: LedgerReader, where: Path, start: int = 0) -> Iterator[WatchBundle]:
    """The bundles of watches, from the ledger's entry *start* on.

    :param where: the directory that bundles are in.

    :raises FormatError: if the ledger is damaged.
    :raises NotFoundError: if a part of it is missing.
    """
    for index, entry in enumerate(ledger.entries(start), start):
        try:
            payload = dsse.load(entry).payload
            if b'"watch"' not in payload:  # spares the most of reading it
                continue
            event = statement.load(payload)
        except FormatError:  # of a form that is not known here
            continue
        name = event.details.get("bundle")
        if event.kind != _SEALED or "watch" not in event.details or not isinstance(name, str):
            continue
        if "/" in name or name in ("", ".", "..") or len(event.subjects) != 1:
            continue
        directory = where / name
        yield WatchBundle(index, name, directory, event.time, event.subjects[0].sha256)
