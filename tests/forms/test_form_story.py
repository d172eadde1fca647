"""The form at the end of a whole story, told by the commands themselves in three homes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def homes(custody: Any, tmp_path: Path) -> tuple[Any, Any, Any]:
    """The host, the desk and the laboratory."""
    made = []
    for name in ("host", "desk", "lab"):
        (tmp_path / name).mkdir()
        made.append(type(custody)(tmp_path / name))
    host, desk, lab = made
    return host, desk, lab


def test_from_the_host_to_the_laboratory_and_back(
    homes: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    """Collected, taken in, handed over, countersigned, corrected, disposed: all of it is there."""
    host, desk, lab = homes
    (tmp_path / "auth.log").write_text("one\ntwo\n")
    desk("init", tmp_path / "case", "--no-passphrase", "--number", "7", "--person", "Ada Example",
         "--organization", "City of Example", exit_code=0)  # fmt: skip
    case = ("--case", tmp_path / "case")
    lab("key", "new", "grace", "--no-passphrase", "--person", "Grace Sample", exit_code=0)
    their = json.loads(lab("key", "show", "grace", "--json", exit_code=0).stdout)["vkey"]
    done = host("collect", tmp_path / "auth.log", "--output", tmp_path / "stick", "--collector",
                "Rae Sample, Technician, City of Example", "--json", exit_code=0)  # fmt: skip
    brought = Path(json.loads(done.stdout)["path"])
    sealed = json.loads((brought / "seal" / "statement.dsse.json").read_bytes())
    desk("receive", brought, *case, "--from", "Rae Sample, Technician", "--place", "Room 112",
         "--evidence-number", "E-003", "--fingerprint", sealed["signatures"][0]["keyid"],
         exit_code=0)  # fmt: skip
    bundle = tmp_path / "case" / "bundles" / brought.name
    desk("release", bundle, *case, "--to", "Grace Sample, Examiner, Laboratory", "--to-key", their,
         "--purpose", "Examination", "--authority", "Order 7", "--copy-to", tmp_path / "away",
         "--via", "Courier", "--tracking", "EX 1", exit_code=0)  # fmt: skip
    listed = json.loads(desk("key", "list", "--json", exit_code=0).stdout)["keys"]
    ours = next(key["vkey"] for key in listed if not key["vkey"].startswith("custody/"))
    lab("trust", "add", "signer", ours, "--name", "Ada Example", "--role", "desk", exit_code=0)
    receipt = tmp_path / "receipt.json"
    lab("receive", tmp_path / "away" / brought.name, "-o", receipt, "--comment", "seal intact",
        exit_code=0)  # fmt: skip
    desk("record", receipt, *case, exit_code=0)
    rows = desk("ledger", "list", *case, "--json", exit_code=0).stdout.splitlines()
    released = next(json.loads(row)["index"] for row in rows if '"released"' in row)
    desk("correct", str(released), "The seal number was 00418", *case, exit_code=0)
    desk("dispose", "E-003/C1", *case, "--authority", "Order 9", "--method", "erased", "--witness",
         "Bo Example, Clerk", exit_code=0)  # fmt: skip
    found = json.loads(desk("form", "E-003", *case, "--json", exit_code=0).stdout)
    assert found["verification"]["verdict"] == "ok"
    assert found["chain_gaps"] == []
    collected, taken, handed = found["transfers"]
    assert (collected["entry"], collected["received_by"]["name"]) == (None, "Rae Sample")
    assert (taken["released_by"]["name"], taken["place"]) == ("Rae Sample", "Room 112")
    assert handed["received_by"]["name"] == "Grace Sample"
    assert handed["receipt"] == "received, countersigned"
    assert [one["verdict"] for one in handed["signatures"]] == ["trusted", "trusted", "vouched"]
    assert handed["before"] == handed["after"] == found["hashes"]["tag_manifest_sealed"]
    assert handed["corrections"][0]["comment"] == "The seal number was 00418"
    assert (handed["method"], handed["tracking"]) == ("Courier", "EX 1")
    assert found["disposals"][0]["what"] == "E-003/C1"
    assert found["hashes"]["vouched_by"] == "Ada Example"
    page = desk("form", "E-003", *case, exit_code=0).stdout
    for text in ("Grace Sample", "seal intact", "EX 1", "Bo Example, Clerk", "Order 9"):
        assert text in page
    draft = desk("certificate", "E-003", *case, exit_code=0).stdout
    assert "vouched for this key, for this item" in draft


def test_what_was_refused_at_the_desk_is_not_shown_as_held(
    homes: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    """A bundle that differed on arrival: its form failed, and its row says it was not taken in."""
    host, desk, _ = homes
    (tmp_path / "auth.log").write_text("one\ntwo\n")
    desk("init", tmp_path / "case", "--no-passphrase", "--person", "Ada Example", exit_code=0)
    done = host("collect", tmp_path / "auth.log", "--output", tmp_path / "stick", "--json",
                exit_code=0)  # fmt: skip
    brought = Path(json.loads(done.stdout)["path"])
    sealed = json.loads((brought / "seal" / "statement.dsse.json").read_bytes())
    next(brought.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    desk("receive", brought, "--case", tmp_path / "case", "--from", "Rae Sample",
         "--fingerprint", sealed["signatures"][0]["keyid"], exit_code=10)  # fmt: skip
    done = desk("form", brought.name, "--case", tmp_path / "case", exit_code=10)
    assert "NOT taken into the case" in done.stdout
    assert '<b class="word">FAILED</b>' in done.stdout
