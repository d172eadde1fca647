"""The summary for people: a table by recipient, a page for each rule, choices, what is left."""

from __future__ import annotations

from collections.abc import Iterator

from custody.counted import counted
from custody.obligations import deeds
from custody.obligations.assess import UNDETERMINED, Assessment, ChoiceMade, Duty
from custody.obligations.blocks import Block, Bullets, Fields, Heading, Paragraph, Table, Tree
from custody.obligations.conditions import Trace, Truth
from custody.obligations.output import DISCLAIMER
from custody.obligations.pack import NOT_SPECIFIED, Rule
from custody.obligations.progress import UNKNOWN, missing_words
from custody.obligations.table import label

_TOLD = {"duty", "permission", "advice", "confirm"}
_NEEDS_IN_TABLE = 4  # the page of the rule lists all
_SETTLED = {"not required", "not permitted", "information"}
_HEADERS = ("recipient", "answer", "by when", "why", "missing", "done")


def build(assessment: Assessment) -> list[Block]:
    """The whole summary."""
    pages = [block for duty in assessment.duties for block in page(duty)]
    return [*overview(assessment), Heading(2, "Each rule"), *pages, *ending(assessment)]


def overview(assessment: Assessment) -> list[Block]:
    """Heading, what does not fit together, and the table."""
    facts = assessment.facts
    names = [facts.text("case"), facts.text("entity.name")]
    packs = ", ".join(
        f"{pack.id} {pack.version} (checked {pack.checked_on})" for pack in assessment.packs
    )
    head = [
        ("as of", assessment.as_of.isoformat()),
        ("incident record", f"sha256 {assessment.record.sha256}"),
        ("rule packs", packs),
    ]
    if assessment.entered:
        head.append(("from the ledger", "; ".join(map(deeds.shown, assessment.entered))))
    if assessment.what_if:
        head.insert(0, ("what if", "; ".join(assessment.what_if)))
    told = [duty for duty in assessment.duties if duty.rule.kind in _TOLD]
    blocks: list[Block] = [
        Heading(1, " - ".join(["Who must be told", *(name for name in names if name)])),
        Paragraph(DISCLAIMER),
        Fields(tuple(head)),
    ]
    if assessment.what_if:
        rows = tuple((one.rule, one.answer, one.other) for one in assessment.changes)
        blocks.append(Heading(2, "What that changes"))
        headers = ("rule", "answer of the record", "answer then")
        blocks.append(Table(headers, rows) if rows else Paragraph("No answer."))
    if assessment.contradictions:
        found = tuple(
            f"{entry.text} [{', '.join(entry.facts)}]" for entry in assessment.contradictions
        )
        blocks += [Heading(2, "Facts that contradict each other"), Bullets(found)]
    open_ones = tuple(row(duty) for duty in told if duty.answer not in _SETTLED)
    settled = tuple(row(duty)[:4] for duty in told if duty.answer in _SETTLED)
    blocks += [Heading(2, "To do, first things first"), Table(_HEADERS, open_ones)]
    if settled:
        blocks += [Heading(2, "Not owed on these facts"), Table(_HEADERS[:4], settled)]
    return blocks


def row(duty: Duty) -> tuple[str, ...]:
    """One line of the table."""
    return (
        f"{duty.rule.recipient}\n({duty.rule.id})",
        duty.answer,
        due(duty, short=True),
        why(duty.because),
        _missing(duty),
        duty.progress.done_on.isoformat() if duty.progress.done_on else "open",
    )


def _missing(duty: Duty) -> str:
    if duty.answer == UNDETERMINED and not duty.needs:
        return "confirm with counsel"
    if duty.needs:
        more = len(duty.needs) - _NEEDS_IN_TABLE
        shown = ", ".join(duty.needs[:_NEEDS_IN_TABLE])
        return f"{shown} and {more} more" if more > 0 else shown
    return "; ".join(part.item for part in duty.progress.missing) or "-"


def due(duty: Duty, *, short: bool = False) -> str:
    """By when, with the days that have gone by, which are never a limit."""
    when = duty.by_when
    said = when.words.split(". ")[0] if short else when.words
    text = said if when.day in {NOT_SPECIFIED, UNKNOWN} else f"{when.day}: {said}"
    if when.day == UNKNOWN and duty.answer == "required":
        text += f" (the date wants {', '.join(when.needs)})"
    if when.elapsed is None or duty.answer in _SETTLED:
        return text
    return f"{text}; {counted(when.elapsed, 'day')} elapsed"


def page(duty: Duty, *, expand: bool = False) -> list[Block]:
    """Everything about one rule; *expand* also shows the trees of the rules that it asks for."""
    rule = duty.rule
    rows = [
        ("answer", _answer(duty)),
        ("who", f"{rule.who} -> {rule.recipient}"),
        ("by when", due(duty)),
        ("method", rule.method),
        ("force", f"{rule.force}; confidence in the source: {rule.confidence}"),
        ("in force", _in_force(rule)),
        ("sources", "; ".join(str(place) for place in rule.sources)),
    ]
    if duty.progress.done_on:
        rows.append(("done on", duty.progress.done_on.isoformat()))
    blocks: list[Block] = [Heading(3, f"{rule.title} ({rule.id})"), Fields(tuple(rows))]
    if rule.content:
        absent = {part.item: missing_words(part) for part in duty.progress.missing}
        items = tuple(
            f"missing: {absent[part.item]}" if part.item in absent else part.item
            for part in rule.content
        )
        blocks += [Paragraph("What it says:"), Bullets(items)]
    blocks += [Paragraph("Because:"), Tree(tuple(tree(duty.because, expand=expand)))]
    if duty.notes:
        blocks += [Paragraph("Notes:"), Bullets(duty.notes)]
    return blocks


def _in_force(rule: Rule) -> str:
    start, end = rule.in_force_from or NOT_SPECIFIED, rule.in_force_until or NOT_SPECIFIED
    return f"from {start}, until {end}"


def _answer(duty: Duty) -> str:
    if duty.rule.kind in {"definition", "exemption", "flag"} and duty.answer != UNDETERMINED:
        return f"{duty.answer}: {'it holds' if duty.holds == 'yes' else 'it does not hold'}"
    if duty.needs:
        return f"{duty.answer}; needs {', '.join(f'{label_of(n)} ({n})' for n in duty.needs)}"
    return duty.answer


def label_of(name: str) -> str:
    """What a fact is about, also for a field of a list item."""
    known = label(name)
    return name.rpartition(".")[2].replace("_", " ") if known == name else known


def tree(trace: Trace, depth: int = 0, *, expand: bool = False) -> Iterator[tuple[int, str]]:
    """The trace as lines: the outcome first, then what was asked, then what was found."""
    found = f" [{trace.found}]" if trace.found else ""
    name = f" ({trace.fact})" if trace.fact else ""
    yield depth, f"{trace.value.value}: {trace.text}{found}{name}"
    if trace.test != "rule" or expand:
        for part in trace.of:
            yield from tree(part, depth + 1, expand=expand)


def why(trace: Trace) -> str:
    """The reason in one line: what decided, or what keeps it open."""
    if trace.value is Truth.UNKNOWN:
        shown = [label_of(name) for name in trace.needs[:3]]
        more = len(trace.needs) - len(shown)
        return f"not known: {'; '.join(shown)}{f' and {more} more' if more > 0 else ''}"
    return "; ".join(_reasons(trace)) or trace.text


def _reasons(trace: Trace) -> list[str]:
    if trace.test in {"all", "any"}:
        return _joint_reasons(trace)
    if trace.test == "not":
        return _reasons(trace.of[0])
    fits = "one fits" if trace.value is Truth.YES else "none fits"
    single = {
        "fact": f"{trace.text.partition(':')[0]}: {trace.found}",
        "rule": f"{trace.text}: {trace.value.value}",
        "some": f"{trace.text.partition(': ')[2]}: {trace.found}, {fits}",
    }
    return [single.get(trace.test, trace.text)]


def _joint_reasons(trace: Trace) -> list[str]:
    same = [part for part in trace.of if part.value is trace.value]
    decided_by_one = trace.value is (Truth.NO if trace.test == "all" else Truth.YES)
    if decided_by_one:
        return _reasons(min(same, key=_plainness))
    return [reason for part in same for reason in _reasons(part)][:4]


def _plainness(trace: Trace) -> int:
    """A plain fact is the better reason than a rule, and a rule than a tree."""
    return {"fact": 0, "not": 1, "rule": 2}.get(trace.test, 3)


def ending(assessment: Assessment) -> list[Block]:
    """The choices, what was not evaluated, and the sources."""
    blocks: list[Block] = [Heading(2, "Choices of reading that decided something here")]
    if assessment.choices:
        for made in assessment.choices:
            blocks += _choice(made)
    else:
        blocks.append(Paragraph("None."))
    blocks.append(Heading(2, "Not evaluated"))
    listed = tuple(
        f"{entry.title}: {entry.why} ({entry.status}"
        + (f"; needs {', '.join(entry.needs)})" if entry.needs else ")")
        for entry in assessment.not_evaluated
    )
    blocks.append(Bullets(listed) if listed else Paragraph("Nothing that the facts touch."))
    sources = tuple(
        (f"{pack.id} {source.id}", f"{source.title} ({source.dated}); {source.remark}")
        for pack in assessment.packs
        for source in pack.sources
    )
    return [*blocks, Heading(2, "Sources"), Fields(sources)]


def _choice(made: ChoiceMade) -> list[Block]:
    choice = made.choice
    rows = [
        ("chosen", choice.reading),
        ("the other reading", choice.other),
        ("sources", "; ".join(str(place) for place in choice.sources)),
    ]
    rows += [
        (change.rule, f"{change.answer}; under the other reading {change.other}")
        for change in made.changes
    ]
    return [Heading(3, f"{choice.question} ({choice.id})"), Fields(tuple(rows))]
