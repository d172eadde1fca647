"""When the entries of a ledger existed at the latest, by stamps over its checkpoints.

A stamp over a checkpoint covers every entry below its size, if the ledger leads to the root in
it.  So one stamp from time to time dates all that came before, also older stamps, whose tokens are
entered: as long as it was made before the certificate of an older one ended, that one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody.counted import counted
from custody.errors import CustodyError, FormatError, NotFoundError, StorageError
from custody.findings import Finding
from custody.identity.trust import Anchor
from custody.ledger.reader import LedgerReader
from custody.stamping import opinion, places
from custody.stamping.opinion import Opinion
from custody.stamping.places import LedgerToken
from custody.stamping.token import Token


@dataclass(frozen=True, slots=True)
class LedgerStamp:
    """A stamp that is believed, over a tree of *size* entries that this ledger had."""

    name: str
    size: int
    token: Token
    opinion: Opinion


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the stamps over a ledger's checkpoints came to.

    :ivar stamps: those that are believed.
    :ivar findings: what is wrong.
    :ivar not_checked: what nobody here can judge, or the system does not let us read.
    """

    stamps: tuple[LedgerStamp, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[Finding, ...] = ()

    def first_above(self, index: int) -> LedgerStamp | None:
        """The stamp that dates entry *index* best."""
        above = (stamp for stamp in self.stamps if stamp.size > index)
        return min(above, key=lambda stamp: stamp.token.latest, default=None)

    def latest(self, index: int) -> datetime | None:
        """By when entry *index* existed, if a stamp says it."""
        stamp = self.first_above(index)
        return None if stamp is None else stamp.token.latest

    def lasting(self, entered: Mapping[str, int], now: datetime) -> tuple[LedgerStamp, ...]:
        """The stamps that still hold: their certificate has not ended, or another covers them.

        :param entered: the numbers of the entries that name tokens, by the tokens' digests.
        """
        found: list[LedgerStamp] = []
        # From the largest tree down: a token is entered above the tree that it stamped, so what
        # covers it stamped a larger one.
        for stamp in sorted(self.stamps, key=lambda stamp: stamp.size, reverse=True):
            end, place = stamp.opinion.ends, entered.get(stamp.token.sha256, -1)
            if end is None or end >= now or (place >= stamp.size and covers(found, place, end)):
                found.append(stamp)
        return tuple(found)


def covers(stamps: Iterable[LedgerStamp], index: int, ends: datetime) -> bool:
    """Whether one of *stamps*, which hold, was made over entry *index* before *ends*."""
    return any(stamp.size > index and stamp.token.latest < ends for stamp in stamps)


def read(case: Path, ledger: LedgerReader, anchors: Sequence[Anchor]) -> Bounds:
    """Judge every stamp over a checkpoint that lies in the case."""
    stamps: list[LedgerStamp] = []
    findings: list[Finding] = []
    left: list[Finding] = []
    for name, found in places.of_ledger(case):
        if isinstance(found, StorageError):
            left.append(Finding(name, "a time stamp", found.why, "it cannot be read"))
        elif isinstance(found, CustodyError):
            why = "it is missing" if isinstance(found, NotFoundError) else "it is no time stamp"
            findings.append(Finding(name, "a time stamp", found.why or str(found), why))
        else:
            _judge(found, ledger, anchors, stamps, findings, left)
    return Bounds(tuple(stamps), tuple(findings), tuple(left))


def _judge(
    found: LedgerToken,
    ledger: LedgerReader,
    anchors: Iterable[Anchor],
    stamps: list[LedgerStamp],
    findings: list[Finding],
    left: list[Finding],
) -> None:
    if not found.token.is_over(found.text.encode()):
        why = "the time stamp is over other bytes than the checkpoint beside it"
        expected = "a stamp over the checkpoint's text"
        findings.append(Finding(found.name, expected, found.token.imprint.hex(), why))
        return
    judged = opinion.judge(found.token, anchors)
    if judged.standing == "bad":
        why = "the time stamp is not as its authority would have made it"
        findings.append(Finding(found.name, "a good token", judged.why, why))
        return
    wrong = _contradiction(found, ledger)
    if isinstance(wrong, str):
        left.append(Finding(found.name, "the ledger", wrong, "the ledger cannot be read"))
    elif wrong is not None:
        findings.append(wrong)
    elif judged.standing == "unknown":
        who = judged.authority or "an authority"
        left.append(Finding(found.name, "a pinned authority", who, judged.why))
    else:
        stamps.append(LedgerStamp(found.name, found.tree.size, found.token, judged))


def _contradiction(found: LedgerToken, ledger: LedgerReader) -> Finding | str | None:
    """How the ledger differs from the checkpoint that was stamped; in words, why nobody knows."""
    tree = found.tree
    try:
        now = ledger.checkpoint().checkpoint
        if now.origin != tree.origin:
            why = "the checkpoint that was stamped is of another ledger"
            return Finding(found.name, now.origin, tree.origin, why)
        if now.size < tree.size:
            why = "the ledger is behind a checkpoint that was stamped: it was rolled back"
            return Finding(
                found.name,
                f"at least {counted(tree.size, 'entry')}",
                f"{counted(now.size, 'entry')}",
                why,
            )
        root = ledger.root_at(tree.size)
    except (FormatError, NotFoundError, StorageError) as err:
        return err.why or str(err)
    if root != tree.root:
        why = "the ledger contradicts a checkpoint that was stamped: its past was changed"
        return Finding(found.name, tree.root.hex(), root.hex(), why)
    return None
