"""A writer of drafts, which turns each missing fact into a marked blank."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from custody.obligations.assess import Duty
from custody.obligations.record import Facts
from custody.obligations.table import label
from custody.obligations.values import words

_WIDTH = 78
_KINDS = {
    "ssn": "Social Security number",
    "driver_license": "driver's licence number",
    "other_government_id": "identification number of a government body",
    "financial_account": "financial account number",
    "payment_card": "credit or debit card number",
    "electronic_identifier_or_routing_code": "electronic identifier or routing code",
    "medical": "medical information",
    "health_insurance": "health insurance information",
    "other": "other information",
}


@dataclass(frozen=True, slots=True)
class Blank:
    """A fact that the record does not have: its name, and what it is about."""

    fact: str
    about: str


class Writer:
    """Collects the lines of one draft and the blanks in them."""

    def __init__(self, facts: Facts, duty: Duty) -> None:
        self.facts = facts
        self.duty = duty
        self._lines: list[str] = []
        self._blanks: dict[str, Blank] = {}

    def text(self) -> str:
        """The draft."""
        return "\n".join(self._lines).rstrip() + "\n"

    def blanks(self) -> tuple[Blank, ...]:
        """The missing facts, in the order in which they are first wanted."""
        return tuple(self._blanks.values())

    def blank(self, fact: str, about: str = "") -> str:
        """Mark a blank for *fact*."""
        found = self._blanks.setdefault(fact, Blank(fact, about or label(fact)))
        return f"[BLANK: {found.about} - {fact}]"

    def fact(self, name: str, about: str = "") -> str:
        """What the record says, or a blank."""
        value = self.facts.get(name)
        if value in (None, (), ""):
            return self.blank(name, about)
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d at %H:%M} (UTC{value:%z})"
        return words(value)

    def line(self, text: str = "") -> None:
        """One paragraph, wrapped; empty for a space between two."""
        self._lines += _wrapped(text) or [""]

    def heading(self, text: str) -> None:
        """A heading with space above it."""
        space = [""] if self._lines and self._lines[-1] else []
        self._lines += [*space, text, "-" * len(text), ""]

    def item(self, text: str, mark: str = "-") -> None:
        """One item of a list."""
        self._lines += _wrapped(text, f"{mark} ", " " * (len(mark) + 1))

    def field(self, name: str, fact: str) -> None:
        """A line ``name: value``."""
        self.item(f"{name}: {self.fact(fact, name)}")

    # What several drafts say.

    def sender(self) -> None:
        """Name and address of the organization."""
        self.line(self.fact("entity.name"))
        self.line(self.fact("entity.mailing_address"))

    def contact(self) -> None:
        """Who answers questions."""
        for name in ("name", "title", "telephone", "email"):
            self.field(name, f"entity.representative.{name}")

    def what_was_taken(self) -> None:
        """The types of data, as far as they are known."""
        if self.facts.get("data.name_present") is None:
            self.item(self.blank("data.name_present"))
        elif self.facts.get("data.name_present"):
            self.item("names")
        items = self.facts.items("data.elements")
        if not items:
            self.item(self.blank("data.elements"))
        for at, item in enumerate(items):
            self.item(self._element(item, at))
        if self.facts.get("data.elements_complete") is not True:
            self.item(self.blank("data.elements_complete", "whether other types were taken"))

    def _element(self, item: Mapping[str, Any], at: int) -> str:
        kind, protection = item.get("kind"), item.get("protection", "none")
        if kind is None:
            return self.blank(f"data.elements[{at}].kind", "kind of the data element")
        note = "" if protection == "none" else f" ({protection.replace('_', ' ')})"
        return _KINDS[kind] + note

    def batches(self) -> None:
        """When, how and to how many people a notice has gone out."""
        items = self.facts.items("notices.consumers")
        if not items:
            self.item(self.blank("notices.consumers", "when and how consumers are told"))
        for at, item in enumerate(items):
            self.item(", ".join(self._part(item, at, name) for name in _BATCH))

    def _part(self, item: Mapping[str, Any], at: int, name: str) -> str:
        value = item.get(name)
        if value is None:
            return self.blank(f"notices.consumers[{at}].{name}", _BATCH[name])
        shown = value.isoformat() if isinstance(value, date) else words(value)
        return f"{_BATCH[name]} {shown}"


_BATCH = {"sent_on": "sent on", "count": "people told:", "method": "method:"}


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
