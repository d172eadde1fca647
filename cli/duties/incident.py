"""``custody incident``: write an incident record, and check one."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import options, record_file
from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import ExistsError, UsageError

app = Verb("Write an incident record, check one, enter it in a case.")

NewFileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The new record (.yaml); otherwise it is printed."),
]
BundleArgument = Annotated[
    str | None, typer.Argument(metavar="[BUNDLE]", help="A bundle of the case.")
]
NoQuestionsOption = Annotated[
    bool, typer.Option("--no-questions", help="Ask nothing, also on a terminal.")
]


@app.command()
def new(file: NewFileArgument = None, no_questions: NoQuestionsOption = False) -> None:
    """Write a record with every field, empty, and a word on each.

    With a file, on a terminal, it asks for the facts that decide; an empty answer leaves one open.
    """
    from custody.obligations import template

    if file is None:
        console.result_bytes(template.render().encode())
        return
    if file.suffix.lower() not in {".yaml", ".yml"}:
        why = "the template is YAML"
        raise UsageError("write an incident record", file, why, hint="name it FILE.yaml")
    _refuse_taken(file)
    values = {}
    if not no_questions and _somebody_is_there():
        from custody import clock
        from custody.cli.terminal.questions import answers

        values = answers(clock.now().date())
    _create(file, template.render(values).encode())
    if console.mode().json:
        console.result_json("incident", {"path": str(file), "answered": sorted(values)})
    else:
        console.result("incident record: ", file)
        console.remark(f"fill it in, then: custody incident check {shlex.quote(str(file))}")


@app.command()
def check(file: record_file.FileArgument) -> int | None:
    """Read a record strictly: name every mistake.

    Each by line and field; and what is still to be known.
    """
    from custody.obligations.problems import MistakesError

    if not console.mode().json:
        _show_check(file)
        return None
    from custody.obligations import record

    try:
        record.parse(record_file.read_bytes(file), file.name)
    except MistakesError as err:
        problems = [
            {"line": one.line, "field": one.field, "found": one.found, "allowed": one.allowed}
            for one in err.problems
        ]
        document = {"path": str(file), "ok": False, "problems": problems}
        console.result_json("incident-check", document)
        return exit_codes.USAGE
    found = record_file.assessed(file, None)
    document = {
        "path": str(file),
        "ok": True,
        "problems": [],
        "sha256": found.record.sha256,
        "needs": sorted({name for duty in found.duties for name in duty.needs}),
        "contradictions": [
            {"text": one.text, "facts": list(one.facts)} for one in found.contradictions
        ],
    }
    console.result_json("incident-check", document)
    return None


@app.command()
def attach(
    file: record_file.FileArgument,
    bundle: BundleArgument = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter a record, and who must be told, in the case.

    It is attached to the bundle that is named, else to the case.
    """
    from custody.cli.given import attached, passphrase

    found = record_file.assessed(file, None, case_is_said=True)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    made, index = attached.attach("incident attach FILE", found, bundle or "", key, secret)
    if console.mode().json:
        document = {
            "attachment": made.sha256,
            "path": str(made.directory),
            "bundle": bundle,
            "entry": index,
        }
        console.result_json("attached", document)
    else:
        console.result("attachment ", made.sha256)
        console.result(f"entry {index}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a record, for editors."""
    from custody.obligations import schema as schemas

    console.result_bytes(schemas.render().encode())


def _show_check(file: Path) -> None:
    found = record_file.assessed(file, None)
    needs = dict.fromkeys(name for duty in found.duties for name in duty.needs)
    known = len(found.facts.known)
    console.result(console.OK, " ", file, f": {counted(known, 'fact')}")
    for one in found.contradictions:
        console.warning(f"contradiction: {one.text} ({', '.join(one.facts)})")
    if needs:
        console.result("not known, and an answer depends on it:")
        for name in needs:
            console.result("  ", name)
    console.remark(f"next: custody obligations {shlex.quote(str(file))}")


def _somebody_is_there() -> bool:
    mode = console.mode()
    both = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return both and not mode.quiet and not mode.json


def _refuse_taken(file: Path) -> None:
    if file.exists() or file.is_symlink():
        why = "there is something already; nothing was written"
        raise UsageError("write an incident record", file, why, hint="name a new file")


def _create(file: Path, data: bytes) -> None:
    from custody import durable

    try:
        durable.create(file, data)
    except ExistsError as err:
        hint = "name a new file"
        raise UsageError("write an incident record", file, err.why, hint=hint) from err
