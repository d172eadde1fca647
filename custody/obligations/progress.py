"""Dates and deeds: when a duty is due, what the record says was done, what is late or missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from custody.counted import counted
from custody.obligations.pack import NOT_SPECIFIED, Pace, Rule
from custody.obligations.record import Facts
from custody.obligations.table import label
from custody.obligations.values import Range, plus_years

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Due:
    """When a duty is due.

    :ivar day: a day, ``not specified`` by the sources, or ``unknown`` for want of a fact.
    :ivar since: the day from which *elapsed* days are counted; they are never a limit.
    """

    words: str
    day: str
    since: date | None = None
    elapsed: int | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of a notice that cannot be written yet, and the facts that it wants."""

    item: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done about a duty, and what is late or missing."""

    done_on: date | None = None
    remarks: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


def by_when(rule: Rule, facts: Facts, as_of: date) -> Due:
    """When *rule* is due for these facts, with the days that have gone by since discovery."""
    due = rule.by_when
    start = _start(rule, facts)
    elapsed = (as_of - start).days if start and start <= as_of else None
    if not due.date_from:
        return Due(due.words, NOT_SPECIFIED, start, elapsed)
    day = facts.day(due.date_from)
    if day is None:
        return Due(due.words, UNKNOWN, start, elapsed, (due.date_from,))
    return Due(due.words, plus_years(day, due.years).isoformat(), start, elapsed)


def of(rule: Rule, facts: Facts, *, relevant: bool) -> Progress:
    """What the record says was done; *relevant* is false for a duty that is not owed."""
    done_on, remarks = _done(rule, facts)
    if done_on and relevant:
        remarks += _timing(rule, facts, done_on)
    missing = tuple(
        Missing(content.item, unknown)
        for content in rule.content
        if (unknown := tuple(name for name in content.facts if facts.get(name) in (None, ())))
    )
    return Progress(done_on, tuple(remarks), missing if relevant else ())


def _start(rule: Rule, facts: Facts) -> date | None:
    days = [day for name in rule.by_when.since if (day := facts.day(name))]
    return min(days, default=None)


def _done(rule: Rule, facts: Facts) -> tuple[date | None, list[str]]:
    if rule.done is None:
        return None, []
    listed = facts.get(rule.done.fact)
    if not isinstance(listed, tuple):
        return facts.day(rule.done.fact), []
    if rule.done.of:
        return _batches(facts, rule.done.fact, rule.done.of)
    reports = [day for item in listed if isinstance(day := item.get("on"), date)]
    days = sorted(facts.day_of(day) for day in reports)
    updates = [f"updated on {day}" for day in days[1:]]
    return (days[0] if days else None), updates


def _batches(facts: Facts, name: str, of: str) -> tuple[date | None, list[str]]:
    """A notice sent in batches is done on the day of the batch that reaches the last person."""
    items = facts.items(name)
    if not items:
        return None, []
    sent = sum(count.at_least for item in items if isinstance(count := item.get("count"), Range))
    days = [facts.day_of(day) for item in items if isinstance(day := item.get("sent_on"), date)]
    last = max(days, default=None)
    whole = facts.number(of)
    if whole and whole.at_most is not None and sent >= whole.at_most and len(days) == len(items):
        return last, []
    total = str(whole) if whole else "an unknown number"
    return None, [f"{sent:,} of {total} recorded as told, last on {last or 'an unknown day'}"]


def _timing(rule: Rule, facts: Facts, done_on: date) -> list[str]:
    start = _start(rule, facts)
    if start is None:
        return []
    days = (done_on - start).days
    if days < 0:
        return [f"dated {done_on}, before the discovery on {start}"]
    text = f"done {_days(days)} after discovery" if days else "done on the day of discovery"
    late = rule.by_when.pace is Pace.IMMEDIATELY and days > 0
    return [f"late: {text}, where the rule says immediately" if late else text]


def _days(count: int) -> str:
    return counted(count, "day")


def missing_words(missing: Missing) -> str:
    """One missing part of a notice, for people."""
    return f"{missing.item} (wants {', '.join(label(name) for name in missing.facts)})"
