"""What a case's checks come to: the verdict, the totals, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from custody import clock
from custody.ledger.check import Report
from custody.ledger.reader import Published
from custody.verify.bundle import signer_hint
from custody.verify.case.bundles import Bundles
from custody.verify.docket import FORBIDDEN, Docket
from custody.verify.entries import Entries
from custody.verify.result import Verification, verdict_of


def up(
    path: Path,
    docket: Docket,
    report: Report | None,
    entries: Entries,
    bundles: Bundles,
    attachments: Collection[str],
    given: Sequence[Published],
) -> Verification:
    """Put together what was found; every check is settled by now."""
    each = bundles.verified.values()
    checks = docket.checks()
    verdict = verdict_of(checks)
    outcomes: Counter[str] = Counter()
    for bundle in each:
        outcomes.update(bundle.outcomes)
    return Verification(
        kind="case",
        path=path,
        verdict=verdict,
        checks=checks,
        findings=tuple(docket.findings),
        unlisted=docket.unlisted + bundles.unlisted,
        remarks=tuple(docket.remarks),
        hint=_hint(docket, report, entries, bundles) if verdict == "cannot-verify" else "",
        files=sum(bundle.files for bundle in each),
        bytes=sum(bundle.bytes for bundle in each),
        outcomes=dict(sorted(outcomes.items())),
        gaps=sum(bundle.gaps for bundle in each),
        gap_list=tuple(gap for bundle in each for gap in bundle.gap_list),
        attachments=tuple(Path(name).name for name in attachments),
        bundles=tuple(replace(bundle, gap_list=()) for bundle in each),
        ledger=None if report is None else _ledger(report, entries, given),
    )


def _ledger(report: Report, entries: Entries, given: Sequence[Published]) -> dict[str, Any] | None:
    """The ledger's head, where it has one."""
    if report.root is None:
        return None
    last = entries.last_time
    return {
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "last_time": None if last is None else clock.rfc3339(last),
        "held_elsewhere": _is_held(report, given),
    }


def _is_held(report: Report, given: Sequence[Published]) -> bool:
    """Whether anybody but the case itself has seen the ledger up to its last entry."""
    sizes = {report.remembered, *(item.checkpoint.size for item in given)}
    return report.size in sizes or bool(report.cosigned)


def _hint(docket: Docket, report: Report | None, entries: Entries, bundles: Bundles) -> str:
    """What to do where something could not be checked."""
    hints = [bundle.hint for bundle in bundles.verified.values() if bundle.hint]
    if docket.is_forbidden or bundles.is_forbidden:
        return FORBIDDEN
    if report is not None and report.not_checked:
        return (
            "ask whoever opened the case for the ledger's verifier key, compare it with the"
            " paper form, then: custody trust add ledger VKEY"
        )
    if entries.first_unknown is not None:
        return signer_hint(entries.first_unknown.actor)
    return hints[0] if hints else ""
