"""Whether a token is to be believed: under pinned certificates, at the moment that it says.

1. Its signer's certificate is the one certificate of that issuer and number, and the one that the
   signer names within what it signs (ESS, RFC 5816).
2. It leads, over certificates in the token or in the trust folder, to a self-signed certificate in
   the trust folder.  What a token carries is never believed for being there, also not a root.
3. Each certificate on that way was valid at the stamped moment.
4. The signer's certificate is for time stamping and nothing else, and says so critically.
5. The signature is good (``rfc3161-client``, which does 2 to 4 again in its own way).

Whether an authority's certificate was revoked is not asked anywhere: who no longer believes an
authority takes its file out of the trust folder.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from custody import clock
from custody.identity.trust import Anchor
from custody.stamping.token import Token

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Standing = Literal["good", "bad", "unknown"]
_LONGEST_WAY = 8


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the verifier makes of a token.

    :ivar standing: ``unknown`` where no pinned certificate leads to the signer's: that shows
        nothing; ``bad`` where one does, and something is wrong.
    :ivar authority: what the authority is called in the trust folder, or else what its
        certificate claims.
    :ivar why: what is wrong or missing; empty where it is good.
    :ivar ends: when the first certificate on the way to the pinned one ends.
    """

    standing: Standing
    authority: str
    why: str = ""
    ends: datetime | None = None


def judge(token: Token, anchors: Iterable[Anchor]) -> Opinion:
    """Judge *token* by the steps above; whether it is over the right bytes is the caller's."""
    pinned = {anchor.name: _load(anchor.pem) for anchor in anchors}
    embedded = _embedded(token)
    others = [item for listed in pinned.values() for item in listed]
    # (1) one certificate, which the signer names
    signers = {item for item in [*embedded, *others] if _is_signer(item, token)}
    if not signers:
        why = "its signer's certificate is neither in it nor in the trust folder"
        return Opinion("unknown", "", why)
    named = [item for item in signers if _is_named(item, token)]
    if len(signers) > 1 or not named:
        return Opinion("bad", "", "its signer names another certificate than the one it carries")
    signer = named[0]
    # (2) a way to a pinned root
    opinions = []
    for name, listed in pinned.items():
        roots = [item for item in listed if item.issuer == item.subject]
        known = [*embedded, *others]
        # An authority may be certified twice, once in time: that way is taken before any other.
        timely = [item for item in known if _counts(item, token)]
        now = [item for item in roots if item in timely]
        way = _way(signer, now, timely) or _way(signer, roots, known)
        if way:
            opinions.append(_judge_known(token, name, way))
    if opinions:  # an authority may be pinned twice, by an older root and a newer one
        return next((item for item in opinions if item.standing == "good"), opinions[0])
    why = "no certificate that is pinned here leads to its authority"
    return Opinion("unknown", common_name(signer), why, signer.not_valid_after_utc)


def ends_by_itself(token: Token) -> datetime | None:
    """When the certificate of its signer ends, by what the token carries; believed by nobody."""
    signers = (item for item in _embedded(token) if _is_signer(item, token))
    return next((item.not_valid_after_utc for item in signers), None)


def has_root(pem: bytes) -> bool:
    """Whether certificates in PEM can end a chain: one of them is self-signed."""
    return any(item.issuer == item.subject for item in _load(pem))


def common_name(certificate: Certificate) -> str:
    """What a certificate calls its holder."""
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value)[:200] if names else certificate.subject.rfc4514_string()[:200]


def _embedded(token: Token) -> list[Certificate]:
    """The certificates in a token that can be read; the others show nothing, and are left out."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the library only warns of is not to be relied on
        for data in token.certificates:
            try:
                found.append(_readable(data))
            except Exception:  # noqa: BLE001, S112 - hostile bytes, and the library has many errors
                continue
    return found


def _readable(data: bytes) -> Certificate:
    """A certificate, each part of which was read once: the library does that at first use only."""
    from cryptography.x509 import load_der_x509_certificate

    item = load_der_x509_certificate(data)
    _ = item.issuer, item.subject, item.serial_number, item.extensions, item.public_key()
    _ = item.not_valid_before_utc, item.not_valid_after_utc
    return item


@lru_cache(maxsize=64)
def _load(pem: bytes) -> tuple[Certificate, ...]:
    from cryptography.x509 import load_pem_x509_certificates

    return tuple(load_pem_x509_certificates(pem))


def _is_signer(certificate: Certificate, token: Token) -> bool:
    same_issuer = certificate.issuer.public_bytes() == token.issuer
    return same_issuer and certificate.serial_number == token.serial


def _is_named(certificate: Certificate, token: Token) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding

    algorithm, digest = token.pinned
    return hashlib.new(algorithm, certificate.public_bytes(Encoding.DER)).digest() == digest


def _way(
    first: Certificate, roots: Sequence[Certificate], others: Sequence[Certificate]
) -> list[Certificate]:
    """The certificates from *first* to one of *roots*, each signed by the next; or none."""
    ways, seen = [[first]], {first}
    for _ in range(_LONGEST_WAY):
        longer = []
        for way in ways:
            if way[-1] in roots:
                return way
            for item in (*roots, *others):
                if item not in seen and _is_issuer(item, way[-1]):
                    seen.add(item)
                    longer.append([*way, item])
        ways = longer
    return []


def _is_issuer(issuer: Certificate, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if issuer.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _judge_known(token: Token, name: str, way: list[Certificate]) -> Opinion:
    ends = min(item.not_valid_after_utc for item in way)
    why = _untimely(token, way) or _unfit(way[0]) or _unsigned(token, way)
    return Opinion("bad" if why else "good", name, why, ends)


def _counts(certificate: Certificate, token: Token) -> bool:
    return certificate.not_valid_before_utc <= token.moment <= certificate.not_valid_after_utc


# (3) valid at the stamped moment
def _untimely(token: Token, way: Iterable[Certificate]) -> str:
    for item in way:
        if not _counts(item, token):
            start, end = (
                clock.rfc3339(moment)
                for moment in (item.not_valid_before_utc, item.not_valid_after_utc)
            )
            said = f"the certificate of {common_name(item)} counts from {start} to {end}"
            return f"{said}, and the stamp says {clock.rfc3339(token.moment)}"
    return ""


# (4) for time stamping alone
def _unfit(certificate: Certificate) -> str:
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound
    from cryptography.x509.oid import ExtendedKeyUsageOID

    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage)
    except (ExtensionNotFound, ValueError):
        return "its signer's certificate is not for time stamping"
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return "its signer's certificate is not for time stamping alone, said critically"
    return ""


# (5) a good signature
def _unsigned(token: Token, way: Sequence[Certificate]) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    # Nothing goes in but the way that was found, and its end as the only root.
    encoded = [item.public_bytes(Encoding.DER) for item in way]
    try:
        response = decode_timestamp_response(token.tidied(encoded))
        VerifierBuilder(roots=[way[-1]]).build().verify(response, token.imprint)
    except (VerificationError, ValueError) as err:
        return f"its signature is not good: {_reason(str(err))}"
    return ""


def _reason(text: str) -> str:
    """The library's words, of which the last one tells; the others are its stack."""
    told = [part for part in text.split('reason: "')[1:] if part]
    return told[0].partition('"')[0] if told else text[:200]
