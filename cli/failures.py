"""From an exception to what the user is told and the exit code."""

from __future__ import annotations

import traceback
from typing import Any

import typer

from custody.cli import exit_codes
from custody.cli.given import options
from custody.cli.terminal import console
from custody.errors import CustodyError

_RUN_AGAIN = "run it again with -vv to see where it happened"


def report(exc: BaseException) -> int:
    """Say what went wrong, once, and return the exit code.

    A reader of stdout that has gone away is not told anything; nobody is left to read it.
    """
    if isinstance(exc, typer.Exit):
        return exc.exit_code
    if isinstance(exc, console.StdoutClosed):
        return exit_codes.UNEXPECTED
    if console.mode().verbose > 1:
        console.trace("".join(traceback.format_exception(exc)).splitlines())
    if isinstance(exc, typer.TyperException):
        return _usage(exc)
    code = exit_codes.for_error(exc)
    if isinstance(exc, CustodyError):
        console.error(exc.what, exc.thing, exc.why, options.hinted(exc.hint), code)
    elif isinstance(exc, KeyboardInterrupt):
        console.error("interrupted", None, "", "", code)
    else:
        console.error("unexpected error", type(exc).__name__, str(exc), _RUN_AGAIN, code)
    return code


def _usage(exc: typer.TyperException) -> int:
    """The parser's own complaints, in the same form as everybody's."""
    context = getattr(exc, "ctx", None)
    command = context.command_path if context is not None else "custody"
    message = exc.format_message().strip().rstrip(".")
    why = message[:1].lower() + message[1:]
    why = why.replace("is not a valid int range", "is not a whole number")
    several = " " in why.partition("argument(s) (")[2]
    why = why.replace("argument(s)", "arguments" if several else "argument")
    hint = _usage_hint(type(exc).__name__, why, command, context)
    console.error("read the command line", command, why, hint, exit_codes.USAGE)
    return exit_codes.USAGE


def _usage_hint(kind: str, why: str, command: str, context: Any) -> str:
    """What to type in place of what the parser did not take.

    :param kind: the parser's name of the mistake.
    """
    if kind == "NoSuchOption":
        return f"{command} --help; what is no option and begins with - goes after --"
    if kind == "MissingParameter" and context is not None:
        pieces = context.command.collect_usage_pieces(context)
        return f"{' '.join([command, *pieces])}; {command} --help"
    if "no such command" in why and context is not None and context.parent is not None:
        return f"there are: {', '.join(context.command.list_commands(context))}"
    if "unexpected extra argument" in why:
        return f"a text with spaces goes in quotes; {command} --help"
    return f"{command} --help"
