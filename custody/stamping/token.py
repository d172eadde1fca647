"""A time stamp response, read strictly, without judging whose it is.

RFC 3161 section 2.4.2 within CMS signed data (RFC 5652).  The bytes are kept as they came; for
the library that checks the signature, :meth:`Token.tidied` prints a copy with chosen certificates
in DER's order, which some authorities do not keep.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from custody.errors import FormatError
from custody.stamping import der
from custody.stamping.der import Element

LARGEST_TOKEN = 1 << 20
MOST_CERTIFICATES = 32
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_2 = "1.2.840.113549.1.9.16.2.47"
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_IMPRINTS = ("sha256", "sha384", "sha512")
_CERTIFICATES, _MILLIS, _MICROS = 0xA0, 0x80, 0x81
_TIME = re.compile(r"(\d{14})(?:\.(\d*[1-9]))?Z\Z", re.ASCII)
_GRANTED = (0, 1)
_WORST_ACCURACY = timedelta(days=1)
_LAST_YEAR = 9998  # so that a day may be added


@dataclass(frozen=True, slots=True)
class Token:
    """What an authority's answer says.

    :ivar data: the whole response, as it came.
    :ivar imprint: the digest of what was stamped, made with *algorithm*.
    :ivar moment: the authority's clock.
    :ivar accuracy: how far the true time may be from it, either way; None where it does not say.
    :ivar certificates: what lies in it, DER; they are believed by nobody.
    :ivar issuer: who issued the signer's certificate (DER), which has the number *serial*.
    :ivar pinned: algorithm and digest by which the signer names its own certificate (ESS).
    """

    data: bytes
    algorithm: str
    imprint: bytes
    moment: datetime
    accuracy: timedelta | None
    nonce: int | None
    certificates: tuple[bytes, ...]
    issuer: bytes
    serial: int
    pinned: tuple[str, bytes]

    @property
    def sha256(self) -> str:
        """The digest of the response: its name."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def latest(self) -> datetime:
        """What was stamped existed at this moment at the latest."""
        return self.moment + (self.accuracy or timedelta(0))

    def is_over(self, message: bytes) -> bool:
        """Whether these are the bytes that were stamped."""
        return hashlib.new(self.algorithm, message).digest() == self.imprint

    def tidied(self, certificates: Iterable[bytes]) -> bytes:
        """The same in DER's order, with these certificates (DER) in place of those in it.

        The certificates of a token are not covered by its signature.
        """
        content, parts = _signed_data(_token_of(self.data))
        listed = [part for part in parts if part.tag != _CERTIFICATES]
        chosen = der.write_set(_CERTIFICATES, certificates)
        signed = [*(part.encoded for part in listed[:3]), chosen]
        signed += [part.encoded for part in listed[3:]]
        inner = der.write(0xA0, der.write(der.SEQUENCE, b"".join(signed)))
        status = der.write(der.SEQUENCE, b"\x02\x01\x00")
        token = der.write(der.SEQUENCE, content.encoded + inner)
        return der.write(der.SEQUENCE, status + token)


def read(data: bytes) -> Token:
    """Read a time stamp response.

    :raises FormatError: if it is not one, the authority refused, or it is over 1 MiB.
    """
    if len(data) > LARGEST_TOKEN:
        raise _wrong(f"{len(data)} bytes, at most {LARGEST_TOKEN}")
    try:
        return _read(data)
    except (IndexError, OverflowError, ValueError) as err:
        if isinstance(err, FormatError):
            raise
        raise _wrong("a part of it is missing or wrong") from err


def _read(data: bytes) -> Token:
    _, parts = _signed_data(_token_of(data))
    certificates = [part for part in parts if part.tag == _CERTIFICATES]
    if len(certificates) > 1 or len(parts) < 4:
        raise _wrong("its signed data has other parts than it should")
    info = _info(_content(parts[2]))
    embedded = [item.encoded for part in certificates for item in part.children()]
    if len(embedded) > MOST_CERTIFICATES:
        raise _wrong(f"{len(embedded)} certificates, at most {MOST_CERTIFICATES}")
    issuer, serial, pinned = _signer(parts[-1])
    algorithm, imprint = _imprint(info[2])
    moment = _moment(info[4])
    accuracy, nonce = _options(info[5:])
    return Token(
        data, algorithm, imprint, moment, accuracy, nonce, tuple(embedded), issuer, serial, pinned
    )


def _wrong(why: str) -> FormatError:
    return FormatError("read time stamp", None, why)


def _token_of(data: bytes) -> Element:
    response = der.read(data).expect(der.SEQUENCE, "response").children()
    status = response[0].expect(der.SEQUENCE, "status").children()
    code = der.integer(status[0], "status")
    if code not in _GRANTED:
        raise _wrong(f"the authority refused (status {code}){_said(status[1:])}")
    if len(response) != 2:
        raise _wrong("there is no token in it")
    return response[1].expect(der.SEQUENCE, "token")


def _said(status: list[Element]) -> str:
    """The authority's own words, if it has any."""
    if not status or status[0].tag != der.SEQUENCE:
        return ""
    texts = [item.content.decode("utf-8", "replace") for item in status[0].children()]
    shown = "".join(char if char.isprintable() else "?" for char in "; ".join(texts))
    return f": {shown[:200]}"


def _signed_data(token: Element) -> tuple[Element, list[Element]]:
    kind, content = token.children()
    if der.oid(kind, "content type") != _SIGNED_DATA:
        raise _wrong("it holds something else than signed data")
    signed = der.read(content.expect(0xA0, "content").content)
    return kind, signed.expect(der.SEQUENCE, "signed data").children()


def _content(encapsulated: Element) -> Element:
    kind, wrapped = encapsulated.expect(der.SEQUENCE, "content").children()
    if der.oid(kind, "content type") != _TST_INFO:
        raise _wrong("what it signs is no time stamp")
    octets = der.read(wrapped.expect(0xA0, "content").content).expect(der.OCTETS, "content")
    return der.read(octets.content)


def _info(content: Element) -> list[Element]:
    """The parts of TSTInfo: version, policy, imprint, serial number, time, and options."""
    info = content.expect(der.SEQUENCE, "time stamp").children()
    if len(info) < 5 or der.integer(info[0], "version") != 1:
        raise _wrong("a time stamp of an unknown version")
    der.oid(info[1], "policy")
    der.integer(info[3], "serial number")
    return info


def _imprint(element: Element) -> tuple[str, bytes]:
    algorithm, digest = element.expect(der.SEQUENCE, "imprint").children()
    name = _hash(algorithm, "imprint")
    if name not in _IMPRINTS:
        raise _wrong(f"its digest is made with {name}, which is not relied on")
    return name, digest.expect(der.OCTETS, "imprint").content


def _hash(algorithm: Element, what: str) -> str:
    number = der.oid(algorithm.expect(der.SEQUENCE, what).children()[0], what)
    if number not in _HASHES:
        raise _wrong(f"the {what} is made with an unknown algorithm, {number[:40]}")
    return _HASHES[number]


def _moment(element: Element) -> datetime:
    text = element.expect(der.GENERALIZED_TIME, "time").content.decode("ascii", "replace")
    match = _TIME.match(text)
    if match is None:
        raise _wrong(f"its time is not in DER's form: {text[:40]}")
    moment = datetime.strptime(match.group(1), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if moment.year > _LAST_YEAR:
        raise _wrong("its time is out of range")
    fraction = (match.group(2) or "").ljust(6, "0")[:6]
    return moment.replace(microsecond=int(fraction))


def _options(rest: list[Element]) -> tuple[timedelta | None, int | None]:
    accuracy = nonce = None
    for element in rest:
        if element.tag == der.SEQUENCE:
            accuracy = _accuracy(element)
        elif element.tag == der.INTEGER:
            nonce = der.integer(element, "nonce")
    return accuracy, nonce


def _accuracy(element: Element) -> timedelta:
    found = {part.tag: part for part in element.children()}
    seconds = der.integer(found[der.INTEGER], "accuracy") if der.INTEGER in found else 0
    millis, micros = (
        der.integer(found[tag], "accuracy", tag) if tag in found else 0
        for tag in (_MILLIS, _MICROS)
    )
    found_accuracy = timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)
    if min(seconds, millis, micros) < 0 or found_accuracy > _WORST_ACCURACY:
        raise _wrong("its accuracy is out of range")
    return found_accuracy


def _signer(infos: Element) -> tuple[bytes, int, tuple[str, bytes]]:
    listed = infos.expect(der.SET, "signers").children()
    if len(listed) != 1:
        raise _wrong(f"{len(listed)} signers where one is needed")
    parts = listed[0].expect(der.SEQUENCE, "signer").children()
    issuer, number = parts[1].expect(der.SEQUENCE, "signer's certificate").children()
    attributes = parts[3].expect(0xA0, "signed attributes").children()
    return issuer.encoded, der.integer(number, "serial number"), _pinned(attributes)


def _pinned(attributes: list[Element]) -> tuple[str, bytes]:
    """RFC 5816: the signer names its own certificate within what it signs."""
    found = {}
    for attribute in attributes:
        kind, values = attribute.expect(der.SEQUENCE, "attribute").children()
        found[der.oid(kind, "attribute")] = values
    number = _SIGNING_CERTIFICATE_2 if _SIGNING_CERTIFICATE_2 in found else _SIGNING_CERTIFICATE
    if number not in found:
        raise _wrong("its signer does not name its own certificate")
    (value,) = found[number].expect(der.SET, "attribute").children()
    certificates = value.expect(der.SEQUENCE, "attribute").children()[0]
    first = certificates.expect(der.SEQUENCE, "attribute").children()[0].children()
    if number == _SIGNING_CERTIFICATE:
        return "sha1", first[0].expect(der.OCTETS, "digest").content
    if first[0].tag == der.SEQUENCE:
        return _hash(first[0], "digest"), first[1].expect(der.OCTETS, "digest").content
    return "sha256", first[0].expect(der.OCTETS, "digest").content
