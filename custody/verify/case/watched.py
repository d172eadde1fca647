"""Check 9: the pieces of every watched file follow each other without a gap."""

from __future__ import annotations

from pathlib import Path

from custody import pieces
from custody.counted import counted
from custody.errors import CustodyError
from custody.ledger.reader import LedgerReader
from custody.pieces import Chains, Part
from custody.verify.case.checks import WATCHED
from custody.verify.docket import Docket


def check(case: Path, docket: Docket) -> None:
    """Join the pieces in all bundles of watches that the ledger has."""
    chains, joined, contents, gone = Chains(), 0, set[str](), 0
    try:
        for bundle in pieces.bundles(LedgerReader(case / "ledger"), case / "bundles"):
            if not bundle.directory.exists():  # whether it may be gone is for (7) to say
                gone += 1
                continue
            for part in bundle.parts():
                contents.add(part.piece.generation)
                # (9) each begins where the one before it ended, and its chain value follows
                for one, problem in chains.take(part):
                    joined += 1
                    if problem:
                        _found(docket, one, problem)
    except CustodyError as err:
        # That is a finding of (3) or (5); here it leaves the pieces unjoined.
        docket.left(WATCHED, f"the pieces of the watch cannot be joined: {err.why or err}")
        return
    for part, end in () if gone else chains.left():
        why = f"the {part.piece.offset - end} bytes before it, from {end} on, are nowhere"
        _found(docket, part, why)
    if gone:
        docket.left(WATCHED, f"{counted(gone, 'bundle')} of the watch not there", required=False)
    docket.shown(
        WATCHED, f"{counted(joined, 'piece')} of {counted(len(contents), 'content')}, without a gap"
    )


def _found(docket: Docket, part: Part, problem: str) -> None:
    where = f"bundles/{part.bundle.name}/{part.payload or 'custody/inventory.jsonl'}"
    expected = "a piece that follows the one before it"
    docket.found(WATCHED, where, expected, problem, "the pieces of a watched file have a gap")
