"""Whom this verifier believes, and since when: a folder of its own, never part of what is verified.

``signers.toml``  whose signatures count, from when, until when (:mod:`custody.identity.signers`)
``ledger.policy`` which ledgers and witnesses count (:mod:`custody.ledger.policy`)
``tsa/*.pem``     certificates of time stamp authorities

The files may be written by hand; :mod:`custody.identity.trusting` changes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from custody import reading
from custody.errors import FormatError, InputError, NotFoundError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signers as signers_toml
from custody.identity.signers import Listed, TrustedSigner
from custody.ledger import policy
from custody.ledger.policy import Known, Policy

SIGNERS = "signers.toml"
POLICY = "ledger.policy"
TSA = "tsa"
LARGEST_FILE = 1 << 20
_NO_POLICY = Policy(())


@dataclass(frozen=True, slots=True)
class Anchor:
    """Pinned certificates of a time stamp authority, as PEM."""

    name: str
    pem: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """All that a verifier believes beforehand.

    :ivar require_roles: who must have signed a bundle for it to be complete, each by a key of
        their own; a desk stands in for a collector.
    :ivar key_quorum: how many desks must have said the same of a key before it is believed.
    :ivar revoked: keys that no longer count from a moment on, whether or not they are listed.
    :ivar vouched: keys that are believed on the word of a desk (:mod:`custody.certifying`); they
        sign evidence, and vouch for nobody.
    """

    signers: tuple[TrustedSigner, ...] = ()
    policy: Policy = _NO_POLICY
    anchors: tuple[Anchor, ...] = ()
    require_timestamp: bool = False
    require_roles: tuple[str, ...] = ()
    key_quorum: int = 1
    revoked: Mapping[str, datetime] = field(default_factory=dict)
    vouched: tuple[TrustedSigner, ...] = ()

    @property
    def logs(self) -> tuple[VerifierKey, ...]:
        """The keys of the ledgers that are believed."""
        return self.policy.log_keys()

    def signer_for(self, fingerprint: str) -> TrustedSigner | None:
        """The signer with this key, if there is one."""
        return next((item for item in self.signers if item.fingerprint == fingerprint), None)

    def vouched_for(self, fingerprint: str, bundle: str, moment: datetime) -> TrustedSigner | None:
        """The key as a desk vouched for it, for what was signed at *moment* in this bundle.

        Of several words that which asks for the least: one without an end comes first.
        """
        fitting = [
            item
            for item in self.vouched
            if item.fingerprint == fingerprint and item.bundle in ("", bundle)
        ]
        fitting.sort(key=lambda item: (not item.is_valid_at(moment), item.needs_time_stamp))
        return fitting[0] if fitting else None

    def with_revoked(self, fingerprint: str, moment: datetime) -> Trust:
        """The same, and the key does not count from *moment* on; an earlier end stays."""
        moment = min(moment, self.revoked.get(fingerprint, moment))
        return replace(
            self,
            revoked={**self.revoked, fingerprint: moment},
            signers=tuple(_ended(item, fingerprint, moment) for item in self.signers),
            vouched=tuple(_ended(item, fingerprint, moment) for item in self.vouched),
        )

    def with_signer(self, text: str) -> Trust:
        """The same, and the signer whose verifier key or fingerprint is *text*.

        A signer who is known already stays as the folder has it: with its end and revocation.

        :raises UsageError: if *text* is neither.
        """
        added = _signer_from(text)
        if self.signer_for(added.fingerprint) is not None:
            return self
        added = replace(added, revoked_at=self.revoked.get(added.fingerprint))
        return replace(self, signers=(*self.signers, added))

    def with_log(self, key: VerifierKey) -> Trust:
        """The same, and the ledger with this key."""
        if any(known.public == key.public for known in self.logs):
            return self
        return replace(self, policy=replace(self.policy, logs=(*self.policy.logs, Known(key))))


def _ended(signer: TrustedSigner, fingerprint: str, moment: datetime) -> TrustedSigner:
    if signer.fingerprint != fingerprint:
        return signer
    return replace(signer, revoked_at=min(moment, signer.revoked_at or moment))


def read_fingerprint(text: str) -> str:
    """A fingerprint as people write it: ``sha256:`` before it, spaces and colons in it.

    :raises UsageError: if it is not 64 hex digits.
    """
    digits = re.sub(r"[\s:]", "", re.sub(r"\A\s*sha256:", "", text, flags=re.IGNORECASE)).lower()
    if not vkey.is_fingerprint(digits):
        why = "neither a verifier key (name+hhhhhhhh+base64) nor 64 hex digits"
        raise UsageError("read signer", text, why)
    return digits


def _signer_from(text: str) -> TrustedSigner:
    if "+" not in text:
        return TrustedSigner(read_fingerprint(text))
    try:
        key = vkey.parse(text.strip())
    except FormatError as err:
        raise UsageError(err.what, err.thing, err.why) from err
    return TrustedSigner(key.fingerprint(), key, name=key.name)


# ---- reading


def load(directory: Path) -> Trust:
    """Read a trust folder; an absent folder believes nobody.

    :raises InputError: for the first mistake, with file, entry and field.
    """
    listed = read_signers(directory / SIGNERS)
    return Trust(
        listed.signers,
        _read_policy(directory / POLICY),
        _read_anchors(directory / TSA),
        listed.require_timestamp,
        require_roles=listed.require_roles,
        key_quorum=listed.key_quorum,
        revoked=listed.ended(),
    )


def read_file(path: Path) -> bytes | None:
    """A file of a trust folder; None where it is not there.

    :raises InputError: for what is no file, or too large.
    """
    try:
        return reading.read_regular(path, LARGEST_FILE)
    except NotFoundError:
        return None
    except FormatError as err:
        raise InputError("read trust", path, err.why) from err


def read_signers(path: Path) -> Listed:
    """What ``signers.toml`` says; an absent one says nothing."""
    data = read_file(path)
    return Listed() if data is None else signers_toml.load(data, path)


def _read_policy(path: Path) -> Policy:
    data = read_file(path)
    return _NO_POLICY if data is None else parse_policy(data, path)


def parse_policy(data: bytes, path: Path) -> Policy:
    """Read ``ledger.policy``.

    :raises InputError: for the first mistake, with the file and the line.
    """
    try:
        return policy.load(data)
    except InputError as err:
        where = f"{err.thing}: " if err.thing else ""
        raise InputError("read trust", path, f"{where}{err.why}") from err


def _read_anchors(folder: Path) -> tuple[Anchor, ...]:
    anchors = []
    for path in sorted(folder.glob("*.pem")):
        data = read_file(path)
        if data is not None:
            anchors.append(Anchor(path.stem, certificates(data, path)))
    return tuple(anchors)


def certificates(pem: bytes, path: Path) -> bytes:
    """Return *pem* if it is certificates and nothing secret.

    :raises InputError: otherwise.
    """
    from cryptography.x509 import load_pem_x509_certificates

    if b"PRIVATE KEY" in pem:
        raise InputError("read certificates", path, "there is a private key in it")
    try:
        load_pem_x509_certificates(pem)
    except ValueError as err:
        raise InputError("read certificates", path, f"not certificates in PEM: {err}") from err
    return pem
