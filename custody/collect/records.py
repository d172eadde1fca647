"""What is written about a collection: the acquisition record, and the statement that is signed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from custody import clock
from custody.acquire import host, metadata, sources, tool
from custody.case import Case
from custody.collect.planning import Plan
from custody.collect.result import Collected
from custody.formats import bagit
from custody.formats.statement import Actor, Event, Subject

ACQUISITION_SCHEMA = "custody.acquisition/v1"
MOST_PATH_BYTES_KEPT = 4 << 20


def acquisition(
    plan: Plan,
    collected: Collected,
    actor: Actor,
    facts: Mapping[str, Any],
    started: datetime,
    finished: datetime,
) -> dict[str, Any]:
    request, case = plan.request, plan.destination.case
    collected.clock = host.clock_facts(finished)
    record: dict[str, Any] = {
        "schema": ACQUISITION_SCHEMA,
        "bundle": collected.bundle_id,
        "case": case.case if case else "",
        "evidence_number": request.evidence_number,
        "description": request.note,
        "authority": request.authority,
        "collector": actor.as_json(),
        "host": dict(facts),
        "clock": dict(collected.clock),
        "tool": tool.facts(),
        "command": [metadata.text(os.fsencode(word)) for word in request.command],
        "sources": list(_asked(plan.sources.asked)),
        "exclude": [metadata.text(os.fsencode(glob)) for glob in request.exclude],
        "max_size": request.max_size,
        "one_file_system": request.one_file_system,
        "destination_on_source_disk": plan.same_disk,
        "started": clock.rfc3339(started),
        "finished": clock.rfc3339(finished),
        "outcomes": dict(collected.outcomes),
        "files": collected.files,
        "bytes": collected.bytes,
        "watch": _watch(plan),
    }
    return {key: value for key, value in record.items() if value not in ("", [], None, {})}


def _asked(asked: Sequence[sources.Asked]) -> Iterator[dict[str, Any]]:
    """The sources as asked for; of a glob's millions of paths the first, the rest counted.

    All of them are in the inventory; this record has a limit for its readers.
    """
    room = MOST_PATH_BYTES_KEPT
    for one in asked:
        kept = []
        for path in one.paths:
            room -= len(path)
            if room < 0:
                break
            kept.append(metadata.path_fields(path))
        record = {"asked": metadata.text(os.fsencode(one.text)), "paths": kept}
        omitted = len(one.paths) - len(kept)
        yield {**record, "paths_omitted": omitted} if omitted else record


def sealed_event(
    plan: Plan, collected: Collected, actor: Actor, record: Mapping[str, Any], pinned: str
) -> Event:
    case = plan.destination.case
    details = {
        "bundle": collected.bundle_id,
        "bytes": collected.bytes,
        "files": collected.files,
        "gaps": collected.gap_count,
        "outcomes": dict(collected.outcomes),
        "started": record["started"],
        "finished": record["finished"],
        "host": _hostname(record),
        "tool": f"custody {record['tool']['version']}",
    }
    if plan.request.watch_seconds is not None:
        details["watch"] = _watch(plan)
    if plan.request.evidence_number:
        details["evidence_number"] = plan.request.evidence_number
    words = {
        "authority": plan.request.authority,
        "case": case.case if case else "",
        "comment": plan.request.note,
        "item": collected.bundle_id,
    }
    return Event(
        "sealed",
        collected.sealed_at or clock.parse_rfc3339(record["finished"]),
        actor,
        (Subject(bagit.TAG_MANIFEST_NAME, pinned),),
        words,
        _newest_checkpoint(case),
        details,
    )


def _watch(plan: Plan) -> dict[str, int] | None:
    """What says that a bundle holds the pieces of a watch."""
    every = plan.request.watch_seconds
    return None if every is None else {"every": every}


def _hostname(record: Mapping[str, Any]) -> str:
    """The host name in an acquisition record."""
    return str(record.get("host", {}).get("hostname", ""))


def _newest_checkpoint(case: Case | None) -> dict[str, Any] | None:
    """The statement is not earlier than this checkpoint."""
    if case is None:
        return None
    tree = case.ledger.checkpoint().checkpoint
    return {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}
