"""Keys that move: out for safe keeping, in on another machine, under another passphrase.

An export is one file: the line of ``NAME.json``, and the private half as PEM, always encrypted.
What stands before the PEM is skipped by everybody who reads PEM, so ``openssl pkey`` reads it.
"""

from __future__ import annotations

from dataclasses import replace

from custody.errors import FormatError, InputError, KeyAccessError
from custody.formats import canonical
from custody.identity import key_record, keys, pkcs8
from custody.identity.key_record import StoredKey
from custody.identity.keys import KeyFolder, Made
from custody.identity.passphrases import Passphrase
from custody.identity.signing import Signer

LARGEST_EXPORT = 32_768
_BEGIN = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


def dump(stored: StoredKey, signer: Signer, passphrase: bytes) -> bytes:
    """A key as one file, under a passphrase of its own."""
    pem = pkcs8.dump(signer.private, passphrase)
    return key_record.dump(replace(stored, encrypted=True)) + pem


def load(
    folder: KeyFolder, data: bytes, path: object, passphrase: Passphrase, name: str | None = None
) -> Made:
    """Put an exported key into *folder*; nothing that exists is overwritten.

    :param path: what to call the file in an error.
    :param name: what its files are to be called, if not as they were.
    :raises InputError: if it is no export.
    :raises KeyAccessError: if the passphrase is wrong, or the two halves do not belong together.
    :raises ExistsError: if there is a key of that name.
    """
    public, pem = _halves(data, path)
    stored = _public(public, path)
    stored = replace(stored, name=stored.name if name is None else name, encrypted=True)
    folder.refuse_taken_name(stored.name)
    private = keys.decrypt(pem, stored, passphrase)
    if Signer.of(stored.key.name, private, stored.key.kind).key != stored.key:
        why = "its private half does not belong to the public one"
        raise KeyAccessError("import key", path, why, hint="take the file from another copy")
    return folder.add(stored, pem)


def _halves(data: bytes, path: object) -> tuple[bytes, bytes]:
    line, newline, pem = data.partition(b"\n")
    if not newline or not pem.startswith(_BEGIN):
        why = "it is not what custody key export writes: a line of JSON and an encrypted key"
        raise InputError("import key", path, why)
    return line + newline, pem


def _public(line: bytes, path: object) -> StoredKey:
    try:
        name = canonical.load_object(line.removesuffix(b"\n")).get("name")
        stored = key_record.parse(str(name), line)
    except FormatError as err:
        raise InputError("import key", path, f"line 1: {err.why}") from err
    if stored.place is not None:  # what names a program that signing runs comes from no file
        why = "line 1: it says that the key is in a token, and no such key is ever exported"
        raise InputError("import key", path, why)
    return stored


def change_passphrase(
    folder: KeyFolder, stored: StoredKey, signer: Signer, passphrase: bytes | None
) -> StoredKey:
    """Put a key that was unlocked under another passphrase; None leaves it unencrypted.

    :raises KeyAccessError: for an unencrypted key on a file system without modes.
    :raises StorageError: if it could not be written; the old one then still fits.
    """
    pem = pkcs8.dump(signer.private, passphrase)
    pkcs8.load(pem, passphrase)  # it can be read, before the old one is gone
    after = replace(stored, encrypted=passphrase is not None)
    folder.change(after, pem)
    return after
