"""The ledger of a case, derived again, and its entries: checks (3) and (4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from custody.counted import counted
from custody.errors import CustodyError
from custody.ledger import check as ledger_check
from custody.ledger.check import Report
from custody.ledger.memory import Memory
from custody.ledger.reader import Published
from custody.verify.case.checks import ENTRIES, LEDGER
from custody.verify.docket import Docket
from custody.verify.entries import Entries


def is_there(path: Path, docket: Docket) -> bool:
    """Whether the case has a ledger at all."""
    directory = path / "ledger"
    if directory.is_dir() and not directory.is_symlink():
        return True
    docket.found(LEDGER, "ledger", "a directory", "none", "the ledger is gone")
    docket.left(ENTRIES, "there is no ledger")
    return False


def derive(
    directory: Path,
    origin: str | None,
    entries: Entries,
    memory: Memory | None,
    given: Sequence[Published],
    docket: Docket,
) -> Report | None:
    """(3) The ledger from its entries, and (4) each of these, judged by *entries*.

    :param origin: the ledger's name in the case's record.
    :returns: None if it cannot be read.
    """
    try:
        report = ledger_check.check(
            directory,
            origin,
            (),
            entries.verify_entry,
            memory=memory,
            given=given,
            policy=entries.trust.policy,
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
    shown = f"{report.origin}: {counted(report.size or 0, 'entry')}, derived again"
    docket.shown(LEDGER, shown)
    entries.report(ENTRIES, docket)
    return report
