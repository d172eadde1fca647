"""Assessments in a case: attached, entered, superseded, worked out again, and verified."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody import attaching, clock, entering
from custody.case import Case, open_case
from custody.errors import FormatError
from custody.formats.statement import Actor
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
from custody.obligations import attachment, library, record
from custody.obligations.assess import assess

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_logs" / "incident.yaml"
TOO_LATE = (clock.now() + timedelta(days=2)).date().isoformat()  # tomorrow is today somewhere
ASKED = ("--agency", "An agency", "--reason", "criminal_investigation")
FILES = {
    "incident.yaml",
    "obligations.json",
    "obligations.md",
    "us-mo.pack.yaml",
    "us-mo-schools.pack.yaml",
    "us-mo-stl.pack.yaml",
}


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Case:
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--person", "A desk", exit_code=0)
    return open_case(directory)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "auth.log"
    path.parent.mkdir()
    path.write_text("a line\n")
    return path


def entries(custody: Any, case: Case) -> list[str]:
    done = custody("ledger", "list", "--json", "--case", case.directory, exit_code=0)
    return [json.loads(line)["type"] for line in done.stdout.splitlines()]


def history(custody: Any, case: Case) -> list[dict[str, Any]]:
    done = custody("obligations", "--history", "--json", "--case", case.directory, exit_code=0)
    found: list[dict[str, Any]] = json.loads(done.stdout)["assessments"]
    return found


def test_collect_attaches_in_the_same_commit(custody: Any, case: Case, source: Path) -> None:
    """`collect --incident` attaches record, answers and summary under the bundle's checkpoint."""
    done = custody("collect", source, "--case", case.directory, "--incident", SAMPLE, "--json",
                   exit_code=0)  # fmt: skip
    collected = json.loads(done.stdout)
    assert entries(custody, case) == ["case-opened", "sealed", "attached"]
    assert (collected["ledger"]["index"], collected["ledger"]["size"]) == (1, 3)
    (item,) = attaching.every(case)
    assert set(item.files()) == FILES
    assert item.files()["incident.yaml"] == SAMPLE.read_bytes()
    assert item.event.details["bundle"] == collected["bundle_id"]
    assert custody("verify", case.directory, exit_code=0)


def test_a_bad_record_stops_before_anything_is_read(
    custody: Any, case: Case, source: Path, tmp_path: Path
) -> None:
    """A record with mistakes ends `collect --incident` before a bundle is begun."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: custody.incident/v1\nhodl: {}\n")
    custody("collect", source, "--case", case.directory, "--incident", bad, exit_code=2)
    assert entries(custody, case) == ["case-opened"]
    assert case.bundle_names() == []


def test_without_a_ledger_the_bundle_carries_it(custody: Any, source: Path, tmp_path: Path) -> None:
    """`collect --output` attaches too; there is no ledger to enter it in."""
    out = tmp_path / "out"
    done = custody("collect", source, "--output", out, "--incident", SAMPLE, "--json", exit_code=0)
    bundle = Path(json.loads(done.stdout)["path"])
    (found,) = (bundle / "attachments").iterdir()
    assert {path.name for path in found.iterdir()} == {*FILES, "statement.dsse.json"}
    assert {path.stat().st_mode & 0o777 for path in found.iterdir()} == {0o600}
    assert not (out / "incoming").exists()


def test_a_newer_assessment_names_the_one_it_supersedes(
    custody: Any, case: Case, source: Path, tmp_path: Path
) -> None:
    """A later assessment supersedes the last one of its bundle; the history says what changed."""
    custody("collect", source, "--case", case.directory, "--incident", SAMPLE, exit_code=0)
    (bundle,) = case.bundle_names()
    later = tmp_path / "later.yaml"
    later.write_text(SAMPLE.read_text().replace("at_least: 1510", "at_least: 900"))
    where = ("--attach", "--short", "--case", case.directory)
    custody("obligations", later, bundle, *where, exit_code=0)
    custody("obligations", SAMPLE, *where, exit_code=0)
    first, second, whole = history(custody, case)
    assert (first["supersedes"], second["supersedes"]) == (None, first["id"])
    assert (whole["bundle"], whole["supersedes"]) == (None, None)
    assert [one["entry"] for one in (first, second, whole)] == [2, 3, 4]
    assert {one["recomputed"] for one in (first, second, whole)} == {"same"}
    assert [one["name"] for one in second["facts"]] == ["people.to_notify"]
    assert {"name": "us-mo-attorney-general-notice", "before": "required",
            "after": "undetermined"} in second["answers"]  # fmt: skip
    text = custody("obligations", "--history", "--case", case.directory, exit_code=0).stdout
    assert "us-mo-attorney-general-notice: required -> undetermined" in text
    assert custody("verify", case.directory, exit_code=0)


def test_incident_attach_does_the_same(custody: Any, case: Case) -> None:
    """`incident attach` enters a record with its answers, as `obligations --attach` does."""
    done = custody("incident", "attach", SAMPLE, "--json", "--case", case.directory, exit_code=0)
    (item,) = attaching.every(case)
    assert json.loads(done.stdout)["attachment"] == item.sha256
    assert json.loads(done.stdout)["entry"] == 1
    assert set(item.files()) == FILES
    assert entries(custody, case) == ["case-opened", "attached"]


def test_what_is_about_the_case_is_not_moved_into_a_bundle(
    custody: Any, case: Case, source: Path
) -> None:
    """An analysis of the whole case, rightly signed and entered, is none of one bundle."""
    custody("incident", "attach", SAMPLE, "--case", case.directory, exit_code=0)
    custody("collect", source, "--case", case.directory, exit_code=0)
    (item,), (bundle,) = attaching.every(case), case.bundles.iterdir()
    (bundle / "attachments").mkdir()
    item.directory.rename(bundle / "attachments" / item.sha256)
    said = custody("verify", case.directory, exit_code=10).stdout
    assert "the attachment is about a whole case, and lies in a bundle" in said


def test_attaching_says_the_case_once_and_the_entry(custody: Any, case: Case) -> None:
    """A case from the environment is named once, and the number of the entry is said."""
    env = {"CUSTODY_CASE": str(case.directory)}
    done = custody("incident", "attach", SAMPLE, env=env, exit_code=0)
    assert done.stdout.splitlines()[1] == "entry 1"
    assert done.stderr.count("case from CUSTODY_CASE") == 1
    done = custody("obligations", SAMPLE, "--attach", "--short", env=env, exit_code=0)
    assert "entered: entry 2" in done.stderr
    assert done.stderr.count("case from CUSTODY_CASE") == 1


def test_no_fact_of_the_record_is_in_the_ledger(custody: Any, case: Case) -> None:
    """The entry has digests, the packs and the day; nothing of what the record says."""
    custody("obligations", SAMPLE, "--attach", "--short", "--case", case.directory, exit_code=0)
    (item,) = attaching.every(case)
    assert set(item.event.details) == {"kind", "evaluator", "as_of", "packs"}
    for words in (b"Permit Office", b"314-555", b"applicants", b"1510", b"SSN"):
        assert words not in item.envelope
        assert words not in json.dumps(dict(item.event.details)).encode()


def test_what_was_changed_afterwards_is_found(custody: Any, case: Case) -> None:
    """A file that differs from its digest, or answers that do not follow, are findings."""
    custody("obligations", SAMPLE, "--attach", "--short", "--case", case.directory, exit_code=0)
    (item,) = attaching.every(case)
    files = item.files()
    assert attachment.recompute(files).same
    forged = files["obligations.json"].replace(b'"required"', b'"not required"')
    again = attachment.recompute({**files, "obligations.json": forged})
    assert again.differences == ("obligations.json",)
    assert again.is_finding
    other = forged.replace(b'"evaluator": "2"', b'"evaluator": "0"')
    assert not attachment.recompute({**files, "obligations.json": other}).is_finding
    for broken in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000):
        with pytest.raises(FormatError):
            attachment.recompute({**files, "obligations.json": broken})
    (item.directory / "obligations.json").write_bytes(forged)
    with pytest.raises(FormatError, match="differs"):
        item.files()
    assert history(custody, case)[0]["recomputed"] == "damaged"


def test_verify_works_an_assessment_out_again(custody: Any, case: Case) -> None:
    """Answers that do not follow from their record are a finding, though rightly signed."""
    answers = _forge(custody, case, b'"required"', b'"not required"')
    done = custody("verify", case.directory, "--json", exit_code=10)
    findings = json.loads(done.stdout)["findings"]
    assert any(answers in one["path"] and "do not follow" in one["message"] for one in findings)


def test_another_evaluator_is_a_remark(custody: Any, case: Case) -> None:
    """Answers by another version of the evaluator may differ; that is said, and no finding."""
    _forge(custody, case, b'"evaluator": "2"', b'"evaluator": "0"')
    custody("verify", case.directory, exit_code=0)


def _forge(custody: Any, case: Case, old: bytes, new: bytes) -> str:
    """Attach answers that were changed before they were signed, and enter them."""
    keys = KeyFolder(custody.home / "keys")
    signer, log_key = (
        keys.unlock(keys.pick(None, use).name, FixedPassphrase(b"")).signer
        for use in ("signer", "log")
    )
    found = assess(record.parse(SAMPLE.read_bytes()), library.installed(), date(2026, 3, 10))
    files = attachment.files(found, library.installed())
    files["obligations.json"] = files["obligations.json"].replace(old, new)
    item = attaching.publish(
        attaching.in_case(case),
        files,
        attachment.details(found),
        signer=signer,
        actor=Actor(str(signer.key)),
        now=clock.now(),
    )
    entering.enter_pending(case, log_key, [signer.key], 0)
    return item.sha256


def test_an_attachment_that_was_not_entered_is_entered_next(
    custody: Any, case: Case, tmp_path: Path
) -> None:
    """A crash between publishing and entering is mended by the next entry."""
    where = ("--attach", "--short", "--case", case.directory)
    ledger, kept = case.directory / "ledger", tmp_path / "ledger"
    shutil.copytree(ledger, kept)
    custody("obligations", SAMPLE, *where, exit_code=0)
    shutil.rmtree(ledger)
    shutil.copytree(kept, ledger)
    shutil.rmtree(custody.home / "memory", ignore_errors=True)  # as if the crash came before
    assert [one["entry"] for one in history(custody, case)] == [None]
    custody("obligations", SAMPLE, *where, exit_code=0)
    assert sorted(one["entry"] for one in history(custody, case)) == [1, 2]
    assert entries(custody, case) == ["case-opened", "attached", "attached"]


def test_a_strangers_bundle_is_named_and_not_entered(
    custody: Any, case: Case, source: Path, tmp_path: Path
) -> None:
    """A bundle in the case that somebody else sealed is told, and only the attachment entered."""
    done = custody("collect", source, "--output", tmp_path / "out", "--json", exit_code=0)
    stranger = Path(json.loads(done.stdout)["path"])
    shutil.copytree(stranger, case.bundles / stranger.name)
    done = custody("incident", "attach", SAMPLE, "--case", case.directory, exit_code=0)
    assert f"warning: {stranger.name} in this case was not entered: " in done.stderr
    assert "sealed" not in entries(custody, case)
    assert not list((case.bundles / stranger.name).glob("seal/receipts/*"))


def test_requests_that_make_no_sense(custody: Any, case: Case) -> None:
    """A bundle that is not there, one without --attach, what-if answers: nothing is written."""
    there = ("--case", case.directory)
    custody("obligations", SAMPLE, "no-such-bundle", "--attach", *there, exit_code=12)
    custody("obligations", SAMPLE, "../case", "--attach", *there, exit_code=12)
    custody("obligations", SAMPLE, "some-bundle", *there, exit_code=2)
    custody("obligations", SAMPLE, "--attach", "--what-if", "case=x", *there, exit_code=2)
    custody("obligations", SAMPLE, "--attach", exit_code=2)
    custody("obligations", SAMPLE, "--history", *there, exit_code=2)
    custody("obligations", exit_code=2)
    assert entries(custody, case) == ["case-opened"]
    assert list((case.directory / "attachments").iterdir()) == []


def test_what_was_sent_shows_as_done(custody: Any, case: Case, tmp_path: Path) -> None:
    """`notice sent` enters the copy's digest and the day; the answers show the duty as done."""
    there = ("--case", case.directory)
    copy = tmp_path / "letter.txt"
    copy.write_text("Dear somebody with a name\n")
    sent = ("notice", "sent", "attorney-general", "--on", "2026-03-20", "--method", "written")
    done = custody(*sent, "--copy", copy, "--json", *there, exit_code=0)
    assert json.loads(done.stdout)["details"]["on"] == "2026-03-20"
    custody("notice", "sent", "consumers", "--on", "2026-03-20", "--count", "2000", *there)
    assert entries(custody, case) == ["case-opened", "notified", "notified"]
    entered = b"".join(case.ledger.entries())
    assert b"Dear somebody" not in entered
    answers = ("obligations", SAMPLE, "--as-of", "2026-03-25", "--json")
    document = json.loads(custody(*answers, *there, exit_code=0).stdout)
    duties = {duty["id"]: duty for duty in document["duties"]}
    assert duties["us-mo-attorney-general-notice"]["done_on"] == "2026-03-20"
    assert duties["us-mo-consumer-notice"]["done_on"] == "2026-03-20"
    assert "notices.attorney_general_on=2026-03-20" in document["entered"]
    assert json.loads(custody(*answers, exit_code=0).stdout)["entered"] == []
    custody(*answers[:2], "--attach", "--short", *there, exit_code=0)
    assert [one["recomputed"] for one in history(custody, case)] == ["same"]
    assert custody("verify", case.directory, exit_code=0)


def test_holds_are_placed_and_lifted(custody: Any, case: Case) -> None:
    """`hold place` permits delay, `hold lift` ends it, and the duty stays required throughout."""
    there = ("--case", case.directory)
    asked = ("--agency", "An agency", "--reason", "criminal_investigation", "--on", "2026-03-05")
    answers = ("obligations", SAMPLE, "--as-of", "2026-03-10", "--json")

    def delay() -> tuple[str, str]:
        document = json.loads(custody(*answers, *there, exit_code=0).stdout)
        found = {duty["id"]: duty["answer"] for duty in document["duties"]}
        return found["us-mo-law-enforcement-delay"], found["us-mo-consumer-notice"]

    custody("hold", "place", *asked, "--form", "oral", *there, exit_code=0)
    assert delay() == ("not permitted", "required")
    custody("hold", "place", *asked, "--form", "written", *there, exit_code=0)
    header = custody("obligations", SAMPLE, "--short", *there, exit_code=0).stdout
    assert "hold not lifted: it stands" in " ".join(header.split())
    assert "hold.lifted_on=" not in header
    rule = ("--explain", "us-mo-law-enforcement-delay")
    why = custody("obligations", SAMPLE, *rule, *there, exit_code=0).stdout
    assert "has happened [not lifted: it stands] (hold.lifted_on)" in why
    assert delay() == ("permitted", "required")
    custody("hold", "lift", "--on", "2026-03-09", *there, exit_code=0)
    assert delay() == ("not permitted", "required")
    assert entries(custody, case)[1:] == ["hold-placed", "hold-placed", "hold-lifted"]


@pytest.mark.parametrize(
    "command",
    [
        ("notice", "sent", "somebody", "--on", "2026-03-20"),
        ("notice", "sent", "consumers", "--on", "soon"),
        ("notice", "sent", "consumers", "--on", "2026-03-20", "--method", "pigeon"),
        ("notice", "sent", "consumers", "--on", "2026-03-20", "--count", "0"),
        ("notice", "sent", "consumers", "--on", "2026-03-20", "--copy", "no-such-file"),
        ("hold", "place", "--agency", "A", "--reason", "x", "--form", "oral", "--on", "2026-03-05"),
        ("hold", "lift", "--on", "2026-02-30"),
        ("hold", "lift", "--on", "2026-03-05"),
        ("notice", "sent", "consumers", "--on", TOO_LATE),
        ("hold", "place", *ASKED, "--form", "oral", "--on", TOO_LATE),
        ("hold", "lift", "--on", TOO_LATE),
    ],
)
def test_a_wrong_word_enters_nothing(custody: Any, case: Case, command: tuple[str, ...]) -> None:
    """Unknown recipients, methods, days and reasons are refused before anything is entered."""
    custody(*command, "--case", case.directory, exit_code=2)
    assert entries(custody, case) == ["case-opened"]


def test_a_day_that_cannot_be_says_why(custody: Any, case: Case) -> None:
    """A day to come, or one that there is not, is refused in words, and nothing is entered."""
    sent = ("notice", "sent", "consumers", "--case", case.directory, "--on")
    late = custody(*sent, TOO_LATE, exit_code=2).stderr
    assert f"{TOO_LATE} is in the future" in late
    assert "nothing was entered" in late
    wrong = custody(*sent, "2026-02-30", exit_code=2).stderr
    assert "2026-02-30 is not a day; nothing was entered" in wrong
    today = clock.now().date().isoformat()
    custody(*sent, today, exit_code=0)
    assert entries(custody, case) == ["case-opened", "notified"]


def test_a_hold_is_lifted_once_and_not_before_it_began(custody: Any, case: Case) -> None:
    """No lift without a hold that stands, none before its request, no second one."""
    there = ("--case", case.directory)

    def refused(day: str) -> str:
        text: str = custody("hold", "lift", "--on", day, *there, exit_code=2).stderr
        assert "nothing was entered" in text
        return text

    assert "no hold is placed" in refused("2026-03-05")
    custody("hold", "place", *ASKED, "--form", "oral", "--on", "2026-03-05", *there, exit_code=0)
    assert "asked for on 2026-03-05, which is later" in refused("2026-03-04")
    custody("hold", "lift", "--on", "2026-03-05", *there, exit_code=0)
    assert "was lifted on 2026-03-05" in refused("2026-03-06")
    custody("hold", "place", *ASKED, "--form", "oral", "--on", "2026-03-07", *there, exit_code=0)
    custody("hold", "lift", "--on", "2026-03-08", *there, exit_code=0)
    assert entries(custody, case)[1:] == ["hold-placed", "hold-lifted"] * 2
