"""Changing a trust folder: believing somebody, and believing them no longer.

What was written by hand stays as it is, comments included: entries are appended, and of an entry
that must change only the lines that change.  Every file is replaced in one step, under a lock, so
that two who change it at once lose nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable
from custody.errors import ExistsError, InputError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signers as signers_toml
from custody.identity import toml_entry, trust
from custody.identity.key_record import StoredKey
from custody.identity.signers import ROLES, Listed, Revoked, TrustedSigner, key_name
from custody.identity.trust import POLICY, SIGNERS, TSA
from custody.ledger import policy

_LOCK = ".lock"
_WAIT_SECONDS = 5.0
_ANCHOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)
_EMPTY_POLICY = b"quorum none\n"


def own_signer(stored: StoredKey, role: str = ROLES[0]) -> TrustedSigner:
    """The entry for a key of our own."""
    return TrustedSigner(
        stored.key.fingerprint(),
        stored.key,
        name=stored.person or stored.name,
        role=role,
        organization=stored.organization,
        title=stored.title,
    )


def add_signer(directory: Path, signer: TrustedSigner) -> bool:
    """Believe *signer* from now on.

    Where only the fingerprint of the key was known, its entry gets the whole key.

    :returns: False if the folder says so already.
    :raises UsageError: if the key is there with other details or was revoked, or its name belongs
        to another; the entry is named.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    path = directory / SIGNERS
    with _locked(directory):
        data = trust.read_file(path) or b""
        listed = signers_toml.load(data, path)
        if signer in listed.signers:
            return False
        _refuse_revoked(signer, listed, path)
        _refuse_ledger(directory, signer)
        number = _completed(signer, listed)
        if number:
            _change(path, data, listed, number, signer)
            return True
        _refuse_conflict(signer, listed, path)
        _write(path, data, signers_toml.dump(signer), signer)
    return True


def _refuse_ledger(directory: Path, signer: TrustedSigner) -> None:
    data = trust.read_file(directory / POLICY)
    if data is None:
        return
    for key in trust.parse_policy(data, directory / POLICY).log_keys():
        if key.fingerprint() == signer.fingerprint:
            why = "it is a ledger's key; a ledger's key signs checkpoints and nothing else"
            raise UsageError("trust signer", key.name, why, hint="custody trust list")


def _completed(signer: TrustedSigner, listed: Listed) -> int:
    """The number of the entry that knows this very signer by the fingerprint alone; else 0."""
    for number, other in enumerate(listed.signers, 1):
        if other.key is None and replace(other, key=signer.key) == signer:
            return number
    return 0


def _write(path: Path, data: bytes, block: bytes, signer: TrustedSigner) -> None:
    after = _joined(data, block)
    try:
        signers_toml.load(after, path)
    except InputError as err:
        raise UsageError("trust signer", key_name(signer) or signer.name, err.why) from err
    durable.replace(path, after)


def find_signer(listed: Listed, text: str, path: Path) -> str:
    """The fingerprint of whoever is meant: a verifier key, a fingerprint, or a listed name.

    :raises UsageError: if it is none of them, or several signers have that name.
    """
    named = [item for item in listed.signers if text in (key_name(item), item.name)]
    if len(named) == 1:
        return named[0].fingerprint
    if named:
        why = f"{len(named)} signers of that name are in {path}"
        hint = f"name the key: {', '.join(str(item.key or item.fingerprint) for item in named)}"
        raise UsageError("find signer", text, why, hint=hint)
    try:
        return trust.Trust().with_signer(text).signers[0].fingerprint
    except UsageError as err:
        why = f"no signer of that name is in {path}, and {err.why}"
        raise UsageError("find signer", text, why, hint="custody trust list") from err


def revoke(directory: Path, fingerprint: str, moment: datetime, because: str = "") -> bool:
    """Let nothing count that the key signed from *moment* on, whoever vouches for it.

    An entry that is there stays, so that what the key signed before can still count.

    :returns: False if the folder says so already.
    :raises UsageError: if it was revoked from an earlier moment on, or the entry is written in a
        way that only its owner can change.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    path = directory / SIGNERS
    with _locked(directory):
        data = trust.read_file(path) or b""
        listed = signers_toml.load(data, path)
        before = listed.ended().get(fingerprint)
        if before == moment:
            return False
        if before is not None and before < moment:
            why = f"it was revoked already, at {clock.rfc3339(before)}; nothing was written"
            hint = f"a revocation is not taken back; a person may change {path}"
            raise UsageError("revoke key", fingerprint, why, hint=hint)
        _revoke(path, data, listed, Revoked(fingerprint, moment, because))
    return True


def _revoke(path: Path, data: bytes, listed: Listed, gone: Revoked) -> None:
    for number, signer in enumerate(listed.signers, 1):
        if signer.fingerprint == gone.fingerprint:
            because = gone.because or signer.revoked_because
            after = replace(signer, revoked_at=gone.at, revoked_because=because)
            _change(path, data, listed, number, after)
            return
    for number, old in enumerate(listed.revoked, 1):
        if old.fingerprint == gone.fingerprint:
            gone = replace(gone, because=gone.because or old.because)
            values = {"at": clock.rfc3339(gone.at), "because": _value(gone.because)}
            revoked = (*listed.revoked[: number - 1], gone, *listed.revoked[number:])
            _edit(path, data, "revoked", number, values, replace(listed, revoked=revoked))
            return
    durable.replace(path, _joined(data, signers_toml.dump_revoked(gone)))


def _change(path: Path, data: bytes, listed: Listed, number: int, signer: TrustedSigner) -> None:
    """Write what is new about the signer *number*, and nothing else."""
    values = {
        "revoked_at": None if signer.revoked_at is None else clock.rfc3339(signer.revoked_at),
        "revoked_because": _value(signer.revoked_because),
    }
    if listed.signers[number - 1].key is None and signer.key is not None:
        values = {"fingerprint": None, "key": _value(str(signer.key))}
    signers = (*listed.signers[: number - 1], signer, *listed.signers[number:])
    _edit(path, data, "signer", number, values, replace(listed, signers=signers))


def _value(text: str) -> str | None:
    return signers_toml.quoted(text) if text else None


def _edit(
    path: Path, data: bytes, table: str, number: int, values: dict[str, str | None], meant: Listed
) -> None:
    after = toml_entry.changed(data.decode(), table, number, values)
    try:
        is_meant = after is not None and signers_toml.load(after.encode(), path) == meant
    except InputError:
        is_meant = False
    if after is None or not is_meant:
        why = f"its entry ({table} {number}) is written in a way that only you can change"
        said = "; ".join(f"{field} = {value}" for field, value in values.items() if value)
        raise UsageError("change", path, why, hint=f"write in that entry: {said}")
    durable.replace(path, after.encode())


def refuse_taken_name(directory: Path, name: str) -> None:
    """Make sure that a new key may be called *name*.

    :raises UsageError: if a trusted signer's key has that name.
    """
    listed = trust.read_signers(directory / SIGNERS)
    for number, signer in enumerate(listed.signers, 1):
        if key_name(signer) == name:
            raise _taken(name, f"{directory / SIGNERS} (signer {number}, {signer.name})")


def add_log(directory: Path, key: VerifierKey) -> bool:
    """Believe the ledger whose checkpoints *key* signs.

    :returns: False if the folder says so already.
    :raises UsageError: if *key* is not a ledger's, or another one bears its name.
    :raises InputError: if the folder has a mistake.
    :raises StorageError: if it could not be written.
    """
    if key.kind != vkey.ED25519:
        why = "the key is a witness's" if key.kind == vkey.COSIGNATURE else "it is not Ed25519"
        raise UsageError("trust ledger", key, f"{why}: a ledger's key is of type 0x01")
    path = directory / POLICY
    with _locked(directory):
        listed = trust.read_signers(directory / SIGNERS)
        if any(signer.fingerprint == key.fingerprint() for signer in listed.signers):
            why = "it is a signer's key; a ledger's key signs checkpoints and nothing else"
            hint = "the ledger's key is printed by custody init: its name begins with custody/"
            raise UsageError("trust ledger", key.name, why, hint=hint)
        data = trust.read_file(path) or _EMPTY_POLICY
        logs = trust.parse_policy(data, path).log_keys()
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
        data = trust.read_file(path) or _EMPTY_POLICY
        known = trust.parse_policy(data, path).witnesses.get(name)
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
    trust.certificates(pem, path)
    with _locked(directory):
        durable.ensure_directory(path.parent)
        if trust.read_file(path) == pem:
            return False
        try:
            durable.create(path, pem)
        except ExistsError as err:
            raise _taken(name, path) from err
    return True


def _locked(directory: Path) -> Any:
    durable.ensure_directory(directory)
    return durable.lock(directory / _LOCK, wait_seconds=_WAIT_SECONDS)


def _refuse_revoked(signer: TrustedSigner, listed: Listed, path: Path) -> None:
    ended = listed.ended().get(signer.fingerprint)
    if ended is not None and signer.revoked_at is None:
        name = key_name(signer) or signer.fingerprint
        where = _place(signer.fingerprint, listed)
        why = f"the key was revoked at {clock.rfc3339(ended)}: {path}, {where}"
        raise UsageError("trust signer", name, why, hint="a person who signs again needs a new key")


def _place(fingerprint: str, listed: Listed) -> str:
    """The entry in which a revoked key stands."""
    signers = [item.fingerprint for item in listed.signers]
    if fingerprint in signers:
        return f"signer {signers.index(fingerprint) + 1}"
    gone = [item.fingerprint for item in listed.revoked]
    return f"revoked {gone.index(fingerprint) + 1}"


def _refuse_conflict(signer: TrustedSigner, listed: Listed, path: Path) -> None:
    for number, other in enumerate(listed.signers, 1):
        if other.fingerprint == signer.fingerprint:
            raise UsageError(
                "trust signer",
                key_name(signer) or signer.fingerprint,
                f"the key is in {path} already, with other details (signer {number})",
                hint="change the entry there by hand",
            )
        if signer.key is not None and key_name(other) == key_name(signer):
            where = f"{path} (signer {number}, {other.name})"
            raise _taken(key_name(signer), where, signer.fingerprint)


def _taken(name: str, where: object, fingerprint: str = "") -> UsageError:
    hint = "find out which of the two is right; a new key of the same person needs a new name"
    if fingerprint:  # two accounts may be called the same; a fingerprint brings no name along
        hint += (
            "; if both are right: custody trust add signer"
            f' {fingerprint} --name "...", which counts for all but countersignatures'
        )
    why = f"another key of that name is in {where}"
    return UsageError("trust key", name, why, hint=hint)


def _joined(data: bytes, block: bytes) -> bytes:
    if not data:
        return block
    return data + (b"\n" if data.endswith(b"\n") else b"\n\n") + block
