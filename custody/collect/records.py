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
from custody.sets import Definition, Selection

ACQUISITION_SCHEMA = "custody.acquisition/v1"
MOST_PATH_BYTES_KEPT = 4 << 20
MOST_REFUSED_KEPT = 1_000


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
        **_root(plan),
        "clock": dict(collected.clock),
        "tool": tool.facts(),
        "command": [metadata.text(os.fsencode(word)) for word in request.command],
        "sets": [_set(one, plan.selection) for one in plan.selection.sets],
        "definitions": _definitions(plan.selection),
        "homes_refused": list(plan.selection.homes.refused[:MOST_REFUSED_KEPT]),
        "not_looked_into": [
            metadata.text(path) for path in plan.sources.avoided[:MOST_REFUSED_KEPT]
        ],
        "sources": list(_asked(plan.sources.asked)),
        "facts": collected.facts,
        "journals": collected.journals.as_json() if collected.journals else None,
        "exclude": [metadata.text(os.fsencode(glob)) for glob in request.exclude],
        "max_size": request.max_size,
        "since": None if request.since is None else clock.rfc3339(request.since),
        "rate": request.rate or None,
        "nice": request.nice or None,
        "one_file_system": request.one_file_system,
        "destination_on_source_disk": plan.same_disk,
        "resumed": dict(collected.resumed),
        "streamed": True if plan.destination.stream is not None else None,
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
        record |= {
            name: value for name, value in (("set", one.set), ("artifact", one.artifact)) if value
        }
        omitted = len(one.paths) - len(kept)
        yield {**record, "paths_omitted": omitted} if omitted else record


def _root(plan: Plan) -> dict[str, Any]:
    """Of an image: where it was mounted, and the host that read it."""
    image = plan.sources.image
    if image.is_host:
        return {}
    return {**metadata.path_fields(image.root, "root"), "read_on": host.facts()}


def _set(one: Definition, selection: Selection) -> dict[str, Any]:
    lost = [part for name, part in selection.unresolved if name == one.name]
    record: dict[str, Any] = {"name": one.name, "version": one.version, "sha256": one.sha256}
    if lost:
        record["unresolved"] = [{"artifact": part.artifact, "why": part.why} for part in lost]
    return record


def _definitions(selection: Selection) -> dict[str, str]:
    source = selection.source
    return {} if source is None else {"name": source.name, "sha256": source.sha256}


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
