"""The assessment: what each rule answers for one record, in the order in which it must be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from custody.obligations import progress
from custody.obligations.conditions import Condition, Trace, Truth
from custody.obligations.contradictions import Contradiction, contradictions
from custody.obligations.evaluate import Evaluator
from custody.obligations.library import Library
from custody.obligations.pack import Choice, NotEvaluated, Pace, Pack, Rule
from custody.obligations.progress import Due, Progress
from custody.obligations.record import Facts, Record, change
from custody.obligations.states import STATES
from custody.obligations.values import Range

EVALUATOR = "2"
UNDETERMINED = "undetermined"
_ANSWERS = {
    "duty": ("required", "not required"),
    "permission": ("permitted", "not permitted"),
    "advice": ("advised", "not required"),
    "confirm": (UNDETERMINED, "information"),
    "definition": ("information", "information"),
    "exemption": ("information", "information"),
    "flag": ("information", "information"),
    "information": ("information", "information"),
}
_UNDETERMINED_ORDER = (
    "duty", "confirm", "advice", "permission", "exemption", "definition", "flag", "information",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Duty:
    """One rule's answer, with everything that a reader may ask about it."""

    rule: Rule
    pack: str
    answer: str
    needs: tuple[str, ...]
    because: Trace
    by_when: Due
    progress: Progress
    notes: tuple[str, ...]

    @property
    def holds(self) -> str:
        """Whether the rule's own condition holds: yes, no or unknown."""
        return self.because.value.value


@dataclass(frozen=True, slots=True)
class Change:
    """What another reading, or another fact, would make of one rule."""

    rule: str
    answer: str
    other: str


@dataclass(frozen=True, slots=True)
class ChoiceMade:
    """A choice of reading that decided something in this record."""

    choice: Choice
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A regime that no pack covers: *status* says whether the facts touch it or may touch it."""

    id: str
    title: str
    why: str
    status: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """All answers for one record on one day."""

    record: Record
    facts: Facts
    as_of: date
    entered: tuple[str, ...]
    what_if: tuple[str, ...]
    changes: tuple[Change, ...]
    packs: tuple[Pack, ...]
    duties: tuple[Duty, ...]
    choices: tuple[ChoiceMade, ...]
    not_evaluated: tuple[Unjudged, ...]
    contradictions: tuple[Contradiction, ...]

    def duty(self, name: str) -> Duty | None:
        """The duty of the rule called *name*."""
        return next((duty for duty in self.duties if duty.rule.id == name), None)


def assess(
    record: Record,
    library: Library,
    as_of: date,
    *,
    entered: tuple[str, ...] = (),
    what_if: tuple[str, ...] = (),
) -> Assessment:
    """Answer every rule of *library* that is in force on *as_of*.

    :param entered: assignments that the ledger adds (:mod:`custody.obligations.deeds`).
    :param what_if: assignments that are tried out, shown with the answers that they change.
    :raises UsageError: if an assignment names no fact.
    :raises MistakesError: if its value is not allowed there.
    """
    before = changed(record.facts, entered)
    facts = changed(before, what_if)
    rules = library.rules_on(as_of)
    evaluator = _evaluator(facts, as_of, rules)
    owner = {rule.id: pack.id for pack in library.packs for rule in pack.rules}
    odd = contradictions(facts, as_of)
    duties = [_duty(rule, owner[rule.id], evaluator, odd) for rule in rules.values()]
    return Assessment(
        record=record,
        facts=facts,
        as_of=as_of,
        entered=entered,
        what_if=what_if,
        changes=_changed(before, evaluator, rules) if what_if else (),
        packs=library.packs,
        duties=tuple(sorted(duties, key=_urgency)),
        choices=tuple(_choices(library, rules, evaluator)),
        not_evaluated=tuple(_not_evaluated(library, evaluator)),
        contradictions=odd,
    )


def changed(facts: Facts, assignments: tuple[str, ...]) -> Facts:
    """*facts* after each of *assignments*."""
    for assignment in assignments:
        _, facts = change(facts, assignment)
    return facts


def _changed(before: Facts, evaluator: Evaluator, rules: dict[str, Rule]) -> tuple[Change, ...]:
    """What ``--what-if`` changed: the answers of the record itself beside the new ones."""
    return tuple(_differences(rules, _evaluator(before, evaluator.as_of, rules), evaluator))


def _evaluator(
    facts: Facts, as_of: date, rules: dict[str, Rule], instead: dict[str, Condition] | None = None
) -> Evaluator:
    conditions = {name: rule.when for name, rule in rules.items()} | (instead or {})
    titles = {name: rule.title for name, rule in rules.items()}
    return Evaluator(facts, as_of, conditions, titles)


def answer_of(rule: Rule, value: Truth) -> str:
    """The answer that *rule* gives when its condition comes out as *value*."""
    if value is Truth.UNKNOWN:
        return UNDETERMINED
    yes, no = _ANSWERS[rule.kind]
    return yes if value is Truth.YES else no


def _duty(rule: Rule, pack: str, evaluator: Evaluator, odd: tuple[Contradiction, ...]) -> Duty:
    trace = evaluator.rule(rule.id)
    answer = answer_of(rule, trace.value)
    due = progress.by_when(rule, evaluator.facts, evaluator.as_of)
    done = progress.of(rule, evaluator.facts, relevant=answer != "not required")
    notes = [note.text for note in rule.notes if _shown(note.when, evaluator)]
    used = set(trace.facts()) if odd else set()
    notes += [
        f"rests on facts that contradict each other: {entry.text}"
        for entry in odd
        if used.intersection(entry.facts)
    ]
    if trace.value is Truth.UNKNOWN:
        notes.insert(0, _meanwhile(rule, trace.needs))
    return Duty(
        rule=rule,
        pack=pack,
        answer=answer,
        needs=trace.needs,
        because=trace,
        by_when=due,
        progress=done,
        notes=(*notes, *done.remarks),
    )


_MEANWHILE = {
    "duty": "treat as required",
    "confirm": "treat as required",
    "advice": "treat as advised",
    "permission": "treat as not permitted",
    "exemption": "do not rely on it",
}


def _meanwhile(rule: Rule, needs: tuple[str, ...]) -> str:
    """What to do while the answer is open: the cautious thing."""
    are = "is known" if len(needs) == 1 else "are known"
    return f"{_MEANWHILE.get(rule.kind, 'open')} until {', '.join(needs)} {are}"


def _shown(when: Condition | None, evaluator: Evaluator) -> bool:
    return when is None or evaluator.condition(when).value is Truth.YES


def _urgency(duty: Duty) -> tuple[int, int, int]:
    """The place in the list: first what is immediate, then what is not known, and so on."""
    immediate = duty.rule.by_when.pace is Pace.IMMEDIATELY
    if duty.answer == UNDETERMINED:
        return 1, 0 if immediate else 1, _UNDETERMINED_ORDER.index(duty.rule.kind)
    if duty.answer == "required":
        if duty.progress.done_on:
            return 4, 0, 0
        dated = duty.rule.by_when.pace is Pace.BY_DATE
        return (0 if immediate else 3 if dated else 2), 0, 0
    later = ("permitted", "advised", "not permitted", "not required", "information")
    return 5 + later.index(duty.answer), 1 if duty.progress.done_on else 0, 0


def _choices(library: Library, rules: dict[str, Rule], evaluator: Evaluator) -> list[ChoiceMade]:
    made = []
    for choice in (choice for pack in library.packs for choice in pack.choices):
        if not _shown(choice.shown_when, evaluator):
            continue
        instead = {name: when for name, when in choice.instead.items() if name in rules}
        other = _evaluator(evaluator.facts, evaluator.as_of, rules, instead)
        changes = tuple(_differences(rules, evaluator, other)) if instead else ()
        if changes or not choice.instead:
            made.append(ChoiceMade(choice, changes))
    return made


def _differences(rules: dict[str, Rule], here: Evaluator, there: Evaluator) -> list[Change]:
    found = []
    for name, rule in rules.items():
        answer = answer_of(rule, here.rule(name).value)
        other = answer_of(rule, there.rule(name).value)
        if answer != other:
            found.append(Change(name, answer, other))
    return found


def _not_evaluated(library: Library, evaluator: Evaluator) -> list[Unjudged]:
    found: list[Unjudged] = []
    for entry in (entry for pack in library.packs for entry in pack.not_evaluated):
        trace = evaluator.condition(entry.when)
        if trace.value is Truth.NO:
            continue
        status = "touched" if trace.value is Truth.YES else "may be touched"
        if entry.states_of and trace.value is Truth.YES:
            found += _states(entry, evaluator.facts)
        else:
            found.append(Unjudged(entry.id, entry.title, entry.why, status, trace.needs))
    return found


def _states(entry: NotEvaluated, facts: Facts) -> list[Unjudged]:
    listed: dict[str, Range] = facts.get(entry.states_of) or {}
    return [
        Unjudged(
            id=f"{entry.id}-{code}",
            title=f"Breach law of {STATES[code]}",
            why=f"{entry.why} ({'number unknown' if count == Range(0, None) else count})",
            status="touched",
            needs=(),
        )
        for code, count in listed.items()
        if count.at_most != 0
    ]
