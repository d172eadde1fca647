"""Rule packs from YAML, strictly: every mistake in a pack is named by line, and none is passed.

Refused are: a rule without a source, a source that the pack does not list, an unknown fact or
rule, a number without an operator word, a cycle of rules, and two versions of a rule whose dates
overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from custody.obligations import reading
from custody.obligations.condition_loader import ConditionLoader
from custody.obligations.conditions import Always, Condition
from custody.obligations.node_reader import NodeReader
from custody.obligations.nodes import Kind, Mapping, Node, Scalar
from custody.obligations.pack import (
    CONFIDENCES,
    FORCES,
    KINDS,
    NOT_SPECIFIED,
    ByWhen,
    Choice,
    Citation,
    Content,
    Done,
    Note,
    NotEvaluated,
    Pace,
    Pack,
    Rule,
    Source,
)
from custody.obligations.problems import Problems

_PACK = ("pack", "title", "version", "checked_on", "sources", "rules", "choices", "not_evaluated")
_RULE = (
    "id", "kind", "title", "who", "recipient", "force", "confidence", "in_force", "sources", "when",
    "by_when", "content", "method", "notes", "done",
)  # fmt: skip
_CHOICE = ("id", "question", "reading", "other", "sources", "shown_when", "instead")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pack, and the lines on which it asks for rules, for the check over all packs."""

    pack: Pack
    asked: tuple[tuple[str, int, str], ...]


def load(data: bytes, name: str) -> Loaded:
    """Read the first document of *data*; the second holds scenarios and is not needed here.

    :raises MistakesError: with every mistake that can be seen in this pack alone.
    """
    problems = Problems()
    text = reading.decode(data, problems)
    root = next(reading.read_yaml(text, problems), None) if text else None
    problems.raise_any("read rule pack", name)
    loader = _PackLoader(problems, hashlib.sha256(data).hexdigest())
    pack = loader.pack(root or Scalar("", Kind.EMPTY, 1))
    problems.raise_any("read rule pack", name)
    return Loaded(pack, tuple(loader.conditions.asked))


class _PackLoader(NodeReader):
    def __init__(self, problems: Problems, sha256: str) -> None:
        super().__init__(problems)
        self.sha256 = sha256
        self.conditions = ConditionLoader(problems)
        self.known_sources: tuple[str, ...] = ()

    def pack(self, root: Node) -> Pack:
        top = self.group(root, "", _PACK)
        sources = tuple(self.each(top, "sources", "", self.source))
        self.known_sources = tuple(source.id for source in sources)
        rules = tuple(self.each(top, "rules", "", self.rule))
        self.versions(rules, top.line)
        return Pack(
            id=self.text(top, "pack", ""),
            title=self.text(top, "title", ""),
            version=self.text(top, "version", ""),
            checked_on=self.date(top, "checked_on", "") or date.min,
            sha256=self.sha256,
            sources=sources,
            rules=rules,
            choices=tuple(self.each(top, "choices", "", self.choice)),
            not_evaluated=tuple(self.each(top, "not_evaluated", "", self.not_evaluated)),
        )

    def source(self, node: Node, field: str) -> Source:
        group = self.group(node, field, ("id", "title", "dated", "remark"))
        return Source(
            id=self.text(group, "id", field),
            title=self.text(group, "title", field),
            dated=self.text(group, "dated", field),
            remark=self.text(group, "remark", field, ""),
        )

    def rule(self, node: Node, field: str) -> Rule:
        group = self.group(node, field, _RULE)
        name = self.text(group, "id", field)
        field = f"rules.{name}" if name else field
        start, end = self.in_force(group, field)
        return Rule(
            id=name,
            kind=self.word(group, "kind", field, KINDS),
            title=self.text(group, "title", field),
            who=self.text(group, "who", field),
            recipient=self.text(group, "recipient", field),
            force=self.word(group, "force", field, FORCES),
            confidence=self.word(group, "confidence", field, CONFIDENCES),
            in_force_from=start,
            in_force_until=end,
            sources=self.citations(group, field),
            when=self.condition(group, "when", field),
            by_when=self.by_when(group, field),
            content=tuple(self.each(group, "content", field, self.content)),
            method=self.text(group, "method", field, NOT_SPECIFIED),
            notes=tuple(self.each(group, "notes", field, self.note)),
            done=self.done(group, field),
        )

    def in_force(self, group: Mapping, field: str) -> tuple[date | None, date | None]:
        dates = self.group(self.need(group, "in_force", field), field, ("from", "until"))
        start = self.date(dates, "from", f"{field}.in_force")
        end = self.date(dates, "until", f"{field}.in_force")
        if start and end and start > end:
            self.problems.add(dates.line, field, f"{start} to {end}", "from is the earlier date")
        return start, end

    def citations(self, group: Mapping, field: str) -> tuple[Citation, ...]:
        found = tuple(self.each(group, "sources", field, self.citation))
        if not found:
            allowed = f"every rule cites a source: {', '.join(self.known_sources)}"
            self.problems.add(group.line, f"{field}.sources", "no source", allowed)
        return found

    def citation(self, node: Node, field: str) -> Citation:
        group = self.group(node, field, ("source", "at"))
        source = self.word(group, "source", field, self.known_sources)
        return Citation(source, self.text(group, "at", field))

    def by_when(self, group: Mapping, field: str) -> ByWhen:
        node = group.get("by_when")
        if node is None:
            return ByWhen(Pace.NOT_SPECIFIED, NOT_SPECIFIED)
        field = f"{field}.by_when"
        due = self.group(node, field, ("pace", "words", "since", "date_from", "years"))
        pace = self.word(due, "pace", field, tuple(item.value for item in Pace))
        start = self.text(due, "date_from", field, "")
        return ByWhen(
            pace=Pace(pace) if pace else Pace.NOT_SPECIFIED,
            words=self.text(due, "words", field),
            since=tuple(self.each(due, "since", field, self.fact)),
            date_from=self.known_fact(start, due.line, field) if start else "",
            years=int(self.text(due, "years", field, "0") or 0),
        )

    def content(self, node: Node, field: str) -> Content:
        group = self.group(node, field, ("item", "facts"))
        facts = tuple(self.each(group, "facts", field, self.fact))
        return Content(self.text(group, "item", field), facts)

    def note(self, node: Node, field: str) -> Note:
        if isinstance(node, Scalar):
            return Note(node.text)
        group = self.group(node, field, ("text", "when"))
        return Note(self.text(group, "text", field), self.condition(group, "when", field))

    def done(self, group: Mapping, field: str) -> Done | None:
        node = group.get("done")
        if node is None:
            return None
        inside = self.group(node, f"{field}.done", ("fact", "of"))
        names = [self.text(inside, name, field, "") for name in ("fact", "of")]
        for name in filter(None, names):
            self.known_fact(name, inside.line, f"{field}.done")
        return Done(*names)

    def choice(self, node: Node, field: str) -> Choice:
        group = self.group(node, field, _CHOICE)
        name = self.text(group, "id", field)
        field = f"choices.{name}"
        instead = group.get("instead")
        entries = self.group(instead, field, None).entries if instead else ()
        for rule, line, _ in entries:
            self.conditions.asked.append((rule, line, field))
        return Choice(
            id=name,
            question=self.text(group, "question", field),
            reading=self.text(group, "reading", field),
            other=self.text(group, "other", field),
            sources=self.citations(group, field),
            shown_when=self.condition(group, "shown_when", field),
            instead={
                rule: self.conditions.load(part, f"{field}.instead.{rule}")
                for rule, _, part in entries
            },
        )

    def not_evaluated(self, node: Node, field: str) -> NotEvaluated:
        group = self.group(node, field, ("id", "title", "why", "when", "states_of"))
        states = self.text(group, "states_of", field, "")
        return NotEvaluated(
            id=self.text(group, "id", field),
            title=self.text(group, "title", field),
            why=self.text(group, "why", field),
            when=self.condition(group, "when", field),
            states_of=self.known_fact(states, group.line, field) if states else "",
        )

    def versions(self, rules: Iterable[Rule], line: int) -> None:
        """A rule may stand there in several versions, if no day has two of them."""
        by_id: dict[str, list[Rule]] = {}
        for rule in rules:
            by_id.setdefault(rule.id, []).append(rule)
        for name, same in by_id.items():
            same.sort(key=lambda rule: rule.in_force_from or date.min)
            for earlier, later in pairwise(same):
                if (earlier.in_force_until or date.max) >= (later.in_force_from or date.min):
                    found = "two versions in force on one day"
                    self.problems.add(line, f"rules.{name}", found, "dates must not overlap")

    def condition(self, group: Mapping, name: str, field: str) -> Condition:
        node = group.get(name)
        if node is None:
            self.need(group, name, field)
            return Always()
        return self.conditions.load(node, f"{field}.{name}")
