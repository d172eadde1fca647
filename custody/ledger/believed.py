"""Whether the signers of a ledger's entries are believed: by the trust folder, and by time.

The time of an entry is its signer's own word.  It can therefore speak against the signer (a key
that did not count then), and never for one: where a key has an end, only a trusted time can show
that the entry is older (:mod:`custody.identity.moments`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from custody.errors import FormatError
from custody.formats import statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.vkey import VerifierKey
from custody.identity import moments
from custody.identity.moments import Standing
from custody.identity.signers import TrustedSigner
from custody.identity.signing import is_signed
from custody.identity.trust import Trust
from custody.ledger.check import EntryVerdict, VerifyEntry

_WORST_FIRST: tuple[EntryVerdict, ...] = ("bad", "trusted", "late", "undated")
_BEST_FIRST: tuple[EntryVerdict, ...] = ("bad", "trusted", "undated", "late")
_VERDICTS: dict[Standing, EntryVerdict] = {
    "counted": "trusted",
    "did-not-count": "late",
    "open": "undated",
}

Bound = Callable[[int], datetime | None]
"""Told an entry's number, says by which trusted moment it existed, if anybody knows."""


def unbound(_index: int) -> None:
    """Nobody knows."""


def by_trust(trust: Trust, bound: Bound = unbound) -> VerifyEntry:
    """Judge each entry by the signers in *trust*.

    One wrong signature by a trusted key makes an entry *bad*; else one good signature by a key
    that counted makes it *trusted*.  A key that a desk vouched for counts like any other, but
    only for what the desk vouched for it.

    :param bound: the trusted times of entries, from stamps and witnesses of later checkpoints.
    """
    known: dict[str, list[TrustedSigner]] = {}
    for signer in (*trust.signers, *trust.vouched):
        known.setdefault(signer.fingerprint, []).append(signer)

    def verify_entry(index: int, envelope: Envelope) -> EntryVerdict:
        verdicts = {
            _best(known[item.keyid], item.sig, envelope, lambda: bound(index))
            for item in envelope.signatures
            if item.keyid in known
        }
        return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "untrusted")

    return verify_entry


def _best(
    signers: list[TrustedSigner],
    signature: bytes,
    envelope: Envelope,
    latest: Callable[[], datetime | None],
) -> EntryVerdict:
    """What the entry comes to under the word that says the most for its key."""
    if len(signers) == 1 and not signers[0].bundle:  # as good as always
        return _judge(signers[0], signature, envelope, latest)
    item = _item_of(envelope)
    verdicts = {
        _judge(signer, signature, envelope, latest)
        for signer in signers
        if signer.bundle in ("", item)
    }
    return next((verdict for verdict in _BEST_FIRST if verdict in verdicts), "untrusted")


def key_of(signer: TrustedSigner, envelope: Envelope) -> VerifierKey | None:
    """The signer's key; where only its fingerprint is known, the one in the entry if it fits."""
    if signer.key is not None:
        return signer.key
    with suppress(FormatError):
        key = vkey.parse(statement.load(envelope.payload).actor.key)
        if key.fingerprint() == signer.fingerprint:
            return key
    return None


def _judge(
    signer: TrustedSigner,
    signature: bytes,
    envelope: Envelope,
    latest: Callable[[], datetime | None],
) -> EntryVerdict:
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
    return _VERDICTS[moments.judge(signer, moment, latest()).standing]


def _item_of(envelope: Envelope) -> str:
    """The bundle that an entry is about; one about none can be by no key of a bundle's."""
    with suppress(FormatError):
        return statement.load(envelope.payload).words.get("item", "")
    return ""


def _time_of(envelope: Envelope) -> datetime | None:
    with suppress(FormatError):
        return statement.load(envelope.payload).time
    return None
