"""The tree behind a record or a rule pack; every part of it remembers its line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from custody.obligations.problems import shorten

DEEPEST = 20


class Kind(Enum):
    """How the text of a value was written; a field's own type decides what it means."""

    TEXT = "text"
    YES_NO = "yes or no"
    NUMBER = "a number"
    TIME = "a time"
    EMPTY = "nothing"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: its *text* as written, and what *kind* of writing it is."""

    text: str
    kind: Kind
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A group of named values; the names are unique."""

    entries: tuple[tuple[str, int, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """The value under *key*, if there is one."""
        return next((node for name, _, node in self.entries if name == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def describe(node: Node) -> str:
    """What stands there, in words for a message."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a group of fields"
    if node.kind is Kind.EMPTY:
        return "nothing"
    quoted = node.kind is Kind.TEXT and node.text[:1].isdigit()
    return shorten(node.text) + (" as text" if quoted else "")
