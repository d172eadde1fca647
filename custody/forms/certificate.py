"""The facts for a certification under Federal Rules of Evidence 902(13) and (14), as one document:
``custody.certificate/v1``.

Rule 902(13): a record made by an electronic process or system that produces an accurate result.
Rule 902(14): data copied from a device, medium or file, authenticated by digital identification.
What a qualified person must say of themselves is left blank; the page says that it is a draft.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import custody
from custody import clock
from custody.acquire import tool
from custody.findings import Finding
from custody.forms import facts
from custody.forms import item as items
from custody.forms.gathering import Gathered
from custody.forms.standing import pinned_by
from custody.history.values import Timeline
from custody.verify import Verification

SAME = "the same"
_PAYLOAD = "payload"


def document(found: Gathered, now: datetime) -> dict[str, Any]:
    """Every fact in the certification."""
    item, standing, timeline = found.item, found.standing, found.timeline
    own = tool.facts()
    return {
        "made": clock.rfc3339(now),
        "tool": f"custody {custody.__version__}",
        "checked_with": {name: own[name] for name in ("name", "version", "sha256", "python")},
        "verification": facts.verified(item, standing, timeline),
        "item": {**facts.item(item, standing, timeline), "case_title": found.title},
        "gaps": facts.gaps(item, standing),
        "outcomes": _outcomes(found),
        "source": facts.source(item),
        "obtained": facts.obtained(item),
        "clocks": facts.clocks(item, standing),
        "hashes": facts.hashes(item, standing),
        "files": _files(found),
        "ledger": facts.ledger(timeline),
        "ledger_damage": found.damage,
        "entry": None if timeline is None else _entry(timeline, item.statement_sha256),
        "copies": [] if timeline is None else _copies(timeline),
        "chain_gaps": [] if timeline is None else [gap.sentence for gap in timeline.gaps],
        "not_proven": list(facts.NOT_PROVEN),
    }


def _outcomes(found: Gathered) -> dict[str, int]:
    bundle = found.standing.bundle
    return {} if bundle is None else dict(bundle.outcomes)


def _files(found: Gathered) -> dict[str, Any]:
    """Each file with its digest when it was collected, and what was found of it now."""
    bundle = found.standing.bundle
    if found.bag is None or bundle is None:
        return {"count": 0, "listed": []}
    differing = {finding.path: finding for finding in bundle.findings}
    listed = [
        {
            "path": file.path,
            "payload": file.payload,
            "size": file.size,
            "outcome": file.outcome,
            "piece": file.piece,
            "sha256": file.sha256,
            "now": _now(file.payload, bundle, differing),
        }
        for file in items.files(found.bag)
    ]
    return {"count": bundle.files, "listed": listed}


def _now(payload: str, bundle: Verification, differing: dict[str, Finding]) -> str:
    """What reading the file again gave; empty where verifying does not tell it of this file."""
    if payload in differing:
        return differing[payload].found
    status = next(check.status for check in bundle.checks if check.name == _PAYLOAD)
    return SAME if status == "ok" else ""


def _entry(timeline: Timeline, statement: str) -> int | None:
    """The number of the entry that brought the bundle in with exactly this statement."""
    entering = (step.index for step in timeline.steps if pinned_by(step) == statement)
    return next(entering, None)


def _copies(timeline: Timeline) -> list[dict[str, Any]]:
    """The copies that were made, and how each was read back."""
    return [
        {
            "entry": step.index,
            "time": step.time,
            "label": step.label,
            "before": step.before,
            "after": step.after,
            "read_back": str(step.details.get("read_back", "")),
        }
        for step in timeline.steps
        if step.kind == "copied"
    ]
