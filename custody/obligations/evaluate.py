"""The evaluator: facts, conditions and a day in; three-valued outcomes with their reasons out.

``all``: any no is no, else any unknown is unknown, else yes.  ``any`` is the mirror, ``not`` of
unknown is unknown.  A count known as a range decides where the whole range lies on one side.
Nothing that is unknown ever becomes a no, so filling it in can never flip what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from custody.obligations.conditions import (
    All,
    AnyOf,
    Condition,
    Fact,
    Not,
    RuleHolds,
    Some,
    Trace,
    Truth,
)
from custody.obligations.record import Facts
from custody.obligations.table import FIELDS, is_deeds, label, label_of_item
from custody.obligations.values import Range, Value, words

_ITEM = "item."
_NOT_HAPPENED = {"hold.lifted_on": "not lifted: it stands"}
_OPPOSITE = {Truth.YES: Truth.NO, Truth.NO: Truth.YES, Truth.UNKNOWN: Truth.UNKNOWN}


class Evaluator:
    """Evaluates conditions over one set of facts on one day; every rule is worked out once."""

    def __init__(
        self,
        facts: Facts,
        as_of: date,
        rules: Mapping[str, Condition],
        titles: Mapping[str, str] | None = None,
    ) -> None:
        self.facts = facts
        self.as_of = as_of
        self._rules = rules
        self._titles = titles or {}
        self._done: dict[str, Trace] = {}

    def rule(self, name: str) -> Trace:
        """The outcome of the rule called *name*."""
        if name not in self._done:
            self._done[name] = self.condition(self._rules[name])
        return self._done[name]

    def condition(self, asked: Condition, item: _Item | None = None) -> Trace:
        """The outcome of *asked*; *item* is the list item that ``item.`` facts are taken from."""
        trace = Trace("always", "applies whatever the facts are", Truth.YES)
        match asked:
            case All(parts):
                outcome = [self.condition(part, item) for part in parts]
                trace = _joined("all", "all of these", outcome, Truth.NO)
            case AnyOf(parts):
                outcome = [self.condition(part, item) for part in parts]
                trace = _joined("any", "at least one of these", outcome, Truth.YES)
            case Not(part):
                inner = self.condition(part, item)
                trace = Trace("not", "not", _OPPOSITE[inner.value], needs=inner.needs, of=(inner,))
            case RuleHolds(name):
                inner = self.rule(name)
                title = self._titles.get(name, name)
                trace = Trace("rule", title, inner.value, name, needs=inner.needs, of=(inner,))
            case Some():
                trace = self._some(asked)
            case Fact():
                trace = self._fact(asked, item)
        return trace

    def _some(self, asked: Some) -> Trace:
        items = self.facts.get(asked.list)
        if items is None and is_deeds(asked.list):
            items = ()
        text = f"at least one of: {label(asked.list)}"
        if items is None:
            return Trace("some", text, Truth.UNKNOWN, asked.list, "unknown", (asked.list,))
        traces = [
            self.condition(asked.where, _Item(f"{asked.list}[{at}]", asked.list, values))
            for at, values in enumerate(items)
        ]
        joined = _joined("some", text, traces, Truth.YES)
        found = f"{len(traces)} listed"
        if joined.value is Truth.YES:
            return Trace("some", text, Truth.YES, asked.list, found, of=joined.of)
        open_end = self._open_end(asked.list)
        value = Truth.UNKNOWN if open_end else joined.value
        needs = (*joined.needs, *open_end)
        return Trace("some", text, value, asked.list, found, needs, joined.of)

    def _open_end(self, name: str) -> tuple[str, ...]:
        """What must be known before *name* can decide by what it lacks; nothing if it can."""
        if is_deeds(name):
            return ()
        complete = f"{name}_complete"
        said = self.facts.get(complete) if complete in FIELDS else None
        if said is True:
            return ()
        return (complete,) if complete in FIELDS and said is None else (name,)

    def _fact(self, asked: Fact, item: _Item | None) -> Trace:
        if item is not None and asked.name.startswith(_ITEM):
            field = asked.name.removeprefix(_ITEM)
            name, about = f"{item.name}.{field}", label_of_item(item.list, field)
            value = item.values.get(field)
        else:
            name, about, value = asked.name, label(asked.name), self.facts.get(asked.name)
        truth = self._compare(asked, value)
        found = "unknown" if value is None else words(value)
        if asked.operator == "happened":  # here absent is no gap: it has not happened
            about = about.partition("; absent: ")[0]
            found = _NOT_HAPPENED.get(name, "not yet") if value is None else found
        text = f"{about}: {_operator_words(asked)}"
        needs: tuple[str, ...] = ()
        if truth is Truth.UNKNOWN:
            needs = (
                self._open_end(name)
                if asked.operator == "includes" and value is not None
                else (name,)
            )
        return Trace("fact", text, truth, name, found, needs)

    def _compare(self, asked: Fact, value: Value | None) -> Truth:
        if asked.operator == "happened":
            return _truth(isinstance(value, date) and self.facts.day_of(value) <= self.as_of)
        if value is None:
            return Truth.UNKNOWN
        if asked.operator == "given":
            return Truth.YES
        if asked.operator == "includes":
            return self._includes(asked, value)
        return _compare(asked, value)

    def _includes(self, asked: Fact, value: Value) -> Truth:
        listed = value if isinstance(value, tuple) else ()
        if asked.operand in {str(part).casefold() for part in listed}:
            return Truth.YES
        return Truth.UNKNOWN if self._open_end(asked.name) else Truth.NO


class _Item:
    """A list item: its dotted name, the list it stands in, its values."""

    __slots__ = ("list", "name", "values")

    def __init__(self, name: str, of: str, values: Mapping[str, Value]) -> None:
        self.name = name
        self.list = of
        self.values = values


def _truth(holds: bool) -> Truth:
    return Truth.YES if holds else Truth.NO


def _joined(test: str, text: str, parts: Iterable[Trace], decides: Truth) -> Trace:
    """``all`` (decided by a no) or ``any`` (decided by a yes) of *parts*."""
    of = tuple(parts)
    values = {part.value for part in of}
    if decides in values:
        return Trace(test, text, decides, of=of)
    if Truth.UNKNOWN in values:
        needs = dict.fromkeys(name for part in of for name in part.needs)
        return Trace(test, text, Truth.UNKNOWN, needs=tuple(needs), of=of)
    return Trace(test, text, _OPPOSITE[decides], of=of)


def _compare(asked: Fact, value: Value) -> Truth:
    if isinstance(asked.operand, tuple):
        return _truth(value in asked.operand)
    if isinstance(asked.operand, bool | str):
        return _truth(value == asked.operand)
    return _within(asked.operator, value, asked.operand)


def _within(operator: str, value: Value, limit: int | Decimal) -> Truth:
    """On which side of *limit* the whole of *value* lies, if it lies on one side."""
    if operator in {"fewer_than", "at_most"}:
        mirror = "at_least" if operator == "fewer_than" else "more_than"
        return _OPPOSITE[_within(mirror, value, limit)]
    low, high = _bounds(value)
    strictly = operator == "more_than"
    if low > limit or (low == limit and not strictly):
        return Truth.YES
    below = high is not None and (high < limit or (high == limit and strictly))
    return Truth.NO if below else Truth.UNKNOWN


def _bounds(value: Value) -> tuple[Decimal, Decimal | None]:
    if isinstance(value, Range):
        return Decimal(value.at_least), None if value.at_most is None else Decimal(value.at_most)
    exact = Decimal(str(value))
    return exact, exact


def _operator_words(asked: Fact) -> str:
    operand = asked.operand
    if asked.operator in {"given", "happened"}:
        return {"given": "is given", "happened": "has happened"}[asked.operator]
    if isinstance(operand, tuple):
        shown = ", ".join(operand)
    elif isinstance(operand, bool):
        shown = "yes" if operand else "no"
    elif isinstance(operand, Decimal):
        shown = f"${operand:,.2f}"
    else:
        shown = operand if isinstance(operand, str) else f"{operand:,}"
    return f"{asked.operator} {shown}".replace("_", " ")
