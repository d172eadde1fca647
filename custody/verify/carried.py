"""Time stamps one by one: what is made of each, and those that receipts carry (check 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from custody.errors import FormatError
from custody.identity.trust import Trust
from custody.ledger import checkpoint as checkpoints
from custody.ledger import proof
from custody.stamping import opinion
from custody.stamping import token as tokens
from custody.stamping.opinion import Opinion
from custody.stamping.token import Token
from custody.verify.clocks import Reading
from custody.verify.docket import Docket
from custody.verify.seal import TIME_STAMP

_BAD = "the time stamp is not as its authority would have made it"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that is believed, *of* a signature or of the checkpoint of a receipt."""

    path: str
    token: Token
    opinion: Opinion
    of: Literal["signature", "checkpoint"] = "signature"

    @property
    def reading(self) -> Reading:
        """What the authority's clock showed."""
        return Reading(self.opinion.authority, self.token.moment, self.of, self.token.accuracy)


def judged(path: str, token: Token, trust: Trust, docket: Docket) -> Opinion:
    """What the verifier makes of a token over the right bytes; a bad one is a finding of (10)."""
    found = opinion.judge(token, trust.anchors)
    if found.standing == "bad":
        docket.found(TIME_STAMP, path, f"a good token by {found.authority}", found.why, _BAD)
    elif found.standing == "unknown":
        claimed = found.authority or "an authority"
        docket.remark(path, f"a time stamp that claims to be by {claimed}: {found.why}")
    return found


def in_receipt(path: str, receipt: bytes, trust: Trust, docket: Docket) -> Stamp | None:
    """Check 10, of the token that a receipt may carry: over the text of its own checkpoint."""
    try:
        carried = proof.load(receipt)
        signed, _ = checkpoints.load_signed(carried.checkpoint)
    except FormatError:  # (11) says so
        return None
    if not carried.extra:
        return None
    try:
        token = tokens.read(carried.extra)
    except FormatError as err:
        why = "what the receipt carries is no time stamp"
        docket.found(TIME_STAMP, path, "a time stamp", err.why or str(err), why)
        return None
    if not token.is_over(signed.text.encode()):
        why = "the time stamp in the receipt is over other bytes than its checkpoint"
        docket.found(TIME_STAMP, path, "a stamp over the checkpoint", token.imprint.hex(), why)
        return None
    found = judged(path, token, trust, docket)
    return Stamp(path, token, found, "checkpoint") if found.standing == "good" else None
