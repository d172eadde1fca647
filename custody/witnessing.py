"""Getting a case's checkpoint cosigned by the witnesses in the policy, and keeping what they sign.

The witnesses are asked without the case's lock, because that may take long; their lines are
entered under it, and only if the ledger is still where they saw it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from custody.case import Case
from custody.errors import UsageError
from custody.formats import note
from custody.formats.note import NoteSignature, SignedNote
from custody.ledger import witness_client
from custody.ledger.judge import Judgement, judge_witnessed
from custody.ledger.memory import Memory
from custody.ledger.policy import Known, Policy
from custody.ledger.reader import Published
from custody.ledger.witness_client import Asked


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of asking the witnesses.

    :ivar asked: each witness's answer.
    :ivar judgement: how the checkpoint stands now under the policy.
    :ivar moved_on: whether the ledger grew meanwhile, so that nothing was entered.
    """

    asked: tuple[Asked, ...]
    judgement: Judgement
    moved_on: bool = False


def gather(
    case: Case, policy: Policy, memory: Memory | None, *, seconds: float, wait_seconds: float
) -> Gathered:
    """Ask every witness in the policy that has an address.

    :raises UsageError: if none has.
    :raises LockedError: if another process keeps the case too long.
    """
    reachable = {name: known for name, known in policy.witnesses.items() if known.url}
    if not reachable:
        raise UsageError(
            "ask witnesses",
            None,
            "the policy names no witness with an address",
            hint="a line in ledger.policy: witness NAME VKEY URL",
        )
    published = case.ledger.checkpoint()
    asked = [_ask(case, published, memory, item, seconds) for item in reachable.items()]
    lines = [line for answer in asked for line in answer.lines]
    if memory is not None:
        for answer in asked:
            if answer.lines:
                data = note.dump(SignedNote(published.note.text, answer.lines))
                memory.keep_cosigned(data, case.origin, reachable[answer.name].key)
    return _enter(case, policy, published, tuple(asked), lines, wait_seconds)


def enter_lines(
    case: Case, policy: Policy, answer: bytes, *, wait_seconds: float
) -> tuple[Gathered, int]:
    """Enter cosignatures that came on paper, a stick or by mail.

    :returns: how it stands now, and how many lines were entered.
    :raises FormatError: if it is not signature lines on the present checkpoint, or one that
        claims to be by a known witness is not.
    :raises UsageError: if none is by a witness in the policy.
    """
    published = case.ledger.checkpoint()
    lines: list[NoteSignature] = []
    signed = note.load(published.note.text.encode() + b"\n" + answer)
    for known in policy.witnesses.values():
        if any(line.is_from(known.key) for line in signed.signatures):
            lines += witness_client.read_lines(answer, published, known)
    if not lines:
        raise UsageError(
            "add cosignatures",
            None,
            "none of the lines is by a witness in the policy",
            hint="custody trust add witness VKEY --name NAME",
        )
    return _enter(case, policy, published, (), lines, wait_seconds), len(lines)


def _ask(
    case: Case,
    published: Published,
    memory: Memory | None,
    item: tuple[str, Known],
    seconds: float,
) -> Asked:
    name, known = item
    before = memory.cosigned(case.origin, known.key) if memory is not None else None
    old, not_before = before or (0, 0)
    if old > published.size:
        old = 0  # the witness will say how far it is
    return witness_client.ask(
        case.ledger, published, name, known, old=old, not_before=not_before, seconds=seconds
    )


def _enter(
    case: Case,
    policy: Policy,
    published: Published,
    asked: tuple[Asked, ...],
    lines: Iterable[NoteSignature],
    wait_seconds: float,
) -> Gathered:
    new = tuple(lines)
    now: Published | None = published
    if new:
        with case.locked(wait_seconds):
            now = case.log.add_cosignatures(published.note.text, new)
    stands = now or case.ledger.checkpoint()
    judgement = judge_witnessed(stands.note, stands.checkpoint, policy)
    return Gathered(asked, judgement, moved_on=now is None)
