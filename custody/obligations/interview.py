"""Which fact to ask for next: the one that the most binding open rule needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from custody.obligations import library
from custody.obligations.assess import Assessment, assess
from custody.obligations.kinds import Choice, FieldType, Items, Text, Texts
from custody.obligations.record import Facts, Record
from custody.obligations.table import FIELDS, label
from custody.obligations.values import Range, Value, as_json

_ELEMENTS = "data.elements"
_FIRST = ("entity.kind", "incident.discovered_at")


@dataclass(frozen=True, slots=True)
class Question:
    """A fact to ask for, in words, and what may be answered."""

    fact: str
    text: str
    allowed: str

    def value(self, answer: str) -> str:
        """The answer as it is written in a record."""
        kind = _type_of(self.fact)
        if self.fact == _ELEMENTS:
            kinds = [word for word in answer.replace(",", " ").split() if word]
            return "[" + ", ".join(f"{{kind: {word}}}" for word in kinds) + "]"
        if type(kind) is Text:
            return json.dumps(answer)
        if isinstance(kind, Texts):
            return json.dumps([part.strip() for part in answer.split(",")])
        return answer


def next_question(facts: Facts, asked: set[str], today: date) -> Question | None:
    """The next fact that decides something and was not asked for; None if there is none."""
    for name in (*_FIRST, *_needs(facts, today)):
        if name not in asked and facts.get(name) is None:
            return Question(name, _words(name), _allowed(name))
    return None


def _needs(facts: Facts, today: date) -> list[str]:
    found: Assessment = assess(Record(facts, b"", ""), library.installed(), today)
    return [name for duty in found.duties for name in duty.needs if duty.answer == "undetermined"]


def _type_of(name: str) -> FieldType:
    if name in FIELDS:
        return FIELDS[name].type
    listed, _, field = name.partition("[")
    kind = FIELDS[listed].type
    parts = kind.parts if isinstance(kind, Items) else ()
    return next(part.type for part in parts if part.name == field.rpartition(".")[2])


def _words(name: str) -> str:
    if name in FIELDS:
        return f"{label(name)} ({name})"
    return f"{name.rpartition('.')[2].replace('_', ' ')} ({name})"


def _allowed(name: str) -> str:
    if name != _ELEMENTS:
        return _type_of(name).allowed
    kind = FIELDS[_ELEMENTS].type
    parts = kind.parts if isinstance(kind, Items) else ()
    kinds = next(part.type for part in parts if part.name == "kind")
    return " ".join(kinds.values) if isinstance(kinds, Choice) else kinds.allowed


def as_yaml(facts: Facts) -> dict[str, str]:
    """Every known fact as it is written in a YAML record."""
    return {name: _yaml(value) for name, value in facts.known.items()}


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Range | Decimal | date):
        shown = as_json(value)
        return _flow(shown) if isinstance(shown, dict) else str(shown)
    if isinstance(value, str):
        return value if value.replace("_", "").isalpha() and value.islower() else json.dumps(value)
    return _flow(as_json(value))


def _flow(value: object) -> str:
    """Lists and groups in YAML's flow style; JSON is that too, but yes and no are plainer."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_flow(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, str) else str(value)
