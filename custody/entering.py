"""Entering sealed bundles in the ledger of their case, and giving each its receipt.

This is also the recovery: a bundle that was published and not entered, because the machine
stopped in between, is entered by whoever comes next.  Attachments go in with them, under the same
checkpoint.

A bundle that was taken in from elsewhere has no entry of its own statement; it is pending where
the event ``received`` that lies in it is not entered (:mod:`custody.intaken`).

A bundle's name is entered once.  Whoever can sign and can write to the case could otherwise put
another bundle in the place of one that was entered, and have the next collection vouch for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from custody import attaching, durable, intaken, reading
from custody.bundle import layout
from custody.case import Case
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError
from custody.formats import canonical, dsse, statement, vkey
from custody.formats.vkey import VerifierKey
from custody.identity.signing import Signer, is_signed
from custody.ledger.log import Log

_SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Entered:
    """Where a statement stands: entry *index*, under the checkpoint of *size* and *root* (hex)."""

    index: int
    size: int
    root: str


def pending(case: Case) -> list[str]:
    """The bundles in the case that have no receipt from its ledger yet."""
    return [name for name in case.bundle_names() if not _has_receipt(case, name)]


def _has_receipt(case: Case, name: str) -> bool:
    prefix = layout.receipt_name(case.origin, 0).removesuffix("0.tlog-proof")
    try:
        receipts = os.listdir(case.bundles / name / layout.RECEIPTS)
    except OSError:
        return False
    return any(receipt.startswith(prefix) for receipt in receipts)


def enter_pending(
    case: Case,
    log_key: Signer,
    signers: Iterable[VerifierKey],
    wait_seconds: float,
    only: str | None = None,
) -> tuple[dict[str, Entered], dict[str, str]]:
    """Enter every pending bundle and attachment under one checkpoint, and write the receipts.

    :param signers: whose statements may be entered.
    :param only: look at this bundle and at nothing else that may be pending.
    :returns: where each bundle's statement stands; and, for those that were left alone, why.
    :raises LockedError: if another process keeps the case.
    :raises DifferenceError: if the ledger is not what its key last signed.
    :raises StorageError: if something could not be written.
    """
    keys = {key.fingerprint(): key for key in signers}
    found: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    others: dict[str, list[bytes]] = {}
    with case.locked(wait_seconds):
        for name in pending(case) if only is None else [only]:
            lacking = intaken.missing(case, name, keys)
            if lacking is not None:
                others[name] = lacking
                continue
            try:
                found[name] = _statement(case, name, keys)
            except CustodyError as err:
                refused[name] = err.why or str(err)
        log = case.log
        indexes = {name: log.find(data, _not_before(data)) for name, data in found.items()}
        new = {name: "" for name, index in indexes.items() if index is None}
        new |= {name: intaken.statement(case, name) for name, listed in others.items() if listed}
        for name, index in _taken(log, new).items():
            refused[name] = f"ledger entry {index} sealed another bundle under this name"
            found.pop(name, None)
            indexes.pop(name, None)
            others.pop(name, None)
        more = [entry for listed in others.values() for entry in listed]
        more += attaching.pending(case, keys) if only is None else []
        entered = _enter(case, log_key, found, indexes, more)
    return entered, refused


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _taken(log: Log, names: Mapping[str, str]) -> dict[str, int]:
    """Which of *names* the ledger has another bundle for already, and in which entry first.

    :param names: each with the digest (hex) of the statement that an entry may have given the name
        to already; empty where none may have.

    Entries of a form that is not known here are passed over, and no signature is checked.  All of
    the ledger is looked at: from where on a name may be new, only its signer says.

    :raises DifferenceError: if the entries cannot be read, so that nobody can tell.
    """
    taken: dict[str, int] = {}
    if not names:
        return taken
    needles = {part for name in names for part in dsse.spellings(canonical.dump(name)[1:-1])}
    try:
        for index, data in log.entries_with(needles):
            bound, digest = _bound_by(data)
            for name in bound.intersection(names):
                if names[name] != digest:
                    taken.setdefault(name, index)
    except (FormatError, NotFoundError) as err:
        hint = "custody ledger verify names what differs; nothing was written"
        raise DifferenceError("append to ledger", log.directory, str(err), hint=hint) from err
    return taken


def _not_before(envelope: bytes) -> int:
    """The least number that a statement's entry can have: it was signed after these entries.

    One that claims too much is not found, and then refused, because its name is.
    """
    ledger = statement.load(dsse.load(envelope).payload).ledger or {}
    size = ledger.get("size")
    return size if isinstance(size, int) and size >= 0 else 0


def _bound_by(entry: bytes) -> tuple[set[str], str]:
    """The names that an entry gives to a bundle, and the digest of that bundle's statement.

    No names, where it is something else.
    """
    try:
        payload = dsse.load(entry).payload
        if b'"sealed"' not in payload and b'"received"' not in payload:  # spares most of reading it
            return set(), ""
        event = statement.load(payload)
    except FormatError:
        return set(), ""
    digest = _digest(entry) if event.kind == _SEALED else intaken.pins(event)
    said = (event.details.get("bundle"), event.words.get("item")) if digest else ()
    return {name for name in said if isinstance(name, str)}, digest


def _enter(
    case: Case,
    log_key: Signer,
    found: dict[str, bytes],
    indexes: dict[str, int | None],
    others: list[bytes],
) -> dict[str, Entered]:
    log = case.log
    new = [name for name, index in indexes.items() if index is None]
    if new or others:
        appended = log.append([*(found[name] for name in new), *others], log_key)
        indexes |= {name: appended.first_index + place for place, name in enumerate(new)}
    tree = log.checkpoint().checkpoint
    entered: dict[str, Entered] = {}
    for name, index in indexes.items():
        if index is None:  # cannot be: every name is found or appended
            continue
        directory = case.bundles / name / layout.RECEIPTS
        durable.ensure_directory(directory)
        receipt = directory / layout.receipt_name(case.origin, tree.size)
        durable.create_or_equal(receipt, log.receipt(index))
        entered[name] = Entered(index, tree.size, tree.root.hex())
    return entered


def find(case: Case, name: str, signers: Iterable[VerifierKey]) -> Entered:
    """Where a bundle's statement stands in the ledger, whoever entered it.

    :raises NotFoundError: if it does not.
    """
    log = case.log
    data = _statement(case, name, {key.fingerprint(): key for key in signers})
    index = log.find(data, _not_before(data))
    if index is None:
        raise NotFoundError("find bundle in the ledger", name, "it is not entered")
    tree = log.checkpoint().checkpoint
    return Entered(index, tree.size, tree.root.hex())


def _statement(case: Case, name: str, keys: dict[str, VerifierKey]) -> bytes:
    data = reading.read_beneath(case.bundles / name, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    envelope = dsse.load(data)
    event = statement.load(envelope.payload)
    if event.ledger is None or event.ledger.get("origin") != case.origin:
        raise FormatError("enter bundle", name, "its statement is not for this case's ledger")
    if event.kind != _SEALED:
        raise FormatError("enter bundle", name, f"its statement is of the type {event.kind}")
    # Both names: verify goes by the item.
    if event.details.get("bundle") != name or event.words.get("item") != name:
        raise FormatError("enter bundle", name, "its statement is of another bundle")
    keyid = envelope.signatures[0].keyid
    key = keys.get(keyid)
    if key is None or not is_signed(key, envelope.signatures[0].sig, envelope.signed_bytes()):
        raise FormatError("enter bundle", name, "it is not signed by a key that is trusted here")
    if vkey.parse(event.actor.key).fingerprint() != keyid:
        raise FormatError("enter bundle", name, "it is not signed by the key that it names")
    return data
