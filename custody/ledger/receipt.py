"""Is this entry in that log?  A receipt is checked with nothing else at hand, in this order:

1. The receipt is a well-formed proof that carries a well-formed checkpoint.
2. The checkpoint is signed by the key that is trusted for its origin, and by the witnesses that
   the verifier's policy asks for.
3. The proof leads from the entry to the checkpoint's root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from custody.errors import FormatError
from custody.formats.vkey import VerifierKey
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, proof
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.judge import Verdict, judge, judge_witnessed
from custody.ledger.policy import Policy


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """What checking a receipt came to.

    :ivar verdict: ``cannot-verify`` where no trusted key is there to judge it.
    :ivar step: the step of this module's list that decided; 3 when all went well.
    :ivar detail: one sentence: what was shown, or exactly what failed.
    :ivar index: the entry's number, once step 1 went well.
    :ivar checkpoint: what the receipt's checkpoint says, once step 1 went well.
    :ivar cosigned: the witnesses who signed it, and the POSIX times they say, if all went well.
    """

    verdict: Verdict
    step: int
    detail: str
    index: int | None = None
    checkpoint: Checkpoint | None = None
    cosigned: Mapping[str, int] = field(default_factory=dict)


def verify_receipt(
    data: bytes,
    entry: bytes,
    log_keys: Iterable[VerifierKey],
    policy: Policy | None = None,
) -> ReceiptResult:
    """Check that the receipt *data* proves *entry* to be in a log that one of *log_keys* signs.

    Never raises for what the receipt holds: every defect is an answer.

    :param policy: where witnesses are to be judged too; *log_keys* does not count then.
    """
    # (1) Well-formed proof and checkpoint.
    try:
        found = proof.load(data)
        signed, tree = checkpoints.load_signed(found.checkpoint)
    except FormatError as err:
        return ReceiptResult("failed", 1, str(err))
    # (2) The trusted key signed the checkpoint, and so did the witnesses.
    if policy is None:
        judgement = judge(signed, tree, log_keys)
    else:
        judgement = judge_witnessed(signed, tree, policy)
    if judgement.verdict != "ok":
        return ReceiptResult(judgement.verdict, 2, judgement.detail, found.index, tree)
    # (3) The entry leads to the root.
    leaf = merkle.leaf_hash(entry)
    try:
        merkle.verify_inclusion(found.index, tree.size, leaf, found.hashes, tree.root)
    except FormatError as err:
        return ReceiptResult("failed", 3, str(err), found.index, tree)
    shown = f"entry {found.index} of {tree.origin} at size {tree.size}"
    return ReceiptResult("ok", 3, shown, found.index, tree, judgement.cosigned)
