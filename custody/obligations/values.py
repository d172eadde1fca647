"""What a fact can be: small frozen values, and how each is written back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Range:
    """A count that is known to lie between two figures; *at_most* is open if it is None."""

    at_least: int
    at_most: int | None

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            return f"{self.at_least:,}"
        if self.at_most is None:
            return f"at least {self.at_least:,}"
        if self.at_least == 0:
            return f"at most {self.at_most:,}"
        return f"{self.at_least:,} to {self.at_most:,}"


Item: TypeAlias = Mapping[str, Any]
Single: TypeAlias = bool | Range | Decimal | datetime | date | str
Value: TypeAlias = Single | tuple[str, ...] | tuple[Item, ...] | Mapping[str, Range]


def day_of(moment: date, zone: str | None = None) -> date:
    """The calendar day of a date or a moment, in *zone* if one is named."""
    if not isinstance(moment, datetime):
        return moment
    return (moment.astimezone(ZoneInfo(zone)) if zone else moment).date()


def plus_years(day: date, years: int) -> date:
    """The same day *years* later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def words(value: Value) -> str:
    """*value* as people read it, on one line."""
    if isinstance(value, tuple):
        return "; ".join(words(part) for part in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {words(part)}" for name, part in value.items())
    return _single(value)


def _single(value: Single) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"${value:,.2f}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return " ".join(str(value).split())


def as_json(value: Value) -> object:
    """*value* as plain JSON: no floating-point numbers, ranges as they are written in a record."""
    if isinstance(value, bool) or type(value) is str:
        return value
    if isinstance(value, Range):
        if value.at_least == value.at_most:
            return value.at_least
        bounds = {"at_least": value.at_least, "at_most": value.at_most}
        return {name: bound for name, bound in bounds.items() if bound is not None}
    if isinstance(value, tuple):
        return [as_json(part) for part in value]
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    return words(value) if isinstance(value, datetime) else str(value)
