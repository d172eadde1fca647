"""A small witness (C2SP tlog-witness, tlog-cosignature) for a second office.

It signs a checkpoint only if the ledger goes on from the one it signed last.  In this order:

1. The request is well-formed (400).
2. The log is one that this witness knows (404), and its key signed the checkpoint (403).
3. The old size is not above the new one (400), and is what this witness signed last (409).
4. The proof leads from there to the new checkpoint (422; the same size, another root: 409).
5. The new checkpoint is made durable.  Only then is the cosignature given out.

Steps 3 to 5 are one, under a lock, so that of two requests at once none can roll the other back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from custody import durable, reading
from custody.counted import counted
from custody.errors import DifferenceError, FormatError, NotFoundError
from custody.formats import note
from custody.formats.note import NoteSignature, SignedNote
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, witness_request
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.judge import judge
from custody.ledger.witness_request import Request

TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
_LOCK = ".lock"
_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness says: an HTTP status, a body and its type.

    :ivar detail: the same in words.
    """

    status: int
    body: bytes
    detail: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Last:
    """What a witness signed last for one log."""

    checkpoint: Checkpoint
    seconds: int


class Witness:
    """A witness: its key, the logs it knows, and what it signed last for each of them.

    :param directory: where the last checkpoints are kept.  Whoever loses it must make a new key:
        a witness that forgot can be led to sign two histories.
    :param logs: the keys of the logs that it signs for.
    :param clock: gives the POSIX time.
    """

    def __init__(
        self,
        directory: Path,
        signer: Signer,
        logs: Iterable[VerifierKey],
        clock: Callable[[], int],
    ) -> None:
        self.directory = directory
        self.signer = signer
        self._logs = tuple(logs)
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one ``add-checkpoint`` request, as this module's list says.

        :raises DifferenceError: if what was signed last is damaged, or the clock went back.
        :raises LockedError: if another process keeps the lock too long.
        :raises StorageError: if it could not be made durable; nothing is signed then.
        """
        # (1) Well-formed.
        try:
            request = witness_request.load(body)
            signed, tree = checkpoints.load_signed(request.checkpoint)
        except FormatError as err:
            return _refused(400, str(err))
        # (2) By a log that is known.
        if all(key.name != tree.origin for key in self._logs):
            return _refused(404, f"this witness does not know the log {tree.origin}")
        judgement = judge(signed, tree, self._logs)
        if judgement.verdict != "ok":
            return _refused(403, judgement.detail)
        if request.old > tree.size:
            return _refused(400, "the old size is above the new one")
        durable.ensure_directory(self.directory)
        with durable.lock(self.directory / _LOCK, wait_seconds=_WAIT_SECONDS):
            return self._sign(request, signed, tree)

    def last(self, origin: str) -> Last | None:
        """What this witness signed last for a log; None if it never did.

        :raises DifferenceError: if what is kept does not bear this witness's own signature.
        """
        path = self._path(origin)
        try:
            return self._read(path, origin)
        except NotFoundError:
            return None
        except FormatError as err:
            raise DifferenceError(
                "recall what was signed last",
                path,
                err.why or str(err),
                hint="a witness that lost its memory needs a new key",
            ) from err

    def _read(self, path: Path, origin: str) -> Last:
        signed, tree = checkpoints.load_signed(reading.read_regular(path, note.LARGEST_NOTE))
        if tree.origin != origin or not notes.verified(signed, [self.signer.key]):
            raise FormatError("read", path, "it is not what this witness signed")
        (_, line), *_ = signed.lines_from([self.signer.key])
        return Last(tree, notes.cosigned_at(line))

    def _sign(self, request: Request, signed: SignedNote, tree: Checkpoint) -> Answer:
        last = self.last(tree.origin)
        # (3) From where this witness stands.
        size = last.checkpoint.size if last else 0
        if request.old != size:
            return _conflict(size, f"the last checkpoint signed here has {counted(size, 'entry')}")
        # (4) Onwards, and only grown.
        refusal = _judge_growth(request, last, tree)
        if refusal is not None:
            return refusal
        seconds = self._clock()
        if last is not None and seconds < last.seconds:
            raise DifferenceError(
                "cosign", tree.origin, "the clock is behind the time that was signed last",
                hint="set the clock right; nothing was signed",
            )  # fmt: skip
        # (5) Durable before it is given out.
        line = notes.cosign(signed.text, self.signer, seconds)
        log_lines = tuple(item for item in signed.signatures if _is_by(item, self._logs))
        kept = note.dump(SignedNote(signed.text, (*log_lines, line)))
        durable.replace(self._path(tree.origin), kept)
        return Answer(200, note.signature_lines([line]), f"signed at {counted(tree.size, 'entry')}")

    def _path(self, origin: str) -> Path:
        digest = hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest()
        return self.directory / f"{digest[:32]}.checkpoint"


def _judge_growth(request: Request, last: Last | None, tree: Checkpoint) -> Answer | None:
    if request.old == 0:
        if request.hashes:
            return _refused(422, "from size 0 there is nothing to prove")
        if tree.size == 0 and tree.root != merkle.EMPTY_ROOT:
            return _refused(422, "the root of no entries is another")
        return None
    root = last.checkpoint.root if last else merkle.EMPTY_ROOT
    if tree.size == request.old and tree.root != root:
        return _conflict(tree.size, "another checkpoint of the same size was signed here")
    try:
        merkle.verify_consistency(request.old, tree.size, root, tree.root, request.hashes)
    except FormatError as err:
        return _refused(422, str(err))
    return None


def _is_by(line: NoteSignature, keys: Iterable[VerifierKey]) -> bool:
    return any(line.is_from(key) for key in keys)


def _refused(status: int, why: str) -> Answer:
    return Answer(status, why.encode("utf-8", "replace") + b"\n", why)


def _conflict(size: int, why: str) -> Answer:
    return Answer(409, b"%d\n" % size, why, SIZE)
