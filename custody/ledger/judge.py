"""Whether a checkpoint is to be believed, by the keys that the verifier trusts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from custody.errors import FormatError
from custody.formats.note import SignedNote
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.policy import Policy

Verdict = Literal["ok", "failed", "cannot-verify"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the one sentence for it; ``cannot-verify`` where no trusted key applies.

    :ivar cosigned: the known witnesses who signed too, by their name in the policy, with the
        POSIX time at which each says it did.
    """

    verdict: Verdict
    detail: str
    cosigned: Mapping[str, int] = field(default_factory=dict)


def judge(signed: SignedNote, tree: Checkpoint, log_keys: Iterable[VerifierKey]) -> Judgement:
    """Judge the checkpoint *tree* that stands in the note *signed*.

    A log's key has the origin for its name (tlog-policy), so a key that is trusted for one log
    says nothing for another.
    """
    keys = list(log_keys)
    try:
        signers = notes.verified(signed, keys)
    except FormatError as err:
        return Judgement("failed", f"the signature on the checkpoint is wrong: {err}")
    if any(key.name == tree.origin for key in signers):
        return Judgement("ok", f"signed by the key trusted for {tree.origin}")
    if signers:
        name = signers[0].name
        return Judgement("failed", f"the key of {name} signed a checkpoint of {tree.origin}")
    if any(key.name == tree.origin for key in keys):
        why = f"the checkpoint is not signed by the key trusted for {tree.origin}"
        return Judgement("failed", why)
    return Judgement("cannot-verify", f"no key is trusted for the log {tree.origin}")


def judge_witnessed(signed: SignedNote, tree: Checkpoint, policy: Policy) -> Judgement:
    """Judge a checkpoint by a whole policy: the log's key, and the witnesses it asks for.

    It fails closed: one wrong line by a known witness fails, also where others are enough.
    """
    judgement = judge(signed, tree, policy.log_keys())
    if judgement.verdict != "ok":
        return judgement
    cosigned: dict[str, int] = {}
    for name, known in policy.witnesses.items():
        try:
            if notes.verified(signed, [known.key]):
                lines = [line for line in signed.signatures if line.is_from(known.key)]
                cosigned[name] = max(notes.cosigned_at(line) for line in lines)
        except FormatError as err:
            return Judgement("failed", f"the cosignature by {name} is wrong: {err}")
    if not policy.is_witnessed(policy.witnesses[name].key for name in cosigned):
        by = f"only by {', '.join(cosigned)}" if cosigned else "by none of them"
        why = f"the policy asks for witnesses ({policy.quorum}), and it is cosigned {by}"
        return Judgement("cannot-verify", f"{judgement.detail}, but {why}", cosigned)
    by = f", and cosigned by {', '.join(cosigned)}" if cosigned else ""
    return Judgement("ok", judgement.detail + by, cosigned)
