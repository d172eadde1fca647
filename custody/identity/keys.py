"""The folder of our own keys: ``NAME.pem``, the secret, and ``NAME.json``, all that is public.

The PEM file is PKCS#8 (:mod:`custody.identity.pkcs8`), so ``openssl pkey`` reads it.  A key is
used only if nobody but its owner can read the file.  On a file system without modes (a FAT stick)
an encrypted key is used with a remark and an unencrypted one is refused.

Of a key in a token (:mod:`custody.identity.token`) only ``NAME.json`` is here, which says where.
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from custody import durable, reading
from custody.errors import (
    CustodyError,
    ExistsError,
    FormatError,
    InputError,
    KeyAccessError,
    NotFoundError,
    UsageError,
)
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import pkcs8, protection, signing, token
from custody.identity.key_record import StoredKey, Use, check_file_name, dump, is_file_name, parse
from custody.identity.passphrases import Passphrase
from custody.identity.signing import Signer

_LARGEST_FILE = 16_384
_LOCK = ".lock"
_WAIT_SECONDS = 5.0
_NO_MODES = "{}: this file system keeps no file modes; only the passphrase protects the key"


class Unlocked(NamedTuple):
    """A key ready to sign, and what the user should be told about it."""

    signer: Signer
    remarks: tuple[str, ...] = ()


class Made(NamedTuple):
    """A new key, and what the user should be told about it."""

    stored: StoredKey
    remarks: tuple[str, ...] = ()


def one_time(name: str = signing.ONE_TIME) -> Signer:
    """A key for one collection, which never touches the disk and is gone with the process."""
    return Signer.generate(name)


class KeyFolder:
    """The keys in one directory, usually ``$CUSTODY_HOME/keys``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def new(
        self,
        name: str,
        *,
        use: Use,
        passphrase: bytes | None,
        now: datetime,
        key_name: str | None = None,
        person: str = "",
        title: str = "",
        organization: str = "",
        valid_until: datetime | None = None,
    ) -> Made:
        """Make a key; nothing that exists is ever overwritten.

        :param passphrase: None leaves the key unencrypted.
        :param key_name: the name inside the verifier key, if it is not *name*: a ledger's origin.
        :raises UsageError: for a name that cannot be one.
        :raises ExistsError: if there is such a key.
        :raises KeyAccessError: for an unencrypted key on a file system without modes.
        :raises StorageError: if it could not be written.
        """
        self.refuse_taken_name(name)
        try:
            signer = Signer.generate(key_name or name, _kind(use))
        except FormatError as err:
            raise UsageError(err.what, err.thing, err.why) from err
        whose = (person, title, organization, valid_until)
        stored = StoredKey(name, signer.key, now, use, passphrase is not None, *whose)
        return self.add(stored, pkcs8.dump(signer.private, passphrase))

    def add(self, stored: StoredKey, pem: bytes) -> Made:
        """Write both halves of a key that is not here yet; raises as :meth:`new`."""
        self.refuse_taken_name(stored.name)
        durable.ensure_directory(self.directory)
        no_modes = self.keeps_no_modes()
        if no_modes and not stored.encrypted:
            raise self._unprotected(stored.name)
        self._write(stored, pem)
        return Made(stored, self._remarks(stored.name) if no_modes else ())

    def register(self, stored: StoredKey) -> Made:
        """Note a key that is in a token; raises as :meth:`new`."""
        self.refuse_taken_name(stored.name)
        durable.ensure_directory(self.directory)
        durable.create(self._public(stored.name), dump(stored))
        return Made(stored)

    def change(self, stored: StoredKey, pem: bytes) -> None:
        """Put *pem* in the place of a key's private half, under another passphrase or none.

        :raises KeyAccessError: for an unencrypted key on a file system without modes.
        :raises LockedError: if another process is changing a key.
        :raises StorageError: if it could not be written; the old half is then still there.
        """
        if not stored.encrypted and self.keeps_no_modes():
            raise self._unprotected(stored.name)
        with durable.lock(self.directory / _LOCK, wait_seconds=_WAIT_SECONDS):
            durable.replace(self.path(stored.name), pem)
            if self.get(stored.name) != stored:
                durable.replace(self._public(stored.name), dump(stored))

    def keeps_no_modes(self) -> bool:
        """Whether the folder lies on a file system without Unix modes."""
        return protection.has_no_modes(self.directory.stat())

    def refuse_taken_name(self, name: str) -> None:
        """Make sure that a new key may be called *name*, before a passphrase is asked for.

        :raises UsageError: for a name that cannot be one.
        :raises ExistsError: if there is such a key.
        """
        check_file_name(name)
        if os.path.lexists(self.path(name)) or self._is_in_token(name):
            raise ExistsError(
                "make key",
                name,
                f"there is one in {self.directory}; nothing was overwritten",
                hint="choose another name",
            )

    def path(self, name: str) -> Path:
        """Where the private half of a key lies."""
        return self.directory / f"{name}.pem"

    def list(self) -> tuple[StoredKey, ...]:
        """Every key, by name.

        :raises InputError: if a key's public half does not parse or is missing.
        :raises KeyAccessError: if the folder cannot be looked into.
        """
        try:
            names = {path.stem for path in self.directory.glob("*.pem")}
            others = {path.stem for path in self.directory.glob("*.json")} - names
            names |= {name for name in others if is_file_name(name) and self._is_in_token(name)}
        except FileNotFoundError:
            return ()
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            raise KeyAccessError("look for keys in", self.directory, why) from err
        return tuple(self.get(name) for name in sorted(names) if is_file_name(name))

    def get(self, name: str) -> StoredKey:
        """What is public about one key.

        :raises NotFoundError: if there is no such key.
        :raises InputError: if its public half does not parse or is missing.
        """
        check_file_name(name)
        path = self._public(name)
        try:
            data = reading.read_regular(path, _LARGEST_FILE)
            return parse(name, data)
        except NotFoundError as err:
            if self.path(name).exists():
                raise InputError(
                    "read key",
                    path,
                    "the public half is missing: making this key was not finished",
                    hint=f"nobody has this key yet; remove {self.path(name)} and make a new one",
                ) from err
            raise NotFoundError(
                "find key", name, f"no such key in {self.directory}", hint="custody key list"
            ) from err
        except FormatError as err:
            raise InputError("read key", path, err.why) from err

    def find(self, key: VerifierKey) -> StoredKey | None:
        """The stored key whose public half is *key*, if it is here."""
        return next((stored for stored in self.list() if stored.key == key), None)

    def pick(self, name: str | None, use: Use) -> StoredKey:
        """The key called *name*; without a name the only one for this use.

        :raises NotFoundError: if there is none.
        :raises UsageError: if there are several, or the named one is for something else.
        """
        if name is not None:
            stored = self.get(name)
            if stored.use != use:
                raise UsageError("use key", name, f"it is a {stored.use} key, not a {use} key")
            return stored
        fitting = [stored for stored in self.list() if stored.use == use]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(stored.name for stored in fitting)
            raise UsageError("choose a key", None, f"there are several: {names}", hint="--key NAME")
        raise NotFoundError(
            "find key", None, f"no {use} key in {self.directory}", hint="custody key new NAME"
        )

    def unlock(self, name: str, passphrase: Passphrase) -> Unlocked:
        """Make one key ready to sign.

        Whether it is encrypted is found out by trying; the private half must be that of the
        public one.

        :raises NotFoundError: if there is no such key.
        :raises KeyAccessError: if others can read it, the passphrase is wrong, or the two halves
            do not belong together.
        """
        stored = self.get(name)
        if stored.place is not None:  # one try: see custody.identity.token
            self._require_own(name)
            return Unlocked(token.unlock(stored.place, stored.key, partial(passphrase.pin, name)))
        pem, no_modes = self._read_secret(name)
        try:
            private = pkcs8.load(pem, None)
            if no_modes:
                raise self._unprotected(name)
        except pkcs8.Encrypted:
            private = decrypt(pem, stored, passphrase)
        except ValueError as err:
            raise KeyAccessError("unlock key", self.path(name), f"damaged: {err}") from err
        signer = Signer.of(stored.key.name, private, stored.key.kind)
        if signer.key != stored.key:
            raise KeyAccessError(
                "unlock key",
                name,
                f"its private half does not belong to the public one in {self._public(name)}",
                hint="one of the two files was exchanged; find out why before you sign anything",
            )
        return Unlocked(signer, self._remarks(name) if no_modes else ())

    def _require_own(self, name: str) -> None:
        """What names the program that is loaded must be written by nobody else."""
        path = self._public(name)
        with reading.open_regular(path) as fd:
            found = os.fstat(fd)
        if os.name != "posix":
            return
        is_ours = found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
        if protection.has_no_modes(found) or not is_ours:
            why = "it names a program, the token's library, and others can write it"
            hint = f"look into it; then: chmod 600 {shlex.quote(str(path))}"
            raise KeyAccessError("use key", path, why, hint=hint)

    def _is_in_token(self, name: str) -> bool:
        """Whether there is a key of that name, whose secret is in no file."""
        try:
            data = reading.read_regular(self._public(name), _LARGEST_FILE)
            return parse(name, data).place is not None
        except CustodyError:
            return False

    def _write(self, stored: StoredKey, pem: bytes) -> None:
        secret, public = self.path(stored.name), self._public(stored.name)
        # The secret first: a public half alone would promise a key that nobody has.
        durable.create(secret, pem)
        try:
            durable.create(public, dump(stored))
        except CustodyError:
            with suppress(OSError):
                secret.unlink()
            raise

    def _read_secret(self, name: str) -> tuple[bytes, bool]:
        path = self.path(name)
        try:
            with reading.open_regular(path) as fd:
                found = os.fstat(fd)
                no_modes = protection.has_no_modes(found)
                if not no_modes and not protection.is_private(found):
                    raise KeyAccessError(
                        "use key",
                        path,
                        protection.why_not_private(found),
                        hint=_how_to_protect(path, found),
                    )
                return os.read(fd, _LARGEST_FILE), no_modes
        except FormatError as err:
            raise KeyAccessError("use key", path, err.why) from err
        except NotFoundError as err:
            raise NotFoundError("find key", name, f"{path} is not there") from err

    def _unprotected(self, name: str) -> KeyAccessError:
        return KeyAccessError(
            "use key",
            self.path(name),
            "it is not encrypted, and this file system keeps no file modes to protect it",
            hint="make a key with a passphrase, or keep this one on a file system with modes",
        )

    def _remarks(self, name: str) -> tuple[str, ...]:
        return (_NO_MODES.format(self.path(name)),)

    def _public(self, name: str) -> Path:
        return self.directory / f"{name}.json"


def _kind(use: Use) -> int:
    return vkey.COSIGNATURE if use == "witness" else vkey.ED25519


def decrypt(pem: bytes, stored: StoredKey, passphrase: Passphrase) -> Any:
    """The private half in an encrypted *pem*; whoever knows the passphrase may try again.

    :raises KeyAccessError: if none that was given fits.
    """
    secret: bytes | None = passphrase(stored.name, False)
    while secret is not None:
        with suppress(ValueError):
            return pkcs8.load(pem, secret)
        secret = passphrase.another(stored.name)
    raise KeyAccessError("unlock key", stored.name, "wrong passphrase")


def _how_to_protect(path: Path, found: os.stat_result) -> str:
    quoted = shlex.quote(str(path))
    if found.st_uid not in (0, os.geteuid()):
        return f"make it yours first: chown {os.geteuid()} {quoted}"
    return f"chmod 600 {quoted}; if others may have read it, make a new key"
