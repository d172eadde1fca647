"""What a signed event says of a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from custody import clock
from custody.errors import FormatError
from custody.formats import statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity.signing import is_signed

ADDED, REVOKED, OPENED = "key-added", "key-revoked", "case-opened"
VOUCHES = "desk"
VOUCHED = "collector"
SUBJECT = "public-key"


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
