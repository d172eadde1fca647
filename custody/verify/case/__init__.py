"""Verify a whole case.

1. Case record: case.json is canonical, and the very file that the entry case-opened names.
2. Layout: the parts of a case are there and are directories; what else lies there is remarked on.
3. Ledger: derived again from its entries, signed by the key that is trusted for its origin, and
   not behind what this verifier has seen of it before.
4. Entries: each is signed by the key that it names, the key is trusted, and it counted then;
   what desks entered about keys counts, also for entries before; where the verifier named signers
   for this once, one of them signed an entry.
5. Bundles: each by its own list (:mod:`custody.verify.bundle`), under its own name.
6. Attachments: what is attached to the case is well-formed, rightly named, and by its own key.
7. Agreement: every bundle that was sealed or taken in is there, unless it was disposed of or its
   original released, and so is every attachment; each is entered with exactly its statement and
   no other under its name; no receipt or statement contradicts the ledger; papers of hand-overs
   are those that were entered.
8. Time stamps: those over the ledger's checkpoints are good and over trees that it had; no token
   that was entered is gone.  With witnesses they say by when an entry existed, for 4 and for 9 of
   each bundle.
9. Watched files: the pieces of each follow one another without a gap or an overlap, and each chain
   value follows from the pieces before it.

All but 6 and 8 are required.  What lies in ``incoming/`` was never finished and is not looked into.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from custody import certifying
from custody.bundle import layout
from custody.errors import NotFoundError
from custody.identity.trust import Trust
from custody.ledger.memory import Memory
from custody.ledger.reader import LedgerReader, Published
from custody.verify.additions import Judge
from custody.verify.bundle import silent
from custody.verify.case import ledger, parts, stamps, summing, watched
from custody.verify.case.agreement import Agreement
from custody.verify.case.bundles import Bundles
from custody.verify.case.checks import ATTACHMENTS, CHECKS
from custody.verify.case.stamps import LedgerTime
from custody.verify.docket import Docket
from custody.verify.entries import Entries
from custody.verify.layout import attachments
from custody.verify.result import Progress, Verification

__all__ = ["CHECKS", "verify_case"]


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
    docket = Docket(CHECKS)
    reader = LedgerReader(path / "ledger")
    time = LedgerTime(path, reader, trust, now)
    believed = certifying.believe_ledger(trust, reader, time.latest)  # (4)
    for where, text in believed.said:
        docket.remark(where, text)
    trust = believed.trust
    entries = Entries(trust, frozenset(named), time.latest, time.dated())
    parts.layout(path, docket)  # (2)
    record = parts.read_record(path, docket)
    report, was_read = None, True
    if ledger.is_there(path, docket):
        origin = None if record is None else parts.origin(path, record)
        report = ledger.derive(path / "ledger", origin, entries, memory, given, docket)  # (3) (4)
        was_read = report is not None
    if record is not None:
        parts.record(path, record, entries.opened, docket, was_read=was_read)  # (1)
    time.told(entries)
    bundles = Bundles(path, trust, docket, now, progress, time)
    bundles.look()  # (5)
    attached = _attached(path, trust, docket)  # (6)
    Agreement(path, entries, bundles, attached, docket).check(report)  # (7)
    stamps.check(path, time, entries, bundles, docket, now)  # (8)
    if was_read:
        watched.check(path, docket)  # (9)
    found = summing.up(path, docket, report, entries, bundles, attached, given)
    return replace(found, clocks=time.case_clocks())


def _attached(path: Path, trust: Trust, docket: Docket) -> dict[str, list[str]]:
    """(6) Judge what is attached to the case itself; returns its files by path."""
    docket.optional(ATTACHMENTS)
    found: dict[str, list[str]] = {}
    if (path / layout.ATTACHMENTS).exists():
        found = attachments(path, ATTACHMENTS, docket)
    judge = Judge(path, trust, docket, ATTACHMENTS)
    for name, files in found.items():
        judge.attachment(name, files, "")
    judge.settle()
    return found
