"""Stamps over the checkpoints of a case's ledger: check (8), and the time of what is entered."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from custody.bundle import layout, tree
from custody.counted import counted
from custody.errors import CustodyError
from custody.identity.trust import Trust
from custody.ledger.judge import judge_witnessed
from custody.ledger.reader import LedgerReader
from custody.stamping import bounds as bounding
from custody.stamping import places
from custody.stamping.bounds import Bounds, LedgerStamp
from custody.verify import clocks as reading
from custody.verify.case.bundles import Bundles
from custody.verify.case.checks import STAMPS
from custody.verify.clocks import Clocks, Reading
from custody.verify.docket import Docket
from custody.verify.entries import Entries
from custody.verify.stamps import UNCOVERED, ended


class LedgerTime:
    """What stamps and witnesses say of the time of a ledger's entries.

    :param path: the case; None for a ledger that lies alone, which only witnesses date.
    :ivar bounds: the stamps over its checkpoints.
    """

    def __init__(
        self, path: Path | None, ledger: LedgerReader, trust: Trust, now: datetime
    ) -> None:
        self._now = now
        self._entries: Entries | None = None
        self._entered: dict[str, int] = {}
        self._statements: dict[str, int] = {}
        self._lasting: tuple[LedgerStamp, ...] = ()
        self.bounds = Bounds() if path is None else bounding.read(path, ledger, trust.anchors)
        self._size, self._witnessed = _witnessed(ledger, trust)

    def latest(self, index: int) -> datetime | None:
        """By when an entry existed, as far as anybody but its signer says it."""
        first = self._clocks(index).first
        return None if first is None else first.latest

    def told(self, entries: Entries) -> None:
        """The entries, once they have been read: which tokens and statements they name."""
        self._entries = entries
        self._entered = {digest: index for digest, (index, _) in entries.tokens.items()}
        # An intake's entry has the statement's digest, so the statement is older than that, too.
        for digests in (*entries.sealed.values(), *entries.handovers.taken_in.values()):
            for digest, index in digests.items():
                self._statements[digest] = min(index, self._statements.get(digest, index))
        self._lasting = self.bounds.lasting(self._entered, self._now)

    def clocks(self, statement: str) -> Clocks:
        """See :class:`custody.verify.stamps.Ledgered`."""
        index = self._statements.get(statement)
        return Clocks() if index is None else self._clocks(index)

    def _clocks(self, index: int) -> Clocks:
        stamp = self.bounds.first_above(index)
        authority: tuple[Reading, ...] = ()
        if stamp is not None:
            token = stamp.token
            name = stamp.opinion.authority
            authority = (Reading(name, token.moment, "checkpoint", token.accuracy),)
        seen = self._witnessed if index < self._size else Clocks()
        return Clocks(None, authority, seen.witness, seen.seen)

    def covers(self, token: str, ends: datetime) -> bool:
        """See :class:`custody.verify.stamps.Ledgered`."""
        index = self._entered.get(token)
        return index is not None and bounding.covers(self._lasting, index, ends)

    def dated(self) -> frozenset[int]:
        """The last entry under each stamp: its time is what the stamp's is held against."""
        return frozenset(size - 1 for size in (self._size, *(s.size for s in self.bounds.stamps)))

    def case_clocks(self) -> Clocks:
        """The clocks of the case as a whole: of its last entry, and of every stamp."""
        times = {} if self._entries is None else self._entries.times
        host = None if self._entries is None else self._entries.last_time
        stamps = tuple(
            Reading(each.opinion.authority, each.token.moment, "checkpoint", each.token.accuracy,
                    times.get(each.size - 1))
            for each in self.bounds.stamps
        )  # fmt: skip
        return Clocks(host, stamps, self._witnessed.witness)


def _witnessed(ledger: LedgerReader, trust: Trust) -> tuple[int, Clocks]:
    """How many entries witnesses have seen, and when, as far as the policy believes them."""
    try:
        published = ledger.checkpoint()
    except CustodyError:  # that check (3) says
        return 0, Clocks()
    judgement = judge_witnessed(published.note, published.checkpoint, trust.policy)
    if judgement.verdict != "ok":
        return 0, Clocks()
    return published.size, reading.witnessed(judgement.cosigned, trust.policy)


def check(path: Path, time: LedgerTime, entries: Entries, bundles: Bundles, docket: Docket,
          now: datetime) -> None:  # fmt: skip
    """(8) Each stamp over a checkpoint is good, and no token that was entered is gone."""
    docket.optional(STAMPS)
    for finding in time.bounds.findings:
        docket.add(STAMPS, finding)
    for left in time.bounds.not_checked:
        docket.left(STAMPS, f"{left.path}: {left.message}")
        docket.remark(left.path, f"{left.message}: {left.found}")
    for stamp in time.bounds.stamps:
        ends = stamp.opinion.ends
        if ends is not None and ends < now and not time.covers(stamp.token.sha256, ends):
            docket.remark(stamp.name, f"{ended(stamp.opinion)}; {UNCOVERED}")
    for item in (*time.case_clocks().authority, *time.case_clocks().witness):
        if ahead := item.ahead(None):
            said = f"the last entry under a stamp by {item.name} has a time after it: its signer's"
            docket.remark("ledger", f"{said} clock ran ahead by {reading.spelled(ahead)}")
    for name in _strange(path):
        docket.remark(f"{places.LEDGER}/{name}", "no time stamp of the ledger; it is not looked at")
    _gone(path, entries, bundles, docket)
    count = len(time.bounds.stamps)
    last = max((stamp.size for stamp in time.bounds.stamps), default=0)
    shown = (
        f"{counted(count, 'stamp')} over checkpoints, the last over {counted(last, 'entry')}"
        if count
        else "none"
    )
    docket.shown(STAMPS, shown)


def _strange(path: Path) -> list[str]:
    """What else lies among the stamps."""
    try:
        listing = tree.look(path, places.LEDGER)
    except CustodyError:
        return []
    known = places.TOKEN, places.CHECKPOINT
    named = [name for name in (*listing.files, *listing.others) if not name.endswith(known)]
    return [*named, *listing.directories][:100]


def _gone(path: Path, entries: Entries, bundles: Bundles, docket: Docket) -> None:
    if bundles.is_forbidden:
        docket.left(STAMPS, "what may not be read may hold time stamps")
        return
    for token, (index, about) in entries.tokens.items():
        if isinstance(about, int):
            where = f"{places.LEDGER}/{about}-{token}{places.TOKEN}"
        elif about in bundles.verified:
            where = f"bundles/{about}/{layout.TIMESTAMPS}/{token}{places.TOKEN}"
        else:
            continue
        if not os.path.lexists(path / where):
            why = f"the time stamp of ledger entry {index} is gone"
            docket.found(STAMPS, where, "a time stamp", "nothing", why)
