"""Reports: to the Attorney General and the agencies, the State Auditor, and the file."""

from __future__ import annotations

from custody.obligations.draft import Writer
from custody.obligations.letters import agencies, consumer_body
from custody.obligations.values import words

_TOLD = (
    ("affected people", "notices.consumers"),
    ("parents", "notices.parents_on"),
    ("law enforcement", "notices.law_enforcement_on"),
    ("Attorney General", "notices.attorney_general_on"),
    ("consumer reporting agencies", "notices.credit_agencies_on"),
    ("owner of the data", "notices.data_owner_on"),
)


def attorney_general(writer: Writer) -> None:
    """Timing, distribution and content of the notice to consumers."""
    writer.line("To: Missouri Attorney General (the sources give no address)")
    _timing_distribution_content(writer)


def credit_agencies(writer: Writer) -> None:
    """The same for the agencies, each of which gets its own copy."""
    writer.line("To: each nationwide consumer reporting agency, 15 U.S.C. 1681a(p):")
    agencies(writer)
    _timing_distribution_content(writer)


def _timing_distribution_content(writer: Writer) -> None:
    writer.line()
    writer.line("From:")
    writer.sender()
    writer.heading("Notice under section 407.1500 RSMo")
    writer.line("Timing")
    writer.field("discovered", "incident.discovered_at")
    writer.batches()
    writer.line()
    writer.line("Distribution")
    writer.field("consumers to notify", "people.to_notify")
    writer.field("residents of Missouri among those affected", "people.missouri_residents")
    writer.line()
    writer.line("Content: the notice reads as follows.")
    consumer_body(writer)
    writer.line()
    writer.line("Who answers your questions:")
    writer.contact()


def state_auditor(writer: Writer) -> None:
    """The blocks of the form as far as they are known, then the narrative in its order."""
    writer.line("To: Missouri State Auditor, School District Data Breach form")
    writer.line("(help: moaudit@auditor.mo.gov; the form's single contact fields are not known)")
    writer.heading("Contact information")
    writer.contact()
    writer.heading("School mailing address")
    writer.sender()
    writer.heading("Incident")
    told = "Has the Department of Elementary and Secondary Education (DESE) been told already?"
    writer.line(f"{told} {writer.fact('notices.dese_notified')}")
    writer.heading("Incident description")
    writer.field("When it began", "incident.began_at")
    writer.field("When it was detected", "incident.detected_at")
    writer.field("How it was detected", "incident.detected_how")
    writer.field("Cause, or what enabled it", "incident.cause")
    writer.item("Scope and scale (estimates where said):")
    writer.field("affected parties", "people.affected_parties")
    writer.field("number of records", "data.records")
    writer.field("oldest record", "data.record_span.from")
    writer.field("newest record", "data.record_span.to")
    writer.field("directory information present", "data.directory_information")
    writer.field("personally identifiable information present", "data.ferpa_pii")
    writer.item("Types of data:")
    writer.what_was_taken()
    writer.field("Current status", "incident.current_status")
    writer.field("What remains to be done", "incident.remaining_activities")
    writer.field("Cause resolved", "incident.cause_resolved")
    _told(writer)
    writer.item("Further considerations:")
    writer.field("policies beyond MSBA EHBC and EHBC-AP(1)", "incident.policies_beyond_ehbc")
    if writer.facts.get("incident.policies_beyond_ehbc") is True:
        writer.field("copies attached", "incident.attachments")
    writer.field("abuse or error by trusted staff", "incident.trusted_staff_abuse_or_error")
    writer.field("error in a recurring practice", "incident.recurring_practice_error")
    writer.field("accounts disabled", "incident.accounts_disabled")
    writer.field("accounts reachable from outside disabled", "incident.external_accounts_disabled")


def _told(writer: Writer) -> None:
    known = [(name, writer.facts.get(fact)) for name, fact in _TOLD]
    said = [f"{name} ({words(value)})" for name, value in known if value]
    writer.item(f"Outside parties told so far: {'; '.join(said) or 'none on record'}")


def low_risk_memo(writer: Writer) -> None:
    """The written determination that is kept for five years."""
    writer.sender()
    writer.heading("Determination of risk, section 407.1500 RSMo")
    writer.field("incident", "incident.summary")
    writer.item("types of data:")
    writer.what_was_taken()
    writer.field("determined on", "risk.determined_on")
    writer.field("it rests on", "risk.basis")
    likely = writer.facts.get("risk.harm_reasonably_likely")
    if likely is None:
        writer.item(writer.blank("risk.harm_reasonably_likely"))
    else:
        word = "reasonably likely" if likely else "not reasonably likely"
        writer.item(f"identity theft or other fraud as a result of this breach: {word}")
    writer.field("the reasons", "risk.notes")
    writer.line()
    until = writer.duty.by_when.day
    if until == "unknown":
        writer.line("Keep this for five years from its date.")
    else:
        writer.line(f"Keep this until {until} (five years, counted from the determination).")
