"""Whom this verifier believes, and since when: a folder of its own, never part of what is verified.

``signers.toml``  whose signatures count, from when, until when (:mod:`custody.identity.signers`)
``ledger.policy`` which ledgers and witnesses count (:mod:`custody.ledger.policy`)
``tsa/*.pem``     certificates of time stamp authorities

The files may be written by hand.  What is added here is appended, so comments stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import durable, reading
from custody.errors import ExistsError, FormatError, InputError, NotFoundError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signers as signers_toml
from custody.identity.keys import StoredKey
from custody.identity.signers import ROLES, TrustedSigner, key_name
from custody.ledger import policy
from custody.ledger.policy import Known, Policy

SIGNERS = "signers.toml"
POLICY = "ledger.policy"
TSA = "tsa"
LARGEST_FILE = 1 << 20
_LOCK = ".lock"
_WAIT_SECONDS = 5.0
_ANCHOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)
_EMPTY_POLICY = b"quorum none\n"
_NO_POLICY = Policy(())


@dataclass(frozen=True, slots=True)
class Anchor:
    """Pinned certificates of a time stamp authority, as PEM."""

    name: str
    pem: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """All that a verifier believes beforehand.

    :ivar key_quorum: how many desks must have said the same of a key before it is believed.
    :ivar revoked: keys that no longer count from a moment on, whether or not they are listed.
    :ivar vouched: keys that are believed on the word of a desk (:mod:`custody.certifying`); they
        sign evidence, and vouch for nobody.
    """

    signers: tuple[TrustedSigner, ...] = ()
    policy: Policy = _NO_POLICY
    anchors: tuple[Anchor, ...] = ()
    require_timestamp: bool = False
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
    signers, require_timestamp = _read_signers(directory / SIGNERS)
    return Trust(
        signers,
        _read_policy(directory / POLICY),
        _read_anchors(directory / TSA),
        require_timestamp,
    )


def _read(path: Path) -> bytes | None:
    try:
        return reading.read_regular(path, LARGEST_FILE)
    except NotFoundError:
        return None
    except FormatError as err:
        raise InputError("read trust", path, err.why) from err


def _read_signers(path: Path) -> tuple[tuple[TrustedSigner, ...], bool]:
    data = _read(path)
    return ((), False) if data is None else signers_toml.load(data, path)


def _read_policy(path: Path) -> Policy:
    data = _read(path)
    return _NO_POLICY if data is None else _parse_policy(data, path)


def _parse_policy(data: bytes, path: Path) -> Policy:
    try:
        return policy.load(data)
    except InputError as err:
        where = f"{err.thing}: " if err.thing else ""
        raise InputError("read trust", path, f"{where}{err.why}") from err


def _read_anchors(folder: Path) -> tuple[Anchor, ...]:
    anchors = []
    for path in sorted(folder.glob("*.pem")):
        data = _read(path)
        if data is not None:
            anchors.append(Anchor(path.stem, _certificates(data, path)))
    return tuple(anchors)


def _certificates(pem: bytes, path: Path) -> bytes:
    from cryptography.x509 import load_pem_x509_certificates

    if b"PRIVATE KEY" in pem:
        raise InputError("read certificates", path, "there is a private key in it")
    try:
        load_pem_x509_certificates(pem)
    except ValueError as err:
        raise InputError("read certificates", path, f"not certificates in PEM: {err}") from err
    return pem


# ---- adding


def own_signer(stored: StoredKey) -> TrustedSigner:
    """The entry for a key of our own."""
    return TrustedSigner(
        stored.key.fingerprint(),
        stored.key,
        name=stored.person or stored.name,
        role=ROLES[0],
        organization=stored.organization,
        title=stored.title,
    )


def add_signer(directory: Path, signer: TrustedSigner) -> bool:
    """Believe *signer* from now on.

    :returns: False if the folder says so already.
    :raises UsageError: if the key is there with other details, or its name belongs to another.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    path = directory / SIGNERS
    with _locked(directory):
        data = _read(path) or b""
        known, _ = signers_toml.load(data, path)
        if signer in known:
            return False
        _refuse_conflict(signer, known, path)
        after = _joined(data, signers_toml.dump(signer))
        try:
            signers_toml.load(after, path)
        except InputError as err:
            raise UsageError("trust signer", key_name(signer), err.why) from err
        durable.replace(path, after)
    return True


def refuse_taken_name(directory: Path, name: str) -> None:
    """Make sure that a new key may be called *name*.

    :raises UsageError: if a trusted signer's key has that name.
    """
    signers, _ = _read_signers(directory / SIGNERS)
    if any(key_name(signer) == name for signer in signers):
        raise _taken(name, directory / SIGNERS)


def add_log(directory: Path, key: VerifierKey) -> bool:
    """Believe the ledger whose checkpoints *key* signs.

    :returns: False if the folder says so already.
    :raises UsageError: if *key* is not a ledger's, or another one bears its name.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    if key.kind != vkey.ED25519:
        raise UsageError("trust ledger", key, "the key is a witness's")
    path = directory / POLICY
    with _locked(directory):
        data = _read(path) or _EMPTY_POLICY
        logs = _parse_policy(data, path).log_keys()
        if key in logs:
            return False
        if any(known.name == key.name or known.public == key.public for known in logs):
            raise _taken(key.name, path)
        durable.replace(path, policy.add_log(data, key))
    return True


def add_witness(directory: Path, key: VerifierKey, name: str) -> bool:
    """Know the witness *key* as *name*; whether it is required the quorum line says.

    :returns: False if the folder says so already.
    :raises UsageError: if *key* is not a witness's, or the name or the key is taken.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    path = directory / POLICY
    with _locked(directory):
        data = _read(path) or _EMPTY_POLICY
        known = _parse_policy(data, path).witnesses.get(name)
        if known is not None and known.key == key:
            return False
        # Before the other lines, so that a quorum line may come to name it.
        after = f"witness {name} {key}\n".encode("utf-8", "surrogateescape") + data
        try:
            policy.load(after)
        except InputError as err:
            raise UsageError("trust witness", name, err.why) from err
        durable.replace(path, after)
    return True


def add_anchor(directory: Path, name: str, pem: bytes) -> bool:
    """Pin the certificates of a time stamp authority as ``tsa/NAME.pem``.

    :returns: False if the folder has the same already.
    :raises UsageError: if *name* cannot be a file name, or is taken by other certificates.
    :raises InputError: if *pem* is not certificates.
    :raises StorageError: if it could not be written.
    """
    if not _ANCHOR_NAME.match(name):
        raise UsageError("trust tsa", name, "a name has letters, digits and . _ - only")
    path = directory / TSA / f"{name}.pem"
    _certificates(pem, path)
    with _locked(directory):
        durable.ensure_directory(path.parent)
        if _read(path) == pem:
            return False
        try:
            durable.create(path, pem)
        except ExistsError as err:
            raise _taken(name, path) from err
    return True


def _locked(directory: Path) -> Any:
    durable.ensure_directory(directory)
    return durable.lock(directory / _LOCK, wait_seconds=_WAIT_SECONDS)


def _refuse_conflict(signer: TrustedSigner, known: tuple[TrustedSigner, ...], path: Path) -> None:
    for other in known:
        if other.fingerprint == signer.fingerprint:
            raise UsageError(
                "trust signer",
                key_name(signer),
                f"the key is in {path} already, with other details",
                hint="change the entry there by hand",
            )
        if key_name(other) == key_name(signer):
            raise _taken(key_name(signer), path)


def _taken(name: str, path: Path) -> UsageError:
    return UsageError(
        "trust key",
        name,
        f"another key of that name is in {path}",
        hint="find out which of the two is right; a new key of the same person needs a new name",
    )


def _joined(data: bytes, block: bytes) -> bytes:
    if not data:
        return block
    return data + (b"\n" if data.endswith(b"\n") else b"\n\n") + block
