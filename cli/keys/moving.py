"""``custody key export``, ``import`` and ``change-passphrase``: keys out, in, and locked anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.given import options
from custody.cli.terminal import console
from custody.errors import FormatError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.identity.key_record import StoredKey
    from custody.identity.keys import KeyFolder
    from custody.identity.passphrases import Passphrase
    from custody.identity.signing import Signer

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="One of your keys.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What key export wrote.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="The file to write; it must not exist.",
        show_default=False,
    ),
]  # fmt: skip
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="What to call it here.", show_default=False),
]
NewFileOption = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file", metavar="FILE", help="Read the new passphrase from this file.",
        show_default=False,
    ),
]  # fmt: skip
NewFdOption = Annotated[
    int | None,
    typer.Option(
        "--new-passphrase-fd", metavar="N", help="Read the new passphrase from this descriptor.",
        show_default=False,
    ),
]  # fmt: skip
NoPassphraseOption = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave the key unencrypted. Think twice.")
]


def export(
    name: NameArgument,
    output: OutputOption = None,
    new_file: NewFileOption = None,
    new_fd: NewFdOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Write a key to an encrypted file.

    It is for safe keeping, or for another machine.  The file can have a passphrase of its own:
    it is asked for, or read from --new-passphrase-file.  Where the present one comes from a
    file, it stays if no new one is named.  custody key import takes the file in, and openssl
    pkey reads it.
    """
    from custody import durable
    from custody.cli.given import passphrase
    from custody.identity import moving

    if output is None:
        hint = f"custody key export {name} -o {name}.custody-key.pem"
        raise UsageError("export key", name, "no file is named", hint=hint)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    _, stored, signer = _unlocked(name, secret)
    new = passphrase.new_source(new_file, new_fd, secret, same=stored.encrypted)
    data = moving.dump(stored, signer, new(f"the export of {name}", True))
    durable.create(output, data)
    _say("key-exported", stored, output)
    console.remark("keep it where this machine's loss or theft does not reach it")


def import_(
    file: FileArgument,
    name: NameOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Take in a key that was exported.

    It stays under its passphrase, and is trusted here as your own, as after custody key new.
    """
    from custody import reading
    from custody.cli.given import passphrase
    from custody.identity import moving, trust, trusting
    from custody.identity.keys import KeyFolder

    try:
        data = reading.read_regular(file, moving.LARGEST_EXPORT)
    except (NotFoundError, FormatError) as err:
        raise InputError("import key", file, err.why) from err
    home = options.home()
    folder = KeyFolder(home / "keys")
    secret = passphrase.source(passphrase_file, passphrase_fd)
    made = moving.load(folder, data, file, secret, name)
    for text in made.remarks:
        console.remark(text)
    stored = made.stored
    if stored.use == "signer" and not _is_listed(trust.load(home / "trust"), stored):
        trusting.add_signer(home / "trust", trusting.own_signer(stored))
    elif stored.use == "log":
        trusting.add_log(home / "trust", stored.key)
    _say("key-imported", stored, folder.path(stored.name))


def _is_listed(known: Any, stored: StoredKey) -> bool:
    return known.signer_for(stored.key.fingerprint()) is not None


def change_passphrase(
    name: NameArgument,
    new_file: NewFileOption = None,
    new_fd: NewFdOption = None,
    no_passphrase: NoPassphraseOption = False,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Put a key under another passphrase.

    Whoever copied the old file can still open that with the old passphrase: if somebody may
    have, make a new key and revoke this one.
    """
    from custody.cli.given import passphrase
    from custody.identity import moving

    if no_passphrase and not (new_file is None and new_fd is None):
        why = "a new passphrase is given too; choose one of them"
        raise UsageError("read the command line", "--no-passphrase", why)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    folder, stored, signer = _unlocked(name, secret)
    new = None
    if not no_passphrase:
        new = passphrase.new_source(new_file, new_fd, secret, same=False)(name, True)
    after = moving.change_passphrase(folder, stored, signer, new)
    if no_passphrase:
        path = folder.path(name)
        console.warning(f"the key is not encrypted: whoever can read {path} can sign as {name}")
    _say("key-changed", after, folder.path(name))


def _unlocked(name: str, secret: Passphrase) -> tuple[KeyFolder, StoredKey, Signer]:
    """The key, also one that has ended: it may be kept, and signs nothing here."""
    from custody.identity.keys import KeyFolder

    folder = KeyFolder(options.home() / "keys")
    stored = folder.get(name)
    if stored.place is not None:  # before its PIN is asked for
        why = f"it is the {stored.place}: its secret never leaves that, and its PIN is the token's"
        raise UsageError("move key", name, why, hint="the token's own program changes its PIN")
    unlocked = folder.unlock(name, secret)
    for text in unlocked.remarks:
        console.remark(text)
    return folder, stored, unlocked.signer


def _say(schema: str, stored: StoredKey, path: Path) -> None:
    if console.mode().json:
        console.result_json(schema, {**stored.as_json(), "path": str(path)})
        return
    console.result("name          ", stored.name)
    console.result("fingerprint   ", stored.key.fingerprint())
    console.result("file          ", path)
