"""Verify a whole case.

1. Case record: case.json is canonical, and the very file that the entry case-opened names.
2. Layout: the parts of a case are there and are directories; what else lies there is remarked on.
3. Ledger: derived again from its entries, signed by the key that is trusted for its origin, and
   not behind what this verifier has seen of it before.
4. Entries: each is signed by the key that it names, the key is trusted, and it counted then;
   where the verifier named signers for this once, one of them signed an entry.
5. Bundles: each by its own list (:mod:`custody.verify.bundle`), under its own name.
6. Attachments: what is attached to the case is well-formed, rightly named, and by its own key.
7. Agreement: every sealed or attached entry has its bundle or attachment, each of these is
   entered with exactly its statement and no other under its name, and no receipt or statement
   contradicts the ledger.

All but 6 are required.  What lies in ``incoming/`` was never finished and is not looked into.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from custody import case as cases
from custody import clock, reading
from custody.bundle import layout, tree
from custody.errors import (
    CustodyError,
    FormatError,
    NotFoundError,
    StorageError,
    UnknownFormatError,
)
from custody.formats.statement import Subject
from custody.identity.trust import Trust
from custody.ledger import check as ledger_check
from custody.ledger.check import Report
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.memory import Memory
from custody.ledger.reader import LedgerReader, Published
from custody.verify.additions import Judge
from custody.verify.bundle import signer_hint, silent, verify_bundle
from custody.verify.docket import FORBIDDEN, Docket
from custody.verify.entries import Entries
from custody.verify.layout import attachments
from custody.verify.result import MOST_GAPS, Progress, Verification, verdict_of

CHECKS = {
    1: "case record",
    2: "layout",
    3: "ledger",
    4: "entries",
    5: "bundles",
    6: "attachments",
    7: "agreement",
}
RECORD, LAYOUT, LEDGER, ENTRIES, BUNDLES, ATTACHMENTS, AGREEMENT = CHECKS

_FILES = {cases.RECORD, "lock"}
_NEEDED = ("bundles", "ledger")
_PARTS = {*_NEEDED, "attachments", "transfers", "incoming"}
_LARGEST_RECORD = 65_536


def verify_case(
    path: Path,
    trust: Trust,
    *,
    memory: Memory | None = None,
    given: Sequence[Published] = (),
    named: Collection[str] = (),
    now: datetime,
    progress: Progress = silent,
) -> Verification:
    """Check the case at *path* by the steps in this module's list, and say what was found.

    :param memory: what this verifier has seen of ledgers before.
    :param given: checkpoints of the ledger from paper, mail or another office.
    :param named: the fingerprints of signers one of whom must have signed an entry.
    :param now: the verifier's clock, for remarks about statements from the future.
    :raises NotFoundError: if there is no such directory.
    :raises UnknownFormatError: if it is a case of a format that is not known here.
    :raises StorageError: if the directory itself cannot be read.
    """
    if not path.is_dir():
        raise NotFoundError("verify", path, "there is no such directory")
    entries = Entries(trust, frozenset(named))
    return _Checker(path, trust, memory, given, entries, now, progress).run()


class _Checker:
    def __init__(
        self,
        path: Path,
        trust: Trust,
        memory: Memory | None,
        given: Sequence[Published],
        entries: Entries,
        now: datetime,
        progress: Progress,
    ) -> None:
        self._path = path
        self._memory = memory
        self._given = given
        self._trust = trust
        self._now = now
        self._progress = progress
        self._docket = Docket(CHECKS)
        self._entries = entries
        self._bundles: dict[str, Verification] = {}
        self._attachments: dict[str, list[str]] = {}
        self._unlisted = 0
        self._listed = True
        self._read_entries = False
        self._room = MOST_GAPS

    def run(self) -> Verification:
        self._layout()  # (2)
        record = self._read_record()
        report = self._ledger(None if record is None else _origin(self._path, record))  # (3) (4)
        self._record(record)  # (1)
        self._each_bundle()  # (5)
        self._attached()  # (6)
        self._agreement(report)  # (7)
        return self._result(report)

    def _result(self, report: Report | None) -> Verification:
        docket, bundles = self._docket, tuple(self._bundles.values())
        checks = docket.checks()
        verdict = verdict_of(checks)
        ledger = None
        if report is not None and report.root is not None:
            last = self._entries.last_time
            ledger = {
                "origin": report.origin,
                "size": report.size,
                "root": report.root.hex(),
                "last_time": None if last is None else clock.rfc3339(last),
                "held_elsewhere": self._is_held(report),
            }
        gaps = [gap for bundle in bundles for gap in bundle.gap_list]
        bundles = tuple(replace(bundle, gap_list=()) for bundle in bundles)
        outcomes: Counter[str] = Counter()
        for bundle in bundles:
            outcomes.update(bundle.outcomes)
        return Verification(
            kind="case",
            path=self._path,
            verdict=verdict,
            checks=checks,
            findings=tuple(docket.findings),
            unlisted=docket.unlisted + self._unlisted,
            remarks=tuple(docket.remarks),
            hint=self._hint(report) if verdict == "cannot-verify" else "",
            files=sum(bundle.files for bundle in bundles),
            bytes=sum(bundle.bytes for bundle in bundles),
            outcomes=dict(sorted(outcomes.items())),
            gaps=sum(bundle.gaps for bundle in bundles),
            gap_list=tuple(gaps),
            attachments=tuple(Path(path).name for path in self._attachments),
            bundles=bundles,
            ledger=ledger,
        )

    def _is_held(self, report: Report) -> bool:
        """Whether anybody but the case itself has seen the ledger up to its last entry."""
        sizes = {report.remembered, *(item.checkpoint.size for item in self._given)}
        return report.size in sizes or bool(report.cosigned)

    def _hint(self, report: Report | None) -> str:
        hints = [bundle.hint for bundle in self._bundles.values() if bundle.hint]
        if self._docket.is_forbidden or any(each.is_forbidden for each in self._bundles.values()):
            return FORBIDDEN
        if report is not None and report.not_checked:
            return (
                "ask whoever opened the case for the ledger's verifier key, compare it with the"
                " paper form, then: custody trust add ledger VKEY"
            )
        if self._entries.first_unknown is not None:
            return signer_hint(self._entries.first_unknown.actor)
        return hints[0] if hints else ""

    # ---- (2) the directory

    def _layout(self) -> None:
        docket, top = self._docket, tree.look(self._path, "")
        for name in sorted(_PARTS.intersection(top.files + top.others)):
            found = "a file, a link or a device"
            docket.found(LAYOUT, name, "a directory", found, "a part of the case is not one")
        for name in _NEEDED:
            if name not in {*top.directories, *top.files, *top.others}:
                why = "a part of the case is missing"
                docket.found(LAYOUT, name, "a directory", "nothing", why)
        for name in sorted({*top.directories, *top.files, *top.others} - _PARTS - _FILES):
            docket.remark(name, "not a part of a case; it is not looked at")
        if "incoming" in top.directories:
            self._incoming()
        self._permissions([*top.directories, *top.files])
        docket.shown(LAYOUT, "every part of the case is there")

    def _incoming(self) -> None:
        try:
            left = tree.look(self._path, "incoming")
        except CustodyError as err:
            self._docket.remark("incoming", f"cannot be listed: {err.why}")
            return
        for name in (*left.directories, *left.files, *left.others):
            why = "unfinished work, never to be relied on; it may be removed"
            self._docket.remark(f"incoming/{name}", why)

    def _permissions(self, listed: list[str]) -> None:
        for name in ("", *listed):
            try:
                mode = (self._path / name).lstat().st_mode
            except OSError:
                continue
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                wanted = "0700" if stat.S_ISDIR(mode) else "0600"
                said = f"others can reach it: mode {stat.S_IMODE(mode):04o}, not {wanted}"
                self._docket.remark(name or ".", said)

    # ---- (1) the record

    def _read_record(self) -> bytes | None:
        try:
            return reading.read_beneath(self._path, cases.RECORD, _LARGEST_RECORD)
        except CustodyError as err:
            self._docket.trouble(RECORD, cases.RECORD, "the record of the case", err)
            return None

    def _record(self, data: bytes | None) -> None:
        opened = self._entries.opened
        if data is None:
            return
        # (1) the very file that the entry names
        digest = hashlib.sha256(data).hexdigest()
        if opened is None and not self._read_entries:
            self._docket.left(RECORD, "the ledger, whose first entry names it, cannot be read")
        elif opened is None:
            why = "the ledger has no entry that opens the case"
            self._docket.found(RECORD, cases.RECORD, "an entry case-opened", "none", why)
        elif opened.subjects != (Subject(cases.RECORD, digest),):
            said = ", ".join(f"sha256:{item.sha256}" for item in opened.subjects)[:400]
            why = "the case's record is not the one that was entered when it was opened"
            self._docket.found(RECORD, cases.RECORD, said, f"sha256:{digest}", why)
        # (1) canonical, with the fields of this format
        try:
            case = cases.parse_record(self._path, data)
        except UnknownFormatError as err:
            if not self._docket.failed(RECORD):
                raise
            self._docket.found(RECORD, cases.RECORD, cases.FORMAT, err.why, "an unknown format")
            return
        except FormatError as err:
            self._docket.found(RECORD, cases.RECORD, "a canonical record", err.why, "malformed")
            return
        if opened is not None and opened.words.get("case", "") != case.case:
            why = "the entry that opens the case has another number"
            self._docket.found(RECORD, cases.RECORD, opened.words.get("case", ""), case.case, why)
        opened_at = clock.rfc3339(case.created)
        self._docket.shown(RECORD, f"case {case.case}, opened {opened_at}")

    # ---- (3) the ledger, and (4) its entries

    def _ledger(self, origin: str | None) -> Report | None:
        directory = self._path / "ledger"
        docket = self._docket
        if directory.is_symlink() or not directory.is_dir():
            self._read_entries = True
            docket.found(LEDGER, "ledger", "a directory", "none", "the ledger is gone")
            docket.left(ENTRIES, "there is no ledger")
            return None
        try:
            report = ledger_check.check(
                directory,
                origin,
                (),
                self._entries.verify_entry,
                memory=self._memory,
                given=self._given,
                policy=self._trust.policy,
            )
        except CustodyError as err:
            docket.trouble(LEDGER, "ledger", "a ledger", err)
            docket.left(ENTRIES, "the ledger cannot be read")
            return None
        for finding in report.findings:
            docket.add(LEDGER, replace(finding, path=f"ledger/{finding.path}"))
        for finding in report.remarks:
            docket.remark(f"ledger/{finding.path}", finding.message)
        if report.not_checked:
            docket.left(LEDGER, report.not_checked[0].message)
        shown = f"{report.origin}: {report.size} entries, derived again"
        docket.shown(LEDGER, shown)
        self._read_entries = True
        self._entries.report(ENTRIES, docket)
        return report

    # ---- (5) the bundles

    def _each_bundle(self) -> None:
        docket = self._docket
        try:
            listing = tree.look(self._path, "bundles")
        except CustodyError as err:
            docket.trouble(BUNDLES, "bundles", "a directory", err)
            self._listed = not isinstance(err, StorageError)
            return
        for name in listing.files:
            docket.remark(f"bundles/{name}", "not a bundle; it is not looked at")
        for name in listing.others:
            why = "something among the bundles that is not a bundle"
            docket.found(BUNDLES, f"bundles/{name}", "a directory", "something else", why)
        for name in listing.directories:
            self._bundle(name)
        files = sum(bundle.files for bundle in self._bundles.values())
        docket.shown(BUNDLES, f"bundles: {len(self._bundles)}, files: {files}")

    def _bundle(self, name: str) -> None:
        docket, path = self._docket, f"bundles/{name}"
        done_files = sum(bundle.files for bundle in self._bundles.values())
        done_bytes = sum(bundle.bytes for bundle in self._bundles.values())

        def progress(files: int, size: int, of_files: int | None, of_bytes: int | None) -> None:
            self._progress(
                done_files + files,
                done_bytes + size,
                None if of_files is None else done_files + of_files,
                None if of_bytes is None else done_bytes + of_bytes,
            )

        try:
            bundle = verify_bundle(self._path / path, self._trust, now=self._now, progress=progress)
        except UnknownFormatError as err:
            docket.left(BUNDLES, f"{path}: {err.why}")
            docket.remark(path, err.why)
            return
        except CustodyError as err:
            docket.trouble(BUNDLES, path, "a bundle", err)
            return
        gaps = [replace(gap, bundle=name) for gap in bundle.gap_list[: self._room]]
        self._room -= len(gaps)
        self._bundles[name] = bundle = replace(bundle, gap_list=tuple(gaps))
        self._unlisted += bundle.unlisted
        for finding in bundle.findings:
            docket.add(BUNDLES, replace(finding, path=f"{path}/{finding.path}"))
        for remark in bundle.remarks:
            docket.remark(f"{path}/{remark.path}", remark.message)
        for check in bundle.checks:
            if check.required and check.status == "not-checked":
                docket.left(BUNDLES, f"{path}: {check.name}: {check.detail}")
        # (5) under its own name
        if not bundle.bundle_id and bundle.is_forbidden:
            docket.left(BUNDLES, f"{path}: its name cannot be read")
        elif bundle.bundle_id != name:
            why = "the directory's name is not the bundle's"
            docket.found(BUNDLES, path, bundle.bundle_id or "its name", name, why)

    # ---- (6) what is attached to the case itself

    def _attached(self) -> None:
        docket = self._docket
        docket.optional(ATTACHMENTS)
        if (self._path / layout.ATTACHMENTS).exists():
            self._attachments = attachments(self._path, ATTACHMENTS, docket)
        judge = Judge(self._path, self._trust, docket, ATTACHMENTS)
        for path, files in self._attachments.items():
            judge.attachment(path, files, "")
        judge.settle()

    # ---- (7) whether they agree

    def _agreement(self, report: Report | None) -> None:
        docket, entries = self._docket, self._entries
        if report is None or report.root is None:
            docket.left(AGREEMENT, "there is no ledger to compare with")
            return
        if not self._listed:
            docket.left(AGREEMENT, "the bundles cannot be listed")
            return
        for name, digests in entries.sealed.items():
            self._sealed(name, digests)
        reader = LedgerReader(self._path / "ledger")
        for name, bundle in self._bundles.items():
            self._entered(name, bundle, report.origin)
            self._contradictions(reader, f"bundles/{name}", bundle, report)
        self._attached_entries()
        shown = f"each of {len(self._bundles)} is entered with its own statement"
        docket.shown(AGREEMENT, shown)

    def _sealed(self, name: str, digests: dict[str, int]) -> None:
        """What the ledger says was sealed under *name*: once, and the bundle is there."""
        docket, where = self._docket, f"bundles/{name}"
        indexes = sorted(digests.values())
        if len(indexes) > 1:
            said = ", ".join(map(str, indexes))[:400]
            why = "the ledger has different bundles under one name: one was put in another's place"
            docket.found(AGREEMENT, where, "one sealed entry", f"entries {said}", why)
        if name in self._bundles or os.path.lexists(self._path / where):
            return
        if name in self._entries.disposed:
            docket.remark(where, "it was disposed of, as the ledger says")
            return
        for index in indexes:
            why = f"the bundle of ledger entry {index} is gone"
            docket.found(AGREEMENT, where, "a bundle", "nothing", why)

    def _entered(self, name: str, bundle: Verification, origin: str | None) -> None:
        digests = self._entries.sealed.get(name, {})
        where, found = f"bundles/{name}", f"sha256:{bundle.statement_sha256}"
        if not bundle.statement_sha256 and bundle.is_forbidden:
            self._docket.left(AGREEMENT, f"{where}: its statement may not be read")
        elif not digests:
            why = f"nobody entered this bundle in the ledger; {_belongs(bundle, origin)}"
            self._docket.found(AGREEMENT, where, "an entry in the ledger", "none", why)
        else:
            for digest in digests.keys() - {bundle.statement_sha256}:
                why = f"the bundle of ledger entry {digests[digest]} was replaced: this is another"
                self._docket.found(AGREEMENT, f"{where}/seal", f"sha256:{digest}", found, why)

    def _attached_entries(self) -> None:
        there = {Path(path).name: path for path in self._attachments}
        for name, bundle in self._bundles.items():
            folder = f"bundles/{name}/{layout.ATTACHMENTS}"
            there |= {digest: f"{folder}/{digest}" for digest in bundle.attachments}
        entered = self._entries.attached
        if self._docket.is_forbidden or any(each.is_forbidden for each in self._bundles.values()):
            self._docket.left(AGREEMENT, "what may not be read may hold attachments")
            return
        for digest in entered.keys() - there.keys():
            where = f"{layout.ATTACHMENTS}/{digest}"
            why = f"the attachment of ledger entry {entered[digest]} is gone"
            self._docket.found(AGREEMENT, where, "an attachment", "nothing", why)
        for digest in there.keys() - entered.keys():
            why = "nobody entered this attachment in the ledger"
            self._docket.found(AGREEMENT, there[digest], "an entry in the ledger", "none", why)

    def _contradictions(
        self, reader: LedgerReader, where: str, bundle: Verification, report: Report
    ) -> None:
        known = [(tree, "a receipt") for tree in bundle.proved]
        if bundle.not_before is not None and bundle.signer is not None:
            known.append((bundle.not_before, "the statement"))
        for tree_head, source in known:
            if tree_head.origin == report.origin:
                self._contradiction(reader, where, tree_head, source, report.size or 0)

    def _contradiction(
        self, reader: LedgerReader, where: str, tree_head: Checkpoint, source: str, size: int
    ) -> None:
        if tree_head.size > size:
            why = f"the ledger is behind the checkpoint in {source}: it was rolled back"
            expected = f"at least {tree_head.size} entries"
            self._docket.found(AGREEMENT, where, expected, f"{size} entries", why)
            return
        try:
            root = reader.root_at(tree_head.size)
        except CustodyError as err:
            self._docket.trouble(AGREEMENT, "ledger", "the tiles of an earlier tree", err)
            return
        if root != tree_head.root:
            why = f"the ledger contradicts the checkpoint in {source}: its past was changed"
            self._docket.found(AGREEMENT, where, tree_head.root.hex(), root.hex(), why)


def _belongs(bundle: Verification, origin: str | None) -> str:
    """Where a bundle that nobody entered belongs, by the ledger that its statement names."""
    named = bundle.not_before
    if named is not None and named.origin == origin:
        return "if a collection was cut short, the next custody collect into the case enters it"
    whose = "no ledger" if named is None else f"another ledger, {named.origin}"
    return f"its statement names {whose}: it is not of this case; keep it outside bundles/"


def _origin(path: Path, record: bytes) -> str | None:
    """The ledger's name in the record, if the record can be read."""
    try:
        return cases.parse_record(path, record).origin
    except CustodyError:
        return None
