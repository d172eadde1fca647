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
    assert lines[1].startswith("OK            1  layout")
    assert lines[-1] == "verdict  ok"
    assert done.stderr == ""


def test_a_bundle_by_an_unknown_key_is_eleven_and_the_hint_helps(
    custody: Run, single: dict[str, Any]
) -> None:
    """Exit 11 with the very command that would trust the key; after it, exit 0."""
    done = custody("verify", single["path"], exit_code=11)
    hint = done.stdout.splitlines()[-1]
    assert "compare the fingerprint with the paper form first" in hint
    assert "NOT CHECKED   8  signature" in done.stdout
    command = hint.partition("custody ")[2]
    custody(*command.split(), exit_code=0)
    custody("verify", single["path"], exit_code=0)


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
    assert (document["files"], document["gaps"]) == (2, 0)


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
    custody("verify", case, "--trust", empty, exit_code=11)
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
    done = custody("verify", bundle_in(case), user=ordinary_user)
    assert done.returncode not in (0, 10, 11)
    assert "permission denied" in done.stderr
