"""The checker's own ECDSA says of every signature what custody says, by the library."""

from __future__ import annotations

import hashlib
import random

from agreeing import CHECK
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signing

ORDER = CHECK.N


def pair(number: int) -> tuple[ec.EllipticCurvePrivateKey, VerifierKey]:
    private = ec.derive_private_key(number, ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, VerifierKey("ec", vkey.ECDSA, public)


def agreed(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    found = CHECK.is_signed(key.public, signature, message)
    assert found == signing.is_signed(key, signature, message), signature.hex()
    return bool(found)


def low(private: ec.EllipticCurvePrivateKey, message: bytes) -> tuple[int, int]:
    made = private.sign(message, ec.ECDSA(hashes.SHA256()))
    r, s = utils.decode_dss_signature(made)
    return r, min(s, ORDER - s)


def test_good_signatures_of_many_keys() -> None:
    """Signatures by small, large and ordinary keys are good to both, and of one message alone."""
    for number in (1, 2, 3, ORDER - 1, ORDER - 2, 2**200 + 7, 0xC0FFEE):
        private, key = pair(number)
        signature = signing.ecdsa_signature(*low(private, b"text"))
        assert agreed(key, signature, b"text")
        assert not agreed(key, signature, b"Text")
        assert not agreed(pair(5)[1], signature, b"text")


def test_every_flipped_bit_is_seen() -> None:
    """No bit of a signature is without meaning."""
    private, key = pair(99)
    signature = signing.ecdsa_signature(*low(private, b"text"))
    for place in range(0, 8 * len(signature), 3):
        spoilt = bytearray(signature)
        spoilt[place // 8] ^= 1 << place % 8
        assert not agreed(key, bytes(spoilt), b"text")


def test_edges_of_the_numbers() -> None:
    """Zero, the order, beyond it, the upper half, and DER in another spelling are refused."""
    private, key = pair(99)
    r, s = low(private, b"text")
    numbers = [(0, s), (r, 0), (ORDER, s), (r, ORDER), (r + ORDER, s), (r, ORDER - s), (1, 1),
               (ORDER - 1, 1), (r, s + ORDER), (2**300, s), (r, 2**300)]  # fmt: skip
    for pair_ in numbers:
        assert not agreed(key, utils.encode_dss_signature(*pair_), b"text")
    good = signing.ecdsa_signature(r, s)
    for wrong in (b"", b"0", good[:-1], good + b"\0", bytes(72), b"\x30\x00", good[:2],
                  bytes([0x30, 0x81, good[1]]) + good[2:], bytes([0x31]) + good[1:], good * 2,
                  bytes([0x30, good[1] + 1, 2, good[3] + 1, 0]) + good[4:]):  # fmt: skip
        assert not agreed(key, wrong, b"text")


def test_random_bytes_get_one_answer() -> None:
    """Random strings as signatures are refused by both."""
    rng = random.Random(2)  # noqa: S311
    _, key = pair(99)
    for _ in range(60):
        body = b"\x02\x20\x00" + rng.randbytes(31) + b"\x02\x20\x00" + rng.randbytes(31)
        agreed(key, b"\x30" + bytes([len(body)]) + body, rng.randbytes(9))


def test_a_key_of_another_curve_is_none() -> None:
    """Only points of P-256, in one encoding, are keys of this kind."""
    _, key = pair(99)
    assert CHECK.Key(str(key)).fingerprint == key.fingerprint()
    for public in (key.public[:-1] + bytes([key.public[-1] ^ 1]), key.public[:-1], bytes(91)):
        text = str(VerifierKey("ec", vkey.ECDSA, public))
        try:
            CHECK.Key(text)
        except CHECK.Bad:
            continue
        raise AssertionError(text)


def test_the_hash_in_a_verifier_key_is_the_specifications() -> None:
    """C2SP has the key id of ECDSA begin the SHA-256 of the SubjectPublicKeyInfo."""
    _, key = pair(99)
    assert CHECK.Key(str(key)).hash == hashlib.sha256(key.public).digest()[:4] == key.key_hash()
