"""What a rule can ask: a handful of frozen shapes, and the trace that an answer leaves.

There is no expression language.  A condition in a pack is a tree of these shapes, spelled out in
YAML with operators in words, and nothing in it is ever executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias


class Truth(Enum):
    """Yes, no, or not known."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Always:
    """Holds whatever the facts are."""


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds: one no is a no, else one unknown is unknown."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds: one yes is a yes, else one unknown is unknown."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; unknown stays unknown."""

    of: Condition


@dataclass(frozen=True, slots=True)
class RuleHolds:
    """Another rule's condition holds."""

    rule: str


@dataclass(frozen=True, slots=True)
class Some:
    """An item of a list meets a condition in which its fields are called ``item.<name>``.

    A list decides by what it lacks only when it is said to be complete.
    """

    list: str
    where: Condition


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact compared with one operand; *operator* is a word of :data:`OPERATORS`."""

    name: str
    operator: str
    operand: Operand


Operand: TypeAlias = bool | str | int | Decimal | tuple[str, ...]
Condition: TypeAlias = Always | All | AnyOf | Not | RuleHolds | Some | Fact

COMPARISONS = ("more_than", "at_least", "fewer_than", "at_most")
OPERATORS = ("is", "is_one_of", "includes", "given", "happened", *COMPARISONS)


@dataclass(frozen=True, slots=True)
class Trace:
    """How one condition came out, and why.

    :ivar test: the shape: ``all``, ``any``, ``not``, ``rule``, ``some``, ``fact``, ``always``.
    :ivar text: the question in words.
    :ivar fact: the dotted name of the fact, or the id of the rule, that was asked for.
    :ivar found: what the record says, in words; empty for a shape without a fact.
    :ivar needs: the unknown facts that can still change this outcome.
    """

    test: str
    text: str
    value: Truth
    fact: str = ""
    found: str = ""
    needs: tuple[str, ...] = ()
    of: tuple[Trace, ...] = ()

    def facts(self) -> Iterator[str]:
        """The names of all facts that were looked at, also by the rules that were asked for."""
        if self.fact and self.test != "rule":
            yield self.fact
        for part in self.of:
            yield from part.facts()

    def as_json(self, *, expand: bool = False) -> dict[str, object]:
        """The tree as plain JSON; a rule asked for stands there by id unless *expand* is set."""
        tree: dict[str, object] = {"test": self.test, "value": self.value.value, "text": self.text}
        if self.fact:
            tree["rule" if self.test == "rule" else "fact"] = self.fact
        if self.found:
            tree["found"] = self.found
        if self.of and (expand or self.test != "rule"):
            tree["of"] = [part.as_json(expand=expand) for part in self.of]
        return tree
