"""Public keys as one line, ``name+hhhhhhhh+base64`` (C2SP signed-note), fit for a business card.

The eight hex digits are the first four bytes of SHA-256 over the name, a newline, the signature
type byte and the public key; the base64 holds the type byte and the key.  Type 0x01 is Ed25519.
Type 0x02 is ECDSA, here with P-256 alone: its key is a SubjectPublicKeyInfo in DER, and its hash
begins SHA-256 over that alone, as the specification has it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from custody.errors import FormatError

ED25519 = 0x01
ECDSA = 0x02
COSIGNATURE = 0x04
SIGNING = (ED25519, ECDSA)
"""The kinds of key that sign statements and events; a ledger's and a witness's are Ed25519."""
_PUBLIC_KEY_BYTES = 32
# RFC 5480: id-ecPublicKey, prime256v1, and a point that is not compressed.
P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key.

    :ivar kind: the signature type byte.
    :ivar public: of Ed25519 the 32 raw bytes; of ECDSA the SubjectPublicKeyInfo.
    """

    name: str
    kind: int
    public: bytes

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_hash().hex()}+{encoded}"

    def key_hash(self) -> bytes:
        """The four bytes that name this key in signature lines."""
        message = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        if self.kind == ECDSA:
            message = self.public
        return hashlib.sha256(message).digest()[:4]

    def fingerprint(self) -> str:
        """SHA-256 of the public bytes, as 64 hex digits: what goes on the paper form."""
        return fingerprint(self.public)


def fingerprint(public: bytes) -> str:
    """SHA-256, in hex, of a public key's bytes: 32 of Ed25519 (RFC 8032), or an ECDSA key's DER."""
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
    if data[:1] == bytes([ECDSA]):
        _require_p256(data[1:], text)
    elif len(data) != 1 + _PUBLIC_KEY_BYTES or data[0] not in (ED25519, COSIGNATURE):
        raise FormatError("read verifier key", text, "neither an Ed25519 nor an ECDSA P-256 key")
    key = VerifierKey(name, data[0], data[1:])
    if str(key) != text:
        raise FormatError("read verifier key", text, "the key hash does not fit: a typing mistake?")
    return key


def _require_p256(public: bytes, text: str) -> None:
    """Make sure that a public key is a point of P-256, in its one spelling."""
    point = public.removeprefix(P256_SPKI)
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if len(point) != 64 or len(public) != len(P256_SPKI) + 64 or max(x, y) >= _P:
        raise FormatError("read verifier key", text, "an ECDSA key that is not one of P-256")
    if (y * y - x * x * x + 3 * x - _B) % _P:
        raise FormatError("read verifier key", text, "its point is not on the curve P-256")
