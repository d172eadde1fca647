"""The commands around the incident record: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from custody.obligations import output, record
from custody.obligations.interview import as_yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_logs" / "incident.yaml"
AS_OF = ("--as-of", "2026-03-10")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("schema: custody.incident/v1\nentity: {kind: shop, wbsite: on}\n")
    return path


def test_the_summary_names_each_recipient(custody: Any) -> None:
    """The summary shows the table, a page for each rule, choices and what was not evaluated."""
    done = custody("obligations", SAMPLE, *AS_OF, exit_code=0)
    for words in (
        "Who must be told - STL-2026-014",
        "To do, first things first",
        "us-mo-consumer-notice",
        "6 days elapsed",
        "Because:",
        "Not evaluated",
        "Breach law of Illinois",
        "not legal advice",
    ):
        assert words in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("columns", ["60", "100", "130", "200"])
def test_the_summary_fits_the_terminal(custody: Any, columns: str) -> None:
    """No line of a table is wider than the terminal; narrow ones get the rows one by one."""
    done = custody("obligations", SAMPLE, "--short", env={"COLUMNS": columns}, exit_code=0)
    table = done.stdout[done.stdout.index("To do") : done.stdout.index("Choices")]
    assert max(map(len, table.splitlines())) <= int(columns)
    assert "undetermined" in table


def test_json_is_the_document_that_is_attached(custody: Any) -> None:
    """`--json` prints the same bytes that an attachment holds."""
    done = custody("obligations", SAMPLE, *AS_OF, "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert document["schema"] == "custody.obligations/v1"
    assert document["incident_sha256"] == record.parse(SAMPLE.read_bytes()).sha256
    answers = {duty["id"]: duty["answer"] for duty in document["duties"]}
    assert answers["us-mo-attorney-general-notice"] == "required"
    assert answers["us-mo-auditor-notice"] == "not required"
    from datetime import date

    from custody.obligations import library
    from custody.obligations.assess import assess

    found = assess(record.parse(SAMPLE.read_bytes()), library.installed(), date(2026, 3, 10))
    assert done.stdout.encode() == output.dump(found)


def test_what_if_shows_what_would_change(custody: Any) -> None:
    """`--what-if` answers for other facts and says which answers they change."""
    changed = ("--what-if", "people.to_notify=1000", "--what-if", "people.unidentifiable=3")
    done = custody("obligations", SAMPLE, *AS_OF, *changed, "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert document["what_if"] == ["people.to_notify=1000", "people.unidentifiable=3"]
    assert {"id": "us-mo-attorney-general-notice", "answer": "required",
            "other_answer": "not required"} in document["changes"]  # fmt: skip
    text = custody("obligations", SAMPLE, *AS_OF, *changed, "--short", exit_code=0).stdout
    assert "What that changes" in text
    wrong = custody("obligations", SAMPLE, "--what-if", "people.to_notfy=1", exit_code=2)
    assert 'did you mean "people.to_notify"?' in wrong.stderr
    strange = custody("obligations", SAMPLE, "--what-if", "the weather=1", exit_code=2)
    assert "there is no such fact" in strange.stderr
    assert "did you mean" not in strange.stderr
    without = custody("obligations", SAMPLE, "--what-if", "people.to_notify", exit_code=2)
    assert "a value is missing" in without.stderr
    assert "did you mean" not in without.stderr
    many = custody("obligations", SAMPLE, "--what-if", "people.to_notify=many", exit_code=2)
    assert 'found "many"' in many.stderr


def test_explain_shows_one_rule_to_its_leaves(custody: Any) -> None:
    """`--explain` follows a rule into the rules that it asks for."""
    rule = "us-mo-attorney-general-notice"
    done = custody("obligations", SAMPLE, *AS_OF, "--explain", rule, exit_code=0)
    assert "incident.unauthorized_access" in done.stdout
    assert "S3, Government Notice Requirements" in done.stdout
    document = json.loads(
        custody("obligations", SAMPLE, "--explain", rule, "--json", exit_code=0).stdout
    )
    assert (document["schema"], document["id"]) == ("custody.obligation/v1", rule)
    wrong = custody("obligations", SAMPLE, "--explain", "us-mo-consumer-notise", exit_code=2)
    assert "us-mo-consumer-notice" in wrong.stderr


def test_markdown(custody: Any) -> None:
    """`--markdown` prints the summary that an attachment holds."""
    done = custody("obligations", SAMPLE, *AS_OF, "--markdown", exit_code=0)
    golden = ROOT / "tests" / "obligations" / "golden" / "sample.md"
    assert done.stdout == golden.read_text(encoding="utf-8")


def test_markdown_and_json_contradict_each_other(custody: Any) -> None:
    """Two forms at once are a mistake of usage."""
    done = custody("obligations", SAMPLE, "--markdown", "--json", exit_code=2)
    assert done.stdout == ""
    assert "--markdown and --json" in json.loads(done.stderr)["thing"]


@pytest.mark.parametrize(
    "group", [("ledger",), ("ledger", "witness"), ("notice",), ("hold",), ("incident",)]
)
def test_summaries_of_a_group_are_whole(custody: Any, group: tuple[str, ...]) -> None:
    """On a terminal of 80 columns no summary is cut."""
    done = custody(*group, "--help", env={"COLUMNS": "80"}, exit_code=0)
    assert "..." not in done.stdout.replace("[ARGS]...", "")


def test_undetermined_is_no_failure(custody: Any, tmp_path: Path) -> None:
    """The answer is in the output: undetermined duties exit 0."""
    empty = tmp_path / "empty.yaml"
    empty.write_text("schema: custody.incident/v1\n")
    assert "undetermined" in custody("obligations", empty, "--short", exit_code=0).stdout


@pytest.mark.parametrize("command", [("obligations",), ("incident", "check"), ("notice", "vendor")])
def test_mistakes_are_listed_by_line(custody: Any, bad: Path, command: tuple[str, ...]) -> None:
    """Each command that reads a record lists all mistakes on stderr, exit 2, stdout empty."""
    done = custody(*command, bad, exit_code=2)
    assert done.stdout == ""
    assert f"{bad}: line 2, entity.kind" in done.stderr
    assert 'did you mean "website"' in done.stderr
    assert "2 mistakes, named above" in done.stderr


def test_a_colon_in_a_text_is_explained(custody: Any, tmp_path: Path) -> None:
    """The commonest mistake in YAML says how to mend it."""
    path = tmp_path / "colon.yaml"
    path.write_text("schema: custody.incident/v1\ncase: a: b\n")
    done = custody("incident", "check", path, exit_code=2)
    assert "line 2" in done.stderr
    assert "quote a text that holds a colon" in done.stderr


def test_mistakes_as_json(custody: Any, bad: Path) -> None:
    """With `--json` the check prints its mistakes as a document; other commands one error."""
    done = custody("incident", "check", bad, "--json", exit_code=2)
    document = json.loads(done.stdout)
    assert (document["ok"], len(document["problems"])) == (False, 2)
    assert {"line", "field", "found", "allowed"} == set(document["problems"][0])
    error = json.loads(custody("obligations", bad, "--json", exit_code=2).stderr)
    assert "line 2, entity.kind" in error["why"]


@pytest.mark.parametrize("name", ["missing.yaml", "folder.yaml", "record.txt"])
def test_what_is_no_record_is_refused(custody: Any, tmp_path: Path, name: str) -> None:
    """A record that is not there, not a file, or of another ending exits 2 with a hint."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "record.txt").write_text("schema: custody.incident/v1\n")
    done = custody("obligations", tmp_path / name, exit_code=2)
    assert name in done.stderr
    assert "hint" in done.stderr


def test_a_wrong_day_is_refused(custody: Any) -> None:
    """`--as-of` takes a date and nothing else."""
    assert "2026-03-10" in custody("obligations", SAMPLE, "--as-of", "soon", exit_code=2).stderr


def test_check_says_what_still_decides(custody: Any, tmp_path: Path) -> None:
    """A record that parses is OK; what is still decisive and what contradicts itself is said."""
    done = custody("incident", "check", SAMPLE, exit_code=0)
    assert done.stdout.startswith("OK ")
    assert "  people.insufficient_contact_or_consent" in done.stdout.splitlines()
    odd = tmp_path / "odd.yaml"
    odd.write_text("schema: custody.incident/v1\nrisk: {in_writing: yes, determined: no}\n")
    assert "contradiction" in custody("incident", "check", odd, exit_code=0).stderr
    document = json.loads(custody("incident", "check", odd, "--json", exit_code=0).stdout)
    assert document["ok"]
    assert document["contradictions"][0]["facts"] == ["risk.in_writing", "risk.determined"]


def test_new_writes_a_private_record_and_overwrites_nothing(custody: Any, tmp_path: Path) -> None:
    """A new record parses, is private, and a file that is there stays as it is."""
    path = tmp_path / "incident.yaml"
    custody("incident", "new", path, exit_code=0)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert list(record.parse(before).facts.known) == ["schema"]
    custody("incident", "new", path, exit_code=2)
    assert path.read_bytes() == before
    assert custody("incident", "new", exit_code=0).stdout.encode() == before
    custody("incident", "new", tmp_path / "incident.json", exit_code=2)
    assert not (tmp_path / "incident.json").exists()


def test_schema_is_the_published_one(custody: Any) -> None:
    """`incident schema` prints the file that is published."""
    published = (ROOT / "docs" / "incident.schema.json").read_text(encoding="utf-8")
    assert custody("incident", "schema", exit_code=0).stdout == published


def test_a_draft_lists_its_blanks(custody: Any, tmp_path: Path) -> None:
    """A draft with blanks exits 3 and names them; it is written once and never over another."""
    out = tmp_path / "notice.txt"
    done = custody("notice", "consumers", SAMPLE, *AS_OF, "-o", out, exit_code=3)
    assert "blank: people.credit_agency_contacts" in done.stderr
    assert "[BLANK" in out.read_text(encoding="utf-8")
    before = out.read_bytes()
    custody("notice", "consumers", SAMPLE, "-o", out, exit_code=2)
    assert out.read_bytes() == before
    printed = custody("notice", "city-it", SAMPLE, *AS_OF, exit_code=0)
    assert "City of St. Louis" in printed.stdout
    document = json.loads(
        custody("notice", "consumers", SAMPLE, *AS_OF, "--json", exit_code=3).stdout
    )
    assert document["blanks"][0]["fact"] == "people.credit_agency_contacts"


def test_a_draft_that_is_not_owed_says_why(custody: Any, tmp_path: Path) -> None:
    """No draft is written where nothing is owed, and the reason is given."""
    out = tmp_path / "auditor.txt"
    done = custody("notice", "state-auditor", SAMPLE, "-o", out, exit_code=2)
    assert "not required" in done.stderr
    assert not out.exists()


def test_hostile_text_does_not_reach_the_terminal(custody: Any, tmp_path: Path) -> None:
    """Control characters are refused in the record, also in its mistakes and in its name."""
    path = tmp_path / "evil\x1b[31m.yaml"
    path.write_text('schema: custody.incident/v1\nentity: {name: "a\\x1b[2J", kind: "\\x1b[1m"}\n')
    done = custody("obligations", path, exit_code=2)
    assert "\x1b" not in done.stderr
    assert "U+001B" in done.stderr


def test_questions_on_a_terminal(custody: Any, tmp_path: Path) -> None:
    """On a terminal a new record asks for what decides, again after a wrong answer, then stops."""
    path = tmp_path / "asked.yaml"
    answers = ["business", "2026-03-04", "maybe", "no", "", "yes"]
    shown = _typed(custody, ["incident", "new", str(path)], answers)
    assert "entity.kind" in shown
    assert "allowed: yes, no, unknown" in " ".join(shown.split())  # however it is folded
    facts = record.parse(path.read_bytes()).facts
    assert facts.get("entity.kind") == "business"
    assert len(facts.known) == 5
    assert record.parse(path.read_bytes()).facts.known == facts.known


def _typed(custody: Any, args: list[str], answers: list[str]) -> str:
    """Run the program on a pseudo-terminal, answer each question, then end the input."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [str(_program(custody)), *args],
        stdin=follower, stdout=follower, stderr=follower, env=custody.environment(),
    )  # fmt: skip
    os.close(follower)
    shown, waiting, deadline = "", [*answers, "\x04"], time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(leader, 4096).decode("utf-8", "replace")
        except OSError:
            break
        while waiting and shown.count("] ") > len(answers) + 1 - len(waiting):
            text = waiting.pop(0)
            os.write(leader, (text if text == "\x04" else text + "\n").encode())
            break
    process.wait(60)
    os.close(leader)
    return shown


def _program(_custody: Any) -> Path:
    import sysconfig

    return Path(sysconfig.get_path("scripts")) / "custody"


def test_answers_are_written_as_the_record_reads_them() -> None:
    """Facts written as YAML are read back as the same facts."""
    facts = record.parse(SAMPLE.read_bytes()).facts
    from custody.obligations import template

    given = as_yaml(facts)
    assert record.parse(template.render(given).encode()).facts.known == facts.known
