"""What a verifier believes of keys, after what desks have said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from custody import clock
from custody.certifying.events import ADDED, OPENED, REVOKED, VOUCHED, VOUCHES, KeyEvent, read
from custody.errors import CustodyError, FormatError
from custody.formats import dsse, statement
from custody.formats.dsse import Envelope
from custody.identity.signers import TrustedSigner
from custody.identity.trust import Trust
from custody.ledger.reader import LedgerReader

QUORUM = "key_quorum"
_WANTED = [
    spelling
    for kind in (ADDED, REVOKED, OPENED)
    for spelling in dsse.spellings(f'"type":"{kind}"'.encode())
]

MomentOf = Callable[[str, Envelope], datetime | None]
"""A trusted time by which an envelope was signed, if there is one; by where it stands, and itself.
"""
Bound = Callable[[int], datetime | None]
"""A trusted time by which an entry was there, if there is one."""
_ENTRY = "ledger: entry "


class Said(NamedTuple):
    """What came of one event: where it stands, and one sentence."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Believed:
    """A verifier's trust, and what signed events added to it and took away."""

    trust: Trust
    said: tuple[Said, ...] = ()


def _unknown(_where: str, _envelope: Envelope) -> datetime | None:
    return None


def _undated(_index: int) -> datetime | None:
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
        why = why_not_by_desk(trust, event)
        if why:
            said.append(Said(where, f"{_NAMES[event.kind]} is not believed: {why}"))
        elif event.kind == REVOKED:
            revoked.append((where, event))
        else:
            added.append((where, event, envelope))
    after = _revoke(trust, revoked, needed, said)
    vouched = _vouch(after, added, needed, moment_of, said)
    return Believed(replace(after, vouched=(*after.vouched, *vouched)), tuple(said))


def believe_ledger(trust: Trust, ledger: LedgerReader, bound: Bound = _undated) -> Believed:
    """The same, from what desks entered in a ledger, and with the quorum that its case asks for.

    The quorum is then that of the trust returned.  Entries that cannot be read end the reading:
    whoever checks the ledger itself says what is wrong with them.

    :param bound: a trusted time by which an entry was there: a stamped or witnessed checkpoint.
    """

    def moment_of(where: str, _envelope: Envelope) -> datetime | None:
        return bound(int(where.removeprefix(_ENTRY)))

    quorum, found = 1, list[tuple[str, Envelope]]()
    for where, envelope in _of_keys(ledger):
        asked = _quorum_of(envelope)
        if asked is None:
            found.append((where, envelope))
        else:
            quorum = max(quorum, asked)
    trust = replace(trust, key_quorum=max(quorum, trust.key_quorum))
    return believe(trust, found, moment_of=moment_of)


def entered(ledger: LedgerReader) -> Iterator[tuple[int, KeyEvent]]:
    """What is entered about keys, by anybody, and in which entry; well-signed or left out."""
    for where, envelope in _of_keys(ledger):
        with suppress(FormatError):
            event = read(envelope)
            if event is not None:
                yield int(where.removeprefix(_ENTRY)), event


def _of_keys(ledger: LedgerReader) -> Iterator[tuple[str, Envelope]]:
    """The few entries that can matter here, found without parsing the many others."""
    try:
        for index, data in ledger.entries_with(_WANTED):
            if any(spelling in data for spelling in _WANTED):
                with suppress(FormatError):
                    yield f"{_ENTRY}{index}", dsse.load(data)
    except CustodyError:
        return


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


def why_not_by_desk(trust: Trust, event: KeyEvent) -> str:
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
            said.append(Said(where, _too_few("the revocation of", fingerprint, len(desks), needed)))
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


def _too_few(what: str, fingerprint: str, count: int, needed: int) -> str:
    return f"{what} the key {fingerprint} is by {count} of the {needed} desks that are needed"


def _vouch(
    trust: Trust,
    events: list[tuple[str, KeyEvent, Envelope]],
    needed: int,
    moment_of: MomentOf,
    said: list[Said],
) -> list[TrustedSigner]:
    by_key: dict[str, list[tuple[str, KeyEvent]]] = {}
    for where, event, envelope in events:
        why = _why_not_vouched(trust, event, moment_of(where, envelope))
        if why:
            said.append(Said(where, f"a certificate is not believed: {why}"))
        elif trust.signer_for(event.fingerprint) is None:
            by_key.setdefault(event.fingerprint, []).append((where, event))
    vouched: list[TrustedSigner] = []
    for fingerprint, listed in by_key.items():
        scopes = dict.fromkeys(event.bundle for _, event in listed)
        good = [
            signer
            for scope in scopes
            for signer in _within(trust, scope, [event for _, event in listed], needed)
        ]
        vouched += good
        if not good:
            most = max(len(_newest(scope, [event for _, event in listed])) for scope in scopes)
            said.append(
                Said(listed[-1][0], _too_few("the certificate for", fingerprint, most, needed))
            )
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
    newest = _newest(scope, events)
    if len(newest) < needed:
        return []
    if needed == 1:
        return [_signer(trust, scope, [event]) for event in newest.values()]
    return [_signer(trust, scope, list(newest.values()))]


def _newest(scope: str, events: list[KeyEvent]) -> dict[str, KeyEvent]:
    """What each desk said last about a key for *scope*, by the desk's fingerprint."""
    newest: dict[str, KeyEvent] = {}
    for event in sorted(events, key=lambda event: event.time):
        if event.bundle in ("", scope):
            newest[event.by.fingerprint()] = event
    return newest


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
