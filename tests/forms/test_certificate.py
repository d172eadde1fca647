"""`custody certificate`: facts in sentences, blanks where a person speaks, never a false claim."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import stat
import subprocess
import time
from html import unescape
from pathlib import Path
from typing import Any

CLAIM = "therefore identical, bit for bit"


def words(page: str) -> str:
    """The page's text, without markup and line breaks."""
    body = page[page.index("</style>") :]
    return " ".join(unescape(re.sub(r"<[^>]*>", "", body)).split())


def test_it_has_the_facts(custody: Any, case: Path, bundle: Path, logs: Path) -> None:
    """What was copied from what, when, by which tool, both digests, every file and every check."""
    done = custody("certificate", bundle, "--json", exit_code=0)
    found = json.loads(done.stdout)
    assert found["schema"] == "custody.certificate/v1"
    record = json.loads((bundle / "custody/acquisition.json").read_bytes())
    assert found["obtained"]["tool"]["sha256"] == record["tool"]["sha256"]
    assert found["obtained"]["started"] == record["started"]
    assert found["obtained"]["sources"][0]["asked"] == str(logs)
    pinned = hashlib.sha256((bundle / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    assert found["hashes"]["tag_manifest_sealed"] == pinned
    assert found["hashes"]["tag_manifest_now"] == pinned
    manifest = hashlib.sha256((bundle / "manifest-sha256.txt").read_bytes()).hexdigest()
    assert found["hashes"]["payload_manifest"] == manifest
    assert {Path(file["path"]).name: file["now"] for file in found["files"]["listed"]} == {
        "auth.log": "the same",
        "empty.log": "the same",
    }
    told = json.loads(custody("verify", bundle, "--json", exit_code=0).stdout)
    checks = [(check["of"], check["name"]) for check in found["verification"]["checks"]]
    assert checks == [
        *(("bundle", check["name"]) for check in told["checks"]),
        *(("ledger", name) for name in ("ledger", "receipts", "agreement")),
    ]
    assert found["entry"] == 1
    assert found["gaps"]["count"] == 1


def test_it_reads_as_a_draft_with_blanks(custody: Any, bundle: Path, logs: Path) -> None:
    """Who certifies, qualification, date and signature are blanks; it says that it is a draft."""
    said = words(custody("certificate", bundle, exit_code=0).stdout)
    for text in (
        "DRAFT, NOT SIGNED, NOT LEGAL ADVICE", "902(13)", "902(14)", "Ada Example",
        str(logs), "2 files with 8 bytes", "1 path could not be copied whole", "FIPS 180-4",
        "reads every copied file back", CLAIM, "entered, as number 1, in the ledger",
        "--authority 'Order 7 of 22 November 2026'", "I declare under penalty of perjury",
        "manifest-sha256.txt",
    ):  # fmt: skip
        assert text in said, text
    for blank in (
        r"I, _{20,}, certify", r"I am \(title\) _{20,}", r"qualified .*? _{20,}",
        r"Executed on \(date\) _{10,}", r"Signature _{20,}", r"Name, title _{20,}",
    ):  # fmt: skip
        assert re.search(blank, said), blank


def test_a_failed_bundle_claims_nothing(custody: Any, bundle: Path) -> None:
    """Of a changed bundle the draft says not to sign, names what differs, and exits with 10."""
    path = next(bundle.glob("data/**/auth.log"))
    path.write_text("ONE\ntwo\n")
    done = custody("certificate", bundle, exit_code=10)
    said = words(done.stdout)
    assert "FAILED: DO NOT SIGN" in said
    assert CLAIM not in said
    assert "This paragraph cannot be certified" in said
    found = json.loads(custody("certificate", bundle, "--json", exit_code=10).stdout)
    now = {Path(file["path"]).name: file["now"] for file in found["files"]["listed"]}
    assert hashlib.sha256(path.read_bytes()).hexdigest() in now["auth.log"]
    assert now["empty.log"] == ""  # verifying does not tell it of this one


def test_an_unjudged_bundle_claims_nothing(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Without trust the draft says what is missing, not to sign yet, and exits with 11."""
    (tmp_path / "nobody").mkdir()
    done = custody("certificate", bundle, "--trust", tmp_path / "nobody", exit_code=11)
    said = words(done.stdout)
    assert "NOT VERIFIED: DO NOT SIGN YET" in said
    assert CLAIM not in said
    assert "Whose key it is was not known" in said


def test_outside_a_case_custody_is_a_blank(custody: Any, alone: Path) -> None:
    """Where no ledger was consulted, who has held the bundle is left to be filled in."""
    found = json.loads(custody("certificate", alone, "--json").stdout)
    fingerprint = found["hashes"]["fingerprint"]
    done = custody("certificate", alone, "--signer", fingerprint, exit_code=0)
    said = words(done.stdout)
    assert "No ledger was consulted. Who has held the bundle" in said
    assert "was told this fingerprint, and no name" in said
    assert CLAIM in said


def test_many_files_are_named_as_far_as_a_page_goes(
    custody: Any, case: Path, tmp_path: Path
) -> None:
    """Beyond 500 files the list stops, says so, and refers to the manifest by its digest."""
    many = tmp_path / "many"
    many.mkdir()
    for number in range(503):
        (many / f"{number:03d}.log").write_text(str(number))
    done = custody("collect", many, "--case", case, "--json", exit_code=0)
    page = custody("certificate", json.loads(done.stdout)["path"], exit_code=0).stdout
    said = words(page)
    assert "The list stops after 500 of 503 files" in said
    assert "/499.log" in page
    assert "/500.log" not in page


def test_a_copy_says_how_it_was_read_back(
    custody: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """A copy in the ledger is named with the way in which it was read back."""
    done = custody("copy", bundle, tmp_path / "stick", "--case", case, "--json", exit_code=0)
    how = json.loads(done.stdout)["read_back"]
    said = words(custody("certificate", bundle, exit_code=0).stdout)
    assert how in said
    assert "was the same before and after" in said.replace("whole bundle was the", "was the")


def test_a_watch_is_described_as_one(custody: Any, case: Path, tmp_path: Path) -> None:
    """Of a bundle that a watch made, the process is the watch's, and each file is a piece."""
    known = set((case / "bundles").iterdir())
    live = tmp_path / "live.log"
    live.write_text("first\n")
    watch = subprocess.Popen(
        custody.command("watch", live, "--case", case, "--every", "5s"),
        env=custody.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(600):
            if set((case / "bundles").iterdir()) - known or watch.poll() is not None:
                break
            time.sleep(0.1)
    finally:
        watch.send_signal(signal.SIGTERM)
        _, told = watch.communicate(timeout=120)
    made = set((case / "bundles").iterdir()) - known
    assert made, told
    page = custody("certificate", min(made), exit_code=0).stdout
    said = words(page)
    assert "one of a series that a running watch made" in said
    assert "bytes 0 to 6 of the content" in said
    assert "A running watch" in custody("form", min(made), exit_code=0).stdout


def test_it_is_written_once(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """-o makes a new private file, and a second one is refused."""
    page = tmp_path / "draft.html"
    custody("certificate", bundle, "-o", page, exit_code=0)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    before = page.read_bytes()
    custody("certificate", bundle, "-o", page, exit_code=2)
    assert page.read_bytes() == before


def test_a_disposed_bundle_certifies_nothing(
    custody: Any, case: Path, bundle: Path, office: Any
) -> None:
    """Where the bundle is gone, nothing was checked, and the draft says so."""
    office.enter("disposed", {"original": True}, authority="Order 9")
    shutil.rmtree(bundle)
    said = words(custody("certificate", "E-003", "--case", case, exit_code=11).stdout)
    assert CLAIM not in said
    assert "the bundle is not here" in said
