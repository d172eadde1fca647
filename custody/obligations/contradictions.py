"""Facts that cannot all be true: named beside the answers, never refused and never repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from custody.obligations.kinds import Event, Moment
from custody.obligations.record import Facts
from custody.obligations.table import FIELDS, label
from custody.obligations.values import Range, words


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What does not fit together, and the facts that say so."""

    text: str
    facts: tuple[str, ...]


_ORDERED = (
    ("incident.began_at", "incident.ended_at"),
    ("incident.began_at", "incident.detected_at"),
    ("incident.began_at", "incident.discovered_at"),
    ("incident.detected_at", "incident.discovered_at"),
    ("incident.began_at", "incident.contained_at"),
    ("hold.requested_on", "hold.lifted_on"),
    ("data.record_span.from", "data.record_span.to"),
)

# Pairs of facts with the values that cannot stand together.
_PAIRS: tuple[tuple[str, str, object, str, object], ...] = (
    (
        "neither owner nor holder of the data, so it is unclear whose data it is",
        "entity.owns_or_licenses_data", False, "entity.maintains_data_for_others", False,
    ),
    (
        "acquired without authority, but not accessed without authority",
        "incident.unauthorized_acquisition", True, "incident.unauthorized_access", False,
    ),
    (
        "compromised, but neither accessed nor acquired without authority",
        "incident.compromised", True, "incident.unauthorized_access", False,
    ),
    (
        "a Missouri school district, but a business",
        "entity.missouri_school_district", True, "entity.kind", "business",
    ),
    (
        "a Missouri school district, but a department of a city",
        "entity.missouri_school_district", True, "entity.kind", "city_department",
    ),
    (
        "a determination is in writing, but none was made",
        "risk.in_writing", True, "risk.determined", False,
    ),
)  # fmt: skip


def contradictions(facts: Facts, as_of: date) -> tuple[Contradiction, ...]:
    """Everything in *facts* that does not fit together, or lies after *as_of*."""
    checks: tuple[Callable[[], Iterator[Contradiction]], ...] = (
        lambda: _pairs(facts),
        lambda: _order(facts),
        lambda: _elements(facts),
        lambda: _counts(facts),
        lambda: _hold(facts),
        lambda: _future(facts, as_of),
    )
    return tuple(found for check in checks for found in check())


def _pairs(facts: Facts) -> Iterator[Contradiction]:
    for text, first, one, second, other in _PAIRS:
        if facts.get(first) == one and facts.get(second) == other:
            yield Contradiction(text, (first, second))


def _order(facts: Facts) -> Iterator[Contradiction]:
    for first, second in _ORDERED:
        earlier, later = facts.get(first), facts.get(second)
        if earlier and later and _before(later, earlier, facts):
            text = f"{label(second)} ({words(later)}) lies before {label(first)} ({words(earlier)})"
            yield Contradiction(text, (first, second))


def _before(one: date, other: date, facts: Facts) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one < other
    return facts.day_of(one) < facts.day_of(other)


def _elements(facts: Facts) -> Iterator[Contradiction]:
    if facts.get("data.elements_complete") is True and not facts.get("data.elements"):
        names = ("data.elements", "data.elements_complete")
        yield Contradiction("the list of data elements is said to be complete and is empty", names)
    for at, item in enumerate(facts.items("data.elements")):
        name = f"data.elements[{at}]"
        digits = item.get("visible_digits")
        seen = isinstance(digits, Range) and digits.at_least > 0
        if seen and item.get("protection") in {"encrypted", "otherwise_unreadable"}:
            text = f"an element is {item['protection'].replace('_', ' ')}, yet digits are visible"
            yield Contradiction(text, (f"{name}.protection", f"{name}.visible_digits"))


def _counts(facts: Facts) -> Iterator[Contradiction]:
    notified, residents = (
        facts.number("people.to_notify"),
        facts.number("people.missouri_residents"),
    )
    elsewhere = facts.get("people.residents_elsewhere")
    if not notified or not residents or elsewhere is None:
        return
    highs = [residents.at_most, *(count.at_most for count in elsewhere.values())]
    if None not in highs and notified.at_least > sum(high for high in highs if high is not None):
        text = f"more people to notify ({notified}) than residents affected in all states"
        yield Contradiction(text, ("people.to_notify", "people.missouri_residents"))


def _hold(facts: Facts) -> Iterator[Contradiction]:
    given = [name for name in ("hold.lifted_on", "hold.requested_on") if facts.get(name)]
    if facts.get("hold.requested") is False and given:
        yield Contradiction("no hold was requested, yet it has a date", ("hold.requested", *given))


def _future(facts: Facts, as_of: date) -> Iterator[Contradiction]:
    past = ("incident.began_at", "incident.detected_at", "incident.discovered_at")
    for name, part in FIELDS.items():
        day = facts.day(name) if isinstance(part.type, Moment) else None
        if day and day > as_of and (name in past or isinstance(part.type, Event)):
            yield Contradiction(f"{label(name)} ({day}) lies after {as_of}", (name,))
