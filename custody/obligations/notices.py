"""Drafts of notices: what the record says, in the order that the rule asks for.

A missing fact is a marked blank that is also listed; nothing is ever invented to fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from custody.errors import UsageError
from custody.obligations import letters, reports
from custody.obligations.assess import Assessment, Duty
from custody.obligations.draft import Blank, Writer
from custody.obligations.summary import why

_DRAFTED = {"required", "permitted", "undetermined", "advised"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a draft is for: the rule that it serves, and who writes it."""

    rule: str
    write: Callable[[Writer], None]
    about: str


RECIPIENTS = {
    "consumers": Recipient(
        "us-mo-consumer-notice", letters.consumers, "the notice to affected residents"
    ),
    "attorney-general": Recipient(
        "us-mo-attorney-general-notice", reports.attorney_general, "timing, distribution, content"
    ),
    "credit-agencies": Recipient(
        "us-mo-credit-agency-notice", reports.credit_agencies, "timing, distribution, content"
    ),
    "data-owner": Recipient(
        "us-mo-owner-notice", letters.data_owner, "the holder's notice to the owner of the data"
    ),
    "state-auditor": Recipient(
        "us-mo-auditor-notice", reports.state_auditor, "the Auditor's form and narrative"
    ),
    "city-it": Recipient(
        "us-mo-stl-city-notice", letters.city_it, "the report to the city's IT/security office"
    ),
    "department-head": Recipient(
        "us-mo-stl-department-head", letters.department_head, "the report to the department head"
    ),
    "employees": Recipient(
        "us-mo-stl-employee-notices", letters.employees, "the notice to affected employees"
    ),
    "vendor": Recipient(
        "us-mo-stl-vendor-notice", letters.vendor, "a vendor's notice to its contact in the city"
    ),
    "low-risk-memo": Recipient(
        "us-mo-low-risk-record", reports.low_risk_memo, "the determination, to keep five years"
    ),
    "substitute": Recipient(
        "us-mo-substitute-notice", letters.substitute, "e-mail, website and media in its place"
    ),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, and the blanks in it."""

    recipient: str
    duty: Duty
    text: str
    blanks: tuple[Blank, ...]


def draft(recipient: str, assessment: Assessment) -> Draft:
    """Write the draft for *recipient*.

    :raises UsageError: if nothing is owed or permitted to them on these facts; says why.
    """
    known = RECIPIENTS[recipient]
    duty = assessment.duty(known.rule)
    if duty is None or duty.answer not in _DRAFTED:
        answer = duty.answer if duty else "no rule in force"
        reason = why(duty.because) if duty else ""
        raise UsageError(
            "draft a notice",
            recipient,
            f"{answer} ({known.rule}): {reason}",
            hint=f"custody obligations FILE --explain {known.rule}",
        )
    writer = Writer(assessment.facts, duty)
    writer.line(f"DRAFT for review by counsel. {duty.rule.title}: {duty.answer} ({known.rule}).")
    if duty.needs:
        writer.line(f"Still to be known: {', '.join(duty.needs)}.")
    writer.line(f"Facts of incident record sha256 {assessment.record.sha256}.")
    writer.line("=" * 20)
    writer.line()
    known.write(writer)
    return Draft(recipient, duty, writer.text(), writer.blanks())
