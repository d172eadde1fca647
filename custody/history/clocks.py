"""Where the times in a history run backwards.

Each time is its signer's own word.  An entry is later than the one before it about the same
bundle, and later than the newest entry of the checkpoint that it names: whoever signed it had seen
that.  What is not later was written by a clock that went wrong, or made up afterwards.  Only
neighbours are compared, so one wrong clock is named once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from custody import clock
from custody.history import gaps
from custody.history.docket import Entry
from custody.history.values import Gap, Step

SKEW = timedelta(minutes=5)  # by which the clocks of two offices may differ


def backwards(steps: Sequence[Step], entries: Iterable[Entry], now: datetime) -> Iterator[Gap]:
    """The times that cannot be.

    :param steps: what the history is about, oldest first.
    :param entries: the whole ledger.
    :param now: the verifier's clock; nothing that happened is later.
    """
    times = {item.index: clock.rfc3339(item.event.time) for item in entries if item.event}
    before: dict[str, int] = {}
    latest = clock.rfc3339(now + SKEW)
    for step in steps:
        if step.event is None or step.signature.verdict == "bad":
            continue
        if step.time > latest:
            why = f"entry {step.index} says {step.time}, which is later than the clock here"
            yield Gap(gaps.BACKWARDS, step.label, why, (step.index,))
        existed = None if step.existed is None else clock.rfc3339(step.existed.latest + SKEW)
        if step.existed is not None and existed is not None and step.time > existed:
            known = f"{step.existed.name} saw it at {clock.rfc3339(step.existed.latest)}"
            why = f"entry {step.index} says {step.time}, and {known}: its signer's clock was ahead"
            yield Gap(gaps.BACKWARDS, step.label, why, (step.index,))
        older = {before.get(step.bundle), _seen(step.event.ledger)} - {None, step.index}
        for index in sorted(item for item in older if item is not None):
            if index in times and step.time < times[index]:
                yield _gap(step, index, times[index])
                break
        before[step.bundle] = step.index


def _seen(ledger: Mapping[str, object] | None) -> int | None:
    """The newest entry that the signer had seen."""
    size = (ledger or {}).get("size")
    return size - 1 if type(size) is int and size > 0 else None


def _gap(step: Step, older: int, time: str) -> Gap:
    why = (
        f"entry {step.index} says {step.time}, and entry {older} before it says {time}: a clock"
        " ran backwards, or an entry was made up later"
    )
    return Gap(gaps.BACKWARDS, step.label, why, tuple(sorted({older, step.index})))
