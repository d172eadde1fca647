"""Signatures made and checked: Ed25519 (RFC 8032) and ECDSA with P-256 and SHA-256 (FIPS 186-5).

The one place that calls the crypto library.  Which of the two it is, the key says that is trusted,
never the envelope.  Of the two ECDSA signatures that are equally good, one is taken: S in the lower
half, in DER, so that nobody but the signer can make another out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custody.formats import dsse, vkey
from custody.formats.vkey import VerifierKey

ONE_TIME = "one-time"
"""The name of a key that is made for one collection and thrown away with it."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SHA256 = ec.ECDSA(hashes.SHA256())


class Private(Protocol):
    """Whatever can sign: a key in memory, or one in a token."""

    def sign(self, data: bytes, /) -> bytes:
        """Sign *data*."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that is unlocked, under the name of its public half."""

    key: VerifierKey
    private: Private

    @classmethod
    def generate(cls, name: str, kind: int = vkey.ED25519) -> Signer:
        """Make a new key from the system's random source; a witness's is of another *kind*."""
        return cls.of(name, Ed25519PrivateKey.generate(), kind)

    @classmethod
    def of(cls, name: str, private: Ed25519PrivateKey, kind: int = vkey.ED25519) -> Signer:
        """Name a private key."""
        public = private.public_key().public_bytes_raw()
        return cls(VerifierKey(vkey.check_name(name), kind, public), private)

    def sign(self, message: bytes) -> bytes:
        """Sign *message*: 64 bytes; by an ECDSA key some 70, in DER."""
        return self.private.sign(message)


def is_signed(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    """Whether *signature* over *message* is by *key*."""
    try:
        if key.kind == vkey.ECDSA:
            return _is_ecdsa(key.public, signature, message)
        _public(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_ecdsa(public: bytes, signature: bytes, message: bytes) -> bool:
    r, s = utils.decode_dss_signature(signature)
    if ecdsa_signature(r, s) != signature:  # S in the upper half, or DER in another spelling
        return False
    _p256(public).verify(signature, message, _SHA256)
    return True


def ecdsa_signature(r: int, s: int) -> bytes:
    """An ECDSA signature in its one spelling."""
    return utils.encode_dss_signature(r, min(s, _ORDER - s))


@lru_cache(maxsize=256)
def _public(data: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(data)


@lru_cache(maxsize=256)
def _p256(data: bytes) -> ec.EllipticCurvePublicKey:
    public = serialization.load_der_public_key(data)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("not an ECDSA key")  # noqa: TRY004 - the content, not the type
    return public


def seal(signer: Signer, payload: bytes) -> bytes:
    """Put an in-toto *payload* into a signed envelope, and return the envelope's bytes."""
    sig = signer.sign(dsse.pae(dsse.IN_TOTO, payload))
    signature = dsse.Signature(signer.key.fingerprint(), sig)
    return dsse.dump(dsse.Envelope(dsse.IN_TOTO, payload, (signature,)))
