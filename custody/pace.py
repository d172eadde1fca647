"""Keeping to a rate, so that a busy host is left what it needs."""

from __future__ import annotations

import time


class Pace:
    """At most so many bytes a second, on the average since it began to be busy.

    :param rate: bytes a second; 0 for no limit.
    """

    def __init__(self, rate: int = 0) -> None:
        self._rate = rate
        self._free_at = 0.0

    def spend(self, size: int) -> None:
        """Wait until *size* more bytes may have been read."""
        if not self._rate:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now - 1.0) + size / self._rate
        if self._free_at > now:
            time.sleep(self._free_at - now)
