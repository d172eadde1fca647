"""The JSON Schema of the record, for editors; generated from the fact table."""

from __future__ import annotations

import json
from typing import Any

from custody.obligations.kinds import (
    ByState,
    Choice,
    Count,
    Exactly,
    FieldType,
    Items,
    Moment,
    Money,
    Part,
    Texts,
    YesNo,
)
from custody.obligations.states import STATES
from custody.obligations.table import HEAD, SCHEMA, SECTIONS, Group

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNKNOWN = {"enum": ["unknown", "", None]}
_WHOLE = {"type": "integer", "minimum": 0}
_DATE = r"^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?)?$"


def render() -> str:
    """The schema as text, the same for the same table."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def build() -> dict[str, Any]:
    """The schema as a value."""
    properties = {part.name: _part(part) for part in HEAD}
    for section in SECTIONS:
        entries = {
            entry.name: _group(entry) if isinstance(entry, Group) else _part(entry)
            for entry in section.parts
        }
        properties[section.name] = _object(entries, section.about)
    return {
        "$schema": _DIALECT,
        "$id": f"urn:custody:{SCHEMA.removeprefix('custody.')}",
        "title": "custody incident record",
        **_object(properties, "Absent, empty and unknown are the same. A no must be said."),
        "required": ["schema"],
    }


def _object(properties: dict[str, Any], about: str) -> dict[str, Any]:
    kinds = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
    return {"description": about, **kinds} if about else kinds


def _group(group: Group) -> dict[str, Any]:
    return _object({part.name: _part(part) for part in group.parts}, group.about)


def _part(part: Part) -> dict[str, Any]:
    shape = _shape(part.type)
    if not isinstance(part.type, Exactly):
        shape = {"anyOf": [shape, _UNKNOWN]}
    return {"description": part.about, **shape} if part.about else shape


def _shape(kind: FieldType) -> dict[str, Any]:
    if isinstance(kind, YesNo):
        return {"enum": [True, False, "yes", "no", "true", "false"]}
    if isinstance(kind, Choice):
        return {"enum": list(kind.values)}
    if isinstance(kind, Count):
        return _count()
    if isinstance(kind, Money):
        text = {"type": "string", "pattern": r"^(0|[1-9]\d{0,14})(\.\d{1,2})?$"}
        return {"anyOf": [{"type": "number", "minimum": 0, "multipleOf": 0.01}, text]}
    if isinstance(kind, Moment):
        return {"type": "string", "pattern": _DATE}
    return _collection(kind)


def _count() -> dict[str, Any]:
    bounds = {"at_least": _WHOLE, "at_most": _WHOLE}
    return {"anyOf": [_WHOLE, {**_object(bounds, ""), "minProperties": 1}]}


def _collection(kind: FieldType) -> dict[str, Any]:
    if isinstance(kind, Texts):
        return {"type": "array", "items": {"type": "string"}}
    if isinstance(kind, Items):
        entries = {part.name: _part(part) for part in kind.parts}
        return {"type": "array", "items": _object(entries, "")}
    if isinstance(kind, ByState):
        return {
            "type": "object",
            "propertyNames": {"enum": [name for name in STATES if name != "MO"]},
            "additionalProperties": {"anyOf": [_count(), _UNKNOWN]},
        }
    return {"type": "string"}
