"""Did that log only grow?  A consistency proof as a file, in a text format of our own.

    custody/consistency-proof@v1
    origin <the log's name>
    old <size> <root>
    new <size> <root>
    <hash>                         any number of lines, from the leaves upwards
    old-checkpoint <note or ->
    new-checkpoint <note or ->

Roots, hashes and the two checkpoints (whole signed notes) are in base64.  It is checked with
nothing else at hand, in this order:

1. It is well-formed, and the checkpoints it carries say the same origin, sizes and roots.
2. Both ends are believed: held already, or signed by the key that is trusted for the origin and
   the witnesses that the verifier's policy asks for.
3. The hashes lead from the old root to the new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from custody.errors import FormatError
from custody.formats import note, strict
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.judge import Verdict, judge_witnessed
from custody.ledger.policy import Policy

HEADER = "custody/consistency-proof@v1"
LARGEST_PROOF = 3 * note.LARGEST_NOTE
_MOST_HASHES = 128
_DOING = "read consistency proof"
_NONE = "-"


@dataclass(frozen=True, slots=True)
class End:
    """One end of the growth: a tree, and the signed note that says so, if there is one."""

    size: int
    root: bytes
    note: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """The proof that the tree *new* of this log begins with the tree *old*."""

    origin: str
    old: End
    new: End
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class GrowthResult:
    """What checking a consistency proof came to; the fields are those of a receipt's result."""

    verdict: Verdict
    step: int
    detail: str
    proof: ConsistencyProof | None = None


def load(data: bytes) -> ConsistencyProof:
    """Read a consistency proof strictly: what it returns prints the same again.

    :raises FormatError: if it is not in the form at the top of this module.
    """
    text = strict.utf8(data, _DOING, LARGEST_PROOF)
    lines = text.split("\n", _MOST_HASHES + 7)
    if lines.pop() or len(lines) < 6:
        raise FormatError(_DOING, None, "it is cut off, or goes on after its end")
    if lines[0] != HEADER:
        raise FormatError(_DOING, None, f"its first line is not {HEADER}")
    return ConsistencyProof(
        _field(lines[1], "origin"),
        _end(lines[2], "old", lines[-2]),
        _end(lines[3], "new", lines[-1]),
        tuple(strict.base64_bytes(line, _DOING, "hash", length=32) for line in lines[4:-2]),
    )


def dump(proof: ConsistencyProof) -> bytes:
    """Print a consistency proof.

    :raises FormatError: if :func:`load` would not read the very same proof back.
    """
    ends = {"old": proof.old, "new": proof.new}
    lines = [HEADER, f"origin {proof.origin}"]
    lines += [f"{name} {end.size} {strict.base64_text(end.root)}" for name, end in ends.items()]
    lines += [strict.base64_text(item) for item in proof.hashes]
    lines += [
        f"{name}-checkpoint {_NONE if end.note is None else strict.base64_text(end.note)}"
        for name, end in ends.items()
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    if load(data) != proof:
        raise FormatError("write consistency proof", None, "it would not read back the same")
    return data


def verify_growth(data: bytes, policy: Policy, held: Iterable[Checkpoint] = ()) -> GrowthResult:
    """Check a consistency proof by the list at the top of this module.

    Never raises for what the proof holds: every defect is an answer.

    :param held: checkpoints that the verifier believes already.
    """
    # (1) Well-formed, and in agreement with the checkpoints it carries.
    try:
        proof = load(data)
        for end in (proof.old, proof.new):
            _require_agreement(proof.origin, end)
    except FormatError as err:
        return GrowthResult("failed", 1, str(err))
    # (2) Both ends are believed.
    mine = list(held)
    doubt: GrowthResult | None = None
    for name, end in (("old", proof.old), ("new", proof.new)):
        verdict, why = _belief(proof.origin, end, policy, mine)
        if verdict == "failed":
            return GrowthResult(verdict, 2, f"the {name} checkpoint: {why}", proof)
        if verdict != "ok" and doubt is None:
            doubt = GrowthResult(verdict, 2, f"the {name} checkpoint: {why}", proof)
    # (3) The hashes lead from one root to the other.
    try:
        merkle.verify_consistency(
            proof.old.size, proof.new.size, proof.old.root, proof.new.root, proof.hashes
        )
    except FormatError as err:
        return GrowthResult("failed", 3, str(err), proof)
    shown = f"{proof.origin} only grew from size {proof.old.size} to {proof.new.size}"
    return doubt or GrowthResult("ok", 3, shown, proof)


def _belief(origin: str, end: End, policy: Policy, held: list[Checkpoint]) -> tuple[Verdict, str]:
    if any((origin, end.size, end.root) == (item.origin, item.size, item.root) for item in held):
        return "ok", "held already"
    if end.note is None:
        return "cannot-verify", "the proof does not carry it, and nobody here holds it"
    judgement = judge_witnessed(*checkpoints.load_signed(end.note), policy)
    return judgement.verdict, judgement.detail


def _require_agreement(origin: str, end: End) -> None:
    if end.note is None:
        return
    _, tree = checkpoints.load_signed(end.note)
    if (tree.origin, tree.size, tree.root) != (origin, end.size, end.root):
        raise FormatError(_DOING, None, "a checkpoint in it says something else than the proof")


def _end(line: str, name: str, carried: str) -> End:
    size, space, root = _field(line, name).partition(" ")
    if not space:
        raise FormatError(_DOING, name, "a size and a root were expected")
    text = _field(carried, f"{name}-checkpoint")
    return End(
        strict.decimal(size, _DOING, name),
        strict.base64_bytes(root, _DOING, name, length=merkle.HASH_BYTES),
        None if text == _NONE else strict.base64_bytes(text, _DOING, f"{name}-checkpoint"),
    )


def _field(line: str, name: str) -> str:
    word, space, rest = line.partition(" ")
    if word != name or not space or not rest:
        raise FormatError(_DOING, name, "the line is missing or in the wrong place")
    return rest
