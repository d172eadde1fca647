"""A private key under a passphrase: PKCS#8 PEM (RFC 5958), encrypted by PBES2 (RFC 8018).

The library's ``BestAvailableEncryption`` is PBES2 too, but its PBKDF2 makes only 2,048 rounds
(seen with ``openssl asn1parse``), which slows nobody down who has stolen the file, and it takes
no other number.  So the envelope is put together here: PBKDF2 with HMAC-SHA-256, 600,000 rounds
and a random salt of 16 bytes, then AES-256-CBC.  The primitives are the library's; reading is the
library's and OpenSSL's own ``openssl pkey``.  (scrypt would be better still, but OpenSSL refuses
it in this place at the memory sizes that make it so.)
"""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from custody.errors import KeyAccessError
from custody.identity.signing import Private

ROUNDS = 600_000
_SALT_BYTES = 16
_SEQUENCE, _INTEGER, _OCTETS, _NULL = 0x30, 0x02, 0x04, b"\x05\x00"
# Object identifiers, already in DER.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")  # 1.2.840.113549.1.5.12
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209")  # 1.2.840.113549.2.9
_AES_256_CBC = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42


class Encrypted(Exception):
    """The key cannot be read without a passphrase."""


def dump(private: Private, passphrase: bytes | None) -> bytes:
    """Print the key as PEM; without a passphrase it is not encrypted.

    :raises KeyAccessError: if it is in a token.
    """
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyAccessError("export key", None, "it is in a token, which it never leaves")
    if passphrase is None:
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return _pem(_encrypted(plain, passphrase, os.urandom(_SALT_BYTES), os.urandom(16)))


def load(pem: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Read the key from PEM.

    :raises Encrypted: if there is a need for a passphrase and *passphrase* is None.
    :raises ValueError: if the passphrase is wrong, or *pem* is not an Ed25519 key in PKCS#8.
    """
    try:
        private = load_pem_private_key(pem, passphrase)
    except TypeError as err:  # the library's word for "a passphrase, or none, was expected"
        if passphrase is None:
            raise Encrypted from err
        raise ValueError("it is not encrypted") from err
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the content, not the type
    return private


def _encrypted(plain: bytes, passphrase: bytes, salt: bytes, start: bytes) -> bytes:
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, ROUNDS).derive(passphrase)
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(key), modes.CBC(start)).encryptor()
    secret = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    rounds = _der(_INTEGER, ROUNDS.to_bytes(3, "big"))
    digest = _sequence(_HMAC_SHA256, _NULL)
    derivation = _sequence(_PBKDF2, _sequence(_der(_OCTETS, salt), rounds, digest))
    scheme = _sequence(_AES_256_CBC, _der(_OCTETS, start))
    return _sequence(_sequence(_PBES2, _sequence(derivation, scheme)), _der(_OCTETS, secret))


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x81, size])  # nothing here reaches 256
    return bytes([tag]) + length + content


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    begin, end = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
    return b"\n".join([begin, *lines, end, b""])
