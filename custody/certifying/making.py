"""Saying something of a key: signed envelopes, ready to be entered or laid into a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from custody import clock
from custody.certifying.events import ADDED, REVOKED, SUBJECT, VOUCHED, VOUCHES
from custody.errors import FormatError, UsageError
from custody.formats import statement, vkey
from custody.formats.statement import Actor, Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.identity.signers import ROLES
from custody.identity.signing import Signer
from custody.identity.trust import Trust


def certificate(
    signer: Signer,
    actor: Actor,
    *,
    fingerprint: str,
    role: str = VOUCHED,
    now: datetime,
    bundle: str = "",
    key: str = "",
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    ledger: Mapping[str, Any] | None = None,
    case: str = "",
    comment: str = "",
) -> bytes:
    """Vouch for a key: a signed envelope of the event ``key-added``.

    :param key: its verifier key, where that is known.
    :param bundle: the one bundle that it may have signed; empty for every one.
    :param ledger: the newest checkpoint known: ``origin``, ``root`` (hex) and ``size``.
    :raises UsageError: if the fingerprint is none, is not the key's, the role is unknown, or the
        validity ends before it begins.
    """
    doing = "certify key"
    _require_fingerprint(doing, fingerprint)
    if role not in ROLES:
        raise UsageError(doing, role, f"a role is one of {', '.join(ROLES)}")
    if key and _key(key).fingerprint() != fingerprint:
        raise UsageError(doing, key, "it has another fingerprint than the one given")
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        raise UsageError(doing, fingerprint, "its validity ends before it begins")
    details: dict[str, Any] = {"fingerprint": fingerprint, "role": role}
    details |= {word: text for word, text in (("key", key), ("bundle", bundle)) if text}
    moments = {"valid_from": valid_from, "valid_until": valid_until}
    details |= {word: clock.rfc3339(when) for word, when in moments.items() if when is not None}
    words = {"item": bundle or case, "case": case, "comment": comment}
    return _sealed(ADDED, signer, actor, now, words, ledger, details)


def revocation(
    signer: Signer,
    actor: Actor,
    *,
    fingerprint: str,
    revoked_at: datetime,
    now: datetime,
    ledger: Mapping[str, Any] | None = None,
    case: str = "",
    comment: str = "",
) -> bytes:
    """Say that a key no longer counts: a signed envelope of the event ``key-revoked``.

    :param revoked_at: from this moment on nothing signed with it counts.
    :raises UsageError: if the fingerprint is none.
    """
    _require_fingerprint("revoke key", fingerprint)
    details = {"fingerprint": fingerprint, "revoked_at": clock.rfc3339(revoked_at)}
    words = {"item": case, "case": case, "comment": comment}
    return _sealed(REVOKED, signer, actor, now, words, ledger, details)


def _sealed(
    kind: str,
    signer: Signer,
    actor: Actor,
    now: datetime,
    words: Mapping[str, str],
    ledger: Mapping[str, Any] | None,
    details: Mapping[str, Any],
) -> bytes:
    # A fingerprint is the digest of the key's bytes, so the key itself is what the event is about.
    subjects = (Subject(SUBJECT, str(details["fingerprint"])),)
    event = Event(kind, now, actor, subjects, words, ledger, details)
    return signing.seal(signer, statement.dump(event))


def _require_fingerprint(doing: str, text: str) -> None:
    if not vkey.is_fingerprint(text):
        raise UsageError(doing, text, "a fingerprint has 64 lower-case hex digits")


def _key(text: str) -> VerifierKey:
    try:
        return vkey.parse(text)
    except FormatError as err:
        raise UsageError(err.what, err.thing, err.why) from err


def require_desk(trust: Trust, fingerprint: str, folder: object) -> None:
    """Make sure that whoever is about to vouch or revoke is a desk, at least in their own eyes.

    :param folder: the trust folder, for the message.
    :raises UsageError: otherwise.
    """
    signer = trust.signer_for(fingerprint)
    if signer is None or signer.role != VOUCHES:
        role = "is not trusted" if signer is None else f"has the role {signer.role}"
        why = f"only a desk's word about keys is believed, and yours {role} in {folder}"
        hint = f'write role = "{VOUCHES}" in its entry in signers.toml, if that is what you are'
        raise UsageError("vouch for keys with", fingerprint, why, hint=hint)
