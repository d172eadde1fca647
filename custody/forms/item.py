"""What a bundle says of itself, read for a form: the statement, the acquisition record, the lists.

Nothing is believed here.  :mod:`custody.forms.standing` says what verifying came to, and
:func:`require_same` that what was read for the form is what was verified.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custody import reading
from custody.bundle import layout
from custody.errors import CustodyError, DifferenceError, FormatError
from custody.formats import bagit, canonical, dsse, inventory, statement
from custody.formats.statement import Event
from custody.history.register import text
from custody.ledger import proof
from custody.verify import Verification

MOST_FILES = 500
_MOST_RECEIPTS = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """A bundle as it lies there; what cannot be read is empty.

    :ivar bundle: its id, as the statement gives it, else the directory's name.
    :ivar event: the signed statement.
    :ivar statement: the bytes of the statement's file, which are also its entry in a ledger.
    :ivar pinned: the SHA-256 (hex) of the tag manifest as it is now.
    :ivar manifest: likewise of the list of the payload files.
    :ivar acquisition: the acquisition record.
    :ivar receipt: the checkpoint, byte for byte, in the newest receipt that the bundle carries.
    :ivar intake: of a bundle that is gone: what the entry that took it in says of it; with
        ``tag_manifest``, the digest that this entry names.
    """

    bundle: str
    event: Event | None = None
    statement: bytes = b""
    pinned: str = ""
    manifest: str = ""
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    receipt: bytes = b""
    intake: Mapping[str, Any] = field(default_factory=dict)

    @property
    def statement_sha256(self) -> str:
        """The digest of the statement's file; empty where there is none."""
        if self.statement:
            return hashlib.sha256(self.statement).hexdigest()
        return text(self.intake, "statement")

    @property
    def sealed(self) -> str:
        """The digest of the tag manifest that was sealed; empty where no statement says one."""
        subjects = () if self.event is None else self.event.subjects
        return subjects[0].sha256 if subjects else text(self.intake, "tag_manifest")

    @property
    def details(self) -> Mapping[str, Any]:
        """What was said of it when it was sealed, or else when it was taken in."""
        return self.intake if self.event is None else self.event.details


def read(bag: Path) -> Item:
    """Read the bundle at *bag*, as far as it can be read."""
    tags = _bytes(bag, bagit.TAG_MANIFEST_NAME, layout.LARGEST_TAG_FILE)
    listed = _listed(tags)
    sealed = _bytes(bag, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    record = _bytes(bag, layout.ACQUISITION, layout.LARGEST_ACQUISITION)
    if hashlib.sha256(record).hexdigest() != listed.get(layout.ACQUISITION):
        record = b""  # it is not the one that was sealed
    return of_statement(
        bag.name,
        sealed,
        pinned=hashlib.sha256(tags).hexdigest() if tags else "",
        manifest=listed.get(bagit.MANIFEST_NAME, ""),
        acquisition=_object(record.removesuffix(b"\n")),
        receipt=_newest_receipt(bag),
    )


def of_statement(name: str, sealed: bytes, **more: Any) -> Item:
    """What a statement alone says, as for a bundle that is gone; *more* are further fields.

    :param name: what to call the bundle if the statement does not.
    """
    event = _event(sealed)
    said = None if event is None else event.details.get("bundle")
    return Item(said if isinstance(said, str) and said else name, event, sealed, **more)


def _event(data: bytes) -> Event | None:
    try:
        return statement.load(dsse.load(data).payload)
    except FormatError:
        return None


def _bytes(bag: Path, name: str, limit: int) -> bytes:
    """A file's content; nothing where it cannot be read, which verifying says."""
    try:
        return reading.read_beneath(bag, name, limit)
    except CustodyError:
        return b""


def _object(data: bytes) -> dict[str, Any]:
    try:
        return canonical.load_object(data)
    except FormatError:
        return {}


def _listed(tags: bytes) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in tags.splitlines(keepends=True):
        try:
            digest, path = bagit.parse_manifest_line(line)
        except FormatError:
            continue
        listed[path] = digest
    return listed


def _newest_receipt(bag: Path) -> bytes:
    """The checkpoint in the receipt with the largest tree; verifying judges it."""
    try:
        with reading.open_directory(bag, layout.RECEIPTS) as fd:
            names = sorted(os.listdir(fd))[:_MOST_RECEIPTS]
    except (CustodyError, OSError):
        return b""
    sizes = {name: _size(name) for name in names}
    for name in sorted(names, key=lambda each: -sizes[each]):
        data = _bytes(bag, f"{layout.RECEIPTS}/{name}", proof.LARGEST_PROOF)
        try:
            return proof.load(data).checkpoint
        except FormatError:
            continue
    return b""


def _size(name: str) -> int:
    digits = name.removesuffix(".tlog-proof").rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else -1


def require_same(item: Item, found: Verification) -> None:
    """Make sure that what was read for the form is what was verified after it.

    :raises DifferenceError: if the bundle changed in between.
    """
    same = item.statement_sha256 == found.statement_sha256
    whole = same and item.pinned == item.sealed and bool(item.acquisition)
    if not (whole if found.verdict == "ok" else same or found.verdict == "failed"):
        raise DifferenceError(
            "make the form", found.path, "the bundle changed while it was being read",
            hint="find out who writes there; then run the same command again",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """One file that was copied: where it was, its size, and its digest when it was collected.

    :ivar payload: its name in the bag.
    :ivar piece: which piece of which content it is, in words, where a watch collected it.
    """

    path: str
    payload: str
    size: int
    sha256: str
    outcome: str
    piece: str = ""


def files(bag: Path) -> Iterator[File]:
    """The files in the inventory, at most :data:`MOST_FILES`; nothing where it is malformed."""
    count = 0
    try:
        with reading.open_beneath(bag, layout.INVENTORY) as fd, open(fd, "rb", closefd=False) as s:
            while count < MOST_FILES and (line := s.readline(layout.LONGEST_RECORD)):
                record = inventory.load(line)
                if "payload" in record:
                    count += 1
                    yield File(
                        record["path"], record["payload"], record["size"], record["sha256"],
                        record["outcome"], _piece(record),
                    )  # fmt: skip
    except CustodyError:
        return


def _piece(record: Mapping[str, Any]) -> str:
    if "generation" not in record:
        return ""
    start, length = record.get("offset", 0), record.get("length", 0)
    return f"bytes {start:,} to {start + length:,} of the content {record['generation']}"
