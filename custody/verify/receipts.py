"""Receipts: the statement is an entry of that ledger, under that checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from custody import reading
from custody.bundle import layout
from custody.errors import CustodyError, FormatError
from custody.identity.trust import Trust
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, proof
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.receipt import ReceiptResult, verify_receipt
from custody.verify import clocks
from custody.verify.carried import Stamp, in_receipt
from custody.verify.clocks import Clocks
from custody.verify.docket import Docket
from custody.verify.seal import Sealed, ledger_of

RECEIPTS = 11


@dataclass(frozen=True, slots=True)
class Proved:
    """What receipts show: the *trees* in which the statement is, and when witnesses saw them.

    :ivar stamps: over the checkpoints of receipts that add up, whoever keeps their log.
    """

    trees: tuple[Checkpoint, ...]
    witnessed: tuple[Clocks, ...]
    stamps: tuple[Stamp, ...] = ()


def check(
    bag: Path,
    names: list[str],
    data: bytes | None,
    sealed: Sealed | None,
    trust: Trust,
    docket: Docket,
) -> Proved:
    """Check 11: every receipt, and that there is one where the verifier requires it.

    :param names: the files in the directory of receipts.
    :param data: the statement's bytes: the entry that is proved.
    :returns: what the receipts that prove it, under trusted keys, say.
    """
    before = None if sealed is None else ledger_of(sealed.event)
    proved: dict[Checkpoint, str] = {}
    seen: list[Clocks] = []
    open_questions: list[str] = []
    stamps: list[Stamp] = []
    for name in names:
        path = f"{layout.RECEIPTS}/{name}"
        receipt = _bytes(bag, path, data, docket)
        if receipt is None or data is None:
            continue
        stamp = in_receipt(path, receipt, trust, docket)  # (10)
        result = _one(path, receipt, data, before, trust, docket)
        if result is None or result.checkpoint is None:
            continue
        stamps += [] if stamp is None else [stamp]
        if result.verdict == "ok":
            proved[result.checkpoint] = result.detail
            seen.append(clocks.witnessed(result.cosigned, trust.policy))
        else:
            open_questions.append(f"{path}: {result.detail}")
            docket.remark(path, result.detail)
    _settle(before, proved, open_questions, trust, docket)
    return Proved(tuple(proved), tuple(seen), tuple(stamps))


def _settle(
    before: Checkpoint | None,
    proved: dict[Checkpoint, str],
    open_questions: list[str],
    trust: Trust,
    docket: Docket,
) -> None:
    # (11) required where the trust folder has the ledger that the signed statement names
    origin = "" if before is None else before.origin
    required = bool(origin and trust.policy.log_keys(origin))
    if required and origin not in {tree.origin for tree in proved}:
        why = f"no receipt that can be checked from {origin}, which the trust folder knows"
        docket.left(RECEIPTS, "; ".join([*open_questions[:1], why]))
    elif proved:
        docket.shown(RECEIPTS, "; ".join(proved.values()))
    elif open_questions:
        docket.left(RECEIPTS, open_questions[0], required=False)
    elif origin:
        why = f"there is none; the statement names the ledger {origin}, which nobody here trusts"
        docket.left(RECEIPTS, why, required=False)
    else:
        docket.left(RECEIPTS, "there is none, and the statement names no ledger", required=False)


def _bytes(bag: Path, path: str, entry: bytes | None, docket: Docket) -> bytes | None:
    try:
        receipt = reading.read_beneath(bag, path, layout.LARGEST_RECEIPT)
    except CustodyError as err:
        docket.trouble(RECEIPTS, path, "a receipt", err)
        return None
    if entry is None:
        docket.remark(path, "there is no statement that it could prove")
        return None
    return receipt


def _one(
    path: str, receipt: bytes, entry: bytes, before: Checkpoint | None, trust: Trust,
    docket: Docket,
) -> ReceiptResult | None:  # fmt: skip
    # (11) strict; signed by a trusted log, and by the witnesses that the policy asks for; the
    # statement's own bytes lead to the root
    result = verify_receipt(receipt, entry, (), trust.policy)
    if result.verdict == "cannot-verify":  # not to be believed, but the sum must come out
        result = _unsigned(receipt, entry, result)
    if result.verdict == "failed":
        why = "the receipt does not prove that the statement was entered"
        docket.found(RECEIPTS, path, "a proof", result.detail, why)
        return None
    tree = result.checkpoint
    if tree is None:  # cannot be: only step 1 leaves it out
        return None
    # (11) its name says what it is
    name = f"{layout.RECEIPTS}/{_file_name(tree)}"
    if path != name:
        why = "the receipt's name does not fit its origin and size"
        docket.found(RECEIPTS, path, name, path, why)
    # (11) later than the checkpoint that the statement names
    if before is not None and before.origin == tree.origin and (result.index or 0) < before.size:
        why = "the receipt puts the entry before a checkpoint that the statement already names"
        expected = f"entry {before.size} or later"
        docket.found(RECEIPTS, path, expected, f"entry {result.index}", why)
        return None
    return result


def _file_name(tree: Checkpoint) -> str:
    return Path(layout.receipt_name(tree.origin, tree.size)).name


def _unsigned(receipt: bytes, entry: bytes, result: ReceiptResult) -> ReceiptResult:
    try:
        found = proof.load(receipt)
        _, tree = checkpoints.load_signed(found.checkpoint)
        leaf = merkle.leaf_hash(entry)
        merkle.verify_inclusion(found.index, tree.size, leaf, found.hashes, tree.root)
    except FormatError as err:
        return ReceiptResult("failed", 3, str(err), result.index, result.checkpoint)
    return result
