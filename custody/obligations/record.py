"""The incident record: bytes -> typed, frozen facts, or all mistakes at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from custody.errors import UsageError
from custody.obligations import other_formats, reading, table
from custody.obligations.kinds import Items, Part, Reading, is_unknown
from custody.obligations.nodes import Mapping as MappingNode
from custody.obligations.nodes import Node
from custody.obligations.problems import Problems, did_you_mean
from custody.obligations.table import FIELDS, HEAD, SECTIONS, Group, Section
from custody.obligations.values import Range, Value, as_json, day_of

_WHAT = "read incident record"
_INDEXED = re.compile(r"(.+)\[(\d+)\]\.(\w+)\Z")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known, by dotted name.  A fact that is not in here is unknown."""

    known: Mapping[str, Value] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value of *name*, or None if it is unknown."""
        return self.known.get(name)

    def day(self, name: str) -> date | None:
        """The calendar day of *name*, in the entity's own time zone if that is known."""
        value = self.known.get(name)
        return self.day_of(value) if isinstance(value, date) else None

    def day_of(self, moment: date) -> date:
        """The calendar day of *moment*, in the entity's own time zone if that is known."""
        return day_of(moment, self.text("entity.time_zone"))

    def number(self, name: str) -> Range | None:
        """The count *name*."""
        value = self.known.get(name)
        return value if isinstance(value, Range) else None

    def items(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """The groups listed under *name*; none if the list is unknown."""
        value = self.known.get(name)
        return value if isinstance(value, tuple) else ()  # type: ignore[return-value]

    def text(self, name: str) -> str | None:
        """The text *name*."""
        value = self.known.get(name)
        return value if isinstance(value, str) else None

    def replace(self, changes: Mapping[str, Value | None]) -> Facts:
        """The same facts with some of them changed; None makes one unknown."""
        merged = {**self.known, **changes}
        return Facts({name: value for name, value in merged.items() if value is not None})

    def as_json(self) -> dict[str, object]:
        """Name and value of each known fact, in the order of the fact table."""
        return {name: as_json(self.known[name]) for name in FIELDS if name in self.known}


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read: its facts, its exact bytes, and their digest."""

    facts: Facts
    data: bytes
    name: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the file as it was read, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def parse(data: bytes, name: str = "incident.yaml") -> Record:
    """Read a record; the ending of *name* says whether it is YAML, TOML or JSON.

    :raises MistakesError: with every mistake in it, by line.
    :raises UsageError: for any other ending.
    """
    problems = Problems()
    root = _tree(data, name, problems)
    known: dict[str, Value] = {}
    if root is not None:
        known = _read(root, problems)
    problems.raise_any(_WHAT, name)
    return Record(Facts(MappingProxyType(known)), data, name)


def change(facts: Facts, assignment: str) -> tuple[str, Facts]:
    """Apply ``--what-if``: *assignment* is ``name=value``, the value as in a YAML record.

    :returns: the name, and the changed facts.
    :raises UsageError: if there is no such fact, or no ``=``.
    :raises MistakesError: if the value is not allowed there.
    """
    name, equals, text = assignment.partition("=")
    name = name.strip()
    indexed = _INDEXED.match(name)
    if name not in FIELDS and not indexed:
        hint = did_you_mean(name, FIELDS).lstrip("; ") or "custody incident new lists every fact"
        raise UsageError("change a fact", assignment, "there is no such fact", hint=hint)
    if not equals:
        hint = f"{name}=VALUE, or {name}= to make it unknown"
        raise UsageError("change a fact", assignment, "a value is missing", hint=hint)
    problems = Problems()
    nodes = list(reading.read_yaml(text, problems)) if text.strip() else []
    context = Reading(problems, _zone_of(facts))
    if indexed:
        changed = _change_item(facts, indexed, nodes, context)
    else:
        changed = {name: FIELDS[name].type.read(nodes[0], name, context) if nodes else None}
    problems.raise_any("change a fact", assignment)
    return name, facts.replace(changed)


def _change_item(
    facts: Facts, place: re.Match[str], nodes: list[Node], context: Reading
) -> dict[str, Value | None]:
    name, index, part_name = place[1], int(place[2]), place[3]
    items = list(facts.items(name))
    kind = FIELDS[name].type if name in FIELDS else None
    parts = {part.name: part for part in kind.parts} if isinstance(kind, Items) else {}
    if index >= len(items) or part_name not in parts:
        raise UsageError("change a fact", place[0], "the record has no such list item or field")
    value = parts[part_name].type.read(nodes[0], place[0], context) if nodes else None
    item = {**items[index], part_name: value}
    items[index] = {key: part for key, part in item.items() if part is not None}
    return {name: tuple(items)}


def _tree(data: bytes, name: str, problems: Problems) -> Node | None:
    suffix = name.rpartition(".")[2].lower()
    if suffix not in {"yaml", "yml", "json", "toml"}:
        hint = "name it .yaml, .yml, .toml or .json"
        raise UsageError(_WHAT, name, "its ending does not say how it is written", hint=hint)
    text = reading.decode(data, problems)
    if text is None:
        return None
    if suffix == "json":
        return other_formats.read_json(text, problems)
    if suffix == "toml":
        return other_formats.read_toml(text, problems)
    documents = list(reading.read_yaml(text, problems))
    if len(documents) > 1:
        problems.add(documents[1].line, "", "a second document", "one record to a file")
    if not documents and not problems.found:
        problems.add(1, "schema", "nothing", f"a record begins with schema: {table.SCHEMA}")
    return documents[0] if documents else None


def _read(root: Node, problems: Problems) -> dict[str, Value]:
    context = Reading(problems)
    if not isinstance(root, MappingNode):
        context.wrong(root, "", f"named sections; the first line is schema: {table.SCHEMA}")
        return {}
    schema = root.get("schema")
    if schema is None or is_unknown(schema):
        problems.add(1, "schema", "nothing", f"a record begins with schema: {table.SCHEMA}")
    return facts_in(root, context)


def facts_in(root: MappingNode, context: Reading) -> dict[str, Value]:
    """The known facts in the sections of *root*."""
    names = tuple(part.name for part in HEAD) + tuple(section.name for section in SECTIONS)
    reading.check_names(root, "", names, context.problems)
    context.zone = _zone(root)
    known = dict(_parts(HEAD, root, "", context))
    for section in SECTIONS:
        node = root.get(section.name)
        if node is not None:
            known.update(_section(section, node, context))
    return known


def _zone(root: MappingNode) -> ZoneInfo | None:
    """The zone is needed before the moments are read; a wrong one is reported in its place."""
    entity = root.get("entity")
    node = entity.get("time_zone") if isinstance(entity, MappingNode) else None
    name = FIELDS["entity.time_zone"].type.read(node, "", Reading(Problems())) if node else None
    return ZoneInfo(name) if isinstance(name, str) else None


def _zone_of(facts: Facts) -> ZoneInfo | None:
    name = facts.text("entity.time_zone")
    return ZoneInfo(name) if name else None


def _section(section: Section, node: Node, context: Reading) -> Iterator[tuple[str, Value]]:
    if is_unknown(node):
        return
    if not isinstance(node, MappingNode):
        context.wrong(node, section.name, "a group of fields")
        return
    names = tuple(entry.name for entry in section.parts)
    reading.check_names(node, section.name, names, context.problems)
    for entry in section.parts:
        if isinstance(entry, Group):
            yield from _group(entry, node, section.name, context)
        else:
            yield from _parts((entry,), node, section.name, context)


def _group(
    group: Group, parent: MappingNode, prefix: str, context: Reading
) -> Iterator[tuple[str, Value]]:
    node = parent.get(group.name)
    if node is None or is_unknown(node):
        return
    name = f"{prefix}.{group.name}"
    if not isinstance(node, MappingNode):
        context.wrong(node, name, f"a group with {', '.join(part.name for part in group.parts)}")
        return
    reading.check_names(node, name, tuple(part.name for part in group.parts), context.problems)
    yield from _parts(group.parts, node, name, context)


def _parts(
    parts: tuple[Part, ...], parent: MappingNode, prefix: str, context: Reading
) -> Iterator[tuple[str, Value]]:
    for part in parts:
        node = parent.get(part.name)
        name = f"{prefix}.{part.name}".lstrip(".")
        value = part.type.read(node, name, context) if node is not None else None
        if value is not None:
            yield name, value
