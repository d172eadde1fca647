"""Check a ledger by making it again: nothing stored is believed that can be derived.

1. The checkpoint is there and well-formed, and of the origin that is asked for.
2. It is signed by the key that is trusted for its origin, and by the witnesses that the
   verifier's policy asks for.
3. Every name in the directory is one that the layout knows.
4. Every entry is a canonical envelope, and its signature is judged by the caller.
5. Every tile, and every partial one, is byte for byte what the entries make it.
6. The entries lead to the root in the checkpoint.
7. The ledger goes on from what this verifier has seen of it before, and from checkpoints that
   came from elsewhere.

Bad evidence is a finding, and all findings are collected.  Files beyond what the checkpoint
covers were never promised, so they are a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from custody.counted import counted
from custody.errors import CustodyError, FormatError, NotFoundError
from custody.findings import Finding
from custody.formats.dsse import Envelope
from custody.formats.vkey import VerifierKey
from custody.identity.signing import is_signed
from custody.ledger import listing, tiles
from custody.ledger import memory as memories
from custody.ledger import sweep as sweeping
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.growth import Growth
from custody.ledger.judge import Verdict, judge, judge_witnessed
from custody.ledger.listing import Listing
from custody.ledger.memory import Memory
from custody.ledger.policy import Policy
from custody.ledger.reader import CHECKPOINT, LedgerReader, Published
from custody.ledger.sweep import Doubts, EntryVerdict, Seen, Task, VerifyEntry, sweep
from custody.ledger.tiles import ENTRIES, TILE_WIDTH, Tile

__all__ = ["EntryVerdict", "Progress", "Report", "VerifyEntry", "by_keys", "check"]

MOST_FINDINGS = 10_000
UNWITNESSED = (
    "no witness has signed this checkpoint: it shows what this copy of the ledger holds, and cannot"
    " show that whoever holds the log key never made another one"
)
_MOST_TRIES = 3

Progress = Callable[[int, int], None]
"""Told how many entries are done, of how many."""


@dataclass(frozen=True, slots=True)
class Report:
    """What checking a ledger came to.

    :ivar origin: the log's name; None, like the next two, where there is no readable checkpoint.
    :ivar size: how many entries the checkpoint covers.
    :ivar root: the root hash in the checkpoint.
    :ivar findings: what is wrong.
    :ivar not_checked: what could not be judged, because no trusted key is there for it.
    :ivar remarks: what is there and does not matter.
    :ivar published: the checkpoint that was checked; None where there is no readable one.
    :ivar cosigned: the witnesses who signed the checkpoint, and the POSIX times they say.
    :ivar remembered: how many entries the ledger had when this verifier last saw it, if it did.
    """

    origin: str | None
    size: int | None
    root: bytes | None
    findings: tuple[Finding, ...]
    not_checked: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    published: Published | None = None
    remembered: int | None = None
    cosigned: Mapping[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Failed if anything is wrong; else cannot-verify if anything could not be judged."""
        if self.findings:
            return "failed"
        return "cannot-verify" if self.not_checked else "ok"


def check(
    directory: Path,
    origin: str | None,
    log_keys: Iterable[VerifierKey],
    verify_entry: VerifyEntry,
    progress: Progress | None = None,
    *,
    memory: Memory | None = None,
    given: Iterable[Published] = (),
    policy: Policy | None = None,
    workers: int = 1,
) -> Report:
    """Check the ledger in *directory* by the steps in this module's list.

    :param origin: the name that the log must have; None takes any.
    :param log_keys: the log keys that the verifier trusts, of any origin.
    :param verify_entry: judges each entry's signature.
    :param memory: what this verifier has seen before; a ledger without a finding is kept there.
    :param given: checkpoints of this ledger from paper, mail or another office.
    :param policy: where witnesses are to be judged too: its logs then count as *log_keys*.
    :param workers: processes that judge entries; more than one needs a *verify_entry* that keeps
        no notes.
    :raises NotFoundError: if there is no ledger: neither a checkpoint nor a tile.
    :raises StorageError: if the system cannot read it.
    """
    keys = list(log_keys)
    if policy is not None:
        keys += policy.log_keys()
    once = partial(_check_once, directory, origin, keys, verify_entry, progress, workers)
    report = _check_still(directory, once)
    published = report.published
    if published is None:
        return report
    # (2) The witnesses.
    if policy is not None:
        report = _with_witnesses(report, published, policy)
    # (7) What was seen of it before.
    looked = memories.compare(memory, LedgerReader(directory), published, keys, given)
    report = replace(
        report,
        findings=(*report.findings, *looked.findings),
        not_checked=(*report.not_checked, *looked.not_checked),
        remembered=looked.remembered,
    )
    key = memories.trusted_key(published, keys)
    if memory is not None and key is not None and not report.findings:
        memory.keep(published.data, key)
    return report


def _with_witnesses(report: Report, published: Published, policy: Policy) -> Report:
    judgement = judge_witnessed(published.note, published.checkpoint, policy)
    if judge(published.note, published.checkpoint, policy.log_keys()).verdict != "ok":
        return report  # that is told already
    if judgement.verdict != "ok":
        finding = Finding(CHECKPOINT, f"witnesses: {policy.quorum}", "", judgement.detail)
        if judgement.verdict == "failed":
            return replace(report, findings=(*report.findings, finding))
        return replace(report, not_checked=(*report.not_checked, finding))
    if not judgement.cosigned:
        remark = Finding(CHECKPOINT, "a witness", "none", UNWITNESSED)
        return replace(report, remarks=(*report.remarks, remark))
    return replace(report, cosigned=judgement.cosigned)


def _check_still(directory: Path, once: Callable[[], Report]) -> Report:
    """Check a ledger while it stands still: again, if it moved meanwhile."""
    for _ in range(_MOST_TRIES - 1):
        report = once()
        # A writer prunes partial tiles as it goes on; only what stands still can be accused.
        if not report.findings or not _has_moved(directory, report.published):
            return report
    return once()


def _check_once(
    directory: Path,
    origin: str | None,
    log_keys: Iterable[VerifierKey],
    verify_entry: VerifyEntry,
    progress: Progress | None,
    workers: int,
) -> Report:
    checker = _Checker(directory, verify_entry, progress or (lambda _done, _of: None))
    published = checker.published(origin)
    if published is None:
        return checker.report(None)
    checker.judge(published, log_keys)
    checker.names(published.size)
    checker.derive(published.checkpoint, workers)
    return checker.report(published)


def _has_moved(directory: Path, published: Published | None) -> bool:
    """Whether another checkpoint is there than the one that was checked."""
    try:
        return published is not None and LedgerReader(directory).checkpoint() != published
    except CustodyError:
        return False


def by_keys(keys: Iterable[VerifierKey]) -> VerifyEntry:
    """Judge entries by a fixed set of signers' keys, whatever their validity in time."""
    known = {key.fingerprint(): key for key in keys}

    def verify_entry(_index: int, envelope: Envelope) -> EntryVerdict:
        verdict: EntryVerdict = "untrusted"
        for signature in envelope.signatures:
            key = known.get(signature.keyid)
            if key is None:
                continue
            if not is_signed(key, signature.sig, envelope.signed_bytes()):
                return "bad"
            verdict = "trusted"
        return verdict

    return verify_entry


class _Checker:
    def __init__(self, directory: Path, verify_entry: VerifyEntry, progress: Progress) -> None:
        self._reader = LedgerReader(directory)
        self._verify_entry = verify_entry
        self._progress = progress
        self._listing = Listing()
        self._findings: list[Finding] = []
        self._unheard = 0
        self._not_checked: list[Finding] = []
        self._remarks: list[Finding] = []
        self._doubts: Doubts = {}

    def report(self, published: Published | None) -> Report:
        tree = published.checkpoint if published else None
        findings = list(self._findings)
        doubts = [_doubt(*item) for item in self._doubts.items()]
        findings += [finding for is_wrong, finding in doubts if is_wrong]
        if self._unheard:
            more = f"{self._unheard} more"
            findings.append(Finding("", "", more, "there are more findings than are listed"))
        return Report(
            tree.origin if tree else None,
            tree.size if tree else None,
            tree.root if tree else None,
            tuple(findings),
            (*self._not_checked, *(finding for is_wrong, finding in doubts if not is_wrong)),
            tuple(self._remarks),
            published,
        )

    # (1) The checkpoint itself.
    def published(self, origin: str | None) -> Published | None:
        try:
            published = self._reader.checkpoint()
        except NotFoundError:
            if not (self._reader.directory / "tile").is_dir():
                raise
            self._found(CHECKPOINT, "a checkpoint", "nothing", "the ledger's checkpoint is gone")
            return None
        except FormatError as err:
            self._found(CHECKPOINT, "a signed checkpoint", str(err), "the checkpoint is malformed")
            return None
        tree = published.checkpoint
        if origin not in (None, tree.origin):
            self._found(CHECKPOINT, str(origin), tree.origin, "this is the ledger of another log")
        if tree.extensions:
            self._found(CHECKPOINT, "three lines", "more", "the checkpoint has extension lines")
        return published

    # (2) Its signature.
    def judge(self, published: Published, log_keys: Iterable[VerifierKey]) -> None:
        judgement = judge(published.note, published.checkpoint, log_keys)
        finding = Finding(CHECKPOINT, "a trusted signature", "none", judgement.detail)
        if judgement.verdict == "failed":
            self._add(finding)
        elif judgement.verdict == "cannot-verify":
            self._not_checked.append(finding)

    # (3) The names in the directory.
    def names(self, size: int) -> None:
        self._listing = listing.read(self._reader.directory, size)
        for path in self._listing.strange:
            self._found(path, "nothing", "a file", "the layout of a ledger has no such name")
        for path in self._listing.beyond[:MOST_FINDINGS]:
            why = "beyond the checkpoint: left by an attempt that was never acknowledged"
            self._remarks.append(Finding(path, "nothing", "a file", why))

    # (4) The entries, and (5) the tiles that they make.
    def derive(self, tree: Checkpoint, workers: int) -> None:
        growth = Growth()
        for seen in sweep(
            self._reader.directory, self._tasks(tree.size), self._verify_entry, workers=workers
        ):
            self._take(seen)
            if seen.hashes is None:
                self._found("", tree.root.hex(), "", "the tree could not be derived to its end")
                return
            for tile, data in growth.add(seen.hashes):
                self._compare(tile, data)
            self._progress(growth.size, tree.size)
        for tile, data in growth.partial_tiles():
            self._compare(tile, data)
        # (6) The root.
        root = growth.root()
        if root != tree.root:
            why = "the entries do not lead to the root that the checkpoint promises"
            self._found(CHECKPOINT, tree.root.hex(), root.hex(), why)

    def _tasks(self, size: int) -> Iterator[Task]:
        for index in range(-(-size // TILE_WIDTH)):
            tile = Tile(ENTRIES, index, tiles.width_at(ENTRIES, index, size))
            yield Task(index, size, tuple(listing.narrower(tile, self._listing.partials)))

    def _take(self, seen: Seen) -> None:
        for finding in seen.findings:
            self._add(finding)
        for doubt, (more, index) in seen.doubts.items():
            count, first = self._doubts.get(doubt, (0, index))
            self._doubts[doubt] = (count + more, first)

    # (5) The tiles.
    def _compare(self, tile: Tile, data: bytes) -> None:
        found: list[Finding] = []
        stored = sweeping.read(self._reader, tile, found)
        if stored is not None and stored != data:
            found.append(sweeping.differs(tile, data, stored))
        beside = listing.narrower(tile, self._listing.partials)
        sweeping.compare_partials(self._reader, beside, data, found)
        for finding in found:
            self._add(finding)

    def _found(self, path: str, expected: str, found: str, message: str) -> None:
        self._add(Finding(path, expected, found, message))

    def _add(self, finding: Finding) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)
        else:
            self._unheard += 1


def _doubt(kind: tuple[EntryVerdict, str], seen: tuple[int, int]) -> tuple[bool, Finding]:
    """What is said about the entries of one key, and whether it counts as wrong."""
    verdict, keyid = kind
    count, first = seen
    entries = f"{counted(count, 'entry')} (the first is {first}) signed"
    if verdict == "late":
        why = f"{entries} at a time at which their key did not count"
        return True, Finding(sweeping.place(first), "a key that counted then", keyid, why)
    if verdict == "undated":
        why = f"{entries} by a key that has an end, and no trusted time shows that they are older"
        return False, Finding(sweeping.place(first), "a trusted time", keyid, why)
    why = f"{entries} by a key that nobody here trusts"
    return False, Finding(sweeping.place(first), "a trusted signer", keyid, why)
