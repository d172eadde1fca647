"""Ed25519 signatures (RFC 8032) made and checked; the one place that calls the crypto library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custody.formats import dsse, vkey
from custody.formats.vkey import VerifierKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that is unlocked, under the name of its public half."""

    key: VerifierKey
    private: Ed25519PrivateKey

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
        """Sign *message*: 64 bytes."""
        return self.private.sign(message)


def is_signed(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    """Whether *signature* over *message* is by *key*."""
    try:
        _public(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _public(data: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(data)


def seal(signer: Signer, payload: bytes) -> bytes:
    """Put an in-toto *payload* into a signed envelope, and return the envelope's bytes."""
    sig = signer.sign(dsse.pae(dsse.IN_TOTO, payload))
    signature = dsse.Signature(signer.key.fingerprint(), sig)
    return dsse.dump(dsse.Envelope(dsse.IN_TOTO, payload, (signature,)))
