"""The receiver's side: is this release to be believed, is this what it released, and the answer.

A release is judged in this order, by the receiver's own trust:

1. It is canonical, and signed by exactly the key that it names (:mod:`custody.handover`).
2. The receiver trusts that key, and it counted when the release was signed; where the key has an
   end, it must not have come yet, because the release's own time is only its signer's word.
3. It is for this receiver's key, where it names one.
4. It has not expired.
5. Its proof of entry leads to a checkpoint that the trusted ledger signed.  A ledger that the
   receiver does not know makes this a remark; one that they do know makes it a requirement.
6. What is there verifies as a bundle, and is exactly what was released.

Then the receiver signs that it was received.  Who does not take it signs that it was refused, and
why; for that the release need only be a whole one.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody import clock, handover
from custody.errors import DifferenceError, KeyAccessError, TrustError, UsageError
from custody.formats import statement, vkey
from custody.formats.statement import Actor, Event, Subject
from custody.handover import RECEIVED, REFUSED, Release
from custody.identity import signing
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.ledger import receipt as proofs
from custody.ledger.checkpoint import Checkpoint
from custody.verify import Verification

Remark = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is there: where it was verified, and the digest of its tag manifest (hex, or empty)."""

    found: Verification
    digest: str


def judge(
    release: Release,
    proof: bytes | None,
    trust: Trust,
    receiver: Signer,
    now: datetime,
    remark: Remark,
) -> Checkpoint | None:
    """Steps 2 to 5 of this module's list.

    :param proof: the release's proof of entry, if it came along.
    :param remark: told what could not be judged and is not required.
    :returns: the checkpoint that the release is entered under, where a trusted ledger signed it.
    :raises TrustError: if the key, or a proof that is required, is missing.
    :raises DifferenceError: if something about the release is wrong.
    :raises KeyAccessError: if it is for another key than the receiver's.
    :raises UsageError: if it has expired.
    """
    _require_trusted(release, trust, now)  # (2)
    wanted = release.to.get("key", "")
    if wanted and _fingerprint(wanted) != receiver.key.fingerprint():  # (3)
        why = f"it is to be signed for with the key {wanted}; nothing was signed"
        raise KeyAccessError("receive", release.bundle, why, hint="--key NAME names one of yours")
    if release.expires is not None and now > release.expires:  # (4)
        why = f"the release expired at {clock.rfc3339(release.expires)}; nothing was signed"
        raise UsageError("receive", release.bundle, why, hint="ask whoever released it for another")
    return _entered(release, proof, trust, remark)  # (5)


def _require_trusted(release: Release, trust: Trust, now: datetime) -> None:
    actor = release.paper.event.actor
    signer = trust.signer_for(release.paper.key.fingerprint())
    if signer is None:
        why = f"it is signed by a key that you do not trust: {release.paper.key.fingerprint()}"
        name = actor.name or release.paper.key.name
        hint = (
            "ask for the fingerprint in another way and compare it, then: custody trust add signer"
            f" {shlex.quote(actor.key)} --name {shlex.quote(name)} --role desk"
        )
        raise TrustError("judge release", release.bundle, f"{why}; nothing was signed", hint=hint)
    why = signer.why_not_valid_at(release.paper.event.time)
    if why:
        raise DifferenceError("judge release", release.bundle, f"{why}; nothing was signed")
    why = signer.why_not_valid_at(now)
    if why:
        said = f"{why}, and only its signer says that the release is older; nothing was signed"
        raise TrustError("judge release", release.bundle, said)


def _entered(
    release: Release, proof: bytes | None, trust: Trust, remark: Remark
) -> Checkpoint | None:
    is_known = any(key.name == release.origin for key in trust.logs)
    if proof is None:
        if is_known:
            why = "its proof of entry is missing, and you trust its ledger; nothing was signed"
            hint = f"ask for {handover.proof_name(release.bundle)}"
            raise TrustError("judge release", release.bundle, why, hint=hint)
        remark("the release came without its proof of entry in a ledger")
        return None
    result = proofs.verify_receipt(proof, release.paper.data, (), trust.policy)
    if result.verdict == "ok" and result.checkpoint is not None:
        if result.checkpoint.origin != release.origin:
            why = "its proof is of another ledger than it names; nothing was signed"
            raise DifferenceError("judge release", release.bundle, why)
        return result.checkpoint
    if result.verdict == "failed":
        why = f"its proof of entry is wrong: {result.detail}; nothing was signed"
        raise DifferenceError("judge release", release.bundle, why)
    if is_known:
        raise TrustError("judge release", release.bundle, f"{result.detail}; nothing was signed")
    remark(
        f"the release's proof of entry was not checked: {result.detail}; ask whoever keeps that"
        " ledger for its verifier key, then: custody trust add ledger VKEY"
    )
    return None


def _fingerprint(key: str) -> str:
    return vkey.parse(key).fingerprint()


def require_same(release: Release, arrival: Arrival) -> None:
    """Step 6: it is exactly what was released.

    :raises UsageError: if the release is for another bundle.
    :raises DifferenceError: if it was changed on the way.
    """
    found = arrival.found
    same = arrival.digest == release.digest and found.statement_sha256 == release.statement
    if not same and found.bundle_id and found.bundle_id != release.bundle:
        why = f"the release is for {release.bundle}, and this is {found.bundle_id}"
        hint = "--release FILE names the right one"
        raise UsageError("receive", found.path, f"{why}; nothing was signed", hint=hint)
    if not same or found.verdict == "failed":
        said = found.findings[0] if found.findings else None
        why = "it is not what was released: it was changed on the way"
        if said is not None:
            why += f" ({said.path or '.'}: {said.message})"
        hint = 'look with custody verify; to send it back, say so: --refuse "REASON"'
        raise DifferenceError("receive", found.path, f"{why}; nothing was signed", hint=hint)


def sign(
    release: Release,
    arrival: Arrival,
    signer: Signer,
    actor: Actor,
    now: datetime,
    *,
    words: Mapping[str, str],
    refuse: str = "",
    entered: Checkpoint | None = None,
) -> bytes:
    """The receiver's answer, in its envelope.

    :param words: ``place``, ``comment``.
    :param refuse: why it is not taken; empty where it is.
    :param entered: the checkpoint that the release was proved to be entered under.
    """
    found = arrival.found
    digests = {"received": arrival.digest} if arrival.digest else {"released": release.digest}
    details: dict[str, Any] = {
        "release": release.paper.sha256,
        "bundle": release.bundle,
        "statement": found.statement_sha256 or release.statement,
        **release.what,
        "from": handover.person_of(release.paper.event),
        "verdict": found.verdict,
        "files": found.files,
        "bytes": found.bytes,
    }
    said = {
        **words,
        "item": release.bundle,
        "case": release.paper.event.words.get("case", ""),
    }
    if refuse:
        said["comment"] = refuse
    tree = None
    if entered is not None:
        tree = {"origin": entered.origin, "root": entered.root.hex(), "size": entered.size}
    event = Event(
        REFUSED if refuse else RECEIVED,
        now,
        actor,
        tuple(Subject(name, sha256) for name, sha256 in digests.items()),
        said,
        tree,
        details,
    )
    return signing.seal(signer, statement.dump(event))
