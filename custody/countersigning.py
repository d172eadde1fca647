"""Countersignatures: the sealed statement, signed by a second person with a key of their own.

The second envelope is over the very payload that was sealed and lies beside the first one as
``seal/statements/<fingerprint>.dsse.json``.  It is made where that person's key is, from any copy
of the bundle, and is as good in every other copy.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.errors import DifferenceError, ExistsError, FormatError, TrustError
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.identity.signing import Signer


@dataclass(frozen=True, slots=True)
class Countersignature:
    """An envelope over a bundle's statement: its bytes, and whose key signed it."""

    data: bytes
    fingerprint: str

    @property
    def sha256(self) -> str:
        """The digest of its file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        """The file that it is in a bundle, relative to it."""
        return f"{layout.COUNTERSIGNATURES}/{self.fingerprint}.dsse.json"


def sign(bundle: Path, statement_sha256: str, signer: Signer) -> Countersignature:
    """Countersign the statement that was verified.

    :param statement_sha256: its digest then: what is signed is what was looked at.
    :raises DifferenceError: if it is another one by now.
    """
    payload = _statement(bundle, statement_sha256).payload
    return Countersignature(signing.seal(signer, payload), signer.key.fingerprint())


def read(
    data: bytes, name: object, bundle: Path, statement_sha256: str, key: VerifierKey
) -> Countersignature:
    """One that was made elsewhere, if it is what it should be.

    :param name: what to call it in an error.
    :param key: the key that is to have signed it, and that is trusted here.
    :raises FormatError: if it is another file, or over another statement.
    :raises DifferenceError: if *key* has not signed it.
    """
    envelope = dsse.load(data)
    statement = _statement(bundle, statement_sha256)
    if envelope.signed_bytes() != statement.signed_bytes():
        raise FormatError("countersign", name, "it is over another statement than this bundle's")
    (line,) = envelope.signatures
    if not signing.is_signed(key, line.sig, envelope.signed_bytes()):
        raise DifferenceError("countersign", name, f"the key {line.keyid} has not signed it")
    return Countersignature(data, line.keyid)


def signed_by(data: bytes, name: object) -> str:
    """The fingerprint of the key that a countersignature says it is by.

    :raises FormatError: if it is not an envelope with one signature.
    """
    lines = dsse.load(data).signatures
    if len(lines) != 1:
        raise FormatError("countersign", name, "a countersignature has one signature")
    return lines[0].keyid


def there(bundle: Path, key: VerifierKey) -> Countersignature | None:
    """The good countersignature by *key* that the bundle has already, if it has one.

    :raises TrustError: if there is something under its name that is no such thing.
    """
    wanted = Countersignature(b"", key.fingerprint())
    if not (bundle / wanted.name).exists():
        return None
    data = reading.read_beneath(bundle, wanted.name, dsse.LARGEST_ENVELOPE)
    envelope = dsse.load(data)
    if not any(signing.is_signed(key, line.sig, envelope.signed_bytes())
               for line in envelope.signatures):  # fmt: skip
        why = "there is one under this key's name that the key has not signed"
        hint = f"custody verify {shlex.quote(str(bundle))}"
        raise TrustError("countersign", wanted.name, why, hint=hint)
    return Countersignature(data, wanted.fingerprint)


def put(bundle: Path, made: Countersignature) -> None:
    """Lay it into the bundle; nothing that is there is touched.

    :raises ExistsError: if another one by this key is there.
    :raises StorageError: if it could not be written.
    """
    path = bundle / made.name
    durable.ensure_directory(path.parent)
    try:
        durable.create_or_equal(path, made.data)
    except ExistsError as err:
        hint = f"custody verify {shlex.quote(str(bundle))}"
        raise ExistsError("countersign", path, err.why, hint=hint) from err


def _statement(bundle: Path, expected: str) -> Envelope:
    data = reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    if hashlib.sha256(data).hexdigest() != expected:
        why = "it changed while it was being checked; nothing was signed"
        raise DifferenceError("countersign", bundle / layout.STATEMENT, why)
    return dsse.load(data)
