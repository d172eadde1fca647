"""Small strict readers over a tree of nodes; every mistake is noted, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import TypeVar

from custody.obligations import reading
from custody.obligations.nodes import Mapping, Node, Scalar, Sequence, describe
from custody.obligations.pack import NOT_SPECIFIED
from custody.obligations.problems import Problems, did_you_mean
from custody.obligations.table import FIELDS

_Made = TypeVar("_Made")


class NodeReader:
    """Groups, texts, words, dates, facts and lists, by name."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def group(self, node: Node, field: str, names: tuple[str, ...] | None) -> Mapping:
        if not isinstance(node, Mapping):
            self.problems.add(node.line, field, describe(node), "allowed: a group of fields")
            return Mapping((), node.line)
        if names is not None:
            reading.check_names(node, field, names, self.problems)
        return node

    def need(self, group: Mapping, name: str, field: str) -> Node:
        node = group.get(name)
        if node is None:
            self.problems.add(group.line, f"{field}.{name}".lstrip("."), "nothing", "required")
        return node or Mapping((), group.line)

    def text(self, group: Mapping, name: str, field: str, default: str | None = None) -> str:
        node = group.get(name)
        if isinstance(node, Scalar) and node.text.strip():
            return node.text.strip()
        if node is not None or default is None:
            found = describe(node) if node else "nothing"
            self.problems.add(group.line, f"{field}.{name}".lstrip("."), found, "allowed: text")
        return default or ""

    def word(self, group: Mapping, name: str, field: str, allowed: tuple[str, ...]) -> str:
        found = self.text(group, name, field)
        if found and found not in allowed:
            words = f"allowed: {', '.join(allowed)}{did_you_mean(found, allowed)}"
            self.problems.add(group.line, f"{field}.{name}", f'"{found}"', words)
        return found if found in allowed else ""

    def date(self, group: Mapping, name: str, field: str) -> date | None:
        found = self.text(group, name, field)
        try:
            return None if found in {NOT_SPECIFIED, ""} else date.fromisoformat(found)
        except ValueError:
            words = f'allowed: a date, or "{NOT_SPECIFIED}"'
            self.problems.add(group.line, f"{field}.{name}".lstrip("."), f'"{found}"', words)
            return None

    def fact(self, node: Node, field: str) -> str:
        return self.known_fact(node.text if isinstance(node, Scalar) else "", node.line, field)

    def known_fact(self, name: str, line: int, field: str) -> str:
        if name not in FIELDS:
            hint = did_you_mean(name, FIELDS)
            self.problems.add(line, field, f'the fact "{name}"', f"no such fact{hint}")
        return name

    def each(
        self, group: Mapping, name: str, field: str, make: Callable[[Node, str], _Made]
    ) -> Iterator[_Made]:
        node = group.get(name)
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.problems.add(node.line, f"{field}.{name}", describe(node), "allowed: a list")
            return
        for at, part in enumerate(node.items):
            yield make(part, f"{field}.{name}[{at}]".lstrip("."))
