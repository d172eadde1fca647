"""Whether a checkpoint is to be believed, by the keys that the verifier trusts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from custody.errors import FormatError
from custody.formats.note import SignedNote
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.ledger.checkpoint import Checkpoint

Verdict = Literal["ok", "failed", "cannot-verify"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the one sentence for it; ``cannot-verify`` where no trusted key applies."""

    verdict: Verdict
    detail: str


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
