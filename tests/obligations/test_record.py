"""The incident record: strict reading, every mistake at once, the same in three notations."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from custody.errors import UsageError
from custody.obligations import record, schema, template
from custody.obligations.problems import MistakesError
from custody.obligations.record import Facts
from custody.obligations.table import FIELDS
from custody.obligations.values import Range

ROOT = Path(__file__).resolve().parents[2]
HEAD = "schema: custody.incident/v1\n"


def facts(text: str, name: str = "incident.yaml") -> Facts:
    return record.parse(text.encode(), name).facts


def mistakes(text: str | bytes, name: str = "incident.yaml") -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(MistakesError) as caught:
        record.parse(data, name)
    return [str(problem) for problem in caught.value.problems]


def test_types() -> None:
    """Each type of field comes out as its own frozen value."""
    read = facts(
        HEAD
        + """
case: STL-2026-014
entity: {website: no, kind: business}
incident: {began_at: 2026-03-01T02:10:00-06:00, detected_at: 2026-03-04}
people:
  to_notify: {at_least: 800, at_most: 1200}
  missouri_residents: 500
  notice_cost_usd: 100000.01
  residents_elsewhere: {IL: 310}
  affected_parties: [residents, employees]
"""
    )
    assert read.get("entity.website") is False
    assert read.get("people.to_notify") == Range(800, 1200)
    assert read.get("people.missouri_residents") == Range(500, 500)
    assert read.get("people.notice_cost_usd") == Decimal("100000.01")
    assert read.get("people.affected_parties") == ("residents", "employees")
    assert read.get("people.residents_elsewhere") == {"IL": Range(310, 310)}
    assert read.get("incident.detected_at") == date(2026, 3, 4)
    zone = timezone(-timedelta(hours=6))
    assert read.get("incident.began_at") == datetime(2026, 3, 1, 2, 10, tzinfo=zone)


@pytest.mark.parametrize("value", ["", " unknown", ' "unknown"', " ~", " null", ' ""'])
def test_unknown_has_one_meaning(value: str) -> None:
    """Absent, empty and unknown are the same: the fact is not known."""
    for name in ("website", "kind", "name", "inquiry_telephone"):
        assert f"entity.{name}" not in facts(f"{HEAD}entity:\n  {name}:{value}\n").known


MISTAKES = [
    ("entity: {website: on}", "line 2, entity.website", 'did you mean "yes"'),
    ("entity: {website: Yes}", "line 2, entity.website", 'did you mean "yes"'),
    ("entity: {website: 1}", "line 2, entity.website", "allowed: yes, no, unknown"),
    ("entity: {kind: busines}", "line 2, entity.kind", 'did you mean "business"'),
    ("entity: {kind: [business]}", "line 2, entity.kind", "found a list"),
    ("entity: {nmae: x}", "line 2, entity.nmae", 'did you mean "name"'),
    ("entity: [name]", "line 2, entity", "a group of fields"),
    ("entity: {name: 0142}", "line 2, entity.name", "put it in quotes"),
    ("entity: {name: no}", "line 2, entity.name", "put it in quotes"),
    ("entity: {name: 1:30}", "line 2, entity.name", "put it in quotes"),
    ('entity: {name: "a\\x1b[31m"}', "line 2, entity.name", "U+001B"),
    ('entity: {name: "a\\u202e"}', "line 2, entity.name", "U+202E"),
    ("entity: {name: ...}", "line 2, entity.name", "left over"),
    ("entity: {time_zone: St. Louis}", "line 2, entity.time_zone", "America/Chicago"),
    ("entity: {time_zone: ../etc/passwd}", "line 2, entity.time_zone", "America/Chicago"),
    ("entity:\n  name: a\n  name: b", "line 4, entity.name", "already stands on line 3"),
    ("entity: {representative: none}", "line 2, entity.representative", "a group with name"),
    ("entity: {representative: {fax: x}}", "entity.representative.fax", "unknown field"),
    ("people: {to_notify: '12'}", "line 2, people.to_notify", '"12" as text'),
    ("people: {to_notify: -1}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: 010}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: 1:30}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: 1_000}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: 1e3}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: 12.5}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: .inf}", "line 2, people.to_notify", "a whole number"),
    ("people: {to_notify: {at_least: 5, at_most: 3}}", "people.to_notify", "at_least 5 above"),
    ("people: {to_notify: {at_leest: 5}}", "people.to_notify.at_leest", '"at_least"'),
    ("people: {to_notify: {at_least: many}}", "people.to_notify.at_least", "a whole number"),
    ("people: {notice_cost_usd: 10.123}", "line 2, people.notice_cost_usd", "two decimals"),
    ("people: {notice_cost_usd: 1e3}", "line 2, people.notice_cost_usd", "two decimals"),
    ("people: {notice_cost_usd: $5}", "line 2, people.notice_cost_usd", "without a sign"),
    ("people: {residents_elsewhere: {XX: 1}}", "people.residents_elsewhere.XX", "postal codes"),
    ("people: {residents_elsewhere: {il: 1}}", "residents_elsewhere.il", 'did you mean "IL"'),
    ("people: {residents_elsewhere: {MO: 1}}", "people.residents_elsewhere.MO", "missouri_res"),
    ("people: {affected_parties: residents}", "people.affected_parties", "a list of texts"),
    ("people: {affected_parties: [a, ...]}", "people.affected_parties[1]", "left over"),
    ("incident: {began_at: 2026-02-30}", "line 2, incident.began_at", "day is out of range"),
    ("incident: {began_at: 2026-3-1}", "line 2, incident.began_at", "a date such as"),
    ("incident: {began_at: 2026-03-01T02:10:00}", "incident.began_at", "set entity.time_zone"),
    ("incident: {began_at: 0026-03-01}", "incident.began_at", "a year from 1900 to 2199"),
    ("incident: {began_at: 9999-12-31T23:59:59-12:00}", "incident.began_at", "a year from 1900"),
    ("incident: {began_at: yesterday}", "line 2, incident.began_at", "a date such as"),
    ("data: {elements: [{kind: SSN}]}", "data.elements[0].kind", 'did you mean "ssn"'),
    ("data: {elements: [{kind: ssn, protction: none}]}", "data.elements[0].protction", "protec"),
    ("data: {elements: [ssn]}", "line 2, data.elements[0]", "a list of groups with kind"),
    ("data: {elements: ssn}", "line 2, data.elements", "a list of groups with kind"),
    ("data: {key_accessed: &k yes}", "line 2, data.key_accessed", 'the anchor "&k"'),
    ("data: {key_accessed: *k}", "line 2, data.key_accessed", 'the alias "*k"'),
    ("data: {key_accessed: !!bool yes}", "line 2, data.key_accessed", "the tag"),
    ("data: !!python/object/apply:os.system [x]", "line 2, data", "the tag"),
    ("hodl: {requested: no}", "line 2, hodl", 'did you mean "hold"'),
    ("entity:\n\tname: x", "line 3", "found a tab"),
    ("entity: {name: x", "line 3", "this is not YAML"),
    ("---\n" + HEAD, "line 3", "one record to a file"),
    ("? [a]\n: b", "line 2", "names are words"),
]


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES)
def test_each_mistake_is_named(text: str, place: str, words: str) -> None:
    """A mistake is refused with its line, its field, what was found and what is allowed."""
    found = mistakes(HEAD + text + "\n")
    assert any(place in line and words in line for line in found), found


def test_all_mistakes_at_once() -> None:
    """One run shows every mistake, in the order of the lines."""
    lines = mistakes(
        "case: 12\nentity: {kind: x, website: maybe}\npeople: {to_notify: lots}\nnotice: {}\n"
    )
    assert [line.split(":")[0] for line in lines] == [
        "line 1, case",
        "line 1, schema",
        "line 2, entity.kind",
        "line 2, entity.website",
        "line 3, people.to_notify",
        "line 4, notice",
    ]


@pytest.mark.parametrize("text", ["", "schema:\n", "case: x\n", "schema: custody.incident/v2\n"])
def test_the_version_must_be_said(text: str) -> None:
    """A record without its schema, or of another version, is refused."""
    assert any("schema" in line for line in mistakes(text))


def test_hostile_files_are_refused_quickly() -> None:
    """Ten megabytes, a billion laughs, a deep nesting and stray bytes end in one line each."""
    assert "bytes are read" in mistakes(b"a" * 10_000_000)[0]
    laughs = HEAD + "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a,*a]\n" for n in range(30))
    assert any("anchor" in line for line in mistakes(laughs))
    assert any("levels" in line for line in mistakes(HEAD + "entity: " + "[" * 5000 + "]" * 5000))
    for name in ("deep.json", "deep.toml"):
        deep = "[" * 90_000 if name == "deep.json" else "a = " + "[" * 90_000
        assert mistakes(deep, name)
    assert "line 2: found a byte that is not UTF-8" in mistakes(HEAD.encode() + b"case: caf\xe9")[0]
    assert "U+0000" in mistakes(HEAD + "case: \x00")[0]
    assert mistakes((HEAD + "case: x").encode("utf-16"))


def test_a_byte_order_mark_is_dropped() -> None:
    """An editor's byte order mark changes nothing."""
    assert record.parse(b"\xef\xbb\xbf" + HEAD.encode()).facts.known == facts(HEAD).known


def test_local_times() -> None:
    """A moment without a zone is the entity's local time, unless the clocks changed just then."""
    zone = HEAD + "entity: {time_zone: America/Chicago}\nincident: {began_at: %s}\n"
    began = facts(zone % "2026-07-01T08:00:00").get("incident.began_at")
    assert began.utcoffset() == timedelta(hours=-5)
    for changed in ("2026-03-08T02:30:00", "2026-11-01T01:30:00"):
        assert "clocks changed" in mistakes(zone % changed)[0]


def test_three_notations_one_record() -> None:
    """The same facts in YAML, JSON and TOML are the same facts."""
    yaml = HEAD + (
        "case: A-1\nentity: {website: yes, name: Office}\n"
        "people: {to_notify: {at_least: 2}, notice_cost_usd: 10.50}\n"
        "data: {elements: [{kind: ssn, protection: none}]}\nincident: {began_at: 2026-03-01}\n"
    )
    toml = (
        'schema = "custody.incident/v1"\ncase = "A-1"\n[entity]\nwebsite = true\nname = "Office"\n'
        "[people]\nto_notify = {at_least = 2}\nnotice_cost_usd = 10.50\n"
        '[[data.elements]]\nkind = "ssn"\nprotection = "none"\n[incident]\nbegan_at = 2026-03-01\n'
    )
    document = {
        "schema": "custody.incident/v1",
        "case": "A-1",
        "entity": {"website": True, "name": "Office"},
        "people": {"to_notify": {"at_least": 2}, "notice_cost_usd": "10.50"},
        "data": {"elements": [{"kind": "ssn", "protection": "none"}]},
        "incident": {"began_at": "2026-03-01"},
    }
    known = facts(yaml).known
    assert facts(toml, "r.toml").known == known
    assert facts(json.dumps(document, indent=1), "r.json").known == known


def test_lines_in_json_and_toml() -> None:
    """A mistake in JSON or TOML is named by its line too."""
    text = (
        '{"schema": "custody.incident/v1",\n "people": {\n  "to_notify": "x",\n  "to_notify": 1}}'
    )
    assert [line.split(":")[0] for line in mistakes(text, "r.json")] == [
        "line 3, people.to_notify",
        "line 4, people.to_notify",
    ]
    assert mistakes('{"schema": 1,}', "r.json")[0].endswith("this is not JSON")
    toml = 'schema = "custody.incident/v1"\n\n[[data.elements]]\nkind = "ssn"\n'
    found = mistakes(toml + '[[data.elements]]\nkind = "sn"\n', "r.toml")
    assert found[0].startswith("line 6, data.elements[1].kind")
    assert mistakes("a = 1\na = 2\n", "r.toml")[0].startswith("line 2")


def test_the_ending_decides() -> None:
    """A file with another ending is refused before it is read."""
    with pytest.raises(UsageError, match="its ending"):
        record.parse(HEAD.encode(), "incident.txt")


def test_what_if_changes_one_fact() -> None:
    """An assignment is read as the record would read it, and refused in the same words."""
    before = facts(HEAD + "data: {elements: [{kind: ssn}]}\n")
    name, after = record.change(before, "people.to_notify={at_least: 1001}")
    assert (name, after.get("people.to_notify")) == ("people.to_notify", Range(1001, None))
    _, protected = record.change(before, "data.elements[0].protection=encrypted")
    assert protected.items("data.elements")[0]["protection"] == "encrypted"
    assert "case" not in record.change(before, "case=")[1].known
    for wrong in ("people.to_notify", "people.to_notfy=1", "data.elements[3].kind=ssn"):
        with pytest.raises(UsageError):
            record.change(before, wrong)
    with pytest.raises(MistakesError):
        record.change(before, "people.to_notify=many")


def test_the_template_is_an_empty_record() -> None:
    """The template names every field, parses, and knows nothing but its own version."""
    text = template.render()
    assert list(facts(text).known) == ["schema"]
    assert max(map(len, text.splitlines())) <= 100
    for name in FIELDS:
        assert f"{name.rpartition('.')[2]}:" in text


def test_the_schema_is_current() -> None:
    """The published JSON Schema is the one that the fact table gives today."""
    published = (ROOT / "docs" / "incident.schema.json").read_text(encoding="utf-8")
    assert published == schema.render(), "custody incident schema writes it anew"


def test_the_sample_record_is_read() -> None:
    """The record beside the sample logs follows the form."""
    data = (ROOT / "sample_logs" / "incident.yaml").read_bytes()
    assert record.parse(data).facts.text("case") == "STL-2026-014"
