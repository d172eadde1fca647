"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness).

A witness is somebody else's machine: its answer is bounded (:mod:`custody.posting`), and nothing
of it is used but lines that verify under the witness's key in the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from custody import posting
from custody.counted import counted
from custody.errors import CustodyError, FormatError
from custody.formats import note, strict
from custody.formats.note import NoteSignature
from custody.identity import notes
from custody.ledger import witness_request
from custody.ledger.policy import Known
from custody.ledger.reader import LedgerReader, Published
from custody.ledger.witness_request import Request
from custody.posting import Unanswered

LARGEST_ANSWER = 64 << 10
SECONDS = 15.0
_MOST_TRIES = 4

Outcome = Literal["cosigned", "contradicted", "refused", "unreachable"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one witness.

    :ivar outcome: *contradicted* where the witness has signed something that this ledger does
        not go on from: somebody was shown another ledger.
    :ivar lines: its cosignatures, verified.
    :ivar seconds: the POSIX time that it signed.
    """

    name: str
    outcome: Outcome
    detail: str
    lines: tuple[NoteSignature, ...] = ()
    seconds: int | None = None


class _Failure(Exception):
    """The witness could not be asked, or did not answer as a witness does."""


def ask(
    ledger: LedgerReader,
    published: Published,
    name: str,
    witness: Known,
    *,
    old: int = 0,
    not_before: int = 0,
    seconds: float = SECONDS,
) -> Asked:
    """Ask one witness to cosign the ledger's checkpoint.

    :param old: the size that the witness signed last, as far as that is known; if it was
        another, the witness says which, and is asked again.
    :param not_before: a POSIX time that this witness has signed before; an older one is refused.
    :param seconds: how long one answer may take in all.
    """
    try:
        for _ in range(_MOST_TRIES):
            body = _request(ledger, published, old)
            status, answer = _post(witness.url, body, seconds)
            if status == 409:
                size = _size(answer)
                if size > published.size or size == old == published.size:
                    return Asked(name, "contradicted", _contradiction(size, published))
                if size == old:
                    return Asked(name, "refused", "it names the very size it was asked from (409)")
                old = size
                continue
            return _judge(status, answer, published, name, witness, not_before)
    except _Failure as err:
        return Asked(name, "unreachable", str(err))
    return Asked(name, "refused", "it names another size each time it is asked")


def request(ledger: LedgerReader, published: Published, old: int) -> bytes:
    """The request to a witness that signed the ledger last at size *old*.

    :raises UsageError: if the ledger is shorter than that.
    """
    if old == 0:
        return witness_request.dump(Request(0, (), published.data))
    hashes = ledger.prove_consistency(old, published.size)
    return witness_request.dump(Request(old, tuple(hashes), published.data))


def read_lines(answer: bytes, published: Published, witness: Known) -> tuple[NoteSignature, ...]:
    """The lines in a witness's answer that are by it, verified.

    :raises FormatError: if the answer is not signature lines, none is by this witness, or one
        that claims to be is not.
    """
    signed = note.load(published.note.text.encode() + b"\n" + answer)
    if not notes.verified(signed, [witness.key]):
        raise FormatError("read cosignature", witness.key.name, "none of the lines is by its key")
    return tuple(line for line in signed.signatures if line.is_from(witness.key))


def newest(lines: tuple[NoteSignature, ...]) -> int:
    """The latest POSIX time among cosignatures."""
    return max(notes.cosigned_at(line) for line in lines)


def _request(ledger: LedgerReader, published: Published, old: int) -> bytes:
    try:
        return request(ledger, published, old)
    except CustodyError as err:
        raise _Failure(f"the ledger cannot prove its growth from size {old}: {err}") from err


def _contradiction(size: int, published: Published) -> str:
    if size > published.size:
        return (
            f"it says that it signed {counted(size, 'entry')} of this ledger, which has"
            f" {published.size:,}: the ledger was put back to an older state, or its end was cut"
            " off"
        )
    return (
        f"it says that it signed another ledger of the same size {size} under this name: the"
        " history was rewritten, or different people are shown different ones"
    )


def _judge(
    status: int, answer: bytes, published: Published, name: str, witness: Known, not_before: int
) -> Asked:
    if status == 422:
        why = (
            "it says that the ledger does not go on from what it signed before: the history was"
            " rewritten, or different people are shown different ones"
        )
        return Asked(name, "contradicted", why)
    if status != 200:
        return Asked(name, "refused", _refusal(status, answer))
    try:
        lines = read_lines(answer, published, witness)
        seconds = newest(lines)
    except FormatError as err:
        return Asked(name, "refused", f"its answer is not a cosignature of its key: {err}")
    if seconds < not_before:
        return Asked(name, "refused", "it signed an older time than it did before")
    return Asked(
        name, "cosigned", f"cosigned at {counted(published.size, 'entry')}", lines, seconds
    )


def _refusal(status: int, answer: bytes) -> str:
    meanings = {
        400: "it takes the request for malformed (400)",
        403: "it does not know the key that signed the checkpoint (403)",
        404: "it does not know this ledger (404)",
    }
    said = answer[:200].decode("utf-8", "replace").strip()
    meaning = meanings.get(status, f"it answered {status}")
    return f"{meaning}: {said}" if said else meaning


def _size(answer: bytes) -> int:
    text = answer[:32].decode("ascii", "replace")
    try:
        return strict.decimal(text[:-1] if text.endswith("\n") else "", "read size", "size")
    except FormatError as err:
        raise _Failure("its answer 409 does not name a size") from err


def _post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
    """One request.

    :raises _Failure: if it cannot be reached, takes too long, or says too much.
    """
    where = url.rstrip("/") + "/add-checkpoint"
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        reply = posting.post(where, body, headers, most=LARGEST_ANSWER, seconds=seconds)
    except Unanswered as err:
        raise _Failure(f"no answer from {url}: {err}") from err
    return reply.status, reply.body
