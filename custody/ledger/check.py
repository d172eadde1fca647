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

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from custody.errors import CustodyError, FormatError, NotFoundError, StorageError
from custody.findings import Finding
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.formats.vkey import VerifierKey
from custody.identity.signing import is_signed
from custody.ledger import listing, merkle, tiles
from custody.ledger import memory as memories
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.growth import Growth, leaf_hashes
from custody.ledger.judge import Verdict, judge, judge_witnessed
from custody.ledger.listing import Listing
from custody.ledger.memory import Memory
from custody.ledger.policy import Policy
from custody.ledger.reader import CHECKPOINT, LedgerReader, Published
from custody.ledger.tiles import ENTRIES, TILE_WIDTH, Tile

MOST_FINDINGS = 10_000
UNWITNESSED = (
    "no witness has signed this checkpoint: it shows what this copy of the ledger holds, and cannot"
    " show that whoever holds the log key never made another one"
)
_MOST_TRIES = 3

EntryVerdict = Literal["trusted", "untrusted", "undated", "late", "bad"]
VerifyEntry = Callable[[int, Envelope], EntryVerdict]
"""Judges the signature of an entry.

*bad*: a trusted key is named and did not sign.  *late*: by the entry's own time, the key did not
count then.  *undated*: the key has an end, and no trusted time shows that the entry is older.
"""
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
) -> Report:
    """Check the ledger in *directory* by the steps in this module's list.

    :param origin: the name that the log must have; None takes any.
    :param log_keys: the log keys that the verifier trusts, of any origin.
    :param verify_entry: judges each entry's signature.
    :param memory: what this verifier has seen before; a ledger without a finding is kept there.
    :param given: checkpoints of this ledger from paper, mail or another office.
    :param policy: where witnesses are to be judged too: its logs then count as *log_keys*.
    :raises NotFoundError: if there is no ledger: neither a checkpoint nor a tile.
    :raises StorageError: if the system cannot read it.
    """
    keys = list(log_keys)
    if policy is not None:
        keys += policy.log_keys()
    report = _check_still(directory, origin, keys, verify_entry, progress)
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


def _check_still(
    directory: Path,
    origin: str | None,
    keys: list[VerifierKey],
    verify_entry: VerifyEntry,
    progress: Progress | None,
) -> Report:
    """Check a ledger while it stands still: again, if it moved meanwhile."""
    for _ in range(_MOST_TRIES - 1):
        report = _check_once(directory, origin, keys, verify_entry, progress)
        # A writer prunes partial tiles as it goes on; only what stands still can be accused.
        if not report.findings or not _has_moved(directory, report.published):
            return report
    return _check_once(directory, origin, keys, verify_entry, progress)


def _check_once(
    directory: Path,
    origin: str | None,
    log_keys: Iterable[VerifierKey],
    verify_entry: VerifyEntry,
    progress: Progress | None,
) -> Report:
    checker = _Checker(directory, verify_entry, progress or (lambda _done, _of: None))
    published = checker.published(origin)
    if published is None:
        return checker.report(None)
    checker.judge(published, log_keys)
    checker.names(published.size)
    checker.derive(published.checkpoint)
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
        self._doubts: dict[tuple[EntryVerdict, str], tuple[int, int]] = {}

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

    def derive(self, tree: Checkpoint) -> None:
        growth = Growth()
        for index in range(-(-tree.size // TILE_WIDTH)):
            hashes = self._bundle(index, tree.size)
            if hashes is None:
                self._found("", tree.root.hex(), "", "the tree could not be derived to its end")
                return
            for tile, data in growth.add(hashes):
                self._compare(tile, data)
            self._progress(growth.size, tree.size)
        for tile, data in growth.partial_tiles():
            self._compare(tile, data)
        # (6) The root.
        root = growth.root()
        if root != tree.root:
            why = "the entries do not lead to the root that the checkpoint promises"
            self._found(CHECKPOINT, tree.root.hex(), root.hex(), why)

    def _bundle(self, index: int, size: int) -> bytes | None:
        """The leaf hashes of one bundle; where it is unusable, those of the tile beside it."""
        tile = Tile(ENTRIES, index, tiles.width_at(ENTRIES, index, size))
        data = self._read(tile)
        if data is not None:
            try:
                entries = tiles.decode_bundle(data, tile.width)
            except FormatError as err:
                self._found(tile.path, f"{tile.width} entries", str(err), "malformed entry bundle")
            else:
                self._partials(tile, data)
                self._entries(tile, entries)
                return leaf_hashes(entries)
        stored = self._stored(Tile(0, index, tile.width))
        return stored if stored is not None and len(stored) == tile.width * 32 else None

    # (4) The entries' envelopes and signatures.
    def _entries(self, tile: Tile, entries: list[bytes]) -> None:
        for index, entry in enumerate(entries, tile.index * TILE_WIDTH):
            try:
                envelope = dsse.load(entry)
            except FormatError as err:
                self._found(_place(index), "a canonical envelope", str(err), "not an envelope")
                continue
            verdict = self._verify_entry(index, envelope)
            if verdict == "bad":
                why = "the entry is not what its signer signed"
                self._found(_place(index), "the signer's signature", "another", why)
            elif verdict != "trusted":
                doubt = verdict, envelope.signatures[0].keyid
                count, first = self._doubts.get(doubt, (0, index))
                self._doubts[doubt] = (count + 1, first)

    # (5) The tiles.
    def _compare(self, tile: Tile, data: bytes) -> None:
        stored = self._read(tile)
        if stored is not None and stored != data:
            self._differs(tile, data, stored)
        self._partials(tile, data)

    def _partials(self, tile: Tile, data: bytes) -> None:
        for partial in listing.narrower(tile, self._listing.partials):
            stored = self._read(partial)
            expected = _prefix(partial, data)
            if stored is not None and stored != expected:
                self._differs(partial, expected, stored)

    def _differs(self, tile: Tile, expected: bytes, found: bytes) -> None:
        why = "it is not what the entries make it"
        if len(expected) != len(found):
            why = f"{len(found)} bytes where the entries make {len(expected)}"
        self._found(tile.path, _digest(expected), _digest(found), why)

    def _read(self, tile: Tile) -> bytes | None:
        """A file that must be there; what is wrong with it becomes a finding."""
        try:
            return self._reader.read_file(tile)
        except NotFoundError:
            self._found(tile.path, "a file", "nothing", "a file that the checkpoint covers is gone")
        except (FormatError, StorageError) as err:
            self._found(tile.path, "a file", str(err), "a file of the ledger cannot be read")
        return None

    def _stored(self, tile: Tile) -> bytes | None:
        try:
            return self._reader.read_file(tile)
        except CustodyError:
            return None  # it becomes a finding where it is compared

    def _found(self, path: str, expected: str, found: str, message: str) -> None:
        self._add(Finding(path, expected, found, message))

    def _add(self, finding: Finding) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)
        else:
            self._unheard += 1


def _place(index: int) -> str:
    return f"{tiles.full_path(ENTRIES, index // TILE_WIDTH)}#{index}"


def _prefix(partial: Tile, data: bytes) -> bytes:
    if partial.level == ENTRIES:
        return tiles.bundle_prefix(data, partial.width)
    return data[: partial.width * merkle.HASH_BYTES]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _doubt(kind: tuple[EntryVerdict, str], seen: tuple[int, int]) -> tuple[bool, Finding]:
    """What is said about the entries of one key, and whether it counts as wrong."""
    verdict, keyid = kind
    count, first = seen
    entries = f"{count} entries, the first is {first}, are signed"
    if verdict == "late":
        why = f"{entries} at a time at which their key did not count"
        return True, Finding(_place(first), "a key that counted then", keyid, why)
    if verdict == "undated":
        why = f"{entries} by a key that has an end, and no trusted time shows that they are older"
        return False, Finding(_place(first), "a trusted time", keyid, why)
    why = f"{entries} by a key that nobody here trusts"
    return False, Finding(_place(first), "a trusted signer", keyid, why)
