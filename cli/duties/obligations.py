"""``custody obligations``: who must be told, by when, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import options, record_file
from custody.cli.terminal import console, document
from custody.errors import UsageError

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
AttachOption = Annotated[
    bool,
    typer.Option("--attach", help="Attach the answers to BUNDLE, or to the case, and enter them."),
]
HistoryOption = Annotated[
    bool, typer.Option("--history", help="List what was attached in the case, and what changed.")
]
OptionalFileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="The incident record: .yaml, .toml or .json."),
]
BundleArgument = Annotated[
    str | None, typer.Argument(metavar="[BUNDLE]", help="With --attach: a bundle of the case.")
]
ShortOption = Annotated[
    bool, typer.Option("--short", help="The tables only, without a page for each rule.")
]


@app.command()
def obligations(
    file: OptionalFileArgument = None,
    bundle: BundleArgument = None,
    explain: ExplainOption = None,
    what_if: WhatIfOption = None,
    as_of: record_file.AsOfOption = None,
    markdown: MarkdownOption = False,
    short: ShortOption = False,
    attach: AttachOption = False,
    history: HistoryOption = False,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Say who must be told, by when, with what content, and on which facts.

    An interpretation of the cited sources for people who decide; not the law, not legal advice.
    """
    if markdown and console.mode().json:
        why = "they contradict each other"
        raise UsageError("read the command line", "--markdown and --json", why, hint="choose one")
    if history:
        _history(file)
        return
    if file is None:
        hint = "custody obligations incident.yaml"
        raise UsageError("read the command line", "FILE", "no record is named", hint=hint)
    if bundle is not None and not attach:
        why = "a bundle is named only with --attach"
        raise UsageError("read the command line", bundle, why)
    found = record_file.assessed(file, as_of, what_if, case_is_said=attach)
    if attach:
        if what_if:
            why = "what is attached rests on the record alone"
            raise UsageError("read the command line", "--attach and --what-if", why)
        from custody.cli.given import attached, passphrase

        secret = passphrase.source(passphrase_file, passphrase_fd)
        _, index = attached.attach("obligations FILE --attach", found, bundle or "", key, secret)
        console.remark(f"entered: entry {index}")
    if explain is not None:
        _explain(found, explain, markdown)
    else:
        _show(found, markdown=markdown, short=short)


def _history(file: Path | None) -> None:
    from custody import case as cases
    from custody.cli.given import attached

    if file is not None:
        raise UsageError("read the command line", file, "--history asks about a case, not a file")
    attached.history(cases.open_case(options.needed_case("obligations --history")))


def _show(found: Assessment, *, markdown: bool, short: bool) -> None:
    from custody.obligations import blocks, output, summary

    if console.mode().json:
        parts = output.as_json(found)
        parts.pop("schema")
        console.result_json("obligations", parts)
        return
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
