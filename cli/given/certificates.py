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

    found = usable(bundle_id, signer, sealed_at)
    for data in found:
        held.lay(bundle, data)
    return len(found)


def usable(bundle_id: str, signer: Signer, sealed_at: datetime | None) -> list[bytes]:
    """Every certificate that says something for a bundle; the others are warned of."""
    from custody.certifying import held

    found: list[bytes] = []
    try:
        folder = options.home() / held.FOLDER
    except UsageError:  # without a home there are none
        return found
    for path, data, event in held.held(folder, signer.key.fingerprint()):
        why = "" if sealed_at is None else held.usable(event, bundle_id, sealed_at)
        if why:
            console.warning(f"the certificate {path} is not put into the bundle: {why}")
            continue
        found.append(data)
    return found
