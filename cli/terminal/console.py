"""The one place that speaks to people.

The rules:

1. stdout is the result and nothing else.  Everything that is not the result goes to stderr.
2. ``--json``: the result is one document whose ``schema`` is ``custody.<name>/v1``, in ASCII.
   Warnings and a fatal error are then JSON too, one object a line on stderr.
3. Text that came from evidence, files or the environment is escaped before it is shown
   (:func:`safe`); the functions here do it, so nobody can forget it.
4. Words before colour: ``OK``, ``FAIL``, ``NOT CHECKED`` mean the same in black and white.
   ``NO_COLOR`` is respected; ``--color`` overrides it.
5. A remark says what happened and may be silenced (``-q``); a warning may not.
6. Progress is for a person who waits: only on a terminal, on one line, which is wiped.
7. On a terminal a sentence is folded between words; a command or a digest never is, so that it can
   be pasted, and what is piped is one line each.
8. No questions, except for a passphrase (:mod:`custody.cli.given.passphrase`).
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TextIO

from custody.errors import CustodyError
from custody.visible import visible

_COLOURS = {"OK": "\x1b[32m", "FAIL": "\x1b[31m", "NOT CHECKED": "\x1b[33m"}
_PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Mode:
    """How the user wants to be spoken to."""

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    progress: bool = True
    color: Literal["auto", "always", "never"] = "auto"


class _State:
    mode = Mode()
    line: Line | None = None


def mode() -> Mode:
    """How the user wants to be spoken to."""
    return _State.mode


def set_mode(chosen: Mode) -> None:
    """Speak in this way from now on."""
    _State.mode = chosen


class StdoutClosed(Exception):
    """Whoever read our stdout has gone away (``| head``)."""


class Word(str):
    """A status word: the only text that is ever coloured."""

    __slots__ = ()


OK = Word("OK")
FAIL = Word("FAIL")
NOT_CHECKED = Word("NOT CHECKED")


# ---- escaping


def safe(text: object) -> str:
    """Make *text* harmless for a terminal, a table or a log, and fit for one line."""
    return visible(text)


def _paint(word: Word) -> str:
    colour = _COLOURS.get(word, "")
    return f"{colour}{word}{_PLAIN}" if colour and _coloured() else str(word)


def _coloured() -> bool:
    if _State.mode.color != "auto":
        return _State.mode.color == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


# ---- stdout


def result(*parts: object) -> None:
    """Print one line of the result; the parts follow each other without a space.

    :param parts: anything with a text; a :class:`Word` is coloured, all else is escaped.
    """
    _out("".join(_paint(part) if isinstance(part, Word) else safe(part) for part in parts))


def sentence(*parts: object) -> None:
    """The same for a sentence; on a terminal it is folded between words."""
    text = "".join(_paint(part) if isinstance(part, Word) else safe(part) for part in parts)
    for line in _folded(text, sys.stdout):
        _out(line)


def result_json(name: str, document: Mapping[str, Any]) -> None:
    """Print the result as one JSON document with ``"schema": "custody.<name>/v1"``."""
    _out(_json({"schema": f"custody.{name}/v1", **document}, indent=2))


@contextmanager
def result_json_items(
    name: str, field: str, rest: Callable[[], Mapping[str, Any]]
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Print the result as one JSON document, the items of a long list as they come.

    A document that is cut off, because an error came in between, does not parse.

    :param rest: gives the other fields, once all items have been given.
    """
    _out(f'{{\n  "schema": "custody.{name}/v1",\n  "{field}": [')
    last: list[str] = []

    def item(document: Mapping[str, Any]) -> None:
        if last:
            _out(f"    {last.pop()},")
        last.append(_json(document))

    yield item
    for text in last:
        _out(f"    {text}")
    _out("  ],\n  " + _json(rest(), indent=2).removeprefix("{").lstrip())


def result_json_line(document: Mapping[str, Any]) -> None:
    """Print one record of a result that is JSON Lines."""
    _out(_json(document))


def result_bytes(data: bytes) -> None:
    """Print a file's text as the result: byte for byte, but escaped line by line on a terminal."""
    if sys.stdout is None or sys.stdout.isatty():
        for line in data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"):
            _out(safe(line))
        return
    with _stdout_errors():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> None:
    """Print rows of a result, lined up; cells are treated as in :func:`result`.

    On a terminal the last cell of a row that is too wide stands beneath it.
    """
    from tabulate import tabulate

    listed = list(rows)
    beneath: dict[int, list[str]] = {}
    if sys.stdout is not None and sys.stdout.isatty():
        from . import folding

        plain = [[safe(cell) for cell in row] for row in listed]
        beneath = folding.beneath(plain, headers, _columns())
    cells = [
        [_paint(cell) if isinstance(cell, Word) else safe(cell) for cell in row] for row in listed
    ]
    for number in beneath:
        cells[number][-1] = ""
    # numparse would turn 1e5 into 100000 and damage a hash that has only digits
    text = tabulate(
        cells, headers, tablefmt="simple", disable_numparse=True, preserve_whitespace=True
    )
    for number, line in enumerate(text.split("\n"), -2):  # after the headers and their rule
        _out(line.rstrip(" "))
        for more in beneath.get(number, ()):
            _out(more)


def _out(line: str) -> None:
    if _State.line is not None:
        _State.line.wipe()
    with _stdout_errors():
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.write(line + "\n")


def flush() -> None:
    """Push the result out, so that a full disk or a closed pipe is known before we exit."""
    with _stdout_errors():
        if sys.stdout is not None:
            sys.stdout.flush()


@contextmanager
def _stdout_errors() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        silence_stdout()
        if isinstance(err, BrokenPipeError):
            raise StdoutClosed from err
        why = (err.strerror or str(err)).lower()
        raise CustodyError("write the result", "stdout", why) from err


def silence_stdout() -> None:
    """Let what is still buffered go nowhere: its reader is gone, or its disk is full."""
    if sys.stdout is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _json(document: Mapping[str, Any], indent: int | None = None) -> str:
    return json.dumps(_printable(document), ensure_ascii=True, allow_nan=False, indent=indent)


def _printable(value: Any) -> Any:
    """The same value, without the lone surrogates that make many JSON readers give up."""
    if isinstance(value, str):
        return value if value.isascii() or _is_unicode(value) else safe(value)
    if isinstance(value, Mapping):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- stderr


def aside(*parts: object) -> None:
    """Print one line about a result that itself takes all of stdout; never silent."""
    _err("".join(safe(part) for part in parts))


def remark(text: object) -> None:
    """Say what happened, for a person; silent with ``-q`` and ``--json``."""
    if not _State.mode.quiet and not _State.mode.json:
        _tell(f"custody: {safe(text)}")


def detail(text: object) -> None:
    """Say more, only with ``-v``."""
    if _State.mode.verbose and not _State.mode.json:
        _err(f"custody: {safe(text)}")


def warning(text: object) -> None:
    """Say what the user must know although the work goes on; never silent."""
    if _State.mode.json:
        _err(_json({"schema": "custody.warning/v1", "message": str(text)}))
    else:
        _tell(f"custody: warning: {safe(text)}")


def alarm(document: Mapping[str, Any]) -> None:
    """Say on one line of JSON, whatever the mode, what must be known at once."""
    _err(_json({"schema": "custody.alarm/v1", **document}))


def error(what: str, thing: str | None, why: str, hint: str, code: int) -> None:
    """Say why the run ends here, and what to do next."""
    if _State.mode.json:
        document = {"error": what, "thing": thing, "why": why, "hint": hint, "exit": code}
        _err(_json({"schema": "custody.error/v1", **document}))
        return
    text = safe(what) if thing is None else f'{safe(what)} "{safe(thing)}"'
    _tell(f"custody: error: {text}: {safe(why)}" if why else f"custody: error: {text}")
    if hint:
        _err(f"custody: hint: {safe(hint)}")


def trace(lines: Iterable[str]) -> None:
    """Show a traceback (``-vv`` only)."""
    for line in lines:
        _err(safe(line))


def _tell(text: str) -> None:
    for line in _folded(text, sys.stderr):
        _err(line)


def _folded(text: str, stream: TextIO | None) -> list[str]:
    if stream is None or not stream.isatty():
        return [text]
    from . import folding

    return folding.folded(text, _columns())


def _err(line: str) -> None:
    if _State.line is not None:
        _State.line.wipe()
    _write_err(line + "\n")


def _write_err(text: str) -> None:
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:  # nobody is left to be told; the work itself must not fail for it
        return


# ---- the line that is written in place


class Line(Protocol):
    """Something that is shown in place, on the last line of the terminal."""

    def wipe(self) -> None:
        """Clear the line, so that something else can be written there."""


def keep_in_place(line: Line | None) -> None:
    """Wipe this line before anything else is said; None where there is none any more."""
    _State.line = line


def may_write_in_place() -> bool:
    """Whether a person at a terminal wants to see how far the work is."""
    chosen = _State.mode
    wanted = chosen.progress and not chosen.json and not chosen.quiet
    return wanted and sys.stderr is not None and sys.stderr.isatty()


def write_in_place(text: str, shown: int) -> int:
    """Write *text* over a line of *shown* characters; how many characters it has now."""
    line = text[: _columns() - 1]
    _write_err("\r" + line.ljust(shown) + ("" if line else "\r"))
    return len(line)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
