"""`custody form`: what it says is the signed record, and the verdict of the moment."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from authority import Authority

EXIT = {"ok": 0, "failed": 10, "cannot-verify": 11}


def facts(custody: Any, *args: Any, verdict: str = "ok") -> dict[str, Any]:
    done = custody("form", *args, "--json", exit_code=EXIT[verdict])
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["schema"] == "custody.form/v1"
    assert found["verification"]["verdict"] == verdict
    return found


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_it_has_what_the_record_says(custody: Any, case: Path, bundle: Path, logs: Path) -> None:
    """Item, source, time, authority, digests, fingerprint, amounts and gaps are on the form."""
    found = facts(custody, bundle)
    assert found["item"] == {
        "bundle": bundle.name, "evidence_number": "E-003", "case": "STL-2026-014",
        "case_title": "Permit server, March 2026", "description": "Logs of the permit server",
        "files": 2, "bytes": 8, "attachments": 0,
    }  # fmt: skip
    record = json.loads((bundle / "custody/acquisition.json").read_bytes())
    assert found["source"]["hostname"] == record["host"]["hostname"]
    assert found["source"]["machine_id"] == record["host"]["machine_id"]
    assert found["obtained"]["started"] == record["started"]
    assert found["obtained"]["authority"] == "Order 7 of 22 November 2026"
    assert [one["asked"] for one in found["obtained"]["sources"]] == [
        str(logs), str(logs / "gone.log"),
    ]  # fmt: skip
    assert found["gaps"]["count"] == 1
    assert found["gaps"]["listed"][0]["path"] == str(logs / "gone.log")
    hashes = found["hashes"]
    for name, file in (
        ("statement", "seal/statement.dsse.json"),
        ("tag_manifest_sealed", "tagmanifest-sha256.txt"),
        ("tag_manifest_now", "tagmanifest-sha256.txt"),
    ):
        assert hashes[name] == hashlib.sha256((bundle / file).read_bytes()).hexdigest()
    told = json.loads(custody("verify", bundle, "--json", exit_code=0).stdout)
    assert hashes["fingerprint"] == told["signer"]["fingerprint"]
    note = (case / "ledger" / "checkpoint").read_text()
    assert found["ledger"]["checkpoint"] == note


def test_the_page_has_the_same_facts(custody: Any, case: Path, bundle: Path) -> None:
    """Everything that a form must have stands in the page, under its label."""
    page = unescape(custody("form", bundle, exit_code=0).stdout)
    plain = page.replace("</bdi>", "").replace("<bdi>", "")
    for text in (
        "VERIFIED", "E-003", "STL-2026-014", "Permit server, March 2026", bundle.name,
        "Logs of the permit server", "2 files", "8 bytes", "1 path not collected whole",
        "Order 7 of 22 November 2026", "algorithm SHA-256", "Released by", "Received by",
        "Purpose, authority, place, method", "Final disposition", "Witness: name, title",
        "What is not proven", "that the logs were true before they were collected",
    ):  # fmt: skip
        assert text in plain, text
    for line in (case / "ledger" / "checkpoint").read_text().splitlines():
        assert line in page


def test_it_is_written_once_and_for_its_owner(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """-o makes a new private file; what exists is not overwritten, and the exit is 2."""
    page = tmp_path / "form.html"
    done = custody("form", bundle, "-o", page, exit_code=0)
    assert str(page) in done.stdout
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    before = page.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")
    done = custody("form", bundle, "-o", page, exit_code=2)
    assert "nothing was overwritten" in done.stderr
    second = tmp_path / "second.html"
    assert facts(custody, bundle, "-o", second)["path"] == str(second)
    assert second.read_bytes().startswith(b"<!DOCTYPE html>")
    assert page.read_bytes() == before
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "elsewhere.html")
    custody("form", bundle, "-o", link, exit_code=2)
    assert not (tmp_path / "elsewhere.html").exists()


def test_nothing_is_written_among_the_evidence(
    custody: Any, case: Path, bundle: Path, alone: Path
) -> None:
    """A form is refused a place inside the bundle or the case, and making one changes neither."""
    before = content(case)
    for place in (bundle / "form.html", case / "form.html", case / "ledger" / "form.html"):
        done = custody("form", bundle, "-o", place, exit_code=2)
        assert "among the evidence" in done.stderr
    custody("form", alone, "-o", alone / "data" / "form.html", exit_code=2)
    facts(custody, bundle)
    assert content(case) == before


def test_a_changed_bundle_still_gives_a_form(custody: Any, bundle: Path) -> None:
    """A bundle that is not as it was sealed: FAILED in large letters, each finding, exit 10."""
    next(bundle.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    done = custody("form", bundle, exit_code=10)
    assert '<b class="word">FAILED</b>' in done.stdout
    assert "auth.log" in done.stdout
    assert "VERIFIED" not in done.stdout
    assert "failed" in done.stderr
    found = facts(custody, bundle, verdict="failed")
    assert found["verification"]["findings"][0]["path"].endswith("auth.log")


def test_a_changed_record_is_not_quoted(custody: Any, bundle: Path) -> None:
    """What the acquisition record says is left out where it is not the one that was sealed."""
    path = bundle / "custody" / "acquisition.json"
    path.write_bytes(path.read_bytes().replace(b"Order 7", b"Order 8"))
    found = facts(custody, bundle, verdict="failed")
    assert found["source"]["machine_id"] == ""
    assert found["obtained"]["command"] == []
    assert found["obtained"]["authority"] == "Order 7 of 22 November 2026"  # the statement's


def test_the_tag_manifest_of_now_is_beside_the_sealed_one(custody: Any, bundle: Path) -> None:
    """Where the tag manifest was changed, both digests are there, and the page says it differs."""
    path = bundle / "tagmanifest-sha256.txt"
    path.write_bytes(path.read_bytes().replace(b"bagit.txt", b"bag1t.txt"))
    found = facts(custody, bundle, verdict="failed")
    assert found["hashes"]["tag_manifest_now"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["hashes"]["tag_manifest_now"] != found["hashes"]["tag_manifest_sealed"]
    assert "IT DIFFERS" in custody("form", bundle, exit_code=10).stdout


def test_who_trusts_nobody_gets_no_verdict(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Without a trusted key the form says that nothing was verified, exit 11, and no tampering."""
    (tmp_path / "nobody").mkdir()
    done = custody("form", bundle, "--trust", tmp_path / "nobody", exit_code=11)
    assert '<b class="word">NOT VERIFIED</b>' in done.stdout
    assert "not a sign of tampering" in unescape(done.stdout)
    assert "FAILED" not in done.stdout


def test_outside_a_case_it_says_that_no_ledger_was_asked(custody: Any, alone: Path) -> None:
    """A bundle without a case gives the form of what its statement says, and rows for a pen."""
    fingerprint = facts(custody, alone, verdict="cannot-verify")["hashes"]["fingerprint"]
    found = facts(custody, alone, "--signer", fingerprint)
    assert found["ledger"] is None
    assert [row["type"] for row in found["transfers"]] == ["sealed"]
    assert found["transfers"][0]["entry"] is None
    assert found["transfers"][0]["received_by"] == {
        "name": "Ada Example", "title": "Responder", "organization": "City of Example",
    }  # fmt: skip
    page = custody("form", alone, "--signer", fingerprint, "--blank-rows", "4", exit_code=0).stdout
    assert "No ledger was consulted" in page
    assert page.count('class="byhand"') == 4
    custody("form", alone, "--blank-rows", "101", exit_code=2)
    assert "<svg" not in page


def test_the_wrong_paper_is_noticed(custody: Any, bundle: Path) -> None:
    """--expect with another digest than the statement's makes the form a failed one."""
    found = facts(custody, bundle, "--expect", f"sha256:{'0' * 64}", verdict="failed")
    assert any("expected digest" in check["name"] and check["status"] == "fail"
               for check in found["verification"]["checks"])  # fmt: skip


def test_an_item_is_named_in_its_case(
    custody: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """With a case, its evidence number or its id will do; a stranger's name is exit 12."""
    for name in ("E-003", bundle.name):
        assert facts(custody, name, "--case", case)["item"]["bundle"] == bundle.name
    assert facts(custody, bundle, "--case", case)["ledger"]["size"] == 2
    custody("copy", bundle, tmp_path / "stick", "--case", case, exit_code=0)
    for name in ("E-003/C1", "STL-2026-014"):
        done = custody("form", name, "--case", case, exit_code=2)
        assert bundle.name in done.stderr
    done = custody("form", "E-004", "--case", case, exit_code=12)
    assert "E-003" in done.stderr
    custody("form", tmp_path / "nothing", exit_code=12)
    done = custody("form", case, exit_code=2)
    assert "a form is of one bundle" in done.stderr
    custody("form", tmp_path, exit_code=12)


def test_a_copy_elsewhere_is_held_against_the_ledger(
    custody: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """A copy of the bundle with the case named has that ledger; without it, it has its receipt."""
    copy = Path(shutil.copytree(bundle, tmp_path / "away" / bundle.name))
    assert facts(custody, copy, "--case", case)["ledger"]["size"] == 2
    found = facts(custody, copy)
    assert found["ledger"] is None
    assert found["receipt_checkpoint"] == (case / "ledger" / "checkpoint").read_text()
    assert "from a receipt that lies in the bundle" in custody("form", copy, exit_code=0).stdout


def test_a_bundle_that_nobody_entered_fails(
    custody: Any, case: Path, bundle: Path, alone: Path
) -> None:
    """A bundle that lies in the case and is in no entry of its ledger gives a failed form."""
    planted = Path(shutil.copytree(alone, case / "bundles" / alone.name))
    found = facts(custody, planted, verdict="failed")
    status = {check["name"]: check["status"] for check in found["verification"]["checks"]}
    assert status["agreement"] == "fail"
    assert found["transfers"][0]["entry"] is None


def test_a_bundle_in_another_ones_place_fails(
    custody: Any, case: Path, bundle: Path, alone: Path
) -> None:
    """A bundle whose directory bears the name of one that is entered gives a failed form."""
    shutil.rmtree(bundle)
    shutil.copytree(alone, bundle)
    found = facts(custody, bundle, verdict="failed")
    status = {check["name"]: check["status"] for check in found["verification"]["checks"]}
    assert status["agreement"] == "fail"
    assert "the directory's name is not the bundle's" in json.dumps(found["verification"])


def test_another_bundle_under_an_entered_name_fails(
    custody: Any, case: Path, bundle: Path, logs: Path, tmp_path: Path
) -> None:
    """Where another statement is entered under the name than the bundle has, the form failed."""
    found = facts(custody, bundle)
    assert found["transfers"][0]["entry"] == 1
    sealed = bundle / "seal" / "statement.dsse.json"
    sealed.write_bytes(sealed.read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))
    facts(custody, bundle, verdict="failed")


def test_a_damaged_ledger_fails(custody: Any, case: Path, bundle: Path) -> None:
    """A ledger that was changed makes a failed form of a bundle that is whole."""
    tile = next((case / "ledger" / "tile" / "0").rglob("*.p/*"))
    tile.write_bytes(bytes(len(tile.read_bytes())))
    found = facts(custody, bundle, verdict="failed")
    assert found["ledger"]["verdict"] == "failed"
    assert any(one["path"].startswith("ledger/") for one in found["verification"]["findings"])


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_an_unreadable_ledger_still_gives_a_form(
    custody: Any, case: Path, bundle: Path, damage: str
) -> None:
    """A ledger without its checkpoint: the form failed and has no rows of it; exit 10."""
    checkpoint = case / "ledger" / "checkpoint"
    data = checkpoint.read_bytes()
    checkpoint.unlink()
    if damage == "cut":
        checkpoint.write_bytes(data[:40])
    found = facts(custody, bundle, verdict="failed")
    assert found["ledger"] is None
    assert found["ledger_damage"]
    page = custody("form", bundle, exit_code=10).stdout
    assert "The ledger cannot be read" in page
    assert "No ledger was consulted" not in page
    assert "The ledger cannot be read" in custody("certificate", bundle, exit_code=10).stdout
    custody("form", "E-003", "--case", case, exit_code=10)


def test_a_ledger_alone_is_enough(custody: Any, case: Path, bundle: Path, tmp_path: Path) -> None:
    """A copy of the bundle and a copy of the ledger, without the case, make the same form."""
    copy = Path(shutil.copytree(bundle, tmp_path / "away" / bundle.name))
    ledger = Path(shutil.copytree(case / "ledger", tmp_path / "ledger-copy"))
    found = facts(custody, copy, "--ledger", ledger)
    same = facts(custody, bundle)
    for name in ("item", "transfers", "ledger", "holders", "hashes", "keys", "clocks"):
        assert found[name] == same[name]
    done = custody("form", copy, "--ledger", ledger, "-o", ledger / "form.html", exit_code=2)
    assert "among the evidence" in done.stderr
    assert facts(custody, "E-003", "--ledger", ledger, verdict="cannot-verify")["transfers"]


def test_a_bundle_that_is_gone_has_the_form_of_its_ledger(
    custody: Any, case: Path, bundle: Path, office: Any
) -> None:
    """After a disposal the form is made of the ledger alone: disposition, and nothing verified."""
    office.enter(
        "disposed", {"original": True, "witness": {"name": "Bo Example", "title": "Clerk"}},
        authority="Order 9", method="erased", comment="retention ended",
    )  # fmt: skip
    shutil.rmtree(bundle)
    found = facts(custody, "E-003", "--case", case, verdict="cannot-verify")
    assert found["item"]["files"] == 2
    (gone,) = found["disposals"]
    assert (gone["authority"], gone["method"]) == ("Order 9", "erased")
    assert gone["witness"]["name"] == "Bo Example"
    page = custody("form", "E-003", "--case", case, exit_code=11).stdout
    assert "the bundle is not here" in page
    assert "Bo Example, Clerk" in page


def test_a_ledger_that_was_put_back_fails(
    custody: Any, case: Path, bundle: Path, office: Any, tmp_path: Path
) -> None:
    """A ledger behind what was seen of it, here or on paper, makes a failed form."""
    older = Path(shutil.copytree(case / "ledger", tmp_path / "older"))
    office.enter("noted", comment="label renewed")
    facts(custody, bundle)
    newer = Path(shutil.copy(case / "ledger" / "checkpoint", tmp_path / "newer"))
    shutil.rmtree(case / "ledger")
    shutil.copytree(older, case / "ledger")
    found = facts(custody, bundle, verdict="failed")
    assert found["ledger"]["remembered"] == 3
    shutil.rmtree(custody.home / "memory")
    facts(custody, bundle)
    facts(custody, bundle, "--checkpoint", newer, verdict="failed")


def test_a_trusted_time_stands_beside_the_stated_one(
    custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """What a pinned authority said of the signature is on both pages; without a pin it is not."""
    authority = Authority(tmp_path / "authority")
    pem = authority.folder / "root.pem"
    custody("trust", "add", "tsa", pem, "--name", "example-stamps", exit_code=0)
    with authority.serving() as url:
        done = custody("collect", logs, "--case", case, "--tsa", url, "--json", exit_code=0)
    stamped = json.loads(done.stdout)["path"]
    found = facts(custody, stamped)
    (clock,) = found["clocks"]["authority"]
    assert clock["name"] == "example-stamps"
    for verb in ("form", "certificate"):
        page = custody(verb, stamped, exit_code=0).stdout
        assert "by the time stamp authority <bdi>example-stamps</bdi>" in page
    (custody.home / "trust" / "tsa" / "example-stamps.pem").unlink()
    assert facts(custody, stamped)["clocks"]["authority"] == []


def test_the_extra_is_asked_for_by_name(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Without Jinja2 or segno: exit 2 before any work, with the exact command; JSON needs none."""
    for library in ("jinja2", "segno"):
        hidden = tmp_path / library
        hidden.mkdir()
        (hidden / f"{library}.py").write_text(f"raise ImportError(name={library!r})\n")
        env = {"PYTHONPATH": str(hidden)}
        page = tmp_path / f"{library}.html"
        done = custody("form", bundle, "-o", page, env=env, exit_code=2)
        assert f"{library} is not installed" in done.stderr
        assert "pip install 'custody[forms]'" in done.stderr
        assert not page.exists()
        custody("form", bundle, "--json", env=env, exit_code=0)


def test_it_is_made_without_a_network_and_without_keys(
    custody: Any, bundle: Path, tmp_path: Path
) -> None:
    """Making a form needs no key, and no network."""
    import subprocess

    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    shutil.rmtree(custody.home / "keys")
    custody("form", bundle, prefix=["unshare", "--net"], exit_code=0)
