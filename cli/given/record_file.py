"""An incident record named on the command line, and every mistake in it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import FormatError, InputError, NotFoundError, UsageError

from . import options

if TYPE_CHECKING:
    from custody.obligations.assess import Assessment
    from custody.obligations.problems import MistakesError
    from custody.obligations.record import Facts, Record

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The incident record: .yaml, .toml or .json."),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Answer for this day; otherwise for today."),
]


def read(path: Path) -> Record:
    """Read the record at *path*; its mistakes are listed line by line before the error.

    :raises InputError: if it is not there or does not parse.
    """
    from custody.obligations import record
    from custody.obligations.problems import MistakesError

    data = read_bytes(path)
    try:
        return record.parse(data, path.name)
    except MistakesError as err:
        raise listed(err, path) from err


def read_bytes(path: Path) -> bytes:
    """The bytes of a record.

    :raises InputError: if it is not there, too large, or not a file.
    """
    from custody import reading
    from custody.obligations.reading import LARGEST

    try:
        return reading.read_regular(path.resolve(), LARGEST)
    except (NotFoundError, FormatError) as err:
        hint = "custody incident new FILE writes an empty record"
        raise InputError("read incident record", path, err.why, hint=hint) from err


def listed(err: MistakesError, thing: object) -> InputError:
    """Show each mistake on its own line, and return the error that ends the run.

    With ``--json`` they all stay in the error itself.
    """
    if console.mode().json:
        return err
    console.trace(f"{thing}: {problem}" for problem in err.problems)
    count = len(err.problems)
    words = f"{counted(count, 'mistake')}, named above"
    return InputError(err.what, thing, words, hint=err.hint)


def day(text: str | None, facts: Facts) -> date:
    """The day to answer for: *text*, or today where the entity is.

    :raises UsageError: if *text* is not a date.
    """
    from custody import clock

    if text is None:
        return facts.day_of(clock.now())
    return date_of("--as-of", text)


def date_of(option: str, text: str, and_so: str = "") -> date:
    """The day that *text* is.

    :param and_so: what follows from it if it is none, for the message.
    :raises UsageError: if *text* is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as err:
        why = f"{text} is not a day{and_so}"
        raise UsageError(
            "read the command line", option, why, hint="write it as 2026-03-10"
        ) from err


def assessed(
    path: Path, as_of: str | None, what_if: list[str] | None = None, *, case_is_said: bool = False
) -> Assessment:
    """Read the record at *path* and answer every rule for it.

    What the ledger of a case that is named says was done counts as done.

    :param case_is_said: whether the command itself says which case it works in.
    """
    from custody.obligations import library
    from custody.obligations.assess import assess
    from custody.obligations.problems import MistakesError

    found = read(path)
    on = day(as_of, found.facts)
    tried = tuple(what_if or ())
    entered = _entered(found.facts, case_is_said)
    try:
        return assess(found, library.installed(), on, entered=entered, what_if=tried)
    except MistakesError as err:
        raise listed(err, err.thing) from err


def _entered(facts: Facts, case_is_said: bool) -> tuple[str, ...]:
    chosen = options.case()
    if chosen is None:
        return ()
    from custody import case as cases
    from custody.obligations import deeds

    from . import desk

    path = chosen.path if case_is_said else options.needed_case("obligations FILE")
    case = cases.open_case(path)
    return deeds.assignments(desk.events(case, deeds.KINDS), facts)
