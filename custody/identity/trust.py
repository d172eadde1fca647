"""Whom this verifier believes, and since when: a folder of its own, never part of what is verified.

``signers.toml``  whose signatures count, from when, until when (:func:`load` names every mistake)
``ledger.policy`` which ledgers and witnesses count (:mod:`custody.ledger.policy`)
``tsa/*.pem``     certificates of time stamp authorities

The files may be written by hand.  What is added here is appended, so comments stay.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable, reading
from custody.errors import ExistsError, FormatError, InputError, NotFoundError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity.keys import StoredKey
from custody.ledger import policy
from custody.ledger.policy import Known, Policy

SIGNERS = "signers.toml"
POLICY = "ledger.policy"
TSA = "tsa"
ROLES = ("collector", "examiner", "desk", "auditor")
LARGEST_FILE = 1 << 20
_LOCK = ".lock"
_WAIT_SECONDS = 5.0
_WORDS = ("key", "name", "role", "organization", "title")
_MOMENTS = ("valid_from", "valid_until", "revoked_at")
_ANCHOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)
_EMPTY_POLICY = b"quorum none\n"
_NO_POLICY = Policy(())


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """Somebody whose signature counts.

    :ivar key: None if only the fingerprint is known, from the paper form.
    :ivar valid_from: the first moment at which it counts.
    :ivar valid_until: the first moment at which it no longer does.
    :ivar revoked_at: from this moment on nothing signed with the key counts.
    """

    fingerprint: str
    key: VerifierKey | None = None
    name: str = ""
    role: str = ""
    organization: str = ""
    title: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def needs_time_stamp(self) -> bool:
        """Whether only a trusted time can tell that the key was still good."""
        return self.valid_until is not None or self.revoked_at is not None

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether a signature made at *moment* counts."""
        return not self.why_not_valid_at(moment)

    def why_not_valid_at(self, moment: datetime) -> str:
        """Why a signature made at *moment* does not count; empty if it does."""
        if self.revoked_at is not None and moment >= self.revoked_at:
            return f"the key was revoked at {clock.rfc3339(self.revoked_at)}"
        if self.valid_from is not None and moment < self.valid_from:
            return f"the key is valid only from {clock.rfc3339(self.valid_from)}"
        if self.valid_until is not None and moment >= self.valid_until:
            return f"the key was valid only until {clock.rfc3339(self.valid_until)}"
        return ""

    def as_json(self) -> dict[str, str]:
        """The non-empty fields."""
        fields = {
            "fingerprint": self.fingerprint,
            "vkey": "" if self.key is None else str(self.key),
            **{word: getattr(self, word) for word in _WORDS[1:]},
            **{
                word: clock.rfc3339(moment)
                for word in _MOMENTS
                if (moment := getattr(self, word)) is not None
            },
        }
        return {word: value for word, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Anchor:
    """Pinned certificates of a time stamp authority, as PEM."""

    name: str
    pem: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """All that a verifier believes beforehand."""

    signers: tuple[TrustedSigner, ...] = ()
    policy: Policy = _NO_POLICY
    anchors: tuple[Anchor, ...] = ()
    require_timestamp: bool = False

    @property
    def logs(self) -> tuple[VerifierKey, ...]:
        """The keys of the ledgers that are believed."""
        return self.policy.log_keys()

    def signer_for(self, fingerprint: str) -> TrustedSigner | None:
        """The signer with this key, if there is one."""
        return next((item for item in self.signers if item.fingerprint == fingerprint), None)

    def with_signer(self, text: str) -> Trust:
        """The same, and the signer whose verifier key or fingerprint is *text*.

        A signer who is known already stays as the folder has it: with its end and revocation.

        :raises UsageError: if *text* is neither.
        """
        added = _signer_from(text)
        if self.signer_for(added.fingerprint) is not None:
            return self
        return replace(self, signers=(*self.signers, added))

    def with_log(self, key: VerifierKey) -> Trust:
        """The same, and the ledger with this key."""
        if any(known.public == key.public for known in self.logs):
            return self
        return replace(self, policy=replace(self.policy, logs=(*self.policy.logs, Known(key))))


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
    return ((), False) if data is None else _parse_signers(data, path)


def _parse_signers(data: bytes, path: Path) -> tuple[tuple[TrustedSigner, ...], bool]:
    try:
        document = tomllib.loads(data.decode())
    except ValueError as err:  # the decoder's error and the parser's, which names the line
        raise InputError("read trust", path, str(err)) from err
    unknown = sorted(set(document) - {"signer", "require_timestamp"})
    if unknown:
        raise InputError("read trust", path, f'unknown field "{unknown[0]}"')
    require_timestamp = document.get("require_timestamp", False)
    if not isinstance(require_timestamp, bool):
        raise InputError("read trust", path, "require_timestamp is true or false")
    listed = document.get("signer", [])
    if not isinstance(listed, list):
        raise InputError("read trust", path, "signers are written [[signer]]")
    signers: list[TrustedSigner] = []
    for number, entry in enumerate(listed, 1):
        try:
            signer = _signer(entry)
            _check_beside(signer, signers)
        except (FormatError, ValueError) as err:
            raise InputError("read trust", path, f"signer {number}: {err}") from err
        signers.append(signer)
    return tuple(signers), require_timestamp


def _signer(entry: Any) -> TrustedSigner:
    if not isinstance(entry, dict):
        raise ValueError("it is written [[signer]]")  # noqa: TRY004 - the content, not the type
    unknown = sorted(set(entry) - {*_WORDS, *_MOMENTS})
    if unknown:
        raise ValueError(f'unknown field "{unknown[0]}"')
    words = {word: _text(entry, word) for word in _WORDS}
    moments = {word: _moment(entry, word) for word in _MOMENTS}
    if not words["key"] or not words["name"]:
        raise ValueError("key and name must be there")
    if words["role"] not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}")
    start, end = moments["valid_from"], moments["valid_until"]
    if start is not None and end is not None and end <= start:
        raise ValueError("valid_until is not after valid_from")
    key = _ed25519(vkey.parse(words["key"]))
    return TrustedSigner(
        fingerprint=key.fingerprint(),
        key=key,
        name=words["name"],
        role=words["role"],
        organization=words["organization"],
        title=words["title"],
        valid_from=start,
        valid_until=end,
        revoked_at=moments["revoked_at"],
    )


def _text(entry: Mapping[str, Any], word: str) -> str:
    value = entry.get(word, "")
    if not isinstance(value, str):
        raise ValueError(f"{word} is not a text")  # noqa: TRY004 - the content, not the type
    return value


def _moment(entry: Mapping[str, Any], word: str) -> datetime | None:
    value = entry.get(word)
    if isinstance(value, str):
        return clock.parse_rfc3339(value)
    if value is None or (isinstance(value, datetime) and value.tzinfo is not None):
        return value
    raise ValueError(f"{word} is not a time in the form 2026-11-22T03:14:05Z")


def _ed25519(key: VerifierKey) -> VerifierKey:
    if key.kind != vkey.ED25519:
        raise ValueError("the key is a witness's, not one that signs")
    return key


def _check_beside(signer: TrustedSigner, others: list[TrustedSigner]) -> None:
    for other in others:
        if other.fingerprint == signer.fingerprint:
            raise ValueError("this key is listed already")
        if _key_name(other) == _key_name(signer) and other.name != signer.name:
            raise ValueError(f'the key name "{_key_name(signer)}" belongs to {other.name} already')


def _key_name(signer: TrustedSigner) -> str:
    return "" if signer.key is None else signer.key.name


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
        known, _ = _parse_signers(data, path)
        if signer in known:
            return False
        _refuse_conflict(signer, known, path)
        after = _joined(data, _block(signer))
        try:
            _parse_signers(after, path)
        except InputError as err:
            raise UsageError("trust signer", _key_name(signer), err.why) from err
        durable.replace(path, after)
    return True


def refuse_taken_name(directory: Path, name: str) -> None:
    """Make sure that a new key may be called *name*.

    :raises UsageError: if a trusted signer's key has that name.
    """
    signers, _ = _read_signers(directory / SIGNERS)
    if any(_key_name(signer) == name for signer in signers):
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
                _key_name(signer),
                f"the key is in {path} already, with other details",
                hint="change the entry there by hand",
            )
        if _key_name(other) == _key_name(signer):
            raise _taken(_key_name(signer), path)


def _taken(name: str, path: Path) -> UsageError:
    return UsageError(
        "trust key",
        name,
        f"another key of that name is in {path}",
        hint="find out which of the two is right; a new key of the same person needs a new name",
    )


def _block(signer: TrustedSigner) -> bytes:
    words = {word: getattr(signer, word) for word in _WORDS[1:]}
    lines = ["[[signer]]", f"key = {_quoted(str(signer.key))}"]
    lines += [f"{word} = {_quoted(value)}" for word, value in words.items() if value]
    lines += [
        f"{word} = {clock.rfc3339(moment)}"
        for word in _MOMENTS
        if (moment := getattr(signer, word)) is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def _joined(data: bytes, block: bytes) -> bytes:
    if not data:
        return block
    return data + (b"\n" if data.endswith(b"\n") else b"\n\n") + block


def _quoted(text: str) -> str:
    """A TOML string in ASCII.

    :raises UsageError: if *text* holds bytes that are not UTF-8.
    """
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise UsageError("write trust", text, "it is not valid UTF-8")
    return '"' + "".join(map(_toml_char, text)) + '"'


def _toml_char(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"
