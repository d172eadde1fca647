"""`custody verify`: what it prints, its exit codes, its JSON, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / "auth.log").write_bytes(b"Accepted password\n")
    (directory / "bell\x1b[2J.log").write_bytes(b"odd\n")
    return directory


@pytest.fixture
def case(custody: Run, tmp_path: Path, secret: Path, source: Path) -> Path:
    """A case with one bundle."""
    directory = tmp_path / "case"
    custody("init", directory, "--number", "7", "--passphrase-file", secret, exit_code=0)
    custody("collect", source, "--case", directory, "--passphrase-file", secret, exit_code=0)
    return directory


@pytest.fixture
def single(custody: Run, tmp_path: Path, source: Path) -> dict[str, Any]:
    """A bundle by a key made for one collection: the document that collect printed."""
    done = custody("collect", source, "--output", tmp_path / "out", "--json", exit_code=0)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def bundle_in(case: Path) -> Path:
    return next((case / "bundles").iterdir())


def test_a_bundle_with_the_fingerprint_from_the_paper_form(
    custody: Run, single: dict[str, Any]
) -> None:
    """The two figures that collect says to write down are all that is needed."""
    done = custody(
        "verify", single["path"], "--signer", single["signer"]["fingerprint"],
        "--expect", f"sha256:{single['statement_sha256']}", exit_code=0,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"states   bundle {single['bundle_id']}, host ")
    assert f", sealed {single['sealed_at']}" in lines[1]
    assert lines[2].startswith("OK            1  layout")
    assert lines[-1] == "verdict  ok"
    assert done.stderr == ""


def test_a_bundle_by_an_unknown_key_is_eleven_and_the_hint_helps(
    custody: Run, single: dict[str, Any]
) -> None:
    """Exit 11 with the very command that believes a key for one collection: this once, exit 0."""
    done = custody("verify", single["path"], exit_code=11)
    hint = done.stdout.splitlines()[-1]
    assert "compare the fingerprint with the paper form first" in hint
    assert "NOT CHECKED   8  signature" in done.stdout
    command = hint.partition("custody ")[2]
    assert "trust add" not in command
    custody(*command.split(), exit_code=0)


def test_the_wrong_fingerprint_or_digest(custody: Run, single: dict[str, Any]) -> None:
    """Another signer or statement than the named one is a failure, without a hint to trust it."""
    fingerprint = single["signer"]["fingerprint"]
    done = custody("verify", single["path"], "--signer", "0" * 64, exit_code=10)
    assert "and not by the signer you named" in done.stdout
    assert "FAIL          8  signature" in done.stdout
    assert f"  expected  {'0' * 64}\n  found     {fingerprint}\n" in done.stdout
    assert "trust add" not in done.stdout + done.stderr
    custody("verify", single["path"], "--signer", fingerprint, "--expect", "0" * 64, exit_code=10)
    done = custody("verify", single["path"], "--expect", "12", exit_code=2)
    assert "64 hex digits" in done.stderr


def test_the_two_figures_swapped(custody: Run, single: dict[str, Any]) -> None:
    """A fingerprint given as the digest, or the other way round, is recognized in the hint."""
    fingerprint, digest = single["signer"]["fingerprint"], single["statement_sha256"]
    done = custody("verify", single["path"], "--expect", fingerprint, exit_code=10)
    assert "--expect is the fingerprint of the key that signed this" in done.stdout
    done = custody("verify", single["path"], "--signer", digest, exit_code=10)
    assert "--signer is the digest of this statement" in done.stdout
    done = custody("verify", single["path"], "--signer", fingerprint, exit_code=0)
    assert "hint" not in done.stdout


def test_the_json_document_of_a_bundle(custody: Run, case: Path) -> None:
    """The main keys of custody.verification/v1 are there, and say what the lines say."""
    document = json.loads(custody("verify", bundle_in(case), "--json", exit_code=0).stdout)
    assert document["schema"] == "custody.verification/v1"
    assert (document["verdict"], document["findings"]) == ("ok", [])
    assert [check["number"] for check in document["checks"]] == list(range(1, 14))
    assert set(document["checks"][0]) >= {"number", "name", "status", "detail"}
    assert document["bundle_id"] == bundle_in(case).name
    assert document["signer"]["fingerprint"]
    assert document["stated"]["bundle"] == bundle_in(case).name
    assert document["stated"]["case"] == "7"
    assert (document["files"], document["gap_count"], document["gaps"]) == (2, 0, [])


def test_the_json_document_of_a_case(custody: Run, case: Path) -> None:
    """A case's document has its own checks, its bundles with theirs, and its ledger."""
    document = json.loads(custody("verify", "--case", case, "--json", exit_code=0).stdout)
    assert document["verdict"] == "ok"
    assert document["ledger"]["size"] == 2
    (bundle,) = document["bundles"]
    assert len(bundle["checks"]) == 13
    assert "findings" not in bundle


def test_a_finding_is_told_with_its_path(custody: Run, case: Path) -> None:
    """Exit 10, and the path, what was expected and what was found, for people and programs."""
    path = next((bundle_in(case) / "data").rglob("auth.log"))
    path.write_bytes(b"accepted password\n")
    done = custody("verify", case, exit_code=10)
    assert "FAIL          5  bundles" in done.stdout
    assert "finding: bundles/" in done.stdout
    assert done.stdout.splitlines()[-1] == "verdict  failed"
    document = json.loads(custody("verify", case, "--json", exit_code=10).stdout)
    (finding,) = document["findings"]
    assert set(finding) == {"path", "expected", "found", "message"}
    assert finding["path"].endswith("/auth.log")


def test_names_are_never_printed_raw(custody: Run, case: Path) -> None:
    """Escape sequences in names, from inside or beside the bundle, reach no terminal."""
    bag = bundle_in(case)
    (bag / "evil\x1b]0;owned\x07").write_bytes(b"")
    (bag / "data" / "bidi\u202e.log").write_bytes(b"")
    listed = next((bag / "data").rglob("bell*"))
    listed.unlink()
    done = custody("verify", case, exit_code=10)
    for stream in (done.stdout, done.stderr):
        assert "\x1b" not in stream
        assert "\x07" not in stream
        assert "\u202e" not in stream
    assert "evil\\x1b]0;owned\\x07" in done.stdout
    as_json = custody("verify", case, "--json", exit_code=10).stdout
    assert as_json.isascii()
    assert json.loads(as_json)


def test_whom_to_believe(custody: Run, case: Path, tmp_path: Path) -> None:
    """--trust names another folder; --signer and --log add to it for this once."""
    empty = tmp_path / "nobody"
    empty.mkdir()
    hint = custody("verify", case, "--trust", empty, exit_code=11).stdout.splitlines()[-1]
    assert hint.endswith(f": custody trust add ledger --trust {empty} VKEY")
    trusted = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    signer, log = trusted["signers"][0]["vkey"], trusted["ledgers"][0]["vkey"]
    custody("verify", case, "--trust", empty, "--signer", signer, exit_code=11)
    custody("verify", case, "--trust", empty, "--signer", signer, "--log", log, exit_code=0)
    custody("verify", case, "--trust", tmp_path / "nothing", exit_code=2)
    custody("verify", case, "--log", "nonsense", exit_code=2)


def test_stripping_the_receipt_is_not_ok(custody: Run, case: Path) -> None:
    """Without its receipt a bundle of a ledger that we trust cannot be verified."""
    shutil.rmtree(bundle_in(case) / "seal" / "receipts")
    custody("verify", bundle_in(case), exit_code=11)


def test_what_is_not_there(custody: Run, case: Path, tmp_path: Path) -> None:
    """Exit 12 for what is neither bundle nor case, with the next step."""
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nothing"):
        assert custody("verify", path, exit_code=12).stdout == ""
    done = custody("verify", case / "bundles", exit_code=12)
    assert f"hint: custody verify {bundle_in(case)}" in done.stderr


def test_usage(custody: Run, case: Path) -> None:
    """Nothing named, or two things at once, is a usage error with the command to type."""
    assert "--case" in custody("verify", exit_code=2).stderr
    custody("verify", bundle_in(case), "--case", case, exit_code=2)
    custody("verify", case, "--expect", "0" * 64, exit_code=2)
    custody("verify", bundle_in(case), env={"CUSTODY_CASE": str(case)}, exit_code=0)
    done = custody("verify", env={"CUSTODY_CASE": str(case)}, exit_code=0)
    assert "CUSTODY_CASE" in done.stderr


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns)
        for path in (root, *root.rglob("*"))
    }


def test_verify_changes_nothing(custody: Run, case: Path) -> None:
    """Nothing under the case is written, touched or left behind."""
    before = snapshot(case)
    custody("verify", case, exit_code=0)
    custody("verify", bundle_in(case), exit_code=0)
    assert snapshot(case) == before


def test_read_only_media(custody: Run, case: Path, tmp_path: Path) -> None:
    """A case and a bundle on a medium that cannot be written are verified all the same."""
    if os.geteuid() != 0:
        for path in [case, *case.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        custody("verify", case, exit_code=0)
        return
    medium = tmp_path / "medium"
    medium.mkdir()
    script = f'mount --bind -o ro {case} {medium} && exec "$@"'
    unshare = ["unshare", "--mount", "sh", "-ec", script, "sh"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("bind mounts are not allowed here")
    custody("verify", medium, prefix=unshare, exit_code=0)
    custody("verify", medium / "bundles" / bundle_in(case).name, prefix=unshare, exit_code=0)


def test_an_unreadable_bundle_of_another_user(
    custody: Run, case: Path, ordinary_user: Any, tmp_path: Path
) -> None:
    """Who may not read a bundle is told so; that is not a verdict about the bundle."""
    for path in (bundle_in(case), case):
        done = custody("verify", path, user=ordinary_user, exit_code=11)
        assert "you may not read it" in done.stderr
        assert "run as its owner, or work on a copy" in done.stderr


HIDDEN = (
    "data", "data/root", "custody", "custody/inventory.jsonl", "seal", "seal/statement.dsse.json",
    "bag-info.txt", "tagmanifest-sha256.txt", "manifest-sha256.txt",
)  # fmt: skip


@pytest.mark.parametrize("hidden", ["bundles", "ledger", "case.json", *HIDDEN])
def test_what_may_not_be_read_is_never_a_finding(
    custody: Run, case: Path, ordinary_user: Any, tmp_path: Path, hidden: str
) -> None:
    """Whatever part of a case is closed to the user: exit 11, and the hint to work on a copy."""
    for path in [case, *case.rglob("*")]:
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    bag = bundle_in(case)
    path = bag / hidden if hidden in HIDDEN else case / hidden
    if hidden == "data/root":
        path = next((bag / "data").rglob("auth.log")).parent
    os.chown(path, 0, 0)
    path.chmod(0o600 if path.is_file() else 0o700)
    trusted = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    believed = ["--signer", trusted["signers"][0]["vkey"], "--log", trusted["ledgers"][0]["vkey"]]
    for what in (case, bag)[: 2 if hidden in (*HIDDEN, "bundles") else 1]:
        done = custody("verify", what, *believed, user=ordinary_user)
        assert (done.returncode, "finding: " in done.stdout) == (11, False), done.stdout
        assert "run as its owner, or work on a copy" in done.stdout + done.stderr


def test_a_renamed_bundle_is_told_apart(custody: Run, case: Path, tmp_path: Path) -> None:
    """A copy under another name is verified, and a remark says which bundle was sealed."""
    copy = tmp_path / "20250101T000000Z-other-000000"
    shutil.copytree(bundle_in(case), copy)
    done = custody("verify", copy, exit_code=0)
    assert f"the directory is called {copy.name}" in done.stderr
    assert f"what was sealed is bundle {bundle_in(case).name}" in done.stderr


def test_gaps_are_named(custody: Run, source: Path, tmp_path: Path) -> None:
    """Each path with a gap is told with its outcome, and -v tells them all."""
    missing = [source / f"missing-{number:02}.log" for number in range(25)]
    made = custody("collect", source, *missing, "--output", tmp_path / "out", "--json", exit_code=3)
    single = json.loads(made.stdout)
    known = ["verify", single["path"], "--signer", single["signer"]["fingerprint"]]
    done = custody(*known, exit_code=0)
    assert f"missing            {missing[0]}" in done.stdout
    assert done.stdout.count("  missing  ") == 20
    assert "... and 5 more" in done.stdout
    assert custody(*known, "-v", exit_code=0).stdout.count("  missing  ") == 25
    document = json.loads(custody(*known, "--json", exit_code=0).stdout)
    assert document["gap_count"] == 25
    assert {"path": str(missing[24]), "outcome": "missing"} in document["gaps"]


def test_how_far_a_ledger_goes_is_told(custody: Run, case: Path, tmp_path: Path) -> None:
    """Who never saw the ledger is told that its end may be missing; a checkpoint answers that."""
    trusted = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    known = ["--signer", trusted["signers"][0]["vkey"], "--log", trusted["ledgers"][0]["vkey"]]
    checkpoint = tmp_path / "held"
    shutil.copy(case / "ledger" / "checkpoint", checkpoint)
    elsewhere = {"CUSTODY_HOME": str(tmp_path / "another-home")}
    done = custody("verify", case, *known, env=elsewhere, exit_code=0)
    assert "2 entries up to entry 1 of 2" in done.stdout
    assert "cannot show that nothing came after it" in done.stdout
    assert "not that the logs were true before they were collected" in done.stdout
    other = {"CUSTODY_HOME": str(tmp_path / "third-home")}
    done = custody("verify", case, *known, "--checkpoint", checkpoint, env=other, exit_code=0)
    assert "up to entry 1" in done.stdout
    assert "nothing came after" not in done.stdout
