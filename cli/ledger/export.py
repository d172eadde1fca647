"""``custody ledger export``: the entries for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from custody.cli.given import ledger_where
from custody.cli.given.ledger_where import LedgerOption
from custody.cli.terminal import console
from custody.errors import UsageError

_FORMATS = ("jsonl", "csv")
_AT_ONCE = 256

FormatOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="jsonl or csv.")]


def export(format_: FormatOption = "jsonl", ledger: LedgerOption = None) -> None:
    """Print every entry, as JSON Lines or CSV.

    JSON Lines have the whole envelope; CSV is for a spreadsheet.

    In CSV a cell that a spreadsheet would run as a formula gets an apostrophe in front; the
    exact text is in the JSON Lines.  Nothing is checked here; custody ledger verify does.
    """
    if format_ not in _FORMATS:
        why = f"{format_} is none of {', '.join(_FORMATS)}"
        raise UsageError("read the command line", "--format", why)
    if console.mode().json and format_ != "jsonl":
        raise UsageError("read the command line", "--format and --json", "choose one of them")
    reader = ledger_where.find("ledger export", ledger).reader
    with ledger_where.damage():
        entries = enumerate(reader.entries())
        text = _json_lines(entries) if format_ == "jsonl" else _csv(entries)
        while some := "".join(islice(text, _AT_ONCE)):
            console.result_bytes(some.encode())


def _json_lines(entries: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    from custody.ledger import export as exporting

    for index, data in entries:
        yield json.dumps(exporting.record(index, data), ensure_ascii=True) + "\n"


def _csv(entries: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    from custody.ledger import export as exporting

    yield exporting.csv_header()
    for index, data in entries:
        yield exporting.csv_lines([exporting.csv_row(index, data)])
