"""Whose signature is on an entry or on a receipt in one, and whether it counts.

Trust comes from the verifier's folder.  A stranger's key counts as *vouched* for where an entry
by a trusted key names it: a release says by which key its receiver will sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custody.errors import FormatError
from custody.formats import canonical, dsse
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.history.docket import Entry
from custody.history.values import Signature, SignatureVerdict
from custody.identity.trust import Trust
from custody.ledger.believed import Bound, by_trust
from custody.ledger.check import VerifyEntry
from custody.verify import signed

_WHY: Mapping[str, str] = {
    "trusted": "signed by a key that is trusted here",
    "vouched": "signed by the key that the release names; a trusted key signed the release",
    "untrusted": "signed by a key that nobody here trusts",
    "undated": "the key has an end, and no trusted time shows that the signature is older",
    "late": "signed at a time at which the key did not count",
    "bad": "a signature of a trusted key is not by that key",
}
_NOT_OWN = "the key that it names has not signed it"
_NO_ENTRY = "these bytes are not an entry"


def of_entry(entry: Entry, trust: Trust, bound: Bound) -> Signature:
    """Judge the signature of an entry.

    :param bound: the trusted times of entries.
    """
    if entry.envelope is None:
        return Signature("bad", "", "", _NO_ENTRY)
    judge = by_trust(trust, bound)
    return _judged(entry.index, entry.envelope, entry.event, trust, judge)


def of_receipt(
    index: int, envelope: Envelope, event: Event, trust: Trust, bound: Bound, named: frozenset[str]
) -> Signature:
    """Judge a receiver's countersignature.

    :param index: of the entry that embeds it: when that existed, the receipt did.
    :param named: fingerprints that a release by a trusted key names as the receiver's.
    """
    return _judged(index, envelope, event, trust, by_trust(trust, bound), named)


def receipt_in(details: Mapping[str, Any]) -> tuple[Envelope, Event]:
    """The receipt that an entry embeds.

    :raises FormatError: if it is not an envelope around an event.
    """
    envelope = dsse.load(canonical.dump(details["receipt"]) + b"\n")
    return envelope, signed.event_in(envelope)


def _judged(
    index: int,
    envelope: Envelope,
    event: Event | None,
    trust: Trust,
    judge: VerifyEntry,
    named: frozenset[str] = frozenset(),
) -> Signature:
    fingerprint = envelope.signatures[0].keyid
    known = trust.signer_for(fingerprint)
    name = "" if known is None else known.name
    if event is not None and not _is_own(event, envelope):
        return Signature("bad", fingerprint, name, _NOT_OWN)
    verdict: SignatureVerdict = judge(index, envelope)
    if verdict == "untrusted" and fingerprint in named:
        verdict = "vouched"
    return Signature(verdict, fingerprint, name, _WHY[verdict])


def _is_own(event: Event, envelope: Envelope) -> bool:
    try:
        return signed.is_by(signed.key_of(event), envelope)
    except FormatError:
        return False
