"""What the pinned certificates of a time stamp authority say of themselves."""

from __future__ import annotations

from collections.abc import Iterator


def described(pem: bytes) -> Iterator[dict[str, str]]:
    """Each certificate's subject, validity and SHA-256, by which people compare it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import load_pem_x509_certificates

    from custody import clock

    for certificate in load_pem_x509_certificates(pem):
        yield {
            "subject": certificate.subject.rfc4514_string(),
            "valid_from": clock.rfc3339(certificate.not_valid_before_utc),
            "valid_until": clock.rfc3339(certificate.not_valid_after_utc),
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        }
