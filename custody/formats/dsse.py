"""DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.2), in one canonical spelling.

An envelope is canonical JSON and a newline: ``payload`` and every ``sig`` in standard base64,
``payloadType``, and one or more ``signatures``.  ``keyid`` is the signer key's fingerprint
(:func:`custody.formats.vkey.fingerprint`); it is a hint and is checked against the key.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from custody.errors import FormatError
from custody.formats import canonical

IN_TOTO = "application/vnd.in-toto+json"
LARGEST_ENVELOPE = 65_535


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature: *keyid* (hex fingerprint of the public key) and the raw *sig* bytes."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type, and who signed the two together."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def signed_bytes(self) -> bytes:
        """The exact bytes under each signature (the protocol's PAE)."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding: ``DSSEv1 len(type) type len(payload) payload``."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def spellings(inner: bytes) -> tuple[bytes, ...]:
    """What stands in an envelope, whatever else does, if *inner* stands in its payload.

    One of them does: which, depends on where in a group of three bytes it begins.  Under five
    bytes, one is empty, and so stands everywhere.
    """
    rests = (inner[skipped:] for skipped in range(3))
    return tuple(base64.b64encode(rest[: len(rest) // 3 * 3]) for rest in rests)


def dump(envelope: Envelope) -> bytes:
    """Print *envelope* in its canonical spelling, newline included."""
    document = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"keyid": item.keyid, "sig": base64.b64encode(item.sig).decode()}
            for item in envelope.signatures
        ],
    }
    return canonical.dump(document) + b"\n"


def load(data: bytes) -> Envelope:
    """Read an envelope in its canonical spelling.

    :raises FormatError: if it is too long, not canonical, has unknown or missing fields, no
        signature, or two signatures with one key id.
    """
    if len(data) > LARGEST_ENVELOPE:
        raise FormatError("read envelope", None, f"{len(data)} bytes, at most 65535 are allowed")
    if not data.endswith(b"\n"):
        raise FormatError("read envelope", None, "the final newline is missing")
    document = canonical.load_object(data[:-1])
    if set(document) != {"payload", "payloadType", "signatures"}:
        raise FormatError("read envelope", None, "unknown or missing fields")
    kind, listed = document["payloadType"], document["signatures"]
    if not isinstance(kind, str) or not isinstance(listed, list) or not listed:
        raise FormatError("read envelope", None, "payloadType or signatures has the wrong type")
    signatures = tuple(_signature(item) for item in listed)
    if len({item.keyid for item in signatures}) != len(signatures):
        raise FormatError("read envelope", None, "two signatures bear one key id")
    return Envelope(kind, _base64(document["payload"]), signatures)


def _signature(item: Any) -> Signature:
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"}:
        raise FormatError("read envelope", None, "a signature has unknown or missing fields")
    if not isinstance(item["keyid"], str):
        raise FormatError("read envelope", None, "a key id is not a string")
    return Signature(item["keyid"], _base64(item["sig"]))


def _base64(text: Any) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as err:
        raise FormatError("read envelope", None, "a field is not base64") from err
    if base64.b64encode(data).decode() != text:
        raise FormatError("read envelope", None, "a field is not canonical base64")
    return data
