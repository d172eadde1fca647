"""Where passphrases come from: a file, an open descriptor, or a person at the terminal.

Never from an argument or from the value of an environment variable.  One option at a time.
A passphrase that was given once is tried on the next key too; a person is asked again if it
does not fit.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from custody.cli.terminal import console
from custody.errors import CustodyError, InputError, KeyAccessError, UsageError
from custody.identity.key_record import StoredKey
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import Passphrase
from custody.identity.signing import Signer

from . import options

_ENVIRONMENT = "CUSTODY_PASSPHRASE_FILE"
_PIN_ENVIRONMENT = "CUSTODY_PIN_FILE"
_LONGEST = 1023  # what openssl reads from a file, so that both read the same
_TRIES = 3
_TERMINAL = "/dev/tty"
_HINT = f"--passphrase-file FILE, --passphrase-fd N, or {_ENVIRONMENT}"


def source(file: Path | None = None, fd: int | None = None) -> Passphrase:
    """The one source of passphrases for this run.

    An option wins over the environment, which may have been set for other runs.

    :param file: the value of ``--passphrase-file``.
    :param fd: the value of ``--passphrase-fd``.
    :raises UsageError: if both options are given.
    """
    if file is not None and fd is not None:
        what = "--passphrase-file and --passphrase-fd"
        raise UsageError("read the passphrase", what, "only one source can be used")
    if fd is not None:
        return _Given(fd)
    named = os.environ.get(_ENVIRONMENT)
    path = Path(named) if file is None and named else file
    return _Asked() if path is None else _Given(path)


def new_source(file: Path | None, fd: int | None, old: Passphrase, *, same: bool) -> Passphrase:
    """The source of a key's new passphrase.

    :param file: the value of ``--new-passphrase-file``.
    :param fd: the value of ``--new-passphrase-fd``.
    :param old: where the present one comes from.
    :param same: whether the present one may stay, where nobody is there to be asked.
    :raises UsageError: if two sources are named.
    """
    if file is not None and fd is not None:
        what = "--new-passphrase-file and --new-passphrase-fd"
        raise UsageError("read the passphrase", what, "only one source can be used")
    where = fd if file is None else file
    if where is not None:
        return _Given(where)
    return old if same and isinstance(old, _Given) else _Asked()


def files(file: Path | None = None) -> tuple[Path, ...]:
    """The files that hold passphrases: named on the command line, and in the environment."""
    named = (os.environ.get(name) for name in (_ENVIRONMENT, _PIN_ENVIRONMENT))
    both = (file, *(Path(text) if text else None for text in named))
    return tuple(path for path in both if path is not None)


def secrets(file: Path | None, fd: int | None) -> tuple[Path, ...]:
    """What must not come into a bundle, wherever it lies: the keys, and where passphrases are."""
    named = files(file)
    if fd is not None:
        with suppress(OSError):  # no such system, or no such descriptor: reading it will say so
            named = (*named, Path(os.readlink(f"/proc/self/fd/{fd}")))
    try:
        return (options.home() / "keys", *named)
    except UsageError:  # without a home there are no keys
        return named


def refuse_any(file: Path | None, fd: int | None) -> None:
    """Make sure that no passphrase is offered together with ``--no-passphrase``.

    :raises UsageError: if one is.
    """
    if not isinstance(source(file, fd), _Asked):
        why = "a passphrase is given too; choose one of them"
        raise UsageError("read the command line", "--no-passphrase", why)


def unlock(folder: KeyFolder, name: str, passphrase: Passphrase) -> Signer:
    """Unlock a key and tell the user what there is to tell about it."""
    _refuse_ended(folder.get(name))
    unlocked = folder.unlock(name, passphrase)
    for text in unlocked.remarks:
        console.remark(text)
    return unlocked.signer


def _refuse_ended(stored: StoredKey) -> None:
    """What a key signs after its end, or after its owner revoked it, would count for nobody."""
    from custody import clock
    from custody.identity import trust

    now, ends = clock.now(), stored.valid_until
    if ends is not None and now >= ends:
        why = f"it counted until {clock.rfc3339(ends)}; nothing was written"
        hint = "make another one: custody key new NAME --for-host --valid 8h"
        raise UsageError("sign with key", stored.name, why, hint=hint)
    try:
        listed = trust.read_signers(options.home() / "trust" / trust.SIGNERS)
    except CustodyError:  # whoever needs the folder says what is wrong with it
        return
    gone = listed.ended().get(stored.key.fingerprint())
    if gone is not None and now >= gone:
        why = f"you revoked it, from {clock.rfc3339(gone)} on; nothing was written"
        hint = "make a new key, under a new name: custody key new NAME"
        raise UsageError("sign with key", stored.name, why, hint=hint)


class _Given:
    """Read once, when the first key needs it, from a file or a descriptor."""

    def __init__(self, where: Path | int) -> None:
        self._where = where
        self._secret: bytes | None = None

    def __call__(self, label: str, new: bool) -> bytes:  # noqa: ARG002 - the protocol's
        if self._secret is None:
            self._secret = self._read()
        return self._secret

    def another(self, label: str) -> bytes | None:  # noqa: ARG002 - the protocol's
        return None

    def pin(self, label: str) -> bytes:
        return _own_pin(label) or self(label, False)

    def _read(self) -> bytes:
        name = f"descriptor {self._where}" if isinstance(self._where, int) else self._where
        try:
            with open(self._where, "rb", closefd=not isinstance(self._where, int)) as stream:
                if isinstance(self._where, Path):
                    _warn_if_shared(os.fstat(stream.fileno()), self._where)
                data = stream.read(_LONGEST + 3)
        except OSError as err:
            why = (err.strerror or str(err)).lower()
            raise KeyAccessError("read the passphrase", name, why) from err
        return _check(_without_newline(data), name)


class _Asked:
    """Asked on the terminal itself, so that stdin and stdout may be pipes."""

    def __init__(self) -> None:
        self._secret: bytes | None = None
        self._tries: dict[str, int] = {}

    def __call__(self, label: str, new: bool) -> bytes:
        if new:
            first = _ask(f"new passphrase for {label}: ")
            if _ask("once more: ") != first:
                raise UsageError("read the passphrase", label, "the two were not the same")
            self._secret = first
        elif self._secret is None:
            self._tries[label] = 1
            self._secret = _ask(f"passphrase for {label}: ")
        return self._secret

    def another(self, label: str) -> bytes | None:
        tried = self._tries.get(label, 0)
        if tried >= _TRIES:
            return None
        self._tries[label] = tried + 1
        if tried:
            console.warning(f"wrong passphrase for {label}")
        self._secret = _ask(f"passphrase for {label}: ")
        return self._secret

    def pin(self, label: str) -> bytes:
        # Never what was typed for another key: each wrong PIN counts.
        return _own_pin(label) or _ask(f"PIN of the token that {label} is in: ")


def _own_pin(label: str) -> bytes | None:
    """The PIN in a file of its own, where the passphrase of other keys is another."""
    named = os.environ.get(_PIN_ENVIRONMENT)
    return _Given(Path(named))(label, False) if named else None


def _ask(prompt: str) -> bytes:
    import getpass

    # Looked at first: without a terminal getpass would turn to stdin, and echo.
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError as err:
        if os.name == "posix":
            raise UsageError(
                "read the passphrase", None, "there is no terminal to ask on", hint=_HINT
            ) from err
    try:
        typed = getpass.getpass(console.safe(prompt))
    except EOFError as err:
        raise KeyAccessError("read the passphrase", None, "nothing was typed") from err
    return _check(typed.encode("utf-8", "surrogateescape"), "terminal")


def _without_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data


def _check(secret: bytes, name: object) -> bytes:
    if not secret:
        raise InputError("read the passphrase", name, "it is empty", hint="--no-passphrase")
    if b"\n" in secret:
        raise InputError("read the passphrase", name, "more than one line")
    if len(secret) > _LONGEST:
        raise InputError("read the passphrase", name, f"longer than {_LONGEST} bytes")
    return secret


def _warn_if_shared(found: os.stat_result, path: Path) -> None:
    if os.name == "posix" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        console.warning(f"others can read the passphrase file {path} (mode {mode:04o})")
