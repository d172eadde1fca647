"""The checker's own Ed25519 says of every signature what the library says."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from agreeing import CHECK
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# "Taming the many EdDSAs" (github.com/novifinancial/ed25519-speccheck, Apache-2.0), cases.json.
CASES = json.loads((Path(__file__).parent / "vectors" / "ed25519-speccheck.json").read_text())
# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     ("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
      "b46bd25bf5f0595bbe24655141438e7a100b")),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     ("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
      "1d8c387b2eaeb4302aeeb00d291612bb0c00")),
]  # fmt: skip
P = 2**255 - 19


def library(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def agreed(public: bytes, signature: bytes, message: bytes) -> bool:
    found = CHECK.is_signed(public, signature, message)
    assert found == library(public, signature, message), (public.hex(), signature.hex())
    return bool(found)


@pytest.mark.parametrize(("_secret", "public", "message", "signature"), RFC8032)
def test_the_vectors_of_the_standard(
    _secret: str, public: str, message: str, signature: str
) -> None:
    """Signatures of RFC 8032 are good, and with one bit changed they are not."""
    key, text, sig = (bytes.fromhex(each) for each in (public, message, signature))
    assert agreed(key, sig, text)
    assert not agreed(key, sig, text + b"!")
    for place in range(0, 512, 7):
        spoilt = bytearray(sig)
        spoilt[place // 8] ^= 1 << place % 8
        assert not agreed(key, bytes(spoilt), text)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_published_edge_cases(number: int) -> None:
    """Where implementations are known to differ, the checker answers as the library does."""
    case = CASES[number]
    agreed(*(bytes.fromhex(case[name]) for name in ("pub_key", "signature", "message")))


def small_points() -> list[bytes]:
    """Every encoding of a point of small order, those with a coordinate over the prime too."""
    order8 = next(
        found
        for seed in range(100)
        if (point := CHECK.point(bytes([seed] * 31 + [0])))
        and multiple(4, found := CHECK.times(CHECK.L, point)) != 1
    )
    points = [CHECK.times(number, order8) for number in range(8)]
    encoded = set()
    for x, y, z, _ in points:
        inverse = pow(z, -1, P)
        x, y = x * inverse % P, y * inverse % P  # noqa: PLW2901
        for number in (y, y + P):
            signs = (0, 1) if x == 0 else (x & 1,)
            encoded |= {
                (number | sign << 255).to_bytes(32, "little") for sign in signs if number < 2**255
            }
    return sorted(encoded)


def multiple(number: int, point: tuple[int, int, int, int]) -> int:
    """The affine y of a multiple; 1 for the neutral point, which has x = 0."""
    x, y, z, _ = CHECK.times(number, point)
    inverse = pow(z, -1, P)
    return 1 if x * inverse % P == 0 and y * inverse % P == 1 else 0


def test_points_of_small_order_and_odd_encodings() -> None:
    """Keys and commitments of small order, in every spelling, with S zero: as the library does."""
    points = small_points()
    assert len(points) == 14
    accepted = sum(
        agreed(key, commitment + bytes(32), b"m%d" % number)
        for key, commitment in itertools.product(points, points)
        for number in range(2)
    )
    assert 0 < accepted < 2 * 14 * 14


def test_no_second_spelling_of_a_signature() -> None:
    """S plus the group's order is the same number and another spelling: refused."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"text")
    assert agreed(public, signature, b"text")
    number = int.from_bytes(signature[32:], "little") + CHECK.L
    assert not agreed(public, signature[:32] + number.to_bytes(32, "little"), b"text")


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    """Sixty-four bytes, or it is no signature."""
    assert not CHECK.is_signed(bytes.fromhex(RFC8032[0][1]), bytes(length), b"")


def test_random_keys_and_bytes() -> None:
    """Random strings as keys and signatures get one answer from both."""
    rng = random.Random(6)  # noqa: S311
    for _ in range(60):
        agreed(rng.randbytes(32), rng.randbytes(63) + b"\x00", rng.randbytes(9))
