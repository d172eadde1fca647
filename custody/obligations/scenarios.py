"""Scenarios: the second document of a pack, facts and the answers that they must give.

They show what each rule means, and they run as tests.  A scenario starts from the pack's ``base``
or from nothing, changes some facts, and may run through several values of one fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from custody.obligations import reading
from custody.obligations.assess import Assessment
from custody.obligations.kinds import Reading
from custody.obligations.node_reader import NodeReader
from custody.obligations.nodes import Kind, Node, Scalar, Sequence
from custody.obligations.nodes import Mapping as MappingNode
from custody.obligations.problems import Problems
from custody.obligations.record import Facts, facts_in
from custody.obligations.table import FIELDS
from custody.obligations.values import Value

_TOP = ("as_of", "base", "scenarios")
_NAMES = (
    "name", "from", "facts", "each", "answers", "holds", "needs", "dates", "choices",
    "not_evaluated", "contradictions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """Facts, and what must come out."""

    pack: str
    name: str
    as_of: date
    facts: Facts
    answers: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dates: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    not_evaluated: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    def rules(self) -> set[str]:
        """The rules that this scenario says something about."""
        return {*self.answers, *self.holds, *self.needs, *self.dates}

    def failures(self, found: Assessment) -> list[str]:
        """Where *found* is not what this scenario says."""
        duties = {duty.rule.id: duty for duty in found.duties}
        wrong = [f"{name}: no such rule" for name in sorted(self.rules() - set(duties))]
        checks = (
            (self.answers, lambda duty: duty.answer),
            (self.holds, lambda duty: duty.holds),
            (self.needs, lambda duty: tuple(sorted(duty.needs))),
            (self.dates, lambda duty: duty.by_when.day),
        )
        for expected, look in checks:
            for name, value in expected.items():
                got = look(duties[name]) if name in duties else None
                if got != value:
                    wrong.append(f"{name}: expected {value}, found {got}")
        listed = (
            (self.choices, {made.choice.id for made in found.choices}),
            (self.not_evaluated, {entry.id for entry in found.not_evaluated}),
            (self.contradictions, {name for e in found.contradictions for name in e.facts}),
        )
        for wanted, there in listed:
            wrong += [f"{name}: not listed" for name in wanted if name not in there]
        return wrong


def load(data: bytes, name: str) -> tuple[Scenario, ...]:
    """The scenarios of the pack file *name*; none if it has no second document.

    :raises MistakesError: with every mistake in them.
    """
    problems = Problems()
    text = reading.decode(data, problems) or ""
    documents = list(reading.read_yaml(text, problems))
    found: tuple[Scenario, ...] = ()
    if len(documents) > 1:
        reader = _ScenarioReader(problems, name.removesuffix(".yaml"))
        found = tuple(reader.read(documents[1]))
    problems.raise_any("read scenarios", name)
    return found


class _ScenarioReader(NodeReader):
    def __init__(self, problems: Problems, pack: str) -> None:
        super().__init__(problems)
        self.pack = pack
        self.base: dict[str, Value] = {}
        self.as_of = date.min

    def read(self, root: Node) -> Iterator[Scenario]:
        top = self.group(root, "", _TOP)
        self.as_of = self.date(top, "as_of", "") or date.min
        base = top.get("base")
        if isinstance(base, MappingNode):
            self.base = facts_in(base, Reading(self.problems))
        for some in self.each(top, "scenarios", "", self.scenario):
            yield from some

    def scenario(self, node: Node, place: str) -> list[Scenario]:
        group = self.group(node, place, _NAMES)
        name = self.text(group, "name", place)
        start = self.text(group, "from", name, "base")
        facts = Facts(self.base if start == "base" else {}).replace(
            self.changes(group.get("facts"), name)
        )
        each = group.get("each")
        if each is None:
            return [self.one(group, name, facts, None)]
        return list(self.run(group, name, facts, self.group(each, name, ("fact", "values"))))

    def run(
        self, group: MappingNode, name: str, facts: Facts, each: MappingNode
    ) -> Iterator[Scenario]:
        fact = self.known_fact(self.text(each, "fact", name), each.line, name)
        values = each.get("values")
        for at, node in enumerate(values.items if isinstance(values, Sequence) else ()):
            changed = facts.replace({fact: self.value(fact, node)})
            yield self.one(group, name, changed, at)

    def one(self, group: MappingNode, name: str, facts: Facts, at: int | None) -> Scenario:
        return Scenario(
            pack=self.pack,
            name=name if at is None else f"{name} [{at}]",
            as_of=self.as_of,
            facts=facts,
            answers=self.expected(group, "answers", name, at),
            holds=self.expected(group, "holds", name, at),
            needs=self.needed(group, name),
            dates=self.expected(group, "dates", name, at),
            choices=tuple(self.each(group, "choices", name, self.plain)),
            not_evaluated=tuple(self.each(group, "not_evaluated", name, self.plain)),
            contradictions=tuple(self.each(group, "contradictions", name, self.plain)),
        )

    def expected(self, group: MappingNode, key: str, name: str, at: int | None) -> dict[str, str]:
        node = group.get(key)
        entries = self.group(node, name, None).entries if node else ()
        return {rule: self.pick(value, at, f"{name}.{rule}") for rule, _, value in entries}

    def pick(self, node: Node, at: int | None, place: str) -> str:
        """The answer for one run: a list has one for each value, a single word goes for all."""
        if isinstance(node, Sequence) and at is not None and at < len(node.items):
            node = node.items[at]
        return self.plain(node, place)

    def needed(self, group: MappingNode, name: str) -> dict[str, tuple[str, ...]]:
        node = group.get("needs")
        if node is None:
            return {}
        inside = self.group(node, name, None)
        return {
            rule: tuple(sorted(self.each(inside, rule, name, self.plain)))
            for rule, _, _ in inside.entries
        }

    def changes(self, node: Node | None, name: str) -> dict[str, Value | None]:
        entries = self.group(node, name, None).entries if node else ()
        return {
            self.known_fact(fact, line, name): self.value(fact, value)
            for fact, line, value in entries
        }

    def value(self, fact: str, node: Node) -> Value | None:
        kind = FIELDS[fact].type if fact in FIELDS else None
        return kind.read(node, fact, Reading(self.problems)) if kind else None

    def plain(self, node: Node, place: str) -> str:
        if isinstance(node, Scalar) and node.kind is not Kind.EMPTY:
            return node.text
        self.problems.add(node.line, place, "something else", "allowed: a word")
        return ""
