"""Letters: to affected people, to the owner of the data, to the city."""

from __future__ import annotations

from custody.obligations.draft import Writer


def consumers(writer: Writer) -> None:
    """The notice to affected residents, with its five parts."""
    writer.sender()
    consumer_body(writer)


def consumer_body(writer: Writer) -> None:
    """The five parts that a notice to consumers must have."""
    writer.heading("Notice about your personal information")
    writer.line("1. What happened")
    writer.line(writer.fact("incident.summary"))
    writer.line()
    writer.line("2. What information was taken")
    writer.what_was_taken()
    writer.line()
    writer.line("3. Where you can ask")
    writer.line(f"Telephone: {writer.fact('entity.inquiry_telephone')}")
    writer.line()
    writer.line("4. Consumer reporting agencies")
    agencies(writer)
    writer.line()
    writer.line("5. What you can do")
    writer.line(
        "Please stay alert. Read your account statements with care, and order and watch your free "
        "credit reports for anything that you do not recognize."
    )


def agencies(writer: Writer) -> None:
    """How to reach the consumer reporting agencies, as far as the record says."""
    items = writer.facts.items("people.credit_agency_contacts")
    if not items:
        writer.item(writer.blank("people.credit_agency_contacts"))
    for at, item in enumerate(items):
        name = f"people.credit_agency_contacts[{at}]"
        parts = (
            item.get(part) or writer.blank(f"{name}.{part}", f"an agency's {part}")
            for part in ("name", "address", "telephone")
        )
        writer.item(", ".join(parts))


def employees(writer: Writer) -> None:
    """The notice to employees, after the guide."""
    writer.sender()
    writer.heading("Notice to employees about personal data")
    writer.line("What happened")
    writer.line(writer.fact("incident.summary"))
    writer.line()
    writer.line("What information is involved")
    writer.what_was_taken()
    writer.line()
    writer.line(f"Questions: {writer.fact('entity.inquiry_telephone')}")
    writer.line()
    writer.line("The Attorney General's guidance is not among the sources; compare it first.")


def substitute(writer: Writer) -> None:
    """The three parts of substitute notice, all of which belong to it."""
    writer.line("All three parts are needed.")
    writer.heading("A. E-mail to everybody whose address is known")
    consumer_body(writer)
    writer.heading("B. Website")
    website = writer.facts.get("entity.website")
    if website is None:
        writer.line(f"Is there a website? {writer.blank('entity.website')}")
    elif website:
        writer.line("Post the notice, or a link to it, where every visitor sees it.")
    else:
        writer.line("The organization maintains no website; there is nothing to post.")
    writer.heading("C. Major statewide media")
    writer.line(
        f"{writer.fact('entity.name')} tells the public of Missouri: "
        f"{writer.fact('incident.summary')}"
    )
    writer.line(f"Telephone for questions: {writer.fact('entity.inquiry_telephone')}")


def data_owner(writer: Writer) -> None:
    """The holder's notice to the owner or licensee; its content is not specified."""
    writer.line(f"To: {writer.fact('entity.data_owner.name')}")
    writer.line(writer.fact("entity.data_owner.contact"))
    writer.line()
    writer.line("From:")
    writer.sender()
    writer.heading("Breach of data that we hold for you")
    writer.field("what happened", "incident.summary")
    writer.field("discovered", "incident.discovered_at")
    writer.item("types of data:")
    writer.what_was_taken()
    writer.field("records", "data.records")
    writer.field("affected residents of Missouri", "people.missouri_residents")
    writer.field("where things stand", "incident.current_status")
    writer.line()
    writer.line("Who answers your questions:")
    writer.contact()


def city_it(writer: Writer) -> None:
    """The report to the city's office; how to reach it is not in the source."""
    _city(writer, "City of St. Louis information technology or security office")


def department_head(writer: Writer) -> None:
    """The report to the department head."""
    _city(writer, "The department head")


def vendor(writer: Writer) -> None:
    """A vendor's notice to the contact that its contract names."""
    _city(writer, writer.fact("entity.contract_city_contact"))
    writer.line()
    writer.line("System logs are preserved for the city's review.")


def _city(writer: Writer, to: str) -> None:
    writer.line(f"To: {to}")
    writer.line()
    writer.line("From:")
    writer.sender()
    writer.heading("Security incident")
    writer.field("what happened", "incident.summary")
    writer.field("detected", "incident.detected_at")
    writer.field("how it was detected", "incident.detected_how")
    writer.field("affected systems", "incident.affected_systems")
    writer.field("personal data held by the city", "incident.city_held_data_affected")
    writer.field("where things stand", "incident.current_status")
    writer.line()
    writer.line("Original logs and media stay as they are until investigators say otherwise.")
    writer.line("Please send your instructions in writing to:")
    writer.contact()
