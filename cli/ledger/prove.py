"""``custody ledger prove``: a proof for somebody who trusts nobody's server."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.given import ledger_where
from custody.cli.given.ledger_where import LedgerOption
from custody.cli.terminal import console
from custody.errors import FormatError, UsageError

if TYPE_CHECKING:
    from custody.ledger.proving import Wanted
    from custody.ledger.reader import LedgerReader

NumberArgument = Annotated[
    int | None,
    typer.Argument(
        metavar="[N]",
        help="The entry's number, from 0.",
        show_default=False,
        parser=ledger_where.entry_number,
    ),
]
FromOption = Annotated[
    str,
    typer.Option("--from", metavar="OLD", help="A size, or a file that holds a checkpoint."),
]
ToOption = Annotated[
    str,
    typer.Option("--to", metavar="NEW", help="The same; without it, the ledger as it is now."),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here, to a file that is not there."),
]


def prove(
    number: NumberArgument = None,
    old: FromOption = "",
    new: ToOption = "",
    output: FileOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Prove that it has an entry, or that it only grew.

    N gives a receipt (tlog-proof) of that entry.  --from OLD [--to NEW] gives a consistency
    proof: nothing that was in the ledger at OLD has been changed or taken out since.
    """
    from custody.ledger import proving

    if (number is None) == (not old):
        hint = f"custody ledger prove {number or 0}"
        raise UsageError("prove", None, "name either one entry or --from", hint=hint)
    reader = ledger_where.find("ledger prove", ledger).reader
    with ledger_where.damage():
        if number is None:
            start, end = _wanted("--from", old), _wanted("--to", new) if new else None
            data = proving.prove_growth(reader, start, end)
        elif new:
            raise UsageError("read the command line", "--to", "it goes with --from")
        else:
            ledger_where.require_entry(reader, number)
            data = reader.receipt(number)
    if output is None:
        console.result_bytes(data)
    else:
        _write(output, data)
    _say_next(reader, number, output)


def _wanted(option: str, text: str) -> Wanted:
    """A size as it is, or the checkpoint in a file."""
    from custody.formats import strict
    from custody.ledger.proving import Wanted

    if text.isascii() and text.isdecimal():
        try:
            return Wanted(strict.decimal(text, "read the command line", option))
        except FormatError as err:
            raise UsageError("read the command line", option, err.why) from err
    published = ledger_where.given_checkpoint(Path(text))
    return Wanted(published.size, published)


def _write(path: Path, data: bytes) -> None:
    from custody import durable

    durable.create(path, data)
    if console.mode().json:
        console.result_json("proof", {"path": str(path), "bytes": len(data)})
    else:
        console.result("written to ", path)


def _say_next(reader: LedgerReader, number: int | None, output: Path | None) -> None:
    proof = shlex.quote(str(output)) if output else "PROOF"
    if number is None:
        console.remark(f"to check it: custody verify {proof}")
        return
    entry = shlex.quote(f"{output}.entry") if output else "ENTRY"
    ledger = shlex.quote(str(reader.directory))
    console.remark(
        f"to write the entry down: custody ledger show {number} --raw --ledger {ledger} > {entry}"
    )
    console.remark(f"to check it: custody verify {proof} --entry {entry}")
