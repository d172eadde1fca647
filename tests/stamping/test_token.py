"""Reading and judging tokens, good and bad, beside `openssl ts -verify`."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authority import LONG, Authority, openssl_agrees
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from custody.errors import FormatError
from custody.identity.trust import Anchor
from custody.stamping import der, opinion, token

MESSAGE = b"a signature of 64 bytes, or what stands for it here"
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("example") / "tsa")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other") / "tsa", "Other")


def pinned(*authorities: Authority) -> list[Anchor]:
    return [Anchor(item.name.lower(), item.root) for item in authorities]


# ---- tokens of our own authority


def test_a_good_token_is_believed_and_openssl_agrees(example: Authority, tmp_path: Path) -> None:
    """A token under a pinned root is good; whatever order its certificates have."""
    for accuracy, ess in (("secs:1", "sha256"), ("secs:1, millisecs:500, microsecs:100", "sha1")):
        authority = Authority(tmp_path / ess, accuracy=accuracy, ess=ess)
        for _ in range(8):  # the order of the set changes with the certificates
            data = authority.stamp(MESSAGE)
            read = token.read(data)
            assert read.data == data
            assert read.is_over(MESSAGE)
            assert not read.is_over(MESSAGE + b".")
            found = opinion.judge(read, pinned(authority))
            assert (found.standing, found.authority, found.ends) == (
                "good",
                "example",
                authority.end,
            )
            assert openssl_agrees(tmp_path, data, MESSAGE, authority.root, read.moment)
            assert not openssl_agrees(tmp_path, data, MESSAGE + b".", authority.root, read.moment)


def test_the_time_and_its_accuracy_are_read(tmp_path: Path) -> None:
    """The moment has the authority's fraction; the latest moment has its accuracy on top."""
    authority = Authority(tmp_path / "a", accuracy="secs:2, millisecs:500, microsecs:100")
    read = token.read(authority.stamp(MESSAGE))
    assert read.accuracy == timedelta(seconds=2, milliseconds=500, microseconds=100)
    assert read.latest - read.moment == read.accuracy
    assert abs(read.moment - datetime.now(UTC)) < DAY


def test_an_unknown_authority_shows_nothing(
    example: Authority, other: Authority, tmp_path: Path
) -> None:
    """A token that carries its own root makes nobody believe it."""
    data = other.stamp(MESSAGE)
    read = token.read(data)
    assert len(read.certificates) == 2  # its root is among them
    for anchors in ([], pinned(example)):
        found = opinion.judge(read, anchors)
        assert (found.standing, found.authority) == ("unknown", "Other Stamps")
    assert not openssl_agrees(tmp_path, data, MESSAGE, example.root, read.moment)


def test_one_of_several_pinned_authorities_is_enough(example: Authority, other: Authority) -> None:
    """Each anchor file stands for itself; the token is told under the name of its own."""
    read = token.read(other.stamp(MESSAGE))
    assert opinion.judge(read, pinned(example, other)).authority == "other"


def test_the_chain_is_judged_at_the_stamped_moment(tmp_path: Path) -> None:
    """A certificate that has ended since is no matter; one that had ended when it stamped is."""
    ended = Authority(tmp_path / "a", start=NOW - 10 * DAY, end=NOW - DAY, root_end=NOW + LONG)
    for at, standing in ((NOW - 2 * DAY, "good"), (NOW - DAY / 2, "bad"), (NOW - 11 * DAY, "bad")):
        data = ended.stamp(MESSAGE, at)
        read = token.read(data)
        found = opinion.judge(read, pinned(ended))
        assert (found.standing, "counts from" in found.why) == (standing, standing == "bad")
        agrees = openssl_agrees(tmp_path, data, MESSAGE, ended.root, read.moment)
        assert agrees == (standing == "good")


UNFIT = {
    "no usage": ((), True),
    "not critical": ((ExtendedKeyUsageOID.TIME_STAMPING,), False),
    "for servers": ((ExtendedKeyUsageOID.SERVER_AUTH,), True),
    "for servers too": (
        (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH),
        True,
    ),
}


@pytest.mark.parametrize("defect", UNFIT)
def test_a_certificate_for_something_else_is_refused(
    defect: str, tmp_path: Path, example: Authority
) -> None:
    """The signer's certificate is for time stamping alone, and says so critically."""
    usages, is_critical = UNFIT[defect]
    unfit = Authority(tmp_path / "a", usages=usages, is_critical=is_critical)
    # openssl does not stamp with such a certificate, so the token of a fit one is signed over.
    data = forged(unfit, example)
    read = token.read(data)
    found = opinion.judge(read, pinned(unfit))
    assert (found.standing, "for time stamping" in found.why) == ("bad", True)
    assert not openssl_agrees(tmp_path, data, MESSAGE, unfit.root, read.moment)


def forged(unfit: Authority, fit: Authority) -> bytes:
    """A token whose signer's certificate is another's: names, numbers and all, but unsigned."""
    data = fit.stamp(MESSAGE)
    certificate = x509.load_pem_x509_certificate(unfit.signer)
    read = token.read(data)
    own = x509.load_pem_x509_certificate(fit.signer)
    new = certificate.public_bytes(Encoding.DER)
    _, parts = token._signed_data(token._token_of(data))
    (info,) = parts[-1].children()
    old_sid = der.write(0x30, read.issuer + _number(own.serial_number))
    new_sid = der.write(
        0x30, certificate.issuer.public_bytes() + _number(certificate.serial_number)
    )
    changed = _replace(info, old_sid, new_sid)
    old_digest = hashlib.sha256(own.public_bytes(Encoding.DER)).digest()
    changed = changed.replace(old_digest, hashlib.sha256(new).digest())
    kind = der.write(0x06, bytes.fromhex("2a864886f70d010702"))
    certificates = der.write_set(0xA0, [new])
    signed = b"".join(part.encoded for part in parts[:3]) + certificates + der.write(0x31, changed)
    inner = der.write(0xA0, der.write(0x30, signed))
    return der.write(0x30, der.write(0x30, b"\x02\x01\x00") + der.write(0x30, kind + inner))


def _number(number: int) -> bytes:
    return der.write(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _replace(info: der.Element, old: bytes, new: bytes) -> bytes:
    parts = [new if part.encoded == old else part.encoded for part in info.children()]
    return der.write(0x30, b"".join(parts))


def test_the_signer_is_the_certificate_it_names(example: Authority) -> None:
    """A second certificate of the same issuer and number makes the token bad, not better."""
    read = token.read(example.stamp(MESSAGE))
    signer = x509.load_pem_x509_certificate(example.signer).public_bytes(Encoding.DER)
    at = read.certificates.index(signer)
    twin = bytearray(signer)
    twin[-1] ^= 1  # its signature; issuer and number stay
    other = [*read.certificates[:at], *read.certificates[at + 1 :], bytes(twin)]
    for certificates in (other, [*other, signer]):
        swapped = token.read(with_certificates(read, certificates))
        assert opinion.judge(swapped, pinned(example)).standing == "bad"


def with_certificates(read: token.Token, certificates: list[bytes]) -> bytes:
    return read.tidied(certificates)


def test_an_ordinary_certificate_makes_no_authority(example: Authority, tmp_path: Path) -> None:
    """Whoever got any certificate from a pinned root cannot certify an authority with it."""
    rogue = Authority(tmp_path / "rogue", "Rogue", issued_by=example)
    data = rogue.stamp(MESSAGE)
    read = token.read(data)
    assert len(read.certificates) == 3
    assert opinion.judge(read, pinned(example)).standing == "bad"
    assert not openssl_agrees(tmp_path, data, MESSAGE, example.root, read.moment)


def test_of_two_ways_the_timely_one_is_taken(tmp_path: Path) -> None:
    """An older root that had ended and a newer one with the same name and key: one is enough."""
    authority = Authority(tmp_path / "a")
    older = authority.root_again(NOW - 9 * DAY, NOW - 8 * DAY)
    read = token.read(authority.stamp(MESSAGE))
    for pem in (older + authority.root, authority.root + older):
        assert opinion.judge(read, [Anchor("both", pem)]).standing == "good"
    apart = [Anchor("older", older), Anchor("newer", authority.root)]
    assert opinion.judge(read, apart).authority == "newer"
    assert opinion.judge(read, apart[:1]).standing == "bad"


def test_a_token_without_certificates_needs_them_pinned(example: Authority) -> None:
    """What a token does not carry may stand in the trust folder beside the root."""
    read = token.read(with_certificates(token.read(example.stamp(MESSAGE)), []))
    assert opinion.judge(read, pinned(example)).standing == "unknown"
    both = [Anchor("example", example.root + example.signer)]
    assert opinion.judge(read, both).standing == "good"


def test_a_pinned_certificate_that_is_no_root_is_no_anchor(example: Authority) -> None:
    """Only a self-signed certificate in the trust folder ends a chain, as with openssl."""
    read = token.read(example.stamp(MESSAGE))
    assert opinion.judge(read, [Anchor("leaf", example.signer)]).standing == "unknown"


# ---- bytes that are no token


def test_every_changed_byte_is_noticed(example: Authority) -> None:
    """No byte of a token can be changed so that it is believed for another time or other bytes."""
    data = example.stamp(MESSAGE)
    good = token.read(data)
    generator = random.Random(7)  # noqa: S311 - the same places in every run
    places = range(len(data)) if len(data) < 400 else generator.sample(range(len(data)), 400)
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << generator.randrange(8)
        try:
            read = token.read(bytes(changed))
            found = opinion.judge(read, pinned(example))
        except FormatError:
            continue
        if found.standing == "good":  # in the status, or in a certificate that is not needed
            assert (read.moment, read.imprint, read.accuracy) == (
                good.moment, good.imprint, good.accuracy,
            )  # fmt: skip


NO_TOKEN = {
    "nothing": b"",
    "HTML": b"<!DOCTYPE html><html><body>Service unavailable</body></html>",
    "a number": b"\x02\x01\x05",
    "an endless length": b"\x30\x80\x00\x00",
    "a refusal": bytes.fromhex("3021301f020102301a0c18") + b"the policy is not known.",
    "only a status": bytes.fromhex("30053003020100"),
    "fifty megabytes": b"\x30\x84\x03\x00\x00\x00" + bytes(50 << 20),
    "a thousand levels": b"\x30\x82\xff\xff" * 1000,
}


@pytest.mark.parametrize("defect", NO_TOKEN)
def test_what_is_no_token_is_refused(defect: str) -> None:
    """Anything but one whole response in DER is refused, and says why."""
    with pytest.raises(FormatError) as refused:
        token.read(NO_TOKEN[defect])
    assert refused.value.why
    if defect == "a refusal":
        assert "the policy is not known." in refused.value.why


def test_cut_off_tokens_are_refused(example: Authority) -> None:
    """Every prefix of a token, and a token with more behind it, is refused."""
    data = example.stamp(MESSAGE)
    for end in range(0, len(data), 7):
        with pytest.raises(FormatError):
            token.read(data[:end])
    with pytest.raises(FormatError):
        token.read(data + b"\x00")


# ---- other people's tokens


PUBLISHED = {
    "sigstage/response-sha256": "good",
    "sigstage/response-sha384": "good",
    "sigstage/response-sha512": "good",
    "sigstage/response-invalid-signature": "bad",
    "sigstage/response-no-embedded-cert": "good",
    "sigstore.mock/response-expired": "good",
    "test_tsa/response": "good",
    "test_tsa/response-injected-certs": "good",
    "test_tsa/other_response": "unknown",
    "identrust/issue-104": "good",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tokens_are_judged_as_openssl_does(
    name: str, vectors: Path, tmp_path: Path
) -> None:
    """Tokens of four other authorities, good and bad; one has its certificates out of order."""
    path = vectors / "rfc3161/test/fixtures" / f"{name}.tsr"
    chain = (path.parent / "ts_chain.pem").read_bytes()
    if not chain.startswith(b"-----"):
        chain = x509.load_der_x509_certificate(chain).public_bytes(Encoding.PEM)
    payload = path.parent / "payload"
    message = payload.read_bytes() if payload.exists() else b"hello"
    data = path.read_bytes()
    read = token.read(data)
    assert read.is_over(message)
    found = opinion.judge(read, [Anchor("published", chain)])
    assert found.standing == PUBLISHED[name], found.why
    agrees = openssl_agrees(tmp_path, data, message, chain, read.moment, chain)
    assert agrees == (found.standing == "good")
