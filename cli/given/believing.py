"""Whom a command believes: the trust folder, and for this once whom the command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from custody.errors import UsageError

from . import options

if TYPE_CHECKING:
    from custody.identity.trust import Trust


def believed(
    folder: Path | None, signers: Sequence[str] | None = None, logs: Sequence[str] | None = None
) -> Trust:
    """The trust folder, with what is believed this once.

    :param folder: what ``--trust`` says.
    :param signers: verifier keys or fingerprints, from ``--signer``.
    :param logs: verifier keys of ledgers, from ``--log``.
    :raises UsageError: for a key that is none, or not a ledger's.
    :raises InputError: if the folder does not parse.
    """
    from custody.formats.vkey import ED25519
    from custody.identity import trust

    found = trust.load(options.trust_directory(folder))
    for text in signers or ():
        found = found.with_signer(text)
    for text in logs or ():
        key = options.verifier_key(text)
        if key.kind != ED25519:
            why = "a ledger's key is Ed25519, type 0x01"
            raise UsageError("read the command line", "--log", why)
        found = found.with_log(key)
    return found


def fingerprints(signers: Sequence[str] | None) -> list[str]:
    """The keys that ``--signer`` names: one of them must have signed."""
    from custody.identity.trust import Trust

    return [Trust().with_signer(text).signers[0].fingerprint for text in signers or ()]
