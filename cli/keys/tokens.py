"""``custody key new --pkcs11``: a key that is in a token, or is made there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.terminal import console
from custody.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from custody.identity.key_record import StoredKey
    from custody.identity.keys import KeyFolder
    from custody.identity.passphrases import Passphrase

_KINDS = ("p256", "ed25519")

ModuleOption = Annotated[
    Path | None,
    typer.Option(
        "--pkcs11", metavar="MODULE", help="The key is in a token; its PKCS#11 library.",
        show_default=False,
    ),
]  # fmt: skip
TokenOption = Annotated[
    str, typer.Option("--token", metavar="LABEL", help="Which token.", show_default=False)
]
LabelOption = Annotated[
    str,
    typer.Option(
        "--label", metavar="LABEL", help="Which key in it; made there if there is none.",
        show_default=False,
    ),
]  # fmt: skip
AlgorithmOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of a key that is made: p256 or ed25519. [default: p256]",
        show_default=False,
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the command line says of the token; nothing, if the key is to be in a file."""

    module: Path | None
    token: str
    label: str
    algorithm: str | None

    @property
    def is_token(self) -> bool:
        """Whether the key is in a token; refuses halves of the options.

        :raises UsageError: if some options are given and others missing.
        """
        others = {"--token": self.token, "--label": self.label, "--algorithm": self.algorithm}
        if self.module is None:
            given = [name for name, value in others.items() if value]
            if given:
                raise UsageError("read the command line", given[0], "it goes with --pkcs11 MODULE")
            return False
        for name in ("--token", "--label"):
            if not others[name]:
                raise UsageError("read the command line", "--pkcs11", f"{name} is missing")
        if self.algorithm not in (None, *_KINDS):
            why = f"{self.algorithm} is none of {', '.join(_KINDS)}"
            raise UsageError("read the command line", "--algorithm", why)
        return True


def new(
    folder: KeyFolder,
    name: str,
    chosen: Chosen,
    secret: Passphrase,
    words: dict[str, str],
    now: datetime,
) -> StoredKey:
    """Register the key at *chosen*, made there if there is none, and say which of the two."""
    from custody.errors import FormatError
    from custody.formats import vkey
    from custody.identity import token
    from custody.identity.key_record import StoredKey

    place = token.Place(os.path.abspath(chosen.module or ""), chosen.token, chosen.label)
    kind = vkey.ED25519 if chosen.algorithm == "ed25519" else vkey.ECDSA
    try:
        found = token.find_or_make(place, vkey.check_name(name), partial(secret.pin, name), kind)
    except FormatError as err:
        raise UsageError(err.what, err.thing, err.why) from err
    if chosen.algorithm is not None and found.key.kind != kind:
        why = f"there is one already, and it is not {chosen.algorithm}; nothing was written"
        raise UsageError("use", found.place, why, hint="leave --algorithm out, or another --label")
    fingerprint = found.key.fingerprint()
    known = next((item for item in folder.list() if item.key.fingerprint() == fingerprint), None)
    if known is not None:
        why = f"it is your key {known.name} already; nothing was written"
        raise UsageError("make key", name, why)
    whose = (words["person"], words["title"], words["organization"])
    stored = StoredKey(name, found.key, now, "signer", True, *whose, place=found.place)
    folder.register(stored)
    console.remark(f"{'made' if found.is_new else 'found'} the {found.place}")
    return stored
