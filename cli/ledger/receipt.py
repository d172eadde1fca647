"""``custody ledger receipt``: a later receipt for a bundle that was entered before."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from custody.cli.given import ledger_where, options
from custody.cli.given.ledger_where import LedgerOption
from custody.cli.terminal import console

_WAIT_SECONDS = 10.0

BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle's directory, or its name in the case.")
]


def receipt(
    bundle: BundleArgument,
    ledger: LedgerOption = None,
    trust: options.TrustOption = None,
) -> None:
    """Give a bundle a receipt as of now.

    It is one under the ledger's present checkpoint, beside those that the bundle has.

    Worth it once witnesses have signed: custody ledger witness ask.  Where the ledger's checkpoint
    was time-stamped, a receipt under that one carries the stamp.  BUNDLE may be a copy that lies
    elsewhere.
    """
    from custody import receipting
    from custody.identity import trust as store

    place = ledger_where.find("ledger receipt BUNDLE", ledger)
    believed = store.load(options.trust_directory(trust))
    staging = None
    if place.case is not None and not bundle.exists() and bundle.name == str(bundle):
        bundle = place.case.bundles / bundle
        staging = place.case.incoming
    with ExitStack() as stack:
        if place.case is not None:
            stack.enter_context(place.case.locked(options.wait_seconds(_WAIT_SECONDS)))
        stack.enter_context(ledger_where.damage())
        given = receipting.give(bundle, place.reader, believed.policy, staging)
        stamped = (
            []
            if place.case is None
            else receipting.give_dated(bundle, place.case, believed.anchors, staging)
        )
    if console.mode().json:
        document = {
            "path": str(given.path),
            "index": given.index,
            "size": given.size,
            "new": given.is_new,
            "verdict": given.judgement.verdict,
            "detail": given.judgement.detail,
            "cosigned": ledger_where.cosigned(given.judgement.cosigned),
            "stamped": [str(path) for path in stamped],
        }
        console.result_json("ledger-receipt", document)
        return
    console.result("receipt  ", given.path)
    console.result(f"entry    {given.index} of {given.size}")
    console.result("checked  ", given.judgement.detail)
    for path in stamped:
        console.result("stamped  ", path)
    if not given.is_new:
        console.remark("nothing to do: the bundle has this very receipt already")
