"""By when entries existed, as somebody else than their signers says: stamps, and witnesses."""

from __future__ import annotations

from datetime import datetime

from custody.case import Case
from custody.errors import CustodyError
from custody.identity.trust import Trust
from custody.ledger.judge import judge_witnessed
from custody.ledger.reader import LedgerReader
from custody.stamping import bounds as bounding
from custody.stamping.bounds import Bounds
from custody.verify import clocks
from custody.verify.clocks import Reading


class Dating:
    """The trusted times of a ledger's entries.

    :param case: where stamps over its checkpoints lie; None for a ledger alone, which only its
        witnesses date.
    :ivar bounds: the stamps, and what is wrong with some.
    """

    def __init__(self, case: Case | None, ledger: LedgerReader, trust: Trust) -> None:
        self.bounds = Bounds()
        if case is not None:
            self.bounds = bounding.read(case.directory, ledger, trust.anchors)
        self._size, self._seen = _witnessed(ledger, trust)

    def of(self, index: int) -> Reading | None:
        """What says it best for one entry; its time is the latest at which the entry was made."""
        readings = list(self._seen) if index < self._size else []
        stamp = self.bounds.first_above(index)
        if stamp is not None:
            token, name = stamp.token, stamp.opinion.authority
            readings.append(Reading(name, token.moment, "checkpoint", token.accuracy))
        return min(readings, key=lambda item: item.latest, default=None)

    def latest(self, index: int) -> datetime | None:
        """By when one entry existed, if anybody but its signer says it."""
        reading = self.of(index)
        return None if reading is None else reading.latest


def _witnessed(ledger: LedgerReader, trust: Trust) -> tuple[int, tuple[Reading, ...]]:
    """How many entries witnesses have seen, and when, as far as the policy believes them."""
    try:
        published = ledger.checkpoint()
    except CustodyError:  # the ledger's own check says it
        return 0, ()
    judgement = judge_witnessed(published.note, published.checkpoint, trust.policy)
    if judgement.verdict != "ok":
        return 0, ()
    return published.size, clocks.witnessed(judgement.cosigned, trust.policy).seen
