"""A bundle that came a second time and was written to ``incoming/`` before that was known.

A stream must be written down before it says which bundle it is, and of two intakes at once one
comes second.  Such a second copy is the one thing that an intake takes away again, and only where
nothing is lost: after its coming is entered, and after the bundle in the case was read once more,
found whole, and found to have every file of the copy.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.errors import CustodyError
from custody.identity.trust import Trust
from custody.transfer import planning, release
from custody.verify import verify_bundle

_BLOCK = 1 << 20


def settle(held: Path, copy: Path, trust: Trust, now: datetime) -> str:
    """Take the second copy away if the bundle in the case has all of it; says what became of it.

    :param held: the bundle in the case.
    :param copy: the same bundle in ``incoming/``, verified.
    """
    why = _keep(held, copy, trust, now)
    if why:
        return f"its second copy is left in incoming/{copy.name}: {why}"
    durable.remove_unfinished(copy)
    return (
        "its second copy was taken out of incoming/ again: the bundle in the case was read, is"
        " whole, and has every file of it"
    )


def _keep(held: Path, copy: Path, trust: Trust, now: datetime) -> str:
    """Why the second copy has something that the bundle in the case has not; empty if nothing."""
    try:
        found = verify_bundle(held, trust, now=now)
        if found.verdict == "failed":
            return f"the one in the case is not as it was sealed; custody verify {held}"
        if release.pinned(held) != release.pinned(copy):
            return "it is another one"
        # Everything else is what the tag manifest, which is the same, has the digest of.
        for name in planning.names(copy, attachments=True, strange=planning.refusal(copy)):
            beside = name.startswith((f"{layout.SEAL}/", f"{layout.ATTACHMENTS}/"))
            if beside and _digest(held, name) != _digest(copy, name):
                return f"the one in the case has no such {name}"
    except CustodyError as err:
        return str(err)
    return ""


def _digest(bundle: Path, name: str) -> bytes:
    whole = hashlib.sha256()
    with reading.open_beneath(bundle, name) as fd, open(fd, "rb", closefd=False) as stream:
        while piece := stream.read(_BLOCK):
            whole.update(piece)
    return whole.digest()
