"""Put a watched file together again from its pieces, and prove what came out.

A path may have had several contents: before and after each rotation, truncation or rewriting.
Each is a file of its own.  The inventories are pinned by the ledger's own entries, each piece by
its digest, and the pieces of a content by their chain.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable, nearest, pieces, reading
from custody.case import Case
from custody.errors import CustodyError, DifferenceError, NotFoundError, TrustError
from custody.formats import inventory
from custody.pieces import Chains, Part, WatchBundle

_CHUNK = 1 << 20


@dataclass(slots=True)
class Content:
    """One content of a path: its pieces in order, and the path it had last.

    :ivar left_out: how many pieces say that they were sealed by then, and follow one that says
        that it was not: the host's clock went back.
    """

    generation: str
    parts: list[Part] = field(default_factory=list)
    path: bytes = b""
    left_out: int = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(part.piece.length for part in self.parts)


@dataclass(frozen=True, slots=True)
class Restored:
    """A file that was put together: its SHA-256 (hex) is that of all its pieces, in order."""

    path: Path
    content: Content
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        parts = self.content.parts
        return {
            "path": str(self.path),
            "generation": self.content.generation,
            "bytes": self.content.size,
            "sha256": self.sha256,
            "pieces": len(parts),
            "first_sealed": clock.rfc3339(parts[0].bundle.time),
            "last_sealed": clock.rfc3339(parts[-1].bundle.time),
            "last_path": _shown(self.content.path),
        }


def contents(case: Case, path: bytes, at: datetime | None = None) -> list[Content]:
    """Every content that *path* had, the newest first.

    :param at: leave out what was sealed after this moment.
    :raises NotFoundError: if no bundle of a watch has a piece of it.
    :raises DifferenceError: if its pieces have a gap.
    :raises TrustError: if they have one, and a bundle that may hold what is in it is not there.
    """
    wanted = _generations(case, path, at)
    found: dict[str, Content] = {name: Content(name) for name in wanted}
    chains = Chains()
    for part in _parts(case, at):
        if part.piece.generation not in found:
            continue
        for one, problem in chains.take(part):
            if problem:
                raise _gap(case, at, one, problem)
            content = found[one.piece.generation]
            content.path = one.path
            if one.payload:
                content.parts.append(one)
    left = list(chains.left())
    ends = {part.piece.generation: end for part, end in left}
    later = _going_on_later(case, at, ends) if left else set()
    for part, end in left:
        if part.piece.generation not in later:
            why = f"the bytes from {end} to {part.piece.offset} are nowhere"
            raise _gap(case, at, part, why)
        found[part.piece.generation].left_out += 1
    listed = [content for content in found.values() if content.parts]
    if not listed:
        shown = _shown(path)
        by_then = "" if at is None else " that was sealed by then"
        why = f"no bundle of a watch in this case has a piece of it{by_then}"
        whole = "custody history lists what a case has of a file that was collected whole"
        hint = nearest.hint(shown, _paths(case, at)) or whole
        raise NotFoundError("restore", shown, why, hint=hint)
    return list(reversed(listed))


def _paths(case: Case, at: datetime | None) -> Iterator[str]:
    """The paths that have pieces in the bundles of watches."""
    for part in _parts(case, at):
        yield _shown(part.path)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def missing(case: Case, at: datetime | None = None) -> list[str]:
    """The bundles of watches that the ledger has and the case has not: what they held is unknown.

    :param at: leave out what was sealed after this moment.
    """
    listed = pieces.bundles(case.ledger, case.bundles)
    return [one.name for one in listed if _is_meant(one, at) and not one.directory.exists()]


def _is_meant(bundle: WatchBundle, at: datetime | None) -> bool:
    return at is None or bundle.time <= at


def _generations(case: Case, path: bytes, at: datetime | None) -> list[str]:
    """The contents that had this name at some time, in the order in which they came to it.

    A second name of a file has a record of its own, which says under which one it is kept.
    """
    kept = {
        inventory.raw_path(record, "rotated_to")
        for bundle in _bundles(case, at)
        for record in bundle.records()
        if "rotated_to" in record and inventory.raw_path(record) == path
    }
    found: dict[str, None] = {}
    newest: dict[bytes, str] = {}
    for bundle in _bundles(case, at):
        others: set[bytes] = set()
        for record in bundle.records():
            name, piece = inventory.raw_path(record), inventory.piece_of(record)
            if piece is not None and name == path:
                found[piece.generation] = None
            elif piece is not None and name in kept:
                newest[name] = piece.generation
            elif "rotated_to" in record and name == path:
                others.add(inventory.raw_path(record, "rotated_to"))
        found |= dict.fromkeys(newest[name] for name in others if name in newest)
    return list(found)


def _going_on_later(case: Case, at: datetime | None, ends: Mapping[str, int]) -> set[str]:
    """The contents of which the piece that follows says that it was sealed after *at*.

    What comes behind that came later, too, whatever time it says.

    :param ends: where what is known of each content ends.
    """
    return {
        part.piece.generation
        for bundle in _bundles(case, None)
        if not _is_meant(bundle, at)
        for part in bundle.parts()
        if part.payload and ends.get(part.piece.generation) == part.piece.offset
    }


def _parts(case: Case, at: datetime | None) -> Iterator[Part]:
    for bundle in _bundles(case, at):
        yield from bundle.parts()


def _bundles(case: Case, at: datetime | None) -> Iterator[WatchBundle]:
    for bundle in pieces.bundles(case.ledger, case.bundles):
        if _is_meant(bundle, at) and bundle.directory.exists():
            yield bundle


def _gap(case: Case, at: datetime | None, part: Part, problem: str) -> CustodyError:
    gone = missing(case, at)
    if gone:
        why = f"{problem}; bundles of the watch that the ledger has are not there: {len(gone)}"
        return TrustError("restore", part.bundle.name, why, hint=f"the first of them is {gone[0]}")
    hint = f"custody verify {part.bundle.directory.parent.parent}"
    why = f"a piece does not fit: {problem}"
    return DifferenceError("restore", part.bundle.name, why, hint=hint)


def write(content: Content, target: Path) -> Restored:
    """Write one content to a new file.

    :raises ExistsError: if something stands at *target*.
    :raises DifferenceError: if a piece is not what its record says; nothing is written then.
    :raises StorageError: if it could not be written.
    """
    digest = hashlib.sha256()

    def data() -> Iterator[bytes]:
        for part in content.parts:
            for piece in _payload(part):
                digest.update(piece)
                yield piece

    with durable.private_umask():
        durable.create_from(target, data())
    return Restored(target, content, digest.hexdigest())


def _payload(part: Part) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with reading.open_beneath(part.bundle.directory, part.payload) as fd:
        try:
            while piece := os.read(fd, _CHUNK):
                digest.update(piece)
                yield piece
        except OSError as err:
            raise durable.storage_error("read", part.payload, err) from err
    if digest.hexdigest() != part.sha256:
        why = "its content is not what was sealed; nothing was written of it"
        hint = f"custody verify {part.bundle.directory}"
        raise DifferenceError("restore", part.payload, why, hint=hint)
