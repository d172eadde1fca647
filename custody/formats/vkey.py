"""Public keys as one line, ``name+hhhhhhhh+base64`` (C2SP signed-note), fit for a business card.

The eight hex digits are the first four bytes of SHA-256 over the name, a newline, the signature
type byte and the public key; the base64 holds the type byte and the key.  Type 0x01 is Ed25519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from custody.errors import FormatError

ED25519 = 0x01
COSIGNATURE = 0x04
_PUBLIC_KEY_BYTES = 32
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key: *name*, signature *kind* byte, 32 raw bytes *public*."""

    name: str
    kind: int
    public: bytes

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_hash().hex()}+{encoded}"

    def key_hash(self) -> bytes:
        """The four bytes that name this key in signature lines."""
        message = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(message).digest()[:4]

    def fingerprint(self) -> str:
        """SHA-256 of the 32 public bytes, as 64 hex digits: what goes on the paper form."""
        return fingerprint(self.public)


def fingerprint(public: bytes) -> str:
    """SHA-256 of an Ed25519 public key's 32 bytes (RFC 8032 encoding), in hex."""
    return hashlib.sha256(public).hexdigest()


def is_fingerprint(text: str) -> bool:
    """Whether *text* is the 64 lower-case hex digits that :func:`fingerprint` gives."""
    return _FINGERPRINT.match(text) is not None


def check_name(name: str) -> str:
    """Return *name* if it may name a key: not empty, no white space, no plus sign.

    :raises FormatError: otherwise.
    """
    if not _NAME.match(name) or any(char.isspace() for char in name):
        raise FormatError("name a key", name, "a name has no spaces, plus signs or control codes")
    return name


def parse(text: str) -> VerifierKey:
    """Read a verifier key, strictly: what it returns prints the same again.

    :raises FormatError: if it is malformed, of an unknown type, or its hash does not fit.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise FormatError("read verifier key", text, "it has the form name+hhhhhhhh+base64")
    name, _, encoded = parts
    check_name(name)
    try:
        data = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as err:
        raise FormatError("read verifier key", text, "the key is not base64") from err
    if len(data) != 1 + _PUBLIC_KEY_BYTES or data[0] not in (ED25519, COSIGNATURE):
        raise FormatError("read verifier key", text, "not an Ed25519 key")
    key = VerifierKey(name, data[0], data[1:])
    if str(key) != text:
        raise FormatError("read verifier key", text, "the key hash does not fit: a typing mistake?")
    return key
