"""What a collection came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.acquire import outcomes
from custody.entering import Entered

if TYPE_CHECKING:
    from custody.collect.journals import Journals

MOST_GAPS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Gap:
    """A path that could not be collected, and why."""

    path: str
    outcome: str
    error: str


@dataclass(slots=True)
class Collected:
    """What a collection came to.

    :ivar journals: those among the payload; None where pieces were collected, or nothing yet.
    """

    bundle_id: str
    path: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    sealed_at: datetime | None = None
    ledger: Entered | None = None
    gaps: list[Gap] = field(default_factory=list)
    statement_sha256: str = ""
    resumed: dict[str, Any] = field(default_factory=dict)
    facts: list[dict[str, Any]] = field(default_factory=list)
    journals: Journals | None = None
    clock: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap_count(self) -> int:
        """How many paths have a gap."""
        return sum(self.outcomes[outcome] for outcome in outcomes.GAPS)
