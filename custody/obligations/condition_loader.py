"""Conditions from the YAML of a pack, strictly: only known shapes, facts, operators, operands."""

from __future__ import annotations

from decimal import Decimal

from custody.obligations.conditions import (
    COMPARISONS,
    OPERATORS,
    All,
    Always,
    AnyOf,
    Condition,
    Fact,
    Not,
    Operand,
    RuleHolds,
    Some,
)
from custody.obligations.kinds import (
    Choice,
    Count,
    Event,
    FieldType,
    Items,
    Money,
    Part,
    Reading,
    Texts,
    YesNo,
)
from custody.obligations.nodes import Kind, Mapping, Node, Scalar, Sequence, describe
from custody.obligations.problems import Problems, did_you_mean
from custody.obligations.table import FIELDS
from custody.obligations.values import Range

_SHAPES = ("all", "any", "not", "rule", "some", "fact", "always")
_ITEM = "item."
_BY_TYPE: tuple[tuple[type[FieldType], tuple[str, ...]], ...] = (
    (YesNo, ("is", "given")),
    (Choice, ("is", "is_one_of", "given")),
    (Count, (*COMPARISONS, "given")),
    (Money, (*COMPARISONS, "given")),
    (Texts, ("includes", "given")),
    (Event, ("happened", "given")),
)


class ConditionLoader:
    """Reads conditions and remembers which rules they ask for."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.asked: list[tuple[str, int, str]] = []

    def load(self, node: Node, field: str, parts: tuple[Part, ...] = ()) -> Condition:
        """The condition in *node*; *parts* are the fields of ``item`` inside a ``some``."""
        if not isinstance(node, Mapping):
            self._wrong(node, field, f"a condition: {', '.join(_SHAPES)}")
            return Always()
        shapes = [name for name, _, _ in node.entries if name in _SHAPES]
        if len(shapes) != 1:
            first = node.entries[0][0] if node.entries else ""
            hint = did_you_mean(first, _SHAPES)
            self._wrong(node, field, f"exactly one of {', '.join(_SHAPES)}{hint}")
            return Always()
        shape = shapes[0]
        inside = node.get(shape) or node
        if shape == "fact":
            return self._fact(node, field, parts)
        if shape == "some":
            return self._some(node, field)
        if len(node.entries) > 1:
            self._wrong(node, field, f"nothing beside {shape}")
        return self._simple(shape, inside, f"{field}.{shape}", parts)

    def _simple(self, shape: str, inside: Node, field: str, parts: tuple[Part, ...]) -> Condition:
        if shape in {"all", "any"}:
            if not isinstance(inside, Sequence) or not inside.items:
                self._wrong(inside, field, "a list of conditions")
                return Always()
            of = tuple(
                self.load(part, f"{field}[{at}]", parts) for at, part in enumerate(inside.items)
            )
            return All(of) if shape == "all" else AnyOf(of)
        if shape == "not":
            return Not(self.load(inside, field, parts))
        text = inside.text if isinstance(inside, Scalar) else ""
        if shape == "always":
            if text != "yes":
                self._wrong(inside, field, "yes")
            return Always()
        self.asked.append((text, inside.line, field))
        return RuleHolds(text)

    def _some(self, node: Mapping, field: str) -> Condition:
        name, where = _text(node.get("some")), node.get("where")
        kind = FIELDS[name].type if name in FIELDS else None
        if not isinstance(kind, Items) or where is None or len(node.entries) != 2:
            self._wrong(node, field, "some: a list of groups, and where: a condition on item")
            return Always()
        return Some(name, self.load(where, f"{field}.where", kind.parts))

    def _fact(self, node: Mapping, field: str, parts: tuple[Part, ...]) -> Condition:
        name = _text(node.get("fact"))
        kind = self._type_of(name, node, field, parts)
        operators = [(word, part) for word, _, part in node.entries if word != "fact"]
        if len(operators) != 1 or operators[0][0] not in OPERATORS:
            found = operators[0][0] if operators else ""
            words = f"one operator in words: {', '.join(OPERATORS)}{did_you_mean(found, OPERATORS)}"
            self._wrong(node, field, words)
            return Always()
        operator, operand = operators[0]
        if kind is None:
            return Always()
        allowed = next((words for type_, words in _BY_TYPE if isinstance(kind, type_)), ("given",))
        if operator not in allowed:
            self._wrong(node, field, f"for {name}: {', '.join(allowed)}")
            return Always()
        return Fact(name, operator, self._operand(operator, operand, kind, field))

    def _type_of(
        self, name: str, node: Mapping, field: str, parts: tuple[Part, ...]
    ) -> FieldType | None:
        if name.startswith(_ITEM):
            names = {f"{_ITEM}{part.name}": part.type for part in parts}
        else:
            names = {known: part.type for known, part in FIELDS.items()}
        if name not in names:
            hint = did_you_mean(name, names)
            self.problems.add(node.line, field, f'the fact "{name}"', f"no such fact{hint}")
        return names.get(name)

    def _operand(self, operator: str, node: Node, kind: FieldType, field: str) -> Operand:
        if operator in {"given", "happened"}:
            if _text(node) != "yes":
                self._wrong(node, field, f"{operator}: yes")
            return True
        if operator == "is_one_of":
            items = node.items if isinstance(node, Sequence) else ()
            words = tuple(self._read(part, kind, field) for part in items)
            if not words:
                self._wrong(node, field, "a list of words")
            return tuple(str(word) for word in words)
        if operator == "includes":
            return _text(node).casefold()
        return self._read(node, kind, field)

    def _read(self, node: Node, kind: FieldType, field: str) -> Operand:
        value = kind.read(node, field, Reading(self.problems))
        if isinstance(value, Range) and value.at_least == value.at_most:
            return value.at_least
        if isinstance(value, bool | str | Decimal):
            return value
        if not any(problem.line == node.line for problem in self.problems.found):
            self._wrong(node, field, "one plain value")
        return False

    def _wrong(self, node: Node, field: str, allowed: str) -> None:
        self.problems.add(node.line, field, describe(node), f"allowed: {allowed}")


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) and node.kind is not Kind.EMPTY else ""
