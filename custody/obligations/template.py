"""The empty record that ``incident new`` writes: every field, with a word on what it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from custody.obligations.kinds import (
    Choice,
    Count,
    FieldType,
    Items,
    Moment,
    Money,
    Part,
    Texts,
    YesNo,
)
from custody.obligations.table import SCHEMA, SECTIONS, Group

_HEADING = """\
# An incident record.  Absent, empty and unknown mean the same: unknown.  A no must be said.
# Write a count as 1200 or {at_least: 800, at_most: 1200}; a moment as 2026-03-04T09:00:00-06:00,
# or a date; put text in quotes if it looks like a number.  Check it: custody incident check FILE
"""
_COLUMN = 34
_WIDEST = 100


def render(values: Mapping[str, str] | None = None) -> str:
    """The template as YAML; *values* fills fields by dotted name, already written as YAML."""
    given = dict(values or {})
    case = _line(0, "case", given.get("case", ""), "the case number")
    lines = [_HEADING, f"schema: {SCHEMA}", *case]
    for section in SECTIONS:
        lines += ["", f"# {section.about}", f"{section.name}:"]
        for entry in section.parts:
            lines += _entry(entry, section.name, given)
    return "\n".join(lines) + "\n"


def _entry(entry: Part | Group, prefix: str, given: Mapping[str, str]) -> Iterator[str]:
    name = f"{prefix}.{entry.name}"
    if isinstance(entry, Group):
        yield from _line(1, entry.name, "", entry.about)
        for part in entry.parts:
            value = given.get(f"{name}.{part.name}", "")
            yield from _line(2, part.name, value, _hint(part.type))
        return
    words = "; ".join(filter(None, (entry.about, _hint(entry.type))))
    yield from _line(1, entry.name, given.get(name, ""), words)
    if isinstance(entry.type, Items):
        yield from _item_help(entry.type)


def _item_help(kind: Items) -> Iterator[str]:
    inside = ", ".join(f"{part.name}: " for part in kind.parts)
    yield f"    # - {{{inside.strip()}}}"
    for part in kind.parts:
        if isinstance(part.type, Choice):
            yield from _comment(f"{part.name}: {' '.join(part.type.values)}", "    #   ")


def _hint(kind: FieldType) -> str:
    if isinstance(kind, Choice):
        return f"one of: {' '.join(kind.values)}"
    if isinstance(kind, Moment):
        return "date or moment"
    hints = {YesNo: "yes/no", Count: "count", Money: "such as 1000.00", Texts: "[text, text]"}
    return hints.get(type(kind), "")


def _line(depth: int, name: str, value: str, about: str) -> Iterator[str]:
    indent = "  " * depth
    text = f"{indent}{name}: {value}".rstrip()
    line = f"{text:<{_COLUMN}}  # {about}"
    if not about or len(line) <= _WIDEST:
        yield line if about else text
    else:
        yield from _comment(about, f"{indent}# ")
        yield text


def _comment(words: str, start: str) -> list[str]:
    return textwrap.wrap(words, _WIDEST, initial_indent=start, subsequent_indent=start)
