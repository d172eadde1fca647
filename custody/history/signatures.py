"""Whose signature is on an entry or on a receipt in one, and whether it counts.

Trust comes from the verifier's folder.  A stranger's key counts as *vouched* for where an entry
by a trusted key names it: a release says by which key its receiver will sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from custody.errors import FormatError
from custody.formats import canonical, dsse
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.history.docket import Entry
from custody.history.values import Signature
from custody.identity.trust import Trust
from custody.ledger.believed import Bound, by_trust
from custody.ledger.check import EntryVerdict
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


class Judge:
    """Judges the signatures of a ledger's entries, and of the receipts in them.

    :param bound: the trusted times of entries.
    """

    def __init__(self, trust: Trust, bound: Bound) -> None:
        self._trust = trust
        self._by_trust = by_trust(trust, bound)
        self._seen: dict[int, EntryVerdict] = {}

    def verify_entry(self, index: int, envelope: Envelope) -> EntryVerdict:
        """For :func:`custody.ledger.check.check`; what it came to is not worked out again."""
        verdict = self._seen[index] = self._by_trust(index, envelope)
        return verdict

    def entry(self, entry: Entry) -> Signature:
        """Judge the signature of an entry."""
        if entry.envelope is None:
            return Signature("bad", "", "", _NO_ENTRY)
        verdict = self._seen.get(entry.index) or self._by_trust(entry.index, entry.envelope)
        return self._signature(entry.envelope, entry.event, verdict)

    def receipt(
        self, index: int, envelope: Envelope, event: Event, named: frozenset[str]
    ) -> Signature:
        """Judge a receiver's countersignature.

        :param index: of the entry that embeds it: when that existed, the receipt did.
        :param named: fingerprints that a release by a trusted key names as the receiver's.
        """
        found = self._signature(envelope, event, self._by_trust(index, envelope))
        if found.verdict == "untrusted" and found.fingerprint in named:
            return replace(found, verdict="vouched", why=_WHY["vouched"])
        return found

    def _signature(
        self, envelope: Envelope, event: Event | None, verdict: EntryVerdict
    ) -> Signature:
        fingerprint = envelope.signatures[0].keyid
        known = self._trust.signer_for(fingerprint)
        name = "" if known is None else known.name
        # One line by a key of the folder has been checked already.
        is_checked = known is not None and len(envelope.signatures) == 1 and verdict != "bad"
        if event is not None and not _is_own(event, envelope, is_checked=is_checked):
            return Signature("bad", fingerprint, name, _NOT_OWN)
        return Signature(verdict, fingerprint, name, _WHY[verdict])


def receipt_in(details: Mapping[str, Any]) -> tuple[Envelope, Event]:
    """The receipt that an entry embeds.

    :raises FormatError: if it is not an envelope around an event.
    """
    envelope = dsse.load(canonical.dump(details["receipt"]) + b"\n")
    return envelope, signed.event_in(envelope)


def _is_own(event: Event, envelope: Envelope, *, is_checked: bool) -> bool:
    """Whether the key that an event names as its actor's has signed it."""
    try:
        key = signed.key_of(event)
    except FormatError:
        return False
    if is_checked:
        return key.fingerprint() == envelope.signatures[0].keyid
    return signed.is_by(key, envelope)
