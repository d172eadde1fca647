"""The countersignature itself: made now with a key of ours, or read from a file and believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli.given import options
from custody.errors import NotFoundError, TrustError, UsageError

if TYPE_CHECKING:
    from custody.countersigning import Countersignature
    from custody.formats.vkey import VerifierKey
    from custody.identity.signing import Signer
    from custody.identity.trust import Trust
    from custody.verify import Verification


def by(signer: Signer, bundle: Path, found: Verification) -> tuple[Countersignature, bool]:
    """A countersignature by *signer*, and whether the bundle lacks it.

    :raises UsageError: if it is this key that sealed the bundle.
    """
    from custody import countersigning

    _refuse_sealer(bundle, found, signer.key)
    old = countersigning.there(bundle, signer.key)
    if old is not None:
        return old, False
    return countersigning.sign(bundle, found.statement_sha256, signer), True


def read(
    path: Path, believed: Trust, bundle: Path, found: Verification
) -> tuple[Countersignature, bool]:
    """A countersignature that was made elsewhere, and whether the bundle lacks it.

    :raises InputError: if the file holds none of this bundle.
    :raises TrustError: if nobody here trusts its key, or it does not count now.
    :raises UsageError: if it is by the key that sealed the bundle.
    """
    from custody import countersigning, reading
    from custody.errors import FormatError, InputError
    from custody.formats import dsse

    try:
        data = reading.read_regular(path, dsse.LARGEST_ENVELOPE)
        key = _known(believed, countersigning.signed_by(data, path), path)
        new = countersigning.read(data, path, bundle, found.statement_sha256, key)
    except (NotFoundError, FormatError) as err:
        raise InputError("read countersignature", path, err.why) from err
    _refuse_sealer(bundle, found, key)
    old = countersigning.there(bundle, key)
    return (new, True) if old is None else (old, False)


def _refuse_sealer(bundle: Path, found: Verification, key: VerifierKey) -> None:
    if not found.claimed_key:
        return
    if options.verifier_key(found.claimed_key).fingerprint() == key.fingerprint():
        why = "the key that sealed it is no second signature; nothing was signed"
        raise UsageError("countersign", bundle, why, hint="another person signs, with --key NAME")


def _known(believed: Trust, fingerprint: str, path: Path) -> VerifierKey:
    """The key of a countersignature, which must be trusted as a whole, and now."""
    from custody import clock

    signer = believed.signer_for(fingerprint)
    if signer is None or signer.key is None:
        known = "only by the fingerprint" if signer else "by nobody"
        why = f"the key {fingerprint} is trusted here {known}; nothing was added"
        hint = "compare the key with its holder, then: custody trust add signer VKEY --role ROLE"
        raise TrustError("countersign", path, why, hint=hint)
    why = signer.why_not_valid_at(clock.now())
    if why:
        raise TrustError("countersign", path, f"{signer.name}: {why}; nothing was added")
    return signer.key
