"""``custody obligations``: who must be told, by when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custody.errors import UsageError

from . import console, document, record_file
from .frame import Verb

if TYPE_CHECKING:
    from custody.obligations.assess import Assessment

app = Verb("Who must be told, by when, and why.")

ExplainOption = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="Show one rule in full, with the rules that it asks for."),
]
WhatIfOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FACT=VALUE",
        help="Answer as if this were known; may be given several times.",
        show_default=False,
    ),
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print the summary as Markdown.")]
ShortOption = Annotated[
    bool, typer.Option("--short", help="The tables only, without a page for each rule.")
]


@app.command()
def obligations(
    file: record_file.FileArgument,
    explain: ExplainOption = None,
    what_if: WhatIfOption = None,
    as_of: record_file.AsOfOption = None,
    markdown: MarkdownOption = False,
    short: ShortOption = False,
) -> None:
    """Say who must be told, by when, with what content, and on which facts.

    An interpretation of the cited sources for people who decide; not the law, not legal advice.
    """
    from custody.obligations import blocks, output, summary

    found = record_file.assessed(file, as_of, what_if)
    if explain is not None:
        _explain(found, explain, markdown)
    elif console.mode().json:
        parts = output.as_json(found)
        parts.pop("schema")
        console.result_json("obligations", parts)
    else:
        shown = [*summary.overview(found), *summary.ending(found)]
        shown = shown if short else summary.build(found)
        if markdown:
            console.result_bytes(blocks.markdown(shown).encode())
        else:
            document.show(shown)


def _explain(found: Assessment, name: str, markdown: bool) -> None:
    from custody.obligations import blocks, output, summary
    from custody.obligations.problems import did_you_mean

    duty = found.duty(name)
    if duty is None:
        known = [one.rule.id for one in found.duties]
        hint = did_you_mean(name, known).lstrip("; ") or f"one of: {', '.join(known)}"
        raise UsageError("explain a rule", name, "there is no such rule", hint=hint)
    if console.mode().json:
        pack = next(pack for pack in found.packs if pack.id == duty.pack)
        console.result_json("obligation", output.duty_json(duty, pack, expand=True))
        return
    page = summary.page(duty, expand=True)
    if markdown:
        console.result_bytes(blocks.markdown(page).encode())
    else:
        document.show(page)
