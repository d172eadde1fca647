"""What the entries of a ledger say was taken in, given away, answered and kept apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from custody import intaken
from custody.formats.statement import Event
from custody.handover import ORIGINAL, RECEIVED, REFUSED, RELEASED, subject

HAND_OVERS = (RELEASED, RECEIVED, REFUSED)
_MOST = 100_000  # of each kind: a ledger is read in bounded memory


@dataclass(slots=True)
class HandOvers:
    """Gathered entry by entry.

    :ivar taken_in: for each bundle, the digests of the statements it was taken in with, and where.
    :ivar brought: the attachments that came with bundles, by digest: where, and with which.
    :ivar away: the bundles whose original was released and has not come back, and by which entry.
    :ivar released: the releases, by the digest of their envelope, and where.
    :ivar named: the releases of others that bundles were taken in with.
    :ivar receipts: for each release, the digest of the receipt that was entered, and where.
    :ivar papers: for each release, the digest of the scan that was entered, and where.
    :ivar kept: what was kept apart, by its path in the case, and by which entry.
    """

    taken_in: dict[str, dict[str, int]] = field(default_factory=dict)
    brought: dict[str, tuple[int, str]] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    receipts: dict[str, tuple[str, int]] = field(default_factory=dict)
    papers: dict[str, tuple[str, int]] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def begin_again(self) -> None:
        """Forget all of it."""
        for each in (self.taken_in, self.brought, self.away, self.released, self.named,
                     self.receipts, self.papers, self.kept):  # fmt: skip
            each.clear()

    def note(self, index: int, digest: str, event: Event) -> None:
        """Take in one entry.

        :param digest: the SHA-256 (hex) of its bytes.
        """
        item, details = event.words.get("item", ""), event.details
        if event.kind == RELEASED and len(self.released) < _MOST:
            self.released[digest] = index
            if details.get(ORIGINAL) is True:
                self.away[item] = index
        elif event.kind in (RECEIVED, REFUSED) and "received_by" in details:
            self._answer(index, event)
        elif event.kind in (RECEIVED, REFUSED) and "from" in details:
            self._intake(index, item, event)

    def _answer(self, index: int, event: Event) -> None:
        details, item = event.details, event.words.get("item", "")
        release = str(details.get("release", ""))
        if event.kind == REFUSED and self.released.get(release) == self.away.get(item, -1):
            self.away.pop(item, None)
        if details.get("paper") is True:
            self.papers.setdefault(release, (subject(event, "paper"), index))
        else:
            self.receipts.setdefault(release, (str(details.get("receipt_sha256", "")), index))

    def _intake(self, index: int, item: str, event: Event) -> None:
        details = event.details
        self.named.add(_text(details.get("release")))
        kept = _text(details.get("kept"))
        if kept:
            self.kept.setdefault(kept, index)
        if details.get(ORIGINAL) is True:
            self.away.pop(item, None)
        pinned = intaken.pins(event)
        if pinned and item:
            self.taken_in.setdefault(item, {}).setdefault(pinned, index)
            self.away.pop(item, None)
            listed = details.get("attachments", [])
            for digest in filter(None, map(_text, listed if isinstance(listed, list) else [])):
                self.brought.setdefault(digest, (index, item))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
