"""``custody form``: the printable chain-of-custody form of one bundle."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import bundles, ledger_where, options, papers

app = Verb("Print the chain-of-custody form of a bundle.")

BlankRowsOption = Annotated[
    int,
    typer.Option(metavar="N", min=0, max=100, help="Rows for changes of hands written by hand."),
]


@app.command()
def form(
    bundle: bundles.BundleArgument,
    output: papers.OutOption = None,
    blank_rows: BlankRowsOption = 6,
    expect: options.ExpectOption = None,
    signer: options.SealedByOption = None,
    log: options.LogOption = None,
    checkpoint: ledger_where.CheckpointOption = None,
    ledger: ledger_where.LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Print the chain-of-custody form of a bundle, as HTML for a printer.

    The bundle is verified first, and the ledger of its case derived again; the form says what
    that came to.  Exit 10: it failed, and the form says so; 11: it could not be judged.
    """
    from custody.forms import form as forms

    whose = papers.Whose(expect, signer, log, checkpoint, ledger, trust)
    return papers.make("form", bundle, output, whose, forms.document, {"blank_rows": blank_rows})
