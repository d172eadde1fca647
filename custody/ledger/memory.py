"""What this verifier has seen of each ledger before: the newest checkpoint, by origin and log key.

    memory/<first 32 hex digits of SHA-256 of the origin>/<log key's fingerprint>.checkpoint

Only a checkpoint whose signature was verified under the verifier's own trust folder is kept, and
only if the ledger goes on from the one kept before; so a stranger's log that bears the same name
changes nothing here.  Beside it, ``<witness's fingerprint>.cosigned`` is what a witness signed
last, so that one that signs an older time than before is noticed.  What cannot be read or
written is said (:attr:`Memory.troubles`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from custody import durable, reading
from custody.counted import counted
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError, StorageError
from custody.findings import Finding
from custody.formats import note
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.ledger import checkpoint as checkpoints
from custody.ledger import history
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.judge import judge
from custody.ledger.reader import CHECKPOINT, LedgerReader, Published

_LOCK = ".lock"
_WAIT_SECONDS = 5.0
_SUFFIX = ".checkpoint"
_COSIGNED = ".cosigned"


@dataclass(frozen=True, slots=True)
class Looked:
    """What comparing a ledger with memory came to.

    :ivar findings: how it contradicts what was seen before.
    :ivar not_checked: what could not be compared.
    :ivar remembered: how many entries it had when it was last seen; None if it never was.
    """

    findings: tuple[Finding, ...] = ()
    not_checked: tuple[Finding, ...] = ()
    remembered: int | None = None


class Memory:
    """The checkpoints seen before, in one directory (usually ``$CUSTODY_HOME/memory``).

    :ivar troubles: what could not be read or written, in words; to be told.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.troubles: list[str] = []

    def recall(self, key: VerifierKey) -> Checkpoint | None:
        """The newest checkpoint seen that this log key signed.

        :raises DifferenceError: if what is kept is not a checkpoint by this key.
        """
        path = self._path(key)
        try:
            return _read(path, key)
        except NotFoundError:
            return None
        except StorageError as err:
            self.troubles.append(f"what was seen before of this ledger is not known: {err}")
            return None
        except FormatError as err:
            raise DifferenceError(
                "recall checkpoint",
                path,
                f"it is not what was written there: {err.why or err}",
                hint="find out who changed it; without the file, memory begins anew",
            ) from err

    def other_keys(self, key: VerifierKey) -> list[Path]:
        """Where checkpoints of the same origin by other log keys are kept."""
        own = self._path(key)
        try:
            names = sorted(os.listdir(own.parent))
        except FileNotFoundError:
            return []
        except OSError as err:
            self.troubles.append(f"what was seen before of this ledger is not known: {err}")
            return []
        return [own.parent / name for name in names if name.endswith(_SUFFIX) and name != own.name]

    def keep(self, data: bytes, key: VerifierKey) -> None:
        """Remember the checkpoint in *data*, unless a newer one is kept; trouble is noted.

        The caller has verified that *key* signed it, and that the ledger goes on from before.
        """
        path = self._path(key)
        try:
            size = checkpoints.load_signed(data)[1].size
            durable.ensure_directory(path.parent)
            with durable.lock(self.directory / _LOCK, wait_seconds=_WAIT_SECONDS):
                kept = self.recall(key)
                if kept is None or kept.size < size:
                    durable.replace(path, data)
        except CustodyError as err:
            self.troubles.append(f"what was seen of this ledger could not be remembered: {err}")

    def cosigned(self, origin: str, witness: VerifierKey) -> tuple[int, int] | None:
        """The size and the POSIX time that a witness signed last for a log, as far as is known."""
        path = self._folder(origin) / (witness.fingerprint() + _COSIGNED)
        try:
            signed, tree = checkpoints.load_signed(reading.read_regular(path, note.LARGEST_NOTE))
            if tree.origin == origin and notes.verified(signed, [witness]):
                return tree.size, max(
                    notes.cosigned_at(line) for _, line in signed.lines_from([witness])
                )
        except NotFoundError:
            return None
        except CustodyError as err:
            self.troubles.append(f"what a witness signed before is not known: {err}")
        return None

    def keep_cosigned(self, data: bytes, origin: str, witness: VerifierKey) -> None:
        """Remember a checkpoint that a witness has signed; trouble is noted."""
        path = self._folder(origin) / (witness.fingerprint() + _COSIGNED)
        try:
            durable.ensure_directory(path.parent)
            with durable.lock(self.directory / _LOCK, wait_seconds=_WAIT_SECONDS):
                durable.replace(path, data)
        except CustodyError as err:
            self.troubles.append(f"what a witness signed could not be remembered: {err}")

    def _folder(self, origin: str) -> Path:
        digest = hashlib.sha256(origin.encode("utf-8", "surrogateescape")).hexdigest()
        return self.directory / digest[:32]

    def _path(self, key: VerifierKey) -> Path:
        return self._folder(key.name) / (key.fingerprint() + _SUFFIX)


def _read(path: Path, key: VerifierKey) -> Checkpoint:
    signed, tree = checkpoints.load_signed(reading.read_regular(path, note.LARGEST_NOTE))
    if not notes.verified(signed, [key]) or tree.origin != key.name:
        raise FormatError("read checkpoint", path, "it is not by this log's key")
    return tree


def require_not_behind(
    memory: Memory, ledger: LedgerReader, published: Published, key: VerifierKey
) -> None:
    """Make sure that a ledger which is to be written to goes on from what was seen of it.

    :raises DifferenceError: if it contradicts it.
    """
    seen = memory.recall(key)
    if seen is not None:
        history.require(ledger, seen, published.checkpoint)


def compare(
    memory: Memory | None,
    ledger: LedgerReader,
    published: Published,
    log_keys: Iterable[VerifierKey],
    given: Iterable[Published] = (),
) -> Looked:
    """Compare a ledger with what was seen of it before, and with checkpoints from elsewhere.

    A ledger whose checkpoint is not signed by a key trusted for its origin is compared with
    nothing: it is somebody else's word.

    :param given: checkpoints from paper, mail or another office.
    """
    keys = list(log_keys)
    key = trusted_key(published, keys)
    if key is None:
        unknown = [_not_compared(item, "this ledger's own is not believed") for item in given]
        return Looked(not_checked=tuple(unknown))
    findings: list[Finding] = []
    not_checked: list[Finding] = []
    seen: list[Checkpoint] = []
    remembered: int | None = None
    if memory is not None:
        findings += [_replaced(path, key) for path in memory.other_keys(key)]
        kept, damage = _recalled(memory, key)
        findings += damage
        seen += kept
        remembered = kept[0].size if kept else None
    for item in given:
        judgement = judge(item.note, item.checkpoint, keys)
        if judgement.verdict == "ok":
            seen.append(item.checkpoint)
        else:
            not_checked.append(_not_compared(item, judgement.detail))
    found = (history.contradiction(ledger, tree, published.checkpoint) for tree in seen)
    findings += [finding for finding in found if finding is not None]
    return Looked(tuple(findings), tuple(not_checked), remembered)


def _recalled(memory: Memory, key: VerifierKey) -> tuple[list[Checkpoint], list[Finding]]:
    try:
        kept = memory.recall(key)
    except DifferenceError as err:
        what = f"what was seen before of this ledger cannot be used: {err}"
        return [], [Finding(CHECKPOINT, "a checkpoint in memory", "another file", what)]
    return [kept] if kept is not None else [], []


def trusted_key(published: Published, log_keys: Iterable[VerifierKey]) -> VerifierKey | None:
    """The trusted key that signed a checkpoint of its own origin, if one did."""
    origin = published.checkpoint.origin
    try:
        signers = notes.verified(published.note, log_keys)
    except FormatError:
        return None
    return next((key for key in signers if key.name == origin), None)


def _replaced(path: Path, key: VerifierKey) -> Finding:
    why = (
        "this ledger was signed by another key when it was last seen here: its key was replaced,"
        f" or this is another ledger under its name (if that is known and right, remove {path})"
    )
    return Finding(CHECKPOINT, f"log key {path.stem}", f"log key {key.fingerprint()}", why)


def _not_compared(item: Published, why: str) -> Finding:
    tree = item.checkpoint
    seen = f"{tree.origin}, {counted(tree.size, 'entry')}"
    return Finding(CHECKPOINT, "a checkpoint to compare with", seen, f"not compared: {why}")
