"""Bundles that were taken in from elsewhere, and what is signed about that in ``seal/events/``.

Such a bundle is not entered by its own statement, which is for no ledger or for another one, but
by the event ``received`` of whoever took it in.  The event is laid into the bundle before that is
published, so a run that was stopped between publishing and entering is finished by the next one.
What the desk said of the bundle's key (``key-added``) lies beside it and goes in with it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping

from custody import certifying, reading
from custody.bundle import layout
from custody.case import Case
from custody.errors import CustodyError
from custody.formats import dsse, vkey
from custody.formats import statement as statements
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.formats.vkey import VerifierKey
from custody.handover import RECEIVED
from custody.identity.signing import is_signed


def pins(event: Event) -> str:
    """The SHA-256 (hex) of the statement that an event took into the case; empty if none.

    A bundle that differed is kept apart, and one that was held already is not taken in again.
    """
    details = event.details
    is_intake = event.kind == RECEIVED and "from" in details and "received_by" not in details
    if not is_intake or details.get("verdict") == "failed" or "already_held" in details:
        return ""
    return str(details.get("statement", ""))


def is_vouched(case: Case, name: str, fingerprint: str) -> bool:
    """Whether the case has vouched for this key, for this bundle, already."""
    for envelope, event, entry in _events(case, name):
        if event.kind != certifying.ADDED:
            continue
        said = certifying.read(envelope)
        if said is not None and (said.fingerprint, said.bundle) == (fingerprint, name):
            return case.ledger.find(entry, _not_before(event)) is not None
    return False


def statement(case: Case, name: str) -> str:
    """The SHA-256 (hex) of the statement of a bundle in the case; empty if it cannot be read."""
    try:
        data = reading.read_beneath(case.bundles / name, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    except CustodyError:
        return ""
    return hashlib.sha256(data).hexdigest()


def missing(case: Case, name: str, keys: Mapping[str, VerifierKey]) -> list[bytes] | None:
    """What the ledger lacks of the events by which a bundle was taken into this case.

    :param keys: whose events may be entered, by fingerprint.
    :returns: None if nobody took it in, by an event that is entered or that may be.
    """
    pinned = statement(case, name)
    is_taken_in, lacking = False, []
    for envelope, event, entry in _events(case, name):
        of_intake = pinned != "" and pins(event) == pinned and event.details.get("bundle") == name
        if not of_intake and event.kind != certifying.ADDED:
            continue
        is_entered = case.ledger.find(entry, _not_before(event)) is not None
        if not is_entered and not _is_by(envelope, event, keys):
            continue
        is_taken_in = is_taken_in or of_intake
        if not is_entered:
            lacking.append(entry)
    return lacking if is_taken_in else None


def _events(case: Case, name: str) -> Iterator[tuple[Envelope, Event, bytes]]:
    """The events in a bundle that are about it and for this case's ledger."""
    try:
        names = sorted(os.listdir(case.bundles / name / layout.EVENTS))
    except OSError:
        return
    for file in names:
        try:
            path = f"{layout.EVENTS}/{file}"
            data = reading.read_beneath(case.bundles / name, path, dsse.LARGEST_ENVELOPE)
            envelope = dsse.load(data)
            event = statements.load(envelope.payload)
        except CustodyError:  # verify says what is wrong with it
            continue
        origin = (event.ledger or {}).get("origin")
        if origin == case.origin and event.words.get("item") == name:
            yield envelope, event, data


def _not_before(event: Event) -> int:
    """The least number that an event's entry can have: it was signed after these entries."""
    size = (event.ledger or {}).get("size")
    return size if type(size) is int and size >= 0 else 0


def _is_by(envelope: Envelope, event: Event, keys: Mapping[str, VerifierKey]) -> bool:
    key = keys.get(envelope.signatures[0].keyid)
    return (
        key is not None
        and len(envelope.signatures) == 1
        and vkey.parse(event.actor.key).fingerprint() == key.fingerprint()
        and is_signed(key, envelope.signatures[0].sig, envelope.signed_bytes())
    )
