"""The fact table: every field of ``custody.incident/v1``, once.

The reader, the JSON Schema, the template of ``incident new``, and the check of the rule packs
for unknown facts all follow from this table.  A field is known to the rules by its dotted name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from custody.obligations.kinds import (
    ByState,
    Choice,
    Count,
    Event,
    Exactly,
    FieldType,
    Items,
    Moment,
    Money,
    Part,
    Text,
    Texts,
    YesNo,
    Zone,
)

SCHEMA = "custody.incident/v1"
YES_NO, COUNT, MONEY, MOMENT, EVENT = YesNo(), Count(), Money(), Moment(), Event()
TEXT, TEXTS = Text(), Texts()


@dataclass(frozen=True, slots=True)
class Group:
    """A few fields under one name."""

    name: str
    parts: tuple[Part, ...]
    about: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the record."""

    name: str
    about: str
    parts: tuple[Part | Group, ...]


def _complete(name: str) -> Part:
    return Part(f"{name}_complete", YES_NO, f"nothing is missing from the list {name}")


NOTES = Part("notes", TEXT, "anything else that a reader should know")
_WHEN_WHAT = Items((Part("at", MOMENT), Part("what", TEXT)))

HEAD = (
    Part("schema", Exactly((SCHEMA,)), "the version of this form"),
    Part("case", TEXT, "the case number"),
)

ENTITY = Section(
    "entity",
    "who had the data",
    (
        Part("name", TEXT, "the organization's name"),
        Part("time_zone", Zone(), "for moments written without a zone"),
        Group(
            "representative",
            (Part("name", TEXT), Part("title", TEXT), Part("telephone", TEXT), Part("email", TEXT)),
            "who answers questions about the incident",
        ),
        Part("mailing_address", TEXT, "the organization's mailing address"),
        Part(
            "kind",
            Choice(
                (
                    "individual", "business", "city_department", "city_contractor",
                    "school_district", "charter_school", "other_government", "other",
                )
            ),
            "kind of organization",
        ),
        Part("missouri_school_district", YES_NO, "a Missouri school district"),
        Part("owns_or_licenses_data", YES_NO, "owns or licenses data that is affected"),
        Part("maintains_data_for_others", YES_NO, "holds affected data that others own or license"),
        Group(
            "data_owner",
            (Part("name", TEXT), Part("contact", TEXT)),
            "the owner or licensee of data held for others",
        ),
        Part("conducts_business_in_missouri", YES_NO, "conducts business in Missouri"),
        Part("contract_city_contact", TEXT, "the city contact named in the contract"),
        Part("website", YES_NO, "maintains a website"),
        Part("inquiry_telephone", TEXT, "a telephone number that affected people may call"),
        Part("own_notice_procedures", YES_NO, "has notice procedures of its own, and follows them"),
        Part("regulator_procedures", YES_NO, "follows breach procedures of its regulator"),
        Part(
            "financial_institution_basis",
            Choice(("none", "interagency_guidance", "ncua_748", "glba_title_v")),
            "rules for financial institutions that it is under",
        ),
        NOTES,
    ),
)  # fmt: skip

INCIDENT = Section(
    "incident",
    "what happened",
    (
        Part("summary", TEXT, "the incident in general terms"),
        Part("began_at", MOMENT, "when it began"),
        Part("ended_at", MOMENT, "when it ended"),
        Part("detected_at", MOMENT, "when it was detected"),
        Part("detected_how", TEXT, "how it was detected"),
        Part("discovered_at", MOMENT, "when it was known to be a breach"),
        Part("notified_by_holder_at", MOMENT, "when whoever held the data told its owner"),
        Part("unauthorized_access", YES_NO, "unauthorized access to the data"),
        Part("unauthorized_acquisition", YES_NO, "unauthorized acquisition of the data"),
        Part("compromised", YES_NO, "security, confidentiality or integrity compromised"),
        Part("computerized", YES_NO, "the data was in computerized form"),
        Part(
            "good_faith_acquisition", YES_NO,
            "acquired in good faith by own staff or agent for a legitimate purpose",
        ),
        Part("good_faith_misuse_or_threat", YES_NO, "data so acquired was misused or threatened"),
        Part("city_systems_affected", YES_NO, "systems of the City of St. Louis are affected"),
        Part("city_held_data_affected", YES_NO, "personal data held by the city is affected"),
        Part("affected_systems", TEXTS, "systems that are affected"),
        Part("cause", TEXT, "cause, or the circumstances that enabled it"),
        Part("cause_resolved", YES_NO, "the cause is resolved"),
        Part("remaining_activities", TEXT, "what remains to be done"),
        Part("trusted_staff_abuse_or_error", YES_NO, "abuse or error by someone in trust"),
        Part("recurring_practice_error", YES_NO, "error in a recurring practice or transmission"),
        Part("accounts_disabled", YES_NO, "relevant accounts are disabled"),
        Part("external_accounts_disabled", YES_NO, "accounts reachable from outside are disabled"),
        Part("current_status", TEXT, "where things stand"),
        Part("timeline", _WHEN_WHAT, "the intrusion, step by step"),
        Part("accessed_by", TEXTS, "who accessed the systems"),
        Part("contained_at", EVENT, "when the affected systems were isolated; absent: not yet"),
        Part("remediation", _WHEN_WHAT, "what was repaired"),
        Part(
            "instructions",
            Items((Part("from", TEXT), Part("received_on", MOMENT), Part("file", TEXT))),
            "written instructions from the city's office or from investigators",
        ),
        Part("policies_beyond_ehbc", YES_NO, "policies beyond MSBA EHBC and EHBC-AP(1)"),
        Part("attachments", TEXTS, "files that go with a report"),
        Part("one_investigation_series", YES_NO, "one of several alike, found together"),
        NOTES,
    ),
)  # fmt: skip

ELEMENTS = Items(
    (
        Part(
            "kind",
            Choice(
                (
                    "ssn", "driver_license", "other_government_id", "financial_account",
                    "payment_card", "electronic_identifier_or_routing_code", "medical",
                    "health_insurance", "other",
                )
            ),
            "kind of the data element",
        ),
        Part(
            "protection",
            Choice(("none", "encrypted", "redacted", "otherwise_unreadable")),
            "how the element is protected",
        ),
        Part("visible_digits", COUNT, "digits that a redaction leaves visible"),
        Part("access_code_obtained", YES_NO, "a code that permits access was obtained with it"),
    )
)  # fmt: skip

DATA = Section(
    "data",
    "which data",
    (
        Part("name_present", YES_NO, "first name or initial, and last name, with the data"),
        Part("elements", ELEMENTS, "data elements beside the name"),
        _complete("elements"),
        Part("key_accessed", YES_NO, "the encryption key was accessed"),
        Part("key_acquired", YES_NO, "the encryption key was acquired"),
        Part("publicly_available_only", YES_NO, "all of it is lawfully public already"),
        Part("records", COUNT, "number of records"),
        Group(
            "record_span",
            (
                Part("from", MOMENT, "date of the oldest record"),
                Part("to", MOMENT, "date of the newest record"),
            ),
            "time span of the records",
        ),
        Part("student_data", YES_NO, "personal information of students"),
        Part("directory_information", YES_NO, "directory information (34 CFR 99.3) is included"),
        Part("ferpa_pii", YES_NO, "personally identifiable information (34 CFR 99.3) is included"),
        NOTES,
    ),
)

BATCH = Items(
    (
        Part("sent_on", EVENT),
        Part("count", COUNT),
        Part("method", Choice(("written", "electronic", "telephone", "substitute"))),
    )
)

PEOPLE = Section(
    "people",
    "whose data, and how they can be reached",
    (
        Part("missouri_residents", COUNT, "affected residents of Missouri"),
        Part("to_notify", COUNT, "consumers who must be notified"),
        Part("residents_elsewhere", ByState(), "affected residents of other states"),
        Part("affected_parties", TEXTS, "groups of people, such as residents, employees"),
        _complete("affected_parties"),
        Part("insufficient_contact_or_consent", COUNT, "people without contact details or consent"),
        Part("unidentifiable", COUNT, "affected people who cannot be identified"),
        Part("notice_cost_usd", MONEY, "cost of providing notice, US dollars"),
        Part("email_valid_and_agreed", YES_NO, "valid e-mail, and people agreed to receive it"),
        Part("esign_consistent", YES_NO, "electronic notice would be consistent with E-SIGN"),
        Part("direct_telephone", YES_NO, "people can be reached directly by telephone"),
        Part(
            "credit_agency_contacts",
            Items((Part("name", TEXT), Part("address", TEXT), Part("telephone", TEXT))),
            "consumer reporting agencies; no source names them",
        ),
        NOTES,
    ),
)

RISK = Section(
    "risk",
    "the determination about identity theft and fraud",
    (
        Part("determined", YES_NO, "a determination of the risk was made"),
        Part("basis", Choice(("investigation", "law_enforcement", "both")), "what it rests on"),
        Part("harm_reasonably_likely", YES_NO, "identity theft or fraud is reasonably likely"),
        Part("in_writing", YES_NO, "the determination is in writing"),
        Part("determined_on", MOMENT, "date of the determination"),
        NOTES,
    ),
)

HOLD = Section(
    "hold",
    "a law-enforcement agency's request to wait",
    (
        Part("requested", YES_NO, "an agency asked for delay"),
        Part("agency", TEXT, "the agency"),
        Part("officer", TEXT, "the officer"),
        Part(
            "reason",
            Choice(("criminal_investigation", "national_security", "homeland_security")),
            "what notice would impede or jeopardize",
        ),
        Part("form", Choice(("written", "contemporaneous_record", "oral")), "form of the request"),
        Part("requested_on", MOMENT, "date of the request"),
        Part("lifted_on", EVENT, "date the agency ended it; absent: it stands"),
        NOTES,
    ),
)

NOTICES = Section(
    "notices",
    "who has been told; absent: not yet",
    (
        Part("consumers", BATCH, "notices to affected people, batch by batch"),
        Part("attorney_general_on", EVENT, "Missouri Attorney General told"),
        Part("credit_agencies_on", EVENT, "consumer reporting agencies told"),
        Part("data_owner_on", EVENT, "owner or licensee of the data told"),
        Part("city_it_on", EVENT, "city IT/security office told"),
        Part("department_head_on", EVENT, "department head told"),
        Part(
            "state_auditor",
            Items((Part("on", EVENT), Part("what", Choice(("report", "update"))))),
            "State Auditor told",
        ),
        Part("dese_notified", YES_NO, "the state's education department (DESE) has been told"),
        Part("parents_on", EVENT, "parents told"),
        Part("law_enforcement_on", EVENT, "law enforcement told"),
        NOTES,
    ),
)

SECTIONS = (ENTITY, INCIDENT, DATA, PEOPLE, RISK, HOLD, NOTICES)


def _fields() -> Iterator[tuple[str, Part]]:
    for part in HEAD:
        yield part.name, part
    for section in SECTIONS:
        for entry in section.parts:
            if isinstance(entry, Part):
                yield f"{section.name}.{entry.name}", entry
            else:
                for part in entry.parts:
                    about = part.about or f"{entry.about}: {part.name}"
                    name = f"{section.name}.{entry.name}.{part.name}"
                    yield name, Part(part.name, part.type, about)


FIELDS: dict[str, Part] = dict(_fields())


def type_of(name: str) -> FieldType:
    """The type of the field with this dotted name."""
    return FIELDS[name].type


def label(name: str) -> str:
    """What the field is about, for people."""
    return FIELDS[name].about if name in FIELDS else name


def is_deeds(name: str) -> bool:
    """Whether *name* lists what was done: what is not in such a list has not been done yet."""
    kind = FIELDS[name].type
    return isinstance(kind, Items) and any(isinstance(part.type, Event) for part in kind.parts)


def label_of_item(name: str, field: str) -> str:
    """What the field of an item of the list *name* is about, for people."""
    kind = FIELDS[name].type
    parts = kind.parts if isinstance(kind, Items) else ()
    return next((part.about or part.name for part in parts if part.name == field), field)
