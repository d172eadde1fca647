"""Deeds in the ledger as facts: what was sent and held is added to what the record says."""

from __future__ import annotations

from typing import Any

import pytest

from custody.obligations import record
from custody.obligations.assess import changed
from custody.obligations.deeds import (
    FACT_OF,
    HOLD_LIFTED,
    HOLD_PLACED,
    NOTIFIED,
    assignments,
)
from custody.obligations.notices import RECIPIENTS
from custody.obligations.record import Facts
from custody.obligations.table import FIELDS

PLACED = {"agency": "an agency", "reason": "criminal_investigation", "form": "written",
          "requested_on": "2026-03-05"}  # fmt: skip


def after(events: list[tuple[str, dict[str, Any]]], text: str = "") -> Facts:
    facts = record.parse(f"schema: custody.incident/v1\n{text}".encode()).facts
    return changed(facts, assignments(events, facts))


def told(recipient: str, on: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return NOTIFIED, {"recipient": recipient, "on": on, **more}


def test_every_recipient_of_a_draft_can_be_told() -> None:
    """All who get a draft can be entered as told, and each fact so named is one of the record."""
    assert set(RECIPIENTS) - {"low-risk-memo"} <= set(FACT_OF)
    assert {name for name in FACT_OF.values() if name} <= set(FIELDS)


@pytest.mark.parametrize(
    ("recipient", "fact"), [(who, name) for who, name in FACT_OF.items() if name.endswith("_on")]
)
def test_a_date_is_the_first_one(recipient: str, fact: str) -> None:
    """Told twice is done on the first day; a date that the record has stays."""
    events = [told(recipient, "2026-03-09"), told(recipient, "2026-03-07")]
    assert str(after(events).day(fact)) == "2026-03-07"
    section, name = fact.split(".")
    assert str(after(events, f"{section}: {{{name}: 2026-03-08}}\n").day(fact)) == "2026-03-08"


def test_batches_are_added_and_never_counted_twice() -> None:
    """A batch of the ledger joins those of the record; the same batch in both is one."""
    text = "notices: {consumers: [{sent_on: 2026-03-06, count: 600, method: written}]}\n"
    same = told("consumers", "2026-03-06", count=600, method="written")
    new = told("substitute", "2026-03-09", count=40)
    batches = after([same, new], text).items("notices.consumers")
    assert [(str(one["sent_on"]), one["count"].at_least) for one in batches] == [
        ("2026-03-06", 600),
        ("2026-03-09", 40),
    ]
    assert batches[1]["method"] == "substitute"
    assert len(after([told("state-auditor", "2026-03-06")]).items("notices.state_auditor")) == 1


def test_a_hold_is_placed_lifted_and_placed_again() -> None:
    """The last request counts, with its own end; lifting an earlier one does not end it."""
    placed, lifted = (HOLD_PLACED, PLACED), (HOLD_LIFTED, {"on": "2026-03-08"})
    assert after([placed]).get("hold.requested") is True
    assert after([placed]).get("hold.lifted_on") is None
    assert str(after([placed, lifted]).day("hold.lifted_on")) == "2026-03-08"
    again = (HOLD_PLACED, {**PLACED, "form": "oral"})
    facts = after([placed, lifted, again], "hold: {requested: no, lifted_on: 2026-03-08}\n")
    assert (facts.get("hold.form"), facts.get("hold.lifted_on")) == ("oral", None)
    text = "hold: {requested: yes, form: written}\n"
    assert str(after([lifted], text).day("hold.lifted_on")) == "2026-03-08"


def test_who_has_no_fact_changes_nothing() -> None:
    """Notices that no rule asks the record about are entered and change no answer."""
    assert assignments([told("employees", "2026-03-09"), told("nobody", "x")], Facts({})) == ()
