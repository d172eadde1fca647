"""Whether a ledger goes on from what was seen of it before; each way it may not has its words.

A checkpoint that somebody kept (in memory, on paper, at another office) is a promise.  The ledger
keeps it if it has at least as many entries, and the first of them lead to the very same root.
"""

from __future__ import annotations

from custody.counted import counted
from custody.errors import CustodyError, DifferenceError, FormatError
from custody.findings import Finding
from custody.ledger import merkle
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.reader import CHECKPOINT, LedgerReader

_BACK = (
    "the ledger had {old} and promises only {new} now: its checkpoint was put back to an"
    " older one, and the entries beyond it are still there"
)
_CUT = (
    "the ledger had {old} and has only {new} now: its end was cut off, or the whole of it"
    " was put back to an older state, as from a backup, or somebody was shown another one"
)
_TWO = (
    "there are two different ledgers of {old} under this name: its history was rewritten,"
    " or different people are shown different ones"
)
_FORKED = "the first {old} are not those that were seen before: the ledger's history was rewritten"
_STRANGER = "the checkpoint is of another ledger"
_NOT_SHOWN = "it cannot be shown that the ledger only grew since it had {old}: {why}"


def contradiction(ledger: LedgerReader, seen: Checkpoint, present: Checkpoint) -> Finding | None:
    """How the ledger, whose checkpoint is *present*, contradicts one that was *seen* before.

    The present root itself is not derived here; it is what the ledger promises.
    """
    words = _words(ledger, seen, present)
    if not words:
        return None
    message = words.format(old=counted(seen.size, "entry"), new=f"{present.size:,}")
    return Finding(CHECKPOINT, _tree(seen), _tree(present), message)


def require(ledger: LedgerReader, seen: Checkpoint, present: Checkpoint) -> None:
    """Make sure that the ledger goes on from *seen*.

    :raises DifferenceError: if it contradicts it.
    """
    found = contradiction(ledger, seen, present)
    if found is not None:
        raise DifferenceError(
            "compare ledger",
            ledger.directory,
            found.message,
            hint=f"seen before: {found.expected}; here now: {found.found}; nothing was written",
        )


def _words(ledger: LedgerReader, seen: Checkpoint, present: Checkpoint) -> str:
    if seen.origin != present.origin:
        return _STRANGER
    if seen.size > present.size:
        return _BACK if ledger.still_holds(seen) else _CUT
    if seen.size == present.size:
        return "" if seen.root == present.root else _TWO
    return _growth(ledger, seen, present) if seen.size else ""  # all begins with nothing


def _growth(ledger: LedgerReader, seen: Checkpoint, present: Checkpoint) -> str:
    try:
        hashes = ledger.prove_consistency(seen.size, present.size)
    except CustodyError as err:  # a tile is missing or malformed: the check of the tiles names it
        return _NOT_SHOWN.replace("{why}", str(err).replace("{", "{{").replace("}", "}}"))
    try:
        merkle.verify_consistency(seen.size, present.size, seen.root, present.root, hashes)
    except FormatError:
        return _FORKED
    return ""


def _tree(tree: Checkpoint) -> str:
    return f"{tree.origin}, {counted(tree.size, 'entry')}, root {tree.root.hex()}"
