"""Three clocks, side by side: the host's, an authority's, a witness's; as frozen values.

The host's is its signer's word.  The other two say of something that it existed at that moment at
the latest.  None of them corrects another: each report has all three, and their differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from custody import clock
from custody.counted import counted
from custody.ledger.policy import NONE as NO_QUORUM
from custody.ledger.policy import Policy

_SECOND = timedelta(seconds=1)
_LAST = datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a clock showed that is not the host's.

    :ivar name: whose it is, as the trust folder calls them.
    :ivar of: what they were shown: the ``signature`` of a statement, or a ``checkpoint`` of the
        ledger in which it is entered.
    :ivar accuracy: how far the true time may be from it, where they say so.
    :ivar host: the host's time of what they were shown, where that is not the one of the whole:
        of the last entry under a checkpoint.
    """

    name: str
    time: datetime
    of: Literal["signature", "checkpoint"]
    accuracy: timedelta | None = None
    host: datetime | None = None

    @property
    def latest(self) -> datetime:
        """It existed at this moment at the latest."""
        return self.time + (self.accuracy or timedelta(0))

    def ahead(self, host: datetime | None) -> timedelta:
        """By how much the host's clock ran ahead of this one, beyond its accuracy."""
        host = self.host or host
        ahead = timedelta(0) if host is None else host - self.latest
        return ahead if ahead > _SECOND else timedelta(0)

    def as_json(self, host: datetime | None) -> dict[str, Any]:
        """Every field, and how many seconds it is after the host's time; below 0, before it."""
        host = self.host or host
        after = None if host is None else int((self.time - host).total_seconds() // 1)
        accuracy = None if self.accuracy is None else self.accuracy // timedelta(milliseconds=1)
        return {
            "name": self.name,
            "time": clock.rfc3339(self.time),
            "of": self.of,
            "accuracy_milliseconds": accuracy,
            "after_host_seconds": after,
        }


@dataclass(frozen=True, slots=True)
class Clocks:
    """What each clock says of one thing.

    :ivar host: the time in the statement, or in the last entry of a case's ledger.
    :ivar seen: when as many witnesses had signed as the verifier's policy asks for: what one of
        several says counts for nothing.
    """

    host: datetime | None = None
    authority: tuple[Reading, ...] = ()
    witness: tuple[Reading, ...] = ()
    seen: tuple[Reading, ...] = ()

    @property
    def first(self) -> Reading | None:
        """The trusted reading that binds most: the earliest."""
        every = (*self.authority, *self.seen)
        return min(every, key=lambda item: item.latest, default=None)

    @property
    def ahead(self) -> timedelta:
        """By how much the host's clock ran ahead of the one that binds most."""
        return timedelta(0) if self.first is None else self.first.ahead(self.host)

    def as_json(self) -> dict[str, Any]:
        """The three, for ``--json``."""
        return {
            "host": None if self.host is None else clock.rfc3339(self.host),
            "authority": [item.as_json(self.host) for item in self.authority],
            "witness": [item.as_json(self.host) for item in self.witness],
        }


def witnessed(cosigned: Mapping[str, int], policy: Policy) -> Clocks:
    """What witnesses signed, which are POSIX seconds; absurd ones are left out.

    :param cosigned: the known witnesses of a checkpoint, by their names in the policy.
    """
    readings = tuple(
        Reading(name, datetime.fromtimestamp(seconds, UTC), "checkpoint")
        for name, seconds in sorted(cosigned.items(), key=lambda item: item[1])
        if 0 <= seconds < _LAST.timestamp()
    )
    return Clocks(None, (), readings, _quorum(readings, policy))


def _quorum(readings: Sequence[Reading], policy: Policy) -> tuple[Reading, ...]:
    """The reading with which the policy's quorum was met; without one, the last of all."""
    if policy.quorum == NO_QUORUM:
        return tuple(readings[-1:])
    for count, reading in enumerate(readings, 1):
        keys = (policy.witnesses[item.name].key for item in readings[:count])
        if policy.is_witnessed(keys):
            return (reading,)
    return ()


def spelled(span: timedelta) -> str:
    """A span as people read it: ``1 day, 2 h 3 min``, to the second where it is short."""
    seconds = int(span.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return f"{counted(days, 'day')}, {hours} h {minutes} min"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
