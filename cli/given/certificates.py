"""The certificates that a desk gave this host's keys: laid into what they sign."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli.terminal import console
from custody.errors import UsageError

from . import options

if TYPE_CHECKING:
    from custody.identity.signing import Signer


def lay(bundle: Path, bundle_id: str, signer: Signer, sealed_at: datetime | None) -> int:
    """Put every certificate for the key into the bundle that it has just signed.

    :returns: how many there were.
    :raises StorageError: if one could not be written.
    """
    from custody.certifying import held

    count = 0
    try:
        folder = options.home() / held.FOLDER
    except UsageError:  # without a home there are none
        return count
    for path, data, event in held.held(folder, signer.key.fingerprint()):
        why = "" if sealed_at is None else held.usable(event, bundle_id, sealed_at)
        if why:
            console.warning(f"the certificate {path} is not put into the bundle: {why}")
            continue
        held.lay(bundle, data)
        count += 1
    return count
