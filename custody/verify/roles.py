"""Whether a bundle is complete: signed by everybody whom the verifier asks for (check 8).

``require_roles`` stands in the verifier's own trust folder.  Each role needs a key of its own.  A
desk stands in for a collector, because it could have vouched for one.  A signature that is not
there leaves the check open: nothing in a bundle can take the requirement away.  Who is named for
one verification alone (``--signer``) is believed, and has no role: that says who they are, and not
what; a role is in the folder, where it was thought about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from custody.identity.signers import TrustedSigner, key_name
from custody.identity.trust import Trust
from custody.verify.docket import Docket
from custody.verify.lines import Others

_STANDS_IN = {"collector": "desk"}


def check(
    number: int, signer: TrustedSigner | None, others: Others, trust: Trust, docket: Docket
) -> tuple[str, ...]:
    """A part of check 8, given by its *number*.

    :returns: the roles that are missing.
    """
    if not trust.require_roles:
        return ()
    signed = [*([] if signer is None else [signer]), *others.good]
    lacking = missing(trust.require_roles, signed)
    if not lacking:
        return ()
    asked = ", ".join(trust.require_roles)
    why = f"the trust folder requires {asked}, and this lacks: {', '.join(lacking)}"
    waiting = [item.name for item in others.open if item.role in lacking]
    if waiting:
        why += f" ({', '.join(waiting)} signed, by a key with an end and without a trusted time)"
    nameless = ", ".join(key_name(item) or item.fingerprint for item in without(signer, others))
    if nameless:
        why += f" ({nameless} signed, named for this once, which gives no role)"
    docket.left(number, why)
    return lacking


def without(signer: TrustedSigner | None, others: Others) -> tuple[TrustedSigner, ...]:
    """Those who signed and have no role here."""
    signed = [*([] if signer is None else [signer]), *others.good]
    return tuple(item for item in signed if not item.role)


def missing(required: Iterable[str], signed: Iterable[TrustedSigner]) -> tuple[str, ...]:
    """The roles for which nobody signed; each key counts once."""
    there = Counter({item.fingerprint: item.role for item in signed}.values())
    lacking = []
    for role in required:
        if there[role] > 0:
            there[role] -= 1
        else:
            lacking.append(role)
    left = []
    for role in lacking:
        other = _STANDS_IN.get(role, "")
        if there[other] > 0:
            there[other] -= 1
        else:
            left.append(role)
    return tuple(left)
