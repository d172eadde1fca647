"""Whether the signers of a ledger's entries are believed: by the trust folder, and by time.

The time of an entry is its signer's own word.  It can therefore speak against the signer (a key
that did not count then), and never for one: where a key has an end, only a trusted time could
show that the entry is older.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from custody.errors import FormatError
from custody.formats import statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.vkey import VerifierKey
from custody.identity.signers import TrustedSigner
from custody.identity.signing import is_signed
from custody.identity.trust import Trust
from custody.ledger.check import EntryVerdict, VerifyEntry

_WORST_FIRST: tuple[EntryVerdict, ...] = ("bad", "trusted", "late", "undated")


def by_trust(trust: Trust) -> VerifyEntry:
    """Judge each entry by the signers in *trust*.

    One wrong signature by a trusted key makes an entry *bad*; else one good signature by a key
    that counted makes it *trusted*.
    """
    known = {signer.fingerprint: signer for signer in trust.signers}

    def verify_entry(_index: int, envelope: Envelope) -> EntryVerdict:
        verdicts = {
            _judge(known[item.keyid], item.sig, envelope)
            for item in envelope.signatures
            if item.keyid in known
        }
        return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "untrusted")

    return verify_entry


def key_of(signer: TrustedSigner, envelope: Envelope) -> VerifierKey | None:
    """The signer's key; where only its fingerprint is known, the one in the entry if it fits."""
    if signer.key is not None:
        return signer.key
    with suppress(FormatError):
        key = vkey.parse(statement.load(envelope.payload).actor.key)
        if key.fingerprint() == signer.fingerprint:
            return key
    return None


def _judge(signer: TrustedSigner, signature: bytes, envelope: Envelope) -> EntryVerdict:
    key = key_of(signer, envelope)
    if key is None:
        return "untrusted"
    if not is_signed(key, signature, envelope.signed_bytes()):
        return "bad"
    if signer.valid_from is None and not signer.needs_time_stamp:
        return "trusted"
    moment = _time_of(envelope)
    if moment is None:
        return "undated"
    if signer.why_not_valid_at(moment):
        return "late"
    return "undated" if signer.needs_time_stamp else "trusted"


def _time_of(envelope: Envelope) -> datetime | None:
    with suppress(FormatError):
        return statement.load(envelope.payload).time
    return None
