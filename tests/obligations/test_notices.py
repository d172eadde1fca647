"""Drafts: each required content stands in them, a missing fact is a marked and listed blank."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from custody.cli.duties.notice import ABOUT
from custody.errors import UsageError
from custody.obligations import notices
from custody.obligations.assess import Assessment
from custody.obligations.library import Library

Judge = Callable[[str], Assessment]

FULL = """
entity: {name: An Office, mailing_address: 1 Example Plaza, kind: city_contractor,
         missouri_school_district: yes, owns_or_licenses_data: yes, maintains_data_for_others: yes,
         data_owner: {name: An Owner, contact: 2 Example Plaza}, contract_city_contact: A Contact,
         website: yes, inquiry_telephone: "314-555-0143",
         representative: {name: A Desk, title: Security, telephone: "314-555-0142",
                          email: a@b.example}}
incident: {summary: A database was copied, began_at: 2026-03-01, detected_at: 2026-03-03,
           detected_how: A full disk, discovered_at: 2026-03-04, unauthorized_access: yes,
           unauthorized_acquisition: yes, compromised: yes, computerized: yes,
           good_faith_acquisition: no, city_systems_affected: yes, city_held_data_affected: yes,
           affected_systems: [web01], cause: A stolen password, cause_resolved: yes,
           remaining_activities: Rebuild web01, current_status: Contained,
           trusted_staff_abuse_or_error: no, recurring_practice_error: no, accounts_disabled: yes,
           external_accounts_disabled: yes, policies_beyond_ehbc: no}
data: {name_present: yes, elements: [{kind: ssn, protection: none}], elements_complete: yes,
       publicly_available_only: no, records: 4000, record_span: {from: 2019-01-01, to: 2026-03-01},
       directory_information: yes, ferpa_pii: yes}
people: {missouri_residents: 160000, to_notify: 160000, affected_parties: [families, employees],
         credit_agency_contacts: [{name: An Agency, address: 3 Example Plaza,
                                   telephone: "800-555-0100"}]}
risk: {determined: no}
notices: {consumers: [{sent_on: 2026-03-09, count: 160000, method: written}], dese_notified: yes,
          law_enforcement_on: 2026-03-05}
"""
CITY_STAFF = FULL.replace("city_contractor", "city_department")
LOW_RISK = FULL.replace(
    "risk: {determined: no}",
    "risk: {determined: yes, harm_reasonably_likely: no, in_writing: yes, basis: both,"
    " determined_on: 2026-03-10, notes: The copy was recovered unread}",
)

SAID = {
    "consumers": (FULL, [
        "1. What happened", "A database was copied", "Social Security number", "314-555-0143",
        "An Agency, 3 Example Plaza, 800-555-0100", "Read your account statements",
        "free credit reports",
    ]),
    "attorney-general": (FULL, [
        "Missouri Attorney General (the sources give no address)", "Timing", "sent on 2026-03-09",
        "people told: 160,000", "Distribution", "160,000", "Content", "5. What you can do",
    ]),
    "credit-agencies": (FULL, ["15 U.S.C. 1681a(p)", "Timing", "Distribution", "Content"]),
    "data-owner": (FULL, ["To: An Owner", "2 Example Plaza", "A database was copied", "A Desk"]),
    "state-auditor": (FULL, [
        "moaudit@auditor.mo.gov", "(DESE) been told already? yes", "When it began: 2026-03-01",
        "detected: 2026-03-03", "How it was detected: A full disk", "A stolen password",
        "affected parties: families; employees", "number of records: 4,000",
        "oldest record: 2019-01-01", "newest record: 2026-03-01",
        "directory information present: yes", "identifiable information present: yes",
        "Current status: Contained", "Rebuild web01", "Cause resolved: yes",
        "law enforcement (2026-03-05)", "EHBC and EHBC-AP(1): no", "trusted staff: no",
        "recurring practice: no", "accounts disabled: yes", "from outside disabled: yes",
    ]),
    "city-it": (FULL, ["City of St. Louis", "A database was copied", "web01", "instructions in"]),
    "department-head": (CITY_STAFF, ["The department head", "A database was copied"]),
    "employees": (FULL, ["Notice to employees", "A database was copied", "Social Security"]),
    "vendor": (FULL, ["To: A Contact", "System logs are preserved"]),
    "low-risk-memo": (LOW_RISK, [
        "not reasonably likely", "it rests on: both", "The copy was recovered unread",
        "determined on: 2026-03-10", "until 2031-03-10",
    ]),
    "substitute": (FULL, ["A. E-mail", "B. Website", "C. Major statewide media", "All three"]),
}  # fmt: skip


@pytest.mark.parametrize("recipient", SAID)
def test_a_draft_says_what_it_must(judge: Judge, recipient: str) -> None:
    """With every fact known, each required content stands in the draft and no blank is left."""
    text, said = SAID[recipient]
    made = notices.draft(recipient, judge(text))
    flat = " ".join(made.text.split())
    assert [words for words in said if words not in flat] == []
    assert made.blanks == ()
    assert "[BLANK" not in made.text


def test_every_recipient_is_tried_and_has_a_rule(packs: Library) -> None:
    """The command line, the library and these tests know the same recipients."""
    rules = packs.rules_on(date(2026, 3, 10))
    assert list(ABOUT) == list(notices.RECIPIENTS) == list(SAID)
    assert all(one.rule in rules for one in notices.RECIPIENTS.values())


@pytest.mark.parametrize("recipient", SAID)
def test_a_missing_fact_is_a_marked_blank(judge: Judge, recipient: str) -> None:
    """From an empty record every draft is possible, full of blanks that are all listed."""
    made = notices.draft(recipient, judge(""))
    assert made.duty.answer == "undetermined"
    assert made.blanks
    flat = " ".join(made.text.split())
    for blank in made.blanks:
        assert f"[BLANK: {blank.about} - {blank.fact}]" in flat
    assert flat.count("[BLANK: ") >= len(made.blanks)
    assert f"Still to be known: {', '.join(made.duty.needs)}." in flat


@pytest.mark.parametrize(
    ("recipient", "text"),
    [
        ("consumers", "data: {publicly_available_only: yes}\n"),
        ("state-auditor", "entity: {missouri_school_district: no}\n"),
        ("low-risk-memo", "risk: {determined: no}\n"),
        ("city-it", "incident: {city_systems_affected: no, city_held_data_affected: no}\n"),
    ],
)
def test_what_is_not_owed_is_not_drafted(judge: Judge, recipient: str, text: str) -> None:
    """A draft is refused where nothing is owed or permitted, and the reason is given."""
    with pytest.raises(UsageError) as caught:
        notices.draft(recipient, judge(text))
    assert "not required" in caught.value.why
    assert "--explain" in caught.value.hint


def test_no_website_is_said(judge: Judge) -> None:
    """Substitute notice without a website says that there is none to post on."""
    text = FULL.replace("website: yes", "website: no")
    assert "maintains no website" in notices.draft("substitute", judge(text)).text


def test_a_half_known_batch_or_agency_has_its_own_blanks(judge: Judge) -> None:
    """Inside a list the missing field is named with its place."""
    text = FULL.replace("sent_on: 2026-03-09, ", "").replace("address: 3 Example Plaza,", "")
    blanks = {blank.fact for blank in notices.draft("attorney-general", judge(text)).blanks}
    assert blanks == {
        "notices.consumers[0].sent_on",
        "people.credit_agency_contacts[0].address",
    }
