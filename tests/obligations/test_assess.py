"""The assessment: order, dates and deeds, contradictions, and the three ways it is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from custody.obligations import output, record, summary
from custody.obligations.assess import Assessment, assess
from custody.obligations.blocks import Table, escape, markdown
from custody.obligations.library import Library

ROOT = Path(__file__).resolve().parents[2]
AS_OF = date(2026, 3, 10)
GOLDEN = Path(__file__).resolve().parent / "golden"
SAMPLE = (ROOT / "sample_logs" / "incident.yaml").read_bytes()

BREACH = """
entity: {kind: business, missouri_school_district: no, owns_or_licenses_data: yes,
         maintains_data_for_others: yes}
incident: {discovered_at: 2026-03-04, unauthorized_access: yes, unauthorized_acquisition: yes,
           compromised: yes, computerized: yes, good_faith_acquisition: no}
data: {name_present: yes, elements: [{kind: ssn, protection: none}], elements_complete: yes,
       publicly_available_only: no}
risk: {determined: no}
"""
PEOPLE = "people: {missouri_residents: 1500, to_notify: 1500, notice_cost_usd: 1}\n"

Judge = Callable[[str], Assessment]


def notes(found: Assessment, rule: str) -> str:
    duty = found.duty(rule)
    assert duty is not None
    return " | ".join(duty.notes)


def test_what_must_be_done_first_stands_first(judge: Judge) -> None:
    """Immediate duties, then what is not known, then no figure, dates, permissions, advice."""
    text = BREACH.replace("{determined: no}", "{determined: yes, harm_reasonably_likely: no, "
                          "in_writing: no, determined_on: 2026-03-10}")  # fmt: skip
    hold = "hold: {requested: yes, reason: criminal_investigation, form: written}\n"
    city = text.replace("incident: {", "incident: {city_systems_affected: yes, ")
    duties = judge(city + PEOPLE + hold).duties
    first = {}
    for place, duty in enumerate(duties):
        first.setdefault((duty.answer, duty.rule.by_when.pace.value), place)
    order = [
        ("required", "immediately"),
        ("undetermined", "without_unreasonable_delay"),
        ("required", "without_unreasonable_delay"),
        ("required", "by_date"),
        ("permitted", "not_specified"),
        ("advised", "promptly"),
        ("information", "not_specified"),
    ]
    places = [first[one] for one in order]
    assert places == sorted(places)
    open_ones = [place for place, duty in enumerate(duties) if duty.answer == "undetermined"]
    assert max(open_ones) < first["required", "without_unreasonable_delay"]


def test_what_is_undetermined_says_what_to_do_meanwhile(judge: Judge) -> None:
    """An open duty is treated as required, an open permission as not given."""
    found = judge(BREACH + "people: {missouri_residents: 1500}\n")
    assert "treat as required until people.to_notify is known" in notes(
        found, "us-mo-attorney-general-notice"
    )
    assert "treat as not permitted until" in notes(found, "us-mo-substitute-notice")


def test_days_gone_by_are_elapsed_and_no_limit(judge: Judge) -> None:
    """The days since discovery stand beside a duty without a figure; the date stays unspecified."""
    duty = judge(BREACH + PEOPLE).duty("us-mo-consumer-notice")
    assert duty is not None
    assert (duty.by_when.day, duty.by_when.elapsed) == ("not specified", 6)
    assert summary.due(duty).endswith("; 6 days elapsed")


def test_an_owner_told_by_a_holder_counts_from_the_earlier_day(judge: Judge) -> None:
    """An owner's clock starts at discovery or notification, whichever came first."""
    text = BREACH.replace("incident: {", "incident: {notified_by_holder_at: 2026-03-02, ")
    duty = judge(text + PEOPLE).duty("us-mo-consumer-notice")
    assert duty is not None
    assert duty.by_when.elapsed == 8


def test_what_was_done_is_shown_with_its_date(judge: Judge) -> None:
    """A notice on record is done on its day, with the days since discovery; late is named."""
    sent = "notices: {attorney_general_on: 2026-03-09, data_owner_on: 2026-03-06}\n"
    found = judge(BREACH + PEOPLE + sent)
    general, owner = (found.duty(f"us-mo-{name}-notice") for name in ("attorney-general", "owner"))
    assert general is not None
    assert owner is not None
    assert str(general.progress.done_on) == "2026-03-09"
    assert "done 5 days after discovery" in general.notes
    assert "late: done 2 days after discovery, where the rule says immediately" in owner.notes
    early = judge(BREACH + PEOPLE + "notices: {data_owner_on: 2026-03-01}\n")
    assert "before the discovery" in notes(early, "us-mo-owner-notice")


@pytest.mark.parametrize(
    ("batches", "done"),
    [
        ("[{sent_on: 2026-03-06, count: 900}]", None),
        ("[{sent_on: 2026-03-06, count: 900}, {sent_on: 2026-03-09, count: 600}]", "2026-03-09"),
        ("[{sent_on: 2026-03-06, count: {at_least: 900}}, {count: 600}]", None),
        ("[]", None),
    ],
)
def test_batches_are_done_when_the_last_person_is_reached(
    judge: Judge, batches: str, done: str | None
) -> None:
    """Notices in batches are open until the counts reach everybody, and say how far they are."""
    duty = judge(BREACH + PEOPLE + f"notices: {{consumers: {batches}}}\n").duty(
        "us-mo-consumer-notice"
    )
    assert duty is not None
    assert (str(duty.progress.done_on) if duty.progress.done_on else None) == done
    if done is None and batches != "[]":
        assert any("of 1,500 recorded as told, last on 2026-03-06" in note for note in duty.notes)


def test_reports_and_updates_to_the_auditor(judge: Judge) -> None:
    """The first report does the duty; later ones are updates."""
    text = BREACH.replace("missouri_school_district: no", "missouri_school_district: yes")
    sent = "notices: {state_auditor: [{on: 2026-03-07, what: update}, {on: 2026-03-05}]}\n"
    found = judge(text + sent).duty("us-mo-auditor-notice")
    assert found is not None
    assert str(found.progress.done_on) == "2026-03-05"
    assert "updated on 2026-03-07" in found.notes


def test_missing_content_is_named(judge: Judge) -> None:
    """A part of a notice whose facts are unknown, or an empty list, is listed as missing."""
    found = judge(BREACH + PEOPLE.replace("}", ", credit_agency_contacts: []}"))
    duty = found.duty("us-mo-consumer-notice")
    assert duty is not None
    assert [part.facts[0] for part in duty.progress.missing] == [
        "incident.summary",
        "entity.inquiry_telephone",
        "people.credit_agency_contacts",
    ]


CONTRADICTIONS = [
    ("incident: {began_at: 2026-03-05, discovered_at: 2026-03-04}", "incident.discovered_at"),
    (
        "incident: {began_at: 2026-03-04T10:00:00Z, discovered_at: 2026-03-04T09:00:00Z}",
        "incident.began_at",
    ),
    ("incident: {unauthorized_access: no, unauthorized_acquisition: yes}",
     "incident.unauthorized_acquisition"),
    ("entity: {owns_or_licenses_data: no, maintains_data_for_others: no}",
     "entity.owns_or_licenses_data"),
    ("data: {elements: [{kind: ssn, protection: encrypted, visible_digits: 4}]}",
     "data.elements[0].visible_digits"),
    ("data: {elements_complete: yes}", "data.elements"),
    ("people: {missouri_residents: 5, residents_elsewhere: {IL: 1}, to_notify: 7}",
     "people.to_notify"),
    ("hold: {requested: no, requested_on: 2026-03-01}", "hold.requested_on"),
    ("incident: {discovered_at: 2026-03-11}", "incident.discovered_at"),
    ("notices: {attorney_general_on: 2026-04-01}", "notices.attorney_general_on"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fact"), CONTRADICTIONS)
def test_contradictions_are_named_and_not_refused(judge: Judge, text: str, fact: str) -> None:
    """Facts that cannot all be true are shown beside the answers, with their names."""
    found = judge(text + "\n")
    assert fact in {name for entry in found.contradictions for name in entry.facts}
    assert "Facts that contradict each other" in markdown(summary.build(found))


def test_an_answer_on_contradictory_facts_says_so(judge: Judge) -> None:
    """A duty that is ruled out by one of two facts that contradict each other is marked."""
    text = BREACH.replace("unauthorized_access: yes", "unauthorized_access: no")
    found = judge(text + PEOPLE)
    duty = found.duty("us-mo-consumer-notice")
    assert duty is not None
    assert duty.answer == "not required"
    assert "rests on facts that contradict each other" in notes(found, "us-mo-consumer-notice")
    assert "contradict" not in notes(found, "us-mo-low-risk-record")


def test_the_sample_does_not_contradict_itself(packs: Library) -> None:
    """Nothing in the sample record is called a contradiction."""
    assert assess(record.parse(SAMPLE), packs, AS_OF).contradictions == ()


def test_the_document_has_what_the_reference_lists(packs: Library) -> None:
    """The JSON has its schema, pins record and packs, and each duty has every field."""
    document = output.as_json(assess(record.parse(SAMPLE), packs, AS_OF))
    assert document["schema"] == "custody.obligations/v1"
    assert document["as_of"] == "2026-03-10"
    assert document["incident_sha256"] == record.parse(SAMPLE).sha256
    assert all(set(pack) == {"id", "version", "sha256", "checked_on"} for pack in document["packs"])
    fields = {
        "id", "title", "who", "recipient", "answer", "needs", "by_when", "content", "method",
        "force", "sources", "because", "done_on", "notes",
    }  # fmt: skip
    for duty in document["duties"]:
        assert fields <= set(duty)
        assert duty["by_when"]["date"]
        assert duty["because"]["value"] in {"yes", "no", "unknown"}
        assert duty["confidence"] in {"primary", "secondary", "unverified"}
    assert {entry["id"] for entry in document["not_evaluated"]} == {
        "government-particulars",
        "other-states-IL",
    }


def test_the_same_record_gives_the_same_bytes(packs: Library) -> None:
    """An assessment can be recomputed byte for byte from its record, packs and day."""
    again = [output.dump(assess(record.parse(SAMPLE), packs, AS_OF)) for _ in range(2)]
    assert again[0] == again[1]
    assert json.loads(again[0])["duties"]


def test_choices_say_what_the_other_reading_gives(judge: Judge) -> None:
    """A choice that decided something names the rules that would come out otherwise."""
    text = BREACH.replace("protection: none", "protection: encrypted")
    keys = text.replace("name_present", "key_accessed: yes, key_acquired: yes, name_present")
    made = {one.choice.id: one for one in judge(keys + PEOPLE).choices}
    changes = {change.rule: change.other for change in made["us-mo-choice-key"].changes}
    assert changes["us-mo-consumer-notice"] == "not required"
    assert not judge(BREACH + PEOPLE).choices


def test_nothing_untouched_is_called_not_evaluated(judge: Judge) -> None:
    """A regime is listed when the facts touch it or may touch it, and not when they rule it out."""
    text = BREACH + "people: {residents_elsewhere: {IL: 310, KS: unknown, NV: 0}}\n"
    found = {entry.id: entry for entry in judge(text).not_evaluated}
    assert {"other-states-IL", "other-states-KS"} <= set(found)
    assert "other-states-NV" not in found
    assert "hipaa" not in found
    assert found["ferpa"].status == "may be touched"
    assert found["ferpa"].needs


def test_text_of_the_record_cannot_become_markup(judge: Judge) -> None:
    """What the record says is shown as it stands, whatever it looks like in Markdown or HTML."""
    hostile = "<script>alert(1)</script> | [x](http://a.example) `rm` **b**"
    text = markdown(summary.build(judge(f"entity: {{name: '{hostile}'}}\n")))
    assert "<script>" not in text
    assert "[x](" not in text
    assert escape("# a | b\n- c") == "\\# a \\| b - c"
    assert escape("- a") == "\\- a"


def test_every_page_has_a_tree_and_sources(packs: Library) -> None:
    """Each rule has its page, with its reasons and its citations."""
    found = assess(record.parse(SAMPLE), packs, AS_OF)
    text = markdown(summary.build(found))
    for duty in found.duties:
        assert f"({duty.rule.id})".replace("_", "\\_") in text
    assert text.count("Because:") == len(found.duties)
    tables = [block for block in summary.overview(found) if isinstance(block, Table)]
    assert all(len(row) == len(table.headers) for table in tables for row in table.rows)


@pytest.mark.parametrize(("name", "data"), [("sample", SAMPLE), ("empty", b"")])
def test_golden_texts(
    name: str, data: bytes, packs: Library, golden: Callable[[Path, str], None]
) -> None:
    """The summaries of the sample incident and of the empty record read as they stand on file."""
    found = assess(record.parse(data or b"schema: custody.incident/v1\n"), packs, AS_OF)
    golden(GOLDEN / f"{name}.md", markdown(summary.build(found)))


def test_it_takes_less_than_fifty_milliseconds(packs: Library) -> None:
    """Evaluating all packs takes under 50 ms once the program has started."""
    read = record.parse(SAMPLE)
    best = min(_seconds(lambda: assess(read, packs, AS_OF)) for _ in range(5))
    assert best < 0.05


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
