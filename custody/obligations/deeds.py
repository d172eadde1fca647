"""What the ledger says was done: notices sent, holds placed and lifted, as facts of a record.

Each deed is an event of the ledger; together they become assignments such as
``notices.attorney_general_on=2026-03-20``, which are applied to the record's own facts and shown
with the answers, so that an assessment can be worked out again from the record and this list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from custody.errors import UsageError
from custody.obligations.problems import shorten
from custody.obligations.record import Facts
from custody.obligations.values import as_json

NOTIFIED, HOLD_PLACED, HOLD_LIFTED = "notified", "hold-placed", "hold-lifted"
HOLDS = (HOLD_PLACED, HOLD_LIFTED)
KINDS = (NOTIFIED, *HOLDS)
CONSUMERS, AUDITOR = "notices.consumers", "notices.state_auditor"
NOT_LIFTED = "hold.lifted_on="
HOLD = ("agency", "officer", "reason", "form", "requested_on")

# Who can be told, and the fact that says so; no field of the record speaks of the last ones.
FACT_OF = {
    "consumers": CONSUMERS,
    "substitute": CONSUMERS,
    "attorney-general": "notices.attorney_general_on",
    "credit-agencies": "notices.credit_agencies_on",
    "data-owner": "notices.data_owner_on",
    "state-auditor": AUDITOR,
    "city-it": "notices.city_it_on",
    "department-head": "notices.department_head_on",
    "parents": "notices.parents_on",
    "law-enforcement": "notices.law_enforcement_on",
    "employees": "",
    "vendor": "",
}


def assignments(events: Iterable[tuple[str, Mapping[str, Any]]], facts: Facts) -> tuple[str, ...]:
    """The facts that *events* (kind and details, oldest first) add to those of the record.

    A date that the record has stays; batches and reports that it lacks are added to its lists; a
    hold in the ledger is the newer word.
    """
    listed = list(events)
    notified = [details for kind, details in listed if kind == NOTIFIED]
    holds = [(kind, details) for kind, details in listed if kind != NOTIFIED]
    return (*_dates(notified, facts), *_lists(notified, facts), *_hold(holds))


def _dates(notified: list[Mapping[str, Any]], facts: Facts) -> Iterator[str]:
    first: dict[str, str] = {}
    for details in notified:
        name = FACT_OF.get(str(details.get("recipient")), "")
        if name and name not in {CONSUMERS, AUDITOR} and facts.get(name) is None:
            day = str(details.get("on"))
            first[name] = min(day, first.get(name, day))
    return (f"{name}={day}" for name, day in first.items())


def _lists(notified: list[Mapping[str, Any]], facts: Facts) -> Iterator[str]:
    for name, make in ((CONSUMERS, _batch), (AUDITOR, _report)):
        known = as_json(facts.get(name) or ())
        items = list(known) if isinstance(known, list) else []
        added = [
            item
            for details in notified
            if FACT_OF.get(str(details.get("recipient"))) == name
            if (item := make(details)) not in items
        ]
        if added:
            yield f"{name}={json.dumps([*items, *added])}"


def _batch(details: Mapping[str, Any]) -> dict[str, Any]:
    substitute = details.get("recipient") == "substitute"
    method = "substitute" if substitute else details.get("method")
    batch = {"sent_on": details.get("on"), "count": details.get("count"), "method": method}
    return {name: value for name, value in batch.items() if value is not None}


def _report(details: Mapping[str, Any]) -> dict[str, Any]:
    return {"on": details.get("on")}


def shown(assignment: str) -> str:
    """An assignment for people, who would take an empty one for an unknown day."""
    return "hold not lifted: it stands" if assignment == NOT_LIFTED else assignment


def words(kind: str, details: object) -> str:
    """A deed on one line: who, on which day, how many.  Believes nothing of what *details* are."""
    said = details if isinstance(details, dict) else {}
    day = _said(said, "requested_on" if kind == HOLD_PLACED else "on")
    who = _said(said, {NOTIFIED: "recipient", HOLD_PLACED: "agency"}.get(kind, ""))
    count = said.get("count")
    told = f"{count} told" if type(count) is int else ""
    if kind == HOLD_LIFTED:
        return f"lifted on {day}" if day else ""
    when = f"on {day}" if day else ""
    why = ", ".join(part for part in (_said(said, "reason"), _said(said, "form")) if part)
    return ", ".join(part for part in (f"{who} {when}".strip(), told, why) if part)


def _said(details: Mapping[str, Any], name: str) -> str:
    text = details.get(name)
    return shorten(text, 80).strip('"') if isinstance(text, str) else ""


def require_open_hold(events: Iterable[tuple[str, Mapping[str, Any]]], on: str) -> None:
    """Make sure that a hold stands among *events* (oldest first) that can have ended *on* that day.

    :raises UsageError: if none was placed, if it was lifted already, or if it began later.
    """
    what = "enter the end of a hold"
    placed, lifted = _last_hold(list(events))
    if placed is None:
        why = "no hold is placed in this ledger; nothing was entered"
        raise UsageError(what, on, why, hint="custody hold place enters one")
    if lifted:
        why = f"the last hold was lifted on {lifted}; nothing was entered"
        raise UsageError(what, on, why, hint="custody ledger list shows what is entered")
    began = str(placed.get("requested_on", ""))
    if on < began:
        why = f"the hold was asked for on {began}, which is later; nothing was entered"
        raise UsageError(what, on, why, hint="custody ledger list shows what is entered")


def _last_hold(
    events: list[tuple[str, Mapping[str, Any]]],
) -> tuple[Mapping[str, Any] | None, str | None]:
    """The last hold that was placed, and the day on which it was lifted; None for none."""
    placed: Mapping[str, Any] | None = None
    lifted: str | None = None
    for kind, details in events:
        if kind == HOLD_PLACED:
            placed, lifted = details, None
        elif kind == HOLD_LIFTED:
            lifted = str(details.get("on"))
    return placed, lifted


def _hold(events: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    placed, lifted = _last_hold(events)
    if placed is not None:
        yield "hold.requested=yes"
        for name in HOLD:
            if placed.get(name):
                yield f"hold.{name}={json.dumps(placed[name])}"
    if lifted:
        yield f"hold.lifted_on={lifted}"
    elif placed is not None:
        yield NOT_LIFTED
