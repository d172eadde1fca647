"""Whether the host's clock was set back, at once or little by little.

The clock is held against the monotonic one, which nobody sets.  How far it was ahead is only
forgotten as slowly as a clock that is slewed (by NTP) may lose time, so that many small steps add
up to a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

_STEP_BACK = 2.0
_SLEWED = 0.001  # seconds a second; Linux slews by half of that


@dataclass(slots=True)
class Stepping:
    """How far the clock was ahead of the monotonic one, and when (by that) this was seen."""

    ahead: float
    seen: float

    def back(self, wall: float, monotonic: float) -> float:
        """By how many seconds the clock went back by now; 0 where it did not.

        :param wall: the clock, POSIX seconds; *monotonic* the other one.
        """
        ahead = wall - monotonic
        step = self.ahead - ahead
        forgotten = (monotonic - self.seen) * _SLEWED
        self.seen = monotonic
        if step > _STEP_BACK:
            self.ahead = ahead
            return step
        self.ahead = max(ahead, self.ahead - forgotten)
        return 0.0
