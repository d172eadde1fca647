"""One key's word about another: a desk vouches for a key, or says that one no longer counts.

Both are signed events.  ``key-added`` is a certificate: a verifier who trusts the desk, and does
not know the key, believes what the key signed, within the certificate's dates and, where it names
one, for that bundle alone.  ``key-revoked`` takes trust away.  What these rules keep:

- Only a key that the verifier's own folder trusts as a ``desk`` vouches or revokes.  What it
  vouches for is a collector: a second person (an examiner) and another desk come from the folder.
- A desk whose key has an end or was revoked vouches for nobody unless a trusted time shows that it
  did so before: the time in a certificate is the word of whoever holds that key.
- A revocation is believed without that, because it can only take trust away.
- Where the verifier or the case asks for a quorum, as many different desk keys must have said the
  same of the key; the dates are then those that all of them allow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from custody import clock
from custody.errors import CustodyError, FormatError, UsageError
from custody.formats import dsse, statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Actor, Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.identity.signers import ROLES, TrustedSigner
from custody.identity.signing import Signer, is_signed
from custody.identity.trust import Trust
from custody.ledger.reader import LedgerReader

ADDED, REVOKED, OPENED = "key-added", "key-revoked", "case-opened"
VOUCHES = "desk"
VOUCHED = "collector"
SUBJECT = "public-key"
QUORUM = "key_quorum"
_PAYLOAD = b'{"payload":"'
_WANTED = tuple(b'"type":"%s"' % kind.encode() for kind in (ADDED, REVOKED, OPENED))

MomentOf = Callable[[Envelope], datetime | None]
"""A trusted time by which an envelope was signed, if there is one."""


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """What one signed event says of a key.

    :ivar kind: :data:`ADDED` or :data:`REVOKED`.
    :ivar fingerprint: of the key that it is about.
    :ivar by: the key that says so, and has signed it.
    :ivar time: when, by the signer's clock.
    :ivar bundle: the one bundle for which the key counts; empty for every one.
    :ivar key: the verifier key that it is about, where the desk knew it.
    """

    kind: str
    fingerprint: str
    by: VerifierKey
    time: datetime
    role: str = ""
    key: VerifierKey | None = None
    bundle: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None


class Said(NamedTuple):
    """What came of one event: where it stands, and one sentence."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Believed:
    """A verifier's trust, and what signed events added to it and took away."""

    trust: Trust
    said: tuple[Said, ...] = ()


# ---- making


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


# ---- reading


def read(envelope: Envelope) -> KeyEvent | None:
    """What an envelope says of a key; None if it holds another event.

    :raises FormatError: if it says it in another form, or the key that it names as its actor's
        has not signed it.
    """
    try:
        event = statement.load(envelope.payload)
    except FormatError:  # somebody else's, or of a later version
        return None
    if event.kind not in (ADDED, REVOKED):
        return None
    by = vkey.parse(event.actor.key)
    own = next((line for line in envelope.signatures if line.keyid == by.fingerprint()), None)
    if own is None or not is_signed(by, own.sig, envelope.signed_bytes()):
        raise FormatError("read key event", None, "the key that it names has not signed it")
    fields = {word: _text(event, word) for word in ("fingerprint", "role", "bundle")}
    if not vkey.is_fingerprint(fields["fingerprint"]):
        raise FormatError("read key event", None, "it names no fingerprint")
    if event.subjects != (Subject(SUBJECT, fields["fingerprint"]),):
        raise FormatError("read key event", None, "its subject is not the key that it is about")
    about = _text(event, "key")
    key = vkey.parse(about) if about else None
    if key is not None and key.fingerprint() != fields["fingerprint"]:
        raise FormatError("read key event", None, "its key has another fingerprint")
    found = KeyEvent(
        kind=event.kind,
        by=by,
        time=event.time,
        key=key,
        valid_from=_moment(event, "valid_from"),
        valid_until=_moment(event, "valid_until"),
        revoked_at=_moment(event, "revoked_at"),
        **fields,
    )
    if found.kind == REVOKED and found.revoked_at is None:
        raise FormatError("read key event", None, "it says no time")
    return found


def _text(event: Event, word: str) -> str:
    value = event.details.get(word, "")
    if not isinstance(value, str):
        raise FormatError("read key event", word, "it is not a text")
    return value


def _moment(event: Event, word: str) -> datetime | None:
    text = _text(event, word)
    return clock.parse_rfc3339(text) if text else None


# ---- believing


def _unknown(_envelope: Envelope) -> datetime | None:
    return None


def believe(
    trust: Trust,
    envelopes: Iterable[tuple[str, Envelope]],
    moment_of: MomentOf = _unknown,
) -> Believed:
    """A verifier's trust after what desks have said of keys.

    Events of other types are passed over.  A key that the folder itself lists stays as it is
    there, but for an earlier revocation.

    :param envelopes: where each stands, for a remark, and what it holds.
    :param moment_of: a trusted time by which one of them was signed.
    """
    needed = trust.key_quorum
    added: list[tuple[str, KeyEvent, Envelope]] = []
    revoked: list[tuple[str, KeyEvent]] = []
    said: list[Said] = []
    for where, envelope in envelopes:
        try:
            event = read(envelope)
        except FormatError as err:
            said.append(Said(where, f"what it says of a key is not believed: {err.why or err}"))
            continue
        if event is None:
            continue
        why = _why_not_by_desk(trust, event)
        if why:
            said.append(Said(where, f"{_NAMES[event.kind]} is not believed: {why}"))
        elif event.kind == REVOKED:
            revoked.append((where, event))
        else:
            added.append((where, event, envelope))
    after = _revoke(trust, revoked, needed, said)
    vouched = _vouch(after, added, needed, moment_of, said)
    return Believed(replace(after, vouched=(*after.vouched, *vouched)), tuple(said))


def believe_ledger(trust: Trust, ledger: LedgerReader, moment_of: MomentOf = _unknown) -> Believed:
    """The same, from what desks entered in a ledger, and with the quorum that its case asks for.

    The quorum is then that of the trust returned.  Entries that cannot be read end the reading:
    whoever checks the ledger itself says what is wrong with them.

    :param moment_of: a trusted time by which an entry was there.
    """
    quorum, found = 1, list[tuple[str, Envelope]]()
    for where, envelope in _of_keys(ledger):
        asked = _quorum_of(envelope)
        if asked is None:
            found.append((where, envelope))
        else:
            quorum = max(quorum, asked)
    trust = replace(trust, key_quorum=max(quorum, trust.key_quorum))
    return believe(trust, found, moment_of=moment_of)


def _of_keys(ledger: LedgerReader) -> Iterator[tuple[str, Envelope]]:
    """The few entries that can matter here, found without parsing the many others."""
    try:
        for index, data in enumerate(ledger.entries()):
            payload = data[len(_PAYLOAD) : data.find(b'"', len(_PAYLOAD))]
            if any(word in _decoded(payload) for word in _WANTED):
                yield f"ledger: entry {index}", dsse.load(data)
    except CustodyError:
        return


def _decoded(payload: bytes) -> bytes:
    try:
        return base64.b64decode(payload)
    except ValueError:  # no envelope; the ledger's own check says so
        return b""


def _quorum_of(envelope: Envelope) -> int | None:
    """How many desks a case asks for, by the event that opens it; None for another event."""
    try:
        event = statement.load(envelope.payload)
    except FormatError:
        return None
    if event.kind != OPENED:
        return None
    asked = event.details.get(QUORUM, 1)
    return asked if type(asked) is int else 1


_NAMES = {ADDED: "a certificate", REVOKED: "a revocation"}


def _why_not_by_desk(trust: Trust, event: KeyEvent) -> str:
    """Why what *event* says is not the word of a desk that the verifier's own folder trusts."""
    desk = trust.signer_for(event.by.fingerprint())
    if desk is None:
        return f"nobody here trusts the key that signed it, {event.by.fingerprint()}"
    if desk.role != VOUCHES:
        return f"it is by {_name(desk)}, who is trusted as {desk.role or 'no desk'}, not as desk"
    why = desk.why_not_valid_at(event.time)
    return f"of {_name(desk)}, who signed it, {why}" if why else ""


def _name(signer: TrustedSigner) -> str:
    return signer.name or (signer.key.name if signer.key else signer.fingerprint)


def _revoke(
    trust: Trust, events: list[tuple[str, KeyEvent]], needed: int, said: list[Said]
) -> Trust:
    by_key: dict[str, list[tuple[str, KeyEvent]]] = {}
    for where, event in events:
        by_key.setdefault(event.fingerprint, []).append((where, event))
    for fingerprint, listed in by_key.items():
        desks = {event.by.fingerprint() for _, event in listed}
        where = listed[-1][0]
        if len(desks) < needed:
            said.append(Said(where, _too_few("revokes", fingerprint, len(desks), needed)))
            continue
        moment = min(event.revoked_at for _, event in listed if event.revoked_at is not None)
        trust = trust.with_revoked(fingerprint, moment)
        names = ", ".join(sorted(_name_of(trust, desk) for desk in desks))
        text = f"the key {fingerprint} was revoked at {clock.rfc3339(moment)}, says {names}"
        said.append(Said(where, text))
    return trust


def _name_of(trust: Trust, fingerprint: str) -> str:
    signer = trust.signer_for(fingerprint)
    return fingerprint if signer is None else _name(signer)


def _too_few(does: str, fingerprint: str, count: int, needed: int) -> str:
    return f"{count} desk {does} the key {fingerprint}; {needed} different ones are needed"


def _vouch(
    trust: Trust,
    events: list[tuple[str, KeyEvent, Envelope]],
    needed: int,
    moment_of: MomentOf,
    said: list[Said],
) -> list[TrustedSigner]:
    by_key: dict[str, list[tuple[str, KeyEvent]]] = {}
    for where, event, envelope in events:
        why = _why_not_vouched(trust, event, moment_of(envelope))
        if why:
            said.append(Said(where, f"a certificate is not believed: {why}"))
        elif trust.signer_for(event.fingerprint) is None:
            by_key.setdefault(event.fingerprint, []).append((where, event))
    vouched: list[TrustedSigner] = []
    for fingerprint, listed in by_key.items():
        good = [
            signer
            for scope in dict.fromkeys(event.bundle for _, event in listed)
            for signer in _within(trust, scope, [event for _, event in listed], needed)
        ]
        vouched += good
        if not good:
            desks = len({event.by.fingerprint() for _, event in listed})
            said.append(Said(listed[-1][0], _too_few("vouches for", fingerprint, desks, needed)))
    return vouched


def _why_not_vouched(trust: Trust, event: KeyEvent, moment: datetime | None) -> str:
    """Why the word of a desk does not make a key trusted."""
    desk = trust.signer_for(event.by.fingerprint())
    if desk is None:
        return "its desk is not trusted"
    if event.role != VOUCHED:
        return f"it makes a key {event.role or 'nothing'}; a desk vouches for collectors only"
    begins, ends = event.valid_from, event.valid_until
    if begins is not None and ends is not None and ends <= begins:
        return "its validity ends before it begins"
    if desk.needs_time_stamp and moment is None:
        return (
            f"the key of {_name(desk)} has an end or was revoked, and no trusted time shows that"
            " it was signed before"
        )
    return "" if moment is None else desk.why_not_valid_at(moment)


def _within(trust: Trust, scope: str, events: list[KeyEvent], needed: int) -> list[TrustedSigner]:
    """The signers that certificates make, for the bundle *scope* or, where it is empty, for all.

    Of each desk its newest word counts.
    """
    newest: dict[str, KeyEvent] = {}
    for event in sorted(events, key=lambda event: event.time):
        if event.bundle in ("", scope):
            newest[event.by.fingerprint()] = event
    if len(newest) < needed:
        return []
    if needed == 1:
        return [_signer(trust, scope, [event]) for event in newest.values()]
    return [_signer(trust, scope, list(newest.values()))]


def _signer(trust: Trust, scope: str, events: list[KeyEvent]) -> TrustedSigner:
    """The key as all these certificates allow it."""
    fingerprint = events[0].fingerprint
    key = next((event.key for event in events if event.key is not None), None)
    begins = [event.valid_from for event in events if event.valid_from is not None]
    ends = [event.valid_until for event in events if event.valid_until is not None]
    return TrustedSigner(
        fingerprint,
        key,
        name="" if key is None else key.name,
        role=VOUCHED,
        valid_from=max(begins, default=None),
        valid_until=min(ends, default=None),
        revoked_at=trust.revoked.get(fingerprint),
        bundle=scope,
        vouched_by=", ".join(_name_of(trust, event.by.fingerprint()) for event in events),
    )
