"""Envelopes around our own events: what they hold, and whether the key they name signed them."""

from __future__ import annotations

from custody.errors import FormatError
from custody.formats import dsse, statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.formats.vkey import VerifierKey
from custody.identity.signing import is_signed


def event_in(envelope: Envelope) -> Event:
    """The event that an envelope holds.

    :raises FormatError: if it holds something else, or not in the one spelling.
    """
    if envelope.payload_type != dsse.IN_TOTO:
        raise FormatError("read event", None, f"its payload type is {envelope.payload_type}")
    return statement.load(envelope.payload)


def sealed_in(envelope: Envelope) -> Event:
    """The statement of a bundle that an envelope holds; raises as :func:`event_in`."""
    event = event_in(envelope)
    if event.kind != "sealed":
        raise FormatError("read event", None, f"it is of the type {event.kind}")
    return event


def key_of(event: Event) -> VerifierKey:
    """The key that an event names as its actor's.

    :raises FormatError: if it is not a key that signs.
    """
    key = vkey.parse(event.actor.key)
    if key.kind not in vkey.SIGNING:
        raise FormatError("read event", None, "its actor's key is a witness's")
    return key


def is_by(key: VerifierKey, envelope: Envelope) -> bool:
    """Whether the envelope bears a signature by *key*, under that key's fingerprint."""
    fingerprint = key.fingerprint()
    own = next((item for item in envelope.signatures if item.keyid == fingerprint), None)
    return own is not None and is_signed(key, own.sig, envelope.signed_bytes())
