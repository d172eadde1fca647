"""The three clocks of a verification, one a line, each with its distance from the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from datetime import datetime

    from custody.verify.clocks import Clocks, Reading

_MOST = 10  # stamps shown; all of them are in --json


def show(clocks: Clocks) -> None:
    """Say what each clock said; nothing, where there is only the host's."""
    from custody import clock

    if not clocks.authority and not clocks.witness:
        return
    host = "unknown" if clocks.host is None else clock.rfc3339(clocks.host)
    console.result("clocks   host       ", host)
    for word, readings in (("authority", clocks.authority), ("witness", clocks.witness)):
        for reading in readings[:_MOST]:
            console.result(
                f"         {word:<10} {clock.rfc3339(reading.time)}",
                _distance(reading, clocks.host), "  ", reading.name, _what(reading),
            )  # fmt: skip
        if len(readings) > _MOST:
            console.result(f"         ... and {len(readings) - _MOST} more")


def _what(reading: Reading) -> str:
    if reading.of != "checkpoint":
        return ""
    return ", over a checkpoint" + (" and its last entry" if reading.host else "")


def _distance(reading: Reading, host: datetime | None) -> str:
    from custody.verify.clocks import spelled

    host = reading.host or host
    if host is None:
        return ""
    after = reading.time.replace(microsecond=0) - host
    if after.total_seconds() < 0:
        return f"  {spelled(-after)} before the host's"
    return f"  {spelled(after)} after the host's"
