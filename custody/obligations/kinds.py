"""The types a field of the record can have; each reads a node, and says what it allows.

A type's ``read`` returns None both for an unknown value and, after noting a problem, for a
wrong one: whoever reads goes on, so that all mistakes are found in one run.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from custody.obligations.nodes import Kind, Mapping, Node, Scalar, Sequence, describe
from custody.obligations.problems import Problems, did_you_mean
from custody.obligations.reading import check_names, forbidden
from custody.obligations.states import STATES
from custody.obligations.values import Item, Range, Value

UNKNOWN = "unknown"
LEFT_OVER = "..."
_COUNT = re.compile(r"(?:0|[1-9]\d{0,11})\Z", re.ASCII)
_MONEY = re.compile(r"(?:0|[1-9]\d{0,14})(?:\.\d{1,2})?\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?\Z", re.ASCII
)
_LOOSE_YES_NO = {"on": "yes", "y": "yes", "off": "no", "n": "no"}
_LONGEST_TEXT = 20_000
_FIRST_YEAR, _LAST_YEAR = 1900, 2199  # so that no zone and no period leads out of the calendar


@dataclass(slots=True)
class Reading:
    """One reading of one file: where mistakes go, and the zone of moments written without one."""

    problems: Problems
    zone: ZoneInfo | None = None

    def wrong(self, node: Node, field: str, allowed: str) -> None:
        """Note that *node* is not what *field* allows."""
        self.problems.add(node.line, field, describe(node), f"allowed: {allowed}")


def is_unknown(node: Node) -> bool:
    """Whether *node* says nothing: empty, null, or the word ``unknown``."""
    return isinstance(node, Scalar) and (
        node.kind is Kind.EMPTY or node.text.strip() in {"", UNKNOWN}
    )


class FieldType(ABC):
    """A type of field."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What may be written, in words."""

    @abstractmethod
    def parse(self, node: Node, field: str, reading: Reading) -> Value | None:
        """The value of a node that is not unknown, or None after noting what is wrong."""

    def read(self, node: Node, field: str, reading: Reading) -> Value | None:
        """The value of *node*; None if it is unknown or wrong."""
        if isinstance(node, Scalar) and node.text.strip() == LEFT_OVER:
            left = 'write the value, "unknown", or nothing'
            reading.problems.add(node.line, field, '"..." left over from the example', left)
            return None
        return None if is_unknown(node) else self.parse(node, field, reading)


@dataclass(frozen=True, slots=True)
class YesNo(FieldType):
    """Yes or no, and nothing that merely looks like it."""

    @property
    def allowed(self) -> str:
        return "yes, no, unknown"

    def parse(self, node: Node, field: str, reading: Reading) -> bool | None:
        text = node.text if isinstance(node, Scalar) else ""
        if text in {"yes", "true"}:
            return True
        if text in {"no", "false"}:
            return False
        word = _LOOSE_YES_NO.get(text.lower(), text)
        reading.wrong(node, field, self.allowed + did_you_mean(word, ("yes", "no", "unknown")))
        return None


@dataclass(frozen=True, slots=True)
class Count(FieldType):
    """A whole number, or what is known about it."""

    @property
    def allowed(self) -> str:
        return "a whole number such as 1200, or {at_least: 800, at_most: 1200}, or unknown"

    def parse(self, node: Node, field: str, reading: Reading) -> Range | None:
        if isinstance(node, Mapping):
            return self._bounds(node, field, reading)
        if isinstance(node, Scalar) and node.kind is Kind.NUMBER and _COUNT.match(node.text):
            return Range(int(node.text), int(node.text))
        reading.wrong(node, field, self.allowed)
        return None

    def _bounds(self, node: Mapping, field: str, reading: Reading) -> Range | None:
        check_names(node, field, ("at_least", "at_most"), reading.problems)
        bounds = {}
        for name, _, part in node.entries:
            if isinstance(part, Scalar) and part.kind is Kind.NUMBER and _COUNT.match(part.text):
                bounds[name] = int(part.text)
            elif not is_unknown(part):
                reading.wrong(part, f"{field}.{name}", "a whole number such as 1200")
        low, high = bounds.get("at_least", 0), bounds.get("at_most")
        if high is not None and low > high:
            found = f"at_least {low} above at_most {high}"
            reading.problems.add(node.line, field, found, "at_least is the smaller one")
            return None
        return Range(low, high) if bounds else None


@dataclass(frozen=True, slots=True)
class Money(FieldType):
    """US dollars, exact to the cent."""

    @property
    def allowed(self) -> str:
        return "US dollars such as 1000 or 1000.00, at most two decimals, without a sign or comma"

    def parse(self, node: Node, field: str, reading: Reading) -> Decimal | None:
        fits = isinstance(node, Scalar) and node.kind in {Kind.NUMBER, Kind.TEXT}
        if isinstance(node, Scalar) and fits and _MONEY.match(node.text):
            return Decimal(node.text)
        reading.wrong(node, field, self.allowed)
        return None


@dataclass(frozen=True, slots=True)
class Moment(FieldType):
    """A date, or a moment with its zone."""

    @property
    def allowed(self) -> str:
        return "a date such as 2026-03-04, or a moment such as 2026-03-04T09:00:00-06:00"

    def parse(self, node: Node, field: str, reading: Reading) -> date | None:
        text = node.text if isinstance(node, Scalar) else ""
        match = _MOMENT.match(text)
        if not match and not _DATE.match(text):
            reading.wrong(node, field, self.allowed)
            return None
        if not _FIRST_YEAR <= int(text[:4]) <= _LAST_YEAR:
            reading.wrong(node, field, f"a year from {_FIRST_YEAR} to {_LAST_YEAR}")
            return None
        try:
            if not match:
                return date.fromisoformat(text)
            return self._zoned(datetime.fromisoformat(text.upper()), node, field, reading)
        except ValueError as err:
            reading.wrong(node, field, f"a day and time that exist ({err})")
            return None

    def _zoned(self, moment: datetime, node: Node, field: str, reading: Reading) -> datetime | None:
        if moment.tzinfo is not None:
            return moment
        if reading.zone is None:
            reading.wrong(node, field, "a zone, such as -06:00 or Z, or set entity.time_zone")
            return None
        local = moment.replace(tzinfo=reading.zone)
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            clocks = "the clocks changed in this hour: write the offset, such as -06:00"
            reading.wrong(node, field, clocks)
            return None
        return local


@dataclass(frozen=True, slots=True)
class Event(Moment):
    """When something happened.  Here, and only here, absent means that it has not happened yet."""


@dataclass(frozen=True, slots=True)
class Text(FieldType):
    """Words; several lines are fine."""

    @property
    def allowed(self) -> str:
        return "text"

    def parse(self, node: Node, field: str, reading: Reading) -> str | None:
        if not isinstance(node, Scalar):
            reading.wrong(node, field, "text")
        elif node.kind is not Kind.TEXT:
            reading.wrong(node, field, f'text; put it in quotes: "{node.text[:40]}"')
        elif bad := forbidden(node.text):
            found = f"the character U+{ord(bad):04X}"
            reading.problems.add(node.line, field, found, "control characters are refused")
        elif len(node.text) > _LONGEST_TEXT:
            reading.wrong(node, field, f"at most {_LONGEST_TEXT:,} characters")
        else:
            return node.text.strip()
        return None


@dataclass(frozen=True, slots=True)
class Zone(FieldType):
    """A time zone by its name."""

    @property
    def allowed(self) -> str:
        return "the name of a time zone, such as America/Chicago"

    def parse(self, node: Node, field: str, reading: Reading) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        try:
            return ZoneInfo(text).key
        except (ValueError, OSError, KeyError):  # unknown names, directories, odd characters
            reading.wrong(node, field, self.allowed)
            return None


@dataclass(frozen=True, slots=True)
class Choice(FieldType):
    """One word of a list."""

    values: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return ", ".join((*self.values, UNKNOWN))

    def parse(self, node: Node, field: str, reading: Reading) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        if text in self.values:
            return text
        reading.wrong(node, field, self.allowed + did_you_mean(text, self.values))
        return None


@dataclass(frozen=True, slots=True)
class Exactly(Choice):
    """The one text that must stand there."""

    @property
    def allowed(self) -> str:
        return self.values[0]


@dataclass(frozen=True, slots=True)
class Texts(FieldType):
    """A list of texts."""

    @property
    def allowed(self) -> str:
        return "a list of texts, such as [residents, employees]"

    def parse(self, node: Node, field: str, reading: Reading) -> tuple[str, ...] | None:
        if not isinstance(node, Sequence):
            reading.wrong(node, field, self.allowed)
            return None
        parts = (Text().read(item, f"{field}[{at}]", reading) for at, item in enumerate(node.items))
        known = tuple(part for part in parts if isinstance(part, str))
        return known if known or not node.items else None


@dataclass(frozen=True, slots=True)
class Part:
    """One named field inside a list's items, or inside a section."""

    name: str
    type: FieldType
    about: str = ""


@dataclass(frozen=True, slots=True)
class Items(FieldType):
    """A list of groups that all have the same fields."""

    parts: tuple[Part, ...]

    @property
    def allowed(self) -> str:
        return f"a list of groups with {', '.join(part.name for part in self.parts)}"

    def parse(self, node: Node, field: str, reading: Reading) -> tuple[Item, ...] | None:
        if not isinstance(node, Sequence):
            reading.wrong(node, field, self.allowed)
            return None
        items = (self._item(item, f"{field}[{at}]", reading) for at, item in enumerate(node.items))
        return tuple(item for item in items if item is not None)

    def _item(self, node: Node, field: str, reading: Reading) -> Item | None:
        if not isinstance(node, Mapping):
            reading.wrong(node, field, self.allowed)
            return None
        check_names(node, field, tuple(part.name for part in self.parts), reading.problems)
        item: dict[str, Any] = {}
        for part in self.parts:
            found = node.get(part.name)
            value = part.type.read(found, f"{field}.{part.name}", reading) if found else None
            if value is not None:
                item[part.name] = value
        return item


@dataclass(frozen=True, slots=True)
class ByState(FieldType):
    """Counts under the postal codes of states other than Missouri."""

    @property
    def allowed(self) -> str:
        return "two-letter states with counts, such as {IL: 310}"

    def parse(self, node: Node, field: str, reading: Reading) -> dict[str, Range] | None:
        if not isinstance(node, Mapping):
            reading.wrong(node, field, self.allowed)
            return None
        counts: dict[str, Range] = {}
        for name, line, part in node.entries:
            if name == "MO":
                place = "Missouri's residents stand under people.missouri_residents"
                reading.problems.add(line, f"{field}.MO", '"MO"', place)
            elif name not in STATES:
                allowed = "allowed: postal codes such as IL" + did_you_mean(name, STATES)
                reading.problems.add(line, f"{field}.{name}", f'"{name}"', allowed)
            else:
                value = Count().read(part, f"{field}.{name}", reading)
                counts[name] = value if isinstance(value, Range) else Range(0, None)
        return counts
