"""What somebody may try with hand-overs and intakes, so that a case looks whole and is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hands import Brought, Person, bring, details, entries, kinds

WHO = "H. Ost, Responder, City"


@pytest.fixture
def papers(custody: Any, tmp_path: Path, logs: Path, root: Path, desk: Person) -> Path:
    """A bundle of another desk's case, with an attachment, which the first desk trusts."""
    other = Person(custody, tmp_path / "other-home")
    other("key", "new", "other", "--no-passphrase", "--person", "O. Ther", exit_code=0)
    other("init", tmp_path / "other", "--number", "8", "--no-passphrase", "--key", "other",
          exit_code=0)  # fmt: skip
    path = Path(other.json("collect", logs, "--case", tmp_path / "other")["path"])
    record = root / "sample_logs" / "incident.yaml"
    other("obligations", record, path.name, "--attach", "--case", tmp_path / "other", exit_code=0)
    desk.trusts(other, "O. Ther")
    return path


def test_an_attachment_that_came_along_is_missed(desk: Person, case: Path, papers: Path) -> None:
    """What an intake entered as coming along with a bundle must be there, like the bundle."""
    desk("receive", papers, "--case", case, "--from", WHO, exit_code=0)
    desk("verify", case, exit_code=0)
    (attachment,) = (case / "bundles" / papers.name / "attachments").iterdir()
    shutil.rmtree(attachment.parent)
    done = desk("verify", case, exit_code=10)
    assert f"{attachment.name}: the attachment of ledger entry 1 is gone" in done.stdout


def test_attachments_go_with_a_bundle_that_was_disposed_of(
    desk: Person, case: Path, bundle: Path, papers: Path, root: Path
) -> None:
    """What was destroyed as entered is not missed, and neither is what lay in it."""
    record = root / "sample_logs" / "incident.yaml"
    desk("obligations", record, bundle.name, "--attach", "--case", case, exit_code=0)
    desk("receive", papers, "--case", case, "--from", WHO, exit_code=0)
    for name in (bundle.name, papers.name):
        desk("dispose", name, "--authority", "order 1", "--method", "erased", "--case", case,
             exit_code=0)  # fmt: skip
        shutil.rmtree(case / "bundles" / name / "attachments")
        desk("verify", case, exit_code=10)
        shutil.rmtree(case / "bundles" / name)
        desk("verify", case, exit_code=0)


def test_an_old_disposal_excuses_nothing_that_came_back(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """What was returned, and taken in again since, is missed like any other bundle."""
    owner = Path(shutil.copytree(bundle, tmp_path / "owner" / bundle.name))
    desk("dispose", bundle.name, "--authority", "order 1", "--method", "returned to its owner",
         "--case", case, exit_code=0)  # fmt: skip
    shutil.rmtree(bundle)
    desk("verify", case, exit_code=0)
    desk("receive", owner, "--case", case, "--from", WHO, exit_code=0)
    desk("verify", case, exit_code=0)
    shutil.rmtree(bundle)
    assert "is gone" in desk("verify", case, exit_code=10).stdout


def take_in(desk: Person, case: Path, *args: Any, exit_code: int = 0) -> list[dict[str, Any]]:
    found = desk.json("receive", "--case", case, "--from", WHO, *args, exit_code=exit_code)
    listed: list[dict[str, Any]] = found["bundles"]
    return listed


def numbered(desk: Person, case: Path, number: str) -> list[str]:
    """The bundles that histories find under an evidence number."""
    done = desk("history", number, "--case", case, "--json")
    return [one["id"] for one in json.loads(done.stdout)["bundles"]] if done.stdout else []


def test_the_same_bundle_twice_in_one_intake(desk: Person, case: Path, brought: Brought) -> None:
    """It is taken in once, and nobody is told to move it out of the case."""
    key = ["--fingerprint", brought.fingerprint]
    one, again = take_in(desk, case, brought.path, brought.path, *key)
    assert (one["outcome"], again["outcome"], again["hint"]) == ("received", "held", None)
    assert kinds(desk, case) == ["case-opened", "key-added", "received", "received"]
    assert details(entries(desk, case)[again["entry"]])["already_held"] is True
    desk("verify", case, exit_code=0)


@pytest.mark.parametrize("number", ["E-1", "7", "E-1/C1", "ID"])
def test_a_host_takes_no_name_that_is_taken(
    desk: Person, case: Path, host: Person, logs: Path, tmp_path: Path, number: str
) -> None:
    """An evidence number that a host chose never names what is another's in the case."""
    mine = Path(desk.json("collect", logs, "--case", case, "--evidence-number", "E-1")["path"])
    number = mine.name if number == "ID" else number
    done = host.json("collect", logs, "--output", tmp_path / "stick", "--evidence-number", number)
    (one,) = take_in(desk, case, done["path"], exit_code=11)
    assert f"the evidence number that it brings, {number}, is " in one["why"]
    assert "evidence_number" not in details(entries(desk, case)[one["entry"]])
    assert numbered(desk, case, "E-1") == [mine.name]
    desk("copy", done["path"].replace(str(tmp_path / "stick"), str(case / "bundles")),
         tmp_path / "out", "--case", case, exit_code=11)  # fmt: skip


def test_two_hosts_with_one_number_in_one_intake(
    desk: Person, case: Path, host: Person, logs: Path, tmp_path: Path
) -> None:
    """Of two bundles that bring one number the first has it."""
    paths = [
        host.json("collect", logs, "--output", tmp_path / "stick", "--evidence-number", "E-9")[
            "path"
        ]
        for _ in range(2)
    ]
    first, second = take_in(desk, case, *paths, exit_code=11)
    assert (first["why"], numbered(desk, case, "E-9")) == (None, [first["bundle"]])
    assert f"E-9, is that of {first['bundle']}" in second["why"]


def test_a_desks_number_stays_when_a_bundle_comes_again(
    desk: Person, case: Path, host: Person, logs: Path, tmp_path: Path
) -> None:
    """What a host wrote into its bundle does not replace the number that the desk gave it."""
    done = host.json("collect", logs, "--output", tmp_path / "stick", "--evidence-number", "H-1")
    take_in(desk, case, done["path"], "--evidence-number", "E-5", exit_code=11)
    take_in(desk, case, done["path"], exit_code=11)
    found = json.loads(desk("history", "E-5", "--case", case, "--json").stdout)
    assert found["bundles"][0]["evidence_number"] == "E-5"


def test_a_number_that_the_desk_gives_twice(
    desk: Person, case: Path, bundle: Path, host: Person, logs: Path, tmp_path: Path
) -> None:
    """It may, and it is told."""
    for index, path in enumerate(bring(host, logs, tmp_path / name).path for name in ("a", "b")):
        (one,) = take_in(desk, case, path, "--evidence-number", "E-5", exit_code=11)
        assert bool(one["why"]) is bool(index)
    assert "E-5 is the evidence number of " in one["why"]
