"""``custody history``: everything that ever happened to an item, by the ledger of its case.

It only reads, without a key, and works on read-only media and on a copy of the ledger alone.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import ledger_where, options
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.counted import counted
from custody.errors import UsageError

from . import history_markdown

if TYPE_CHECKING:
    from custody.history import Signature, Step, Timeline

app = Verb("Say everything that ever happened to an item.")

_NARROWEST, _WIDEST = 80, 160
_MARGIN = 9  # the column of entry numbers, and the space beside it
_FIELDS = ("purpose", "authority", "place", "method", "comment")
_DETAILS = ("tracking", "expires")
_WORDS = {"ok": console.OK, "failed": console.FAIL, "cannot-verify": console.NOT_CHECKED}
_CODES = {"failed": exit_codes.DIFFERS, "cannot-verify": exit_codes.CANNOT_VERIFY}
_SIGNED = {
    "trusted": console.OK,
    "vouched": console.OK,
    "untrusted": console.NOT_CHECKED,
    "undated": console.NOT_CHECKED,
    "late": console.FAIL,
    "bad": console.FAIL,
}
_MOST_FINDINGS = 20

ItemArgument = Annotated[
    str,
    typer.Argument(
        metavar="[ITEM]",
        help="A bundle, its evidence number, a copy (E-003/C1), a file by path or digest;"
        " otherwise the case.",
        show_default=False,
    ),
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")]


@app.command()
def history(
    item: ItemArgument = "",
    markdown: MarkdownOption = False,
    checkpoint: ledger_where.CheckpointOption = None,
    ledger: ledger_where.LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Say who had an item, when, why, and what the chain of custody does not show.

    Who holds it now comes first, then the gaps, then every entry in order.  Times are UTC, by
    each signer's own clock.  Exit 3: there are gaps.  10: the ledger or a countersignature is
    wrong.  11: it cannot be judged with your trust folder.
    """
    from custody import clock
    from custody.history import timeline
    from custody.identity import trust as store

    if markdown and console.mode().json:
        why = "they contradict each other"
        raise UsageError("read the command line", "--markdown and --json", why, hint="choose one")
    place = ledger_where.find(f"history {item}".strip(), ledger)
    item = _named(item)
    believed = store.load(options.trust_directory(trust))
    given = [ledger_where.given_checkpoint(path) for path in checkpoint or ()]
    memory = ledger_where.memory()
    with Progress("checking the ledger") as progress, ledger_where.damage():
        found = timeline(
            place.reader if place.case is None else place.case,
            item,
            believed,
            clock.now(),
            memory=memory,
            given=given,
            progress=progress.entries,
        )
    ledger_where.tell_troubles(memory)
    if console.mode().json:
        console.result_json("history", _document(found))
    elif markdown:
        console.result_bytes(history_markdown.page(found).encode())
    else:
        _show(found)
    return _CODES.get(found.verdict, exit_codes.GAPS if found.gaps else exit_codes.OK)


def _named(item: str) -> str:
    """The item; of a bundle that is named by where it lies, its id."""
    if item and (Path(item) / "bagit.txt").is_file():
        return Path(os.path.realpath(item)).name
    return item


def _document(found: Timeline) -> dict[str, Any]:
    document = found.as_json()
    document["ledger"]["cosigned"] = ledger_where.cosigned(found.ledger.cosigned)
    return document


def _show(found: Timeline) -> None:
    width = min(max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST), _WIDEST)
    _judgement(found)
    console.result(f"{'history':<9} ", found.kind, " ", found.label)
    if found.kind != "case":
        console.result(f"{'case':<9} ", found.case)
    for bundle in found.bundles if found.kind != "case" else ():
        if bundle.id != found.label:
            console.result(f"{'bundle':<9} ", bundle.id)
    for file in found.files:
        console.result(f"{'file':<9} ", file.path)
        console.result(f"{'':<9} ", file.outcome, f", {file.size:,} bytes, in ", file.bundle)
        if file.sha256:
            console.result(f"{'':<9} ", file.sha256)
    for name, text in _findings(found):
        _line(name, text, width)
    console.result()
    rows = [row for step in found.steps for row in _rows(step, found, width - _MARGIN)]
    if rows:
        console.table(rows, ("entry", "what happened (times are UTC, by each signer's clock)"))
    else:
        console.remark("no entry is about it")


def _findings(found: Timeline) -> Iterator[tuple[str, str]]:
    """Who has it, and what the entries do not show."""
    yield from (("holder", holder.sentence) for holder in found.holders)
    for gap in found.gaps:
        yield "gap", f"{_numbers(gap.entries)}{gap.sentence} [{gap.kind}]"
    if not found.gaps:
        yield "gaps", "none"
    yield from (("remark", remark) for remark in found.remarks)


def _judgement(found: Timeline) -> None:
    """Whether the ledger can be relied on, before anything that it says."""
    report = found.ledger
    root = report.root.hex() if report.root is not None else "no root"
    console.result(f"{'ledger':<9} ", _WORDS[report.verdict], " ", report.origin)
    console.result(f"{'':<9} ", f"{counted(report.size or 0, 'entry')}, root")
    console.result(f"{'':<9} ", root)
    for name, moment in ledger_where.cosigned(report.cosigned).items():
        console.result(f"{'witness':<9} ", name, " signed it at ", moment)
    troubles = [(console.FAIL, item) for item in report.findings]
    troubles += [(console.NOT_CHECKED, item) for item in report.not_checked]
    for word, finding in troubles[:_MOST_FINDINGS]:
        where = f"{finding.path}: " if finding.path else ""
        console.result(f"{'':<9} ", word, " ", where, finding.message)
    if found.verdict != report.verdict:
        console.result(
            f"{'verdict':<9} ", _WORDS[found.verdict], " a countersignature is not shown"
        )


def _line(name: str, text: str, width: int) -> None:
    for number, line in enumerate(_wrapped(text, width - 10)):
        console.result(f"{'' if number else name:<9} ", line)


def _numbers(entries: tuple[int, ...]) -> str:
    if not entries:
        return ""
    return f"{'entry' if len(entries) == 1 else 'entries'} {', '.join(map(str, entries))}: "


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        console.safe(text),
        width,
        subsequent_indent=indent,
        break_on_hyphens=False,
    ) or [""]


def _rows(step: Step, found: Timeline, width: int) -> Iterator[tuple[str, str]]:
    number = str(step.index)
    for text in _texts(step, found):
        for line in _wrapped(text, width, "  "):
            yield number, line
            number = ""


def _texts(step: Step, found: Timeline) -> Iterator[str]:
    """What is said of one entry, a line each before it is folded."""
    from custody import clock
    from custody.history import persons

    yield f"{step.time}  {step.summary}"
    if step.event is not None:
        yield f"by {persons.written(step.actor)}"
    yield from (f"{name}: {step.words[name]}" for name in _FIELDS if step.words.get(name))
    yield from (f"{name}: {step.details[name]}" for name in _DETAILS if step.details.get(name))
    yield from _digests(step)
    if step.existed is not None:
        yield f"not later than {clock.rfc3339(step.existed.latest)}, says {step.existed.name}"
    yield f"signature: {_signature(step.signature)}"
    if step.countersignature is not None:
        yield f"countersignature: {_signature(step.countersignature)}"
    for correction in step.corrections:
        who = persons.written(correction.actor)
        yield f"CORRECTED by entry {correction.index}, {correction.time}, {who}:"
        yield f"  {correction.comment}"
    for gap in found.gaps:
        if gap.entries and gap.entries[-1] == step.index:
            yield f"GAP: {gap.kind}"


def _digests(step: Step) -> Iterator[str]:
    if step.before and step.before == step.after:
        yield f"sha256 {step.after}"
        yield "(before and after)"
    elif step.before and step.after:
        yield f"before {step.before}"
        yield f"after  {step.after}"
    elif step.before or step.after:
        yield f"sha256 {step.before or step.after}"


def _signature(signature: Signature) -> str:
    name = f" ({signature.name})" if signature.name else ""
    return f"{_SIGNED[signature.verdict]}, {signature.why}{name}"
