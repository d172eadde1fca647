"""The chain-of-custody form of one bundle, as facts: ``custody.form/v1``.

They are drawn from the bundle and from the signed ledger, and the page is made from nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import custody
from custody import clock
from custody.forms import chain, facts
from custody.forms.chain import Keys
from custody.forms.gathering import Gathered
from custody.forms.item import Item
from custody.forms.standing import Standing
from custody.history.values import Signature, Timeline

NO_LEDGER = (
    "No ledger was consulted: this form knows of no change of hands. Enter each by hand, above."
)
DAMAGED = "The ledger cannot be read, so no change of hands that is entered there is shown"


def document(gathered: Gathered, now: datetime) -> dict[str, Any]:
    """Every fact on the form."""
    found, standing, timeline = gathered.item, gathered.standing, gathered.timeline
    keys = Keys()
    rows, others, disposals = _chain(found, standing, timeline, keys)
    return {
        "made": clock.rfc3339(now),
        "tool": f"custody {custody.__version__}",
        "verification": facts.verified(found, standing, timeline),
        "item": {**facts.item(found, standing, timeline), "case_title": gathered.title},
        "gaps": facts.gaps(found, standing),
        "source": facts.source(found),
        "obtained": facts.obtained(found),
        "clocks": facts.clocks(found, standing),
        "hashes": facts.hashes(found, standing),
        "ledger": facts.ledger(timeline),
        "ledger_damage": gathered.damage,
        "receipt_checkpoint": facts.checkpoint_text(found.receipt),
        "holders": [] if timeline is None else [one.as_json() for one in timeline.holders],
        "transfers": rows,
        "events": others,
        "chain_gaps": [] if timeline is None else [one.as_json() for one in timeline.gaps],
        "keys": keys.listed(),
        "disposals": disposals,
        "remarks": _remarks(gathered),
        "not_proven": list(facts.NOT_PROVEN),
    }


def _remarks(gathered: Gathered) -> list[str]:
    if gathered.timeline is not None:
        return []
    return [f"{DAMAGED}: {gathered.damage}." if gathered.damage else NO_LEDGER]


def _chain(
    found: Item, standing: Standing, timeline: Timeline | None, keys: Keys
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    own = [] if found.event is None else [_collected(found, standing, timeline, keys)]
    if timeline is None:
        return own, [], []
    rows = chain.transfers(timeline, keys)
    if any(row["type"] == "sealed" for row in rows):
        own = []  # it is an entry
    rows = [{**row, "number": number} for number, row in enumerate([*own, *rows], 1)]
    return rows, chain.events(timeline, keys), chain.disposals(timeline)


def _collected(
    found: Item, standing: Standing, timeline: Timeline | None, keys: Keys
) -> dict[str, Any]:
    """The first row where the ledger has none: what the bundle's own statement says."""
    event = found.event
    if event is None:
        return {}
    fingerprint, verdict, words = facts.fingerprint(event.actor.key), *_judged(standing)
    said = facts.hashes(found, standing)
    name = said["trusted_as"]
    if said["vouched_by"]:
        name = f"vouched for by {said['vouched_by']}"
    key = keys.name(Signature("untrusted", fingerprint, name, words), event.actor)
    host = facts.source(found)["hostname"]
    signature = {"of": "the statement", "key": key, "fingerprint": fingerprint,
                 "verdict": verdict, "words": words}  # fmt: skip
    texts = ("purpose", "authority", "place", "method", "comment")
    return {
        "number": 1,
        "entry": None,
        "type": "sealed",
        "time": clock.rfc3339(event.time),
        "what": facts.item(found, standing, timeline)["evidence_number"] or found.bundle,
        "original": True,
        **{word: event.words.get(word, "") for word in texts},
        "tracking": "",
        "expires": "",
        "verdict": "",
        "kept": "",
        "before": "",
        "after": found.sealed,
        "signatures": [signature],
        "corrections": [],
        "released_by": chain.collected_from(host),
        "received_by": chain.person(event.actor),
        "received_at": clock.rfc3339(event.time),
        "receipt": "sealed",
    }


def _judged(standing: Standing) -> tuple[str, str]:
    """What verifying said of the signature on the statement."""
    checks = () if standing.bundle is None else standing.bundle.checks
    status = next((check.status for check in checks if check.name == "signature"), "")
    if status == "ok":
        return "trusted", "good"
    if status == "fail":
        return "bad", "BAD"
    return "not-judged", "not judged: the key is not trusted here"
