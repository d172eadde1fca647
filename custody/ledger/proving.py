"""Making proofs about a ledger, and checking a proof file whatever kind it is.

Nothing is given out that was not checked against the ledger's present checkpoint first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from custody.errors import DifferenceError, FormatError, UsageError
from custody.ledger import consistency, history, merkle, proof
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.consistency import ConsistencyProof, End
from custody.ledger.judge import Verdict
from custody.ledger.policy import Policy
from custody.ledger.reader import LedgerReader, Published
from custody.ledger.receipt import verify_receipt

LARGEST_PROOF = max(proof.LARGEST_PROOF, consistency.LARGEST_PROOF)
Status = Literal["ok", "fail", "not-checked"]

_INCLUSION_STEPS = (
    "the receipt is well-formed",
    "its checkpoint is signed by a trusted key",
    "the entry is in the tree of that checkpoint",
)
_GROWTH_STEPS = (
    "the proof is well-formed",
    "both checkpoints are believed",
    "the new tree begins with the old one",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered check of a proof."""

    number: int
    name: str
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What checking a proof file came to.

    :ivar origin: the log's name, once the file is well-formed.
    :ivar size: how many entries the (newer) checkpoint covers.
    """

    verdict: Verdict
    steps: tuple[Step, ...]
    origin: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One end of the growth to be proved: a size, or a checkpoint that somebody holds."""

    size: int
    held: Published | None = None


def prove_growth(ledger: LedgerReader, old: Wanted, new: Wanted | None) -> bytes:
    """The proof that the ledger at *new* (None: at present) begins with what it was at *old*.

    :raises UsageError: if the sizes are impossible, or the ledger is shorter.
    :raises DifferenceError: if a held checkpoint is not of this ledger's history, or the
        ledger's own tiles do not agree with its checkpoint.
    """
    present = ledger.checkpoint()
    after = new or Wanted(present.size, present)
    if not 0 < old.size <= after.size:
        raise UsageError("prove growth", f"{old.size} to {after.size}", "the sizes are impossible")
    ends = _end(ledger, old, present), _end(ledger, after, present)
    hashes = tuple(ledger.prove_consistency(old.size, after.size))
    try:
        merkle.verify_consistency(ends[0].size, ends[1].size, ends[0].root, ends[1].root, hashes)
    except FormatError as err:
        raise _damaged() from err
    return consistency.dump(ConsistencyProof(present.checkpoint.origin, *ends, hashes))


def _end(ledger: LedgerReader, wanted: Wanted, present: Published) -> End:
    if wanted.held is not None:
        tree = wanted.held.checkpoint
        history.require(ledger, tree, present.checkpoint)
        return End(tree.size, tree.root, wanted.held.data)
    if wanted.size == present.size:
        return End(present.size, present.checkpoint.root, present.data)
    tree = Checkpoint(present.checkpoint.origin, wanted.size, ledger.root_at(wanted.size))
    try:
        history.require(ledger, tree, present.checkpoint)
    except DifferenceError as err:  # the root came from its own tiles
        raise _damaged() from err
    return End(tree.size, tree.root)


def _damaged() -> DifferenceError:
    return DifferenceError(
        "prove growth",
        None,
        "the ledger's tiles do not agree with its checkpoint",
        hint="custody ledger verify names what differs",
    )


def is_proof(data: bytes) -> bool:
    """Whether a file begins like a proof of either kind."""
    return data.startswith((proof.HEADER.encode() + b"\n", consistency.HEADER.encode() + b"\n"))


def verify_proof(
    data: bytes, entry: bytes | None, policy: Policy, held: Iterable[Checkpoint] = ()
) -> ProofResult:
    """Check a proof file of either kind, with nothing but the proof, the entry and the policy.

    :param entry: the entry's bytes, for a receipt.
    :param held: checkpoints that the verifier believes already, for a proof of growth.
    :raises UsageError: if a receipt comes without an entry, or growth with one.
    """
    is_growth = data.startswith(consistency.HEADER.encode())
    if is_growth and entry is not None:
        raise UsageError("verify proof", None, "a proof of growth has no entry")
    if is_growth:
        growth = consistency.verify_growth(data, policy, held)
        # A doubt about an end does not keep the hashes from being checked.
        after: Status = "ok" if growth.verdict == "cannot-verify" else "not-checked"
        steps = _steps(_GROWTH_STEPS, growth.verdict, growth.step, growth.detail, after)
        found = growth.proof
        return ProofResult(
            growth.verdict,
            steps,
            found.origin if found else None,
            found.new.size if found else None,
        )
    if entry is None:
        raise UsageError(
            "verify proof", None, "a receipt proves an entry, and none is named",
            hint="--entry FILE; custody ledger show N --raw prints an entry",
        )  # fmt: skip
    result = verify_receipt(data, entry, (), policy)
    steps = _steps(_INCLUSION_STEPS, result.verdict, result.step, result.detail)
    tree = result.checkpoint
    return ProofResult(
        result.verdict, steps, tree.origin if tree else None, tree.size if tree else None
    )


def _steps(
    names: tuple[str, ...],
    verdict: Verdict,
    decided: int,
    detail: str,
    after: Status = "not-checked",
) -> tuple[Step, ...]:
    """The numbered checks, of which *decided* had the last word."""
    status: dict[Verdict, Status] = {"ok": "ok", "failed": "fail", "cannot-verify": "not-checked"}
    steps = []
    for number, name in enumerate(names, 1):
        if number < decided:
            steps.append(Step(number, name, "ok", ""))
        elif number == decided:
            steps.append(Step(number, name, status[verdict], detail))
        else:
            why = "" if after == "ok" else f"check {decided} decided"
            steps.append(Step(number, name, after, why))
    return tuple(steps)
