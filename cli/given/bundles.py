"""Which bundle is meant: a directory, or one of the case by its id or evidence number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from custody.errors import UsageError

from . import ledger_where, options

BundleArgument = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE",
        help="A bundle's directory; with --case also its id or evidence number.",
        show_default=False,
    ),
]


def located(asked: Path) -> Path:
    """Where the bundle lies that is *asked* for.

    With a case, one word that is no path here is looked up in the case, as a form's is.  What
    the ledger says of names is only how it is found; the bundle is judged by itself.

    :raises NotFoundError: if the case has nothing of that name; the hint names the nearest.
    :raises UsageError: if it is not one bundle.
    """
    from custody import case as cases
    from custody import history
    from custody.history import items

    chosen = options.case()
    if chosen is None or len(asked.parts) != 1 or os.path.lexists(asked):
        return asked
    case = cases.open_case(chosen.path)
    with ledger_where.damage():
        found = history.find(case, str(asked))
    if found.kind != "bundle" or len(found.bundles) != 1 or not items.is_name(found.bundles[0]):
        why = "it is not one bundle of this case"
        hint = f"name a bundle's directory, one of those in {case.bundles}"
        raise UsageError("find bundle", asked, why, hint=hint)
    return case.bundles / found.bundles[0]
