"""What every command stands in: the global options, lazy loading, signals, the way out.

A command module defines ``app``::

    from .frame import Verb

    app = Verb("Check a bundle.")

    @app.command()
    def verify(path: ...) -> int | None:
        from custody.verify import verify   # heavy things inside
        ...
        return exit_codes.DIFFERS           # nothing or None is 0

and has a line in :data:`custody.cli.main.COMMANDS`.  Errors are raised, never printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import typer
from typer import main as typer_main
from typer.core import TyperCommand, TyperGroup, TyperOption

import custody
from custody.cli import exit_codes, failures
from custody.cli.given import options
from custody.cli.terminal import console
from custody.errors import UsageError

from .main import COMMANDS, FIRST_COMMANDS

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_COLORS = ("auto", "always", "never")


def _global_options() -> list[TyperOption]:
    def option(*names: str, **more: Any) -> TyperOption:
        settings: dict[str, Any] = {"expose_value": False, "callback": _given, **more}
        return TyperOption(param_decls=list(names), **settings)

    return [
        option("--case", metavar="DIR", help="The case (or CUSTODY_CASE names it)."),
        option(
            "--wait",
            metavar="SECONDS",
            help="How long to wait while another process writes to the case.",
        ),
        option("--json", is_flag=True, help="Print the result as one JSON document."),
        option("-q", "--quiet", is_flag=True, help="No remarks; warnings and errors only."),
        option(
            "-v",
            "--verbose",
            count=True,
            type=int,
            help="Say more; -vv shows where an error arose.",
        ),
        option("--no-progress", is_flag=True, help="No progress line."),
        option("--color", metavar="WHEN", help="Colour words: auto, always or never."),
        option(
            "--version",
            is_flag=True,
            is_eager=True,
            callback=_version,
            help="Print the version and stop.",
        ),
    ]


def _given(_context: Any, parameter: Any, value: Any) -> None:
    if not value and value != "":
        return
    if parameter.name == "color" and value not in _COLORS:
        raise UsageError(
            "read the command line", "--color", f"{value} is none of {', '.join(_COLORS)}"
        )
    options.choose(parameter.name, value)


def _version(_context: Any, _parameter: Any, value: bool | None) -> None:
    if value:
        console.result(f"custody {custody.__version__}")
        raise typer.Exit


class _GlobalOptions:
    """Adds the global options to a command, in a section of their own."""

    params: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = list(self.params)
        self._global = _global_options()
        self.params = [*self._own, *self._global]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line, without the braces that typer sets around arguments."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [piece.strip("{}") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the command's own parameters, then that of the global ones."""
        own = self._own
        arguments = [item for item in own if item.param_type_name == "argument"]
        others = [item for item in own if item.param_type_name == "option"]
        help_option = self.get_help_option(ctx)  # type: ignore[attr-defined]
        sections = {
            "Arguments": arguments,
            "Options": others,
            "Global options": [*self._global, help_option],
        }
        for title, listed in sections.items():
            records = [item.get_help_record(ctx) for item in listed]
            records = [record for record in records if record is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class _Command(_GlobalOptions, TyperCommand):
    """One command with the global options."""


class _Group(_GlobalOptions, TyperGroup):
    """A noun with several verbs, with the global options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the options, then the list of verbs."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


class _Root(_Group):
    """``custody`` itself: knows its commands by name and loads the one that is used."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the parser's signature
        """The verbs, in their order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        """The command of that name; its module is imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        command = typer_main.get_command(module.app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The same; the names of all verbs are there for its "did you mean"."""
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        """Write the list of verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


class Verb(typer.Typer):
    """The frame of a command module: one command, or a group of them.

    :param about: one sentence, shown at the top of a group's help.
    """

    def __init__(self, about: str) -> None:
        super().__init__(
            cls=_Group,
            help=about,
            add_completion=False,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings=_SETTINGS,
        )

    def command(  # type: ignore[override]
        self, name: str | None = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a function as a command; what it returns is the exit code."""
        return super().command(name, cls=_Command, context_settings=_SETTINGS)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _prepare() -> None:
    """Private files, one way to stop, and an output that takes any character."""
    os.umask(0o077)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup stays
            signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _bare() -> None:
    for line in FIRST_COMMANDS.splitlines():
        console.result(line)


def _dispatch(arguments: list[str]) -> int:
    root = _Root(
        name="custody",
        help="Preserve logs as signed evidence and keep the chain of custody.",
        invoke_without_command=True,
        rich_markup_mode=None,
        context_settings=_SETTINGS,
    )
    with root.make_context("custody", arguments) as context:
        code = root.invoke(context)
        if context.invoked_subcommand is None:
            _bare()
    return code if isinstance(code, int) else exit_codes.OK


def _wants_json(arguments: list[str]) -> bool:
    """Whether ``--json`` is there, for errors that arise before the options are all read."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before


def run(arguments: list[str]) -> int:
    """Run one command line to its end and return the exit code."""
    _prepare()
    code = _told(lambda: _dispatch(arguments), arguments)
    return _told(lambda: _flushed(code), arguments)


def _flushed(code: int) -> int:
    console.flush()
    return code


def _told(work: Callable[[], int], arguments: list[str]) -> int:
    try:
        return work()
    except (typer.TyperException, UsageError) as exc:
        if _wants_json(arguments):
            console.set_mode(replace(console.mode(), json=True))
        return failures.report(exc)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - this is where errors are told
        return failures.report(exc)
