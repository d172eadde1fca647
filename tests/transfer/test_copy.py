"""`custody copy`: what is published was verified and entered, and nothing else looks like it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from custody.errors import StorageError
from custody.transfer import copying


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Path:
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--person", "A desk", exit_code=0)
    return directory


@pytest.fixture
def bundle(custody: Any, case: Path, tmp_path: Path) -> Path:
    """A bundle in the case, of a small file, an empty one and a large one."""
    logs = tmp_path / "logs"
    (logs / "nginx").mkdir(parents=True)
    (logs / "auth.log").write_text("one\ntwo\n")
    (logs / "empty.log").touch()
    (logs / "nginx" / "access.log").write_bytes(os.urandom(3 << 20))
    done = custody("collect", logs, "--case", case, "--json", exit_code=0)
    return Path(json.loads(done.stdout)["path"])


def copied(custody: Any, *args: Any, exit_code: int = 0) -> dict[str, Any]:
    done = custody("copy", *args, "--json", exit_code=exit_code)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["schema"] == "custody.copy/v1"
    return found


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def entries(custody: Any, case: Path) -> list[str]:
    done = custody("ledger", "list", "--json", "--case", case, exit_code=0)
    return [json.loads(line)["type"] for line in done.stdout.splitlines()]


def test_what_is_no_bundle_is_not_copied(
    custody: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """The hint names the bundle, or says what is wanted, and the destination is not made."""
    (tmp_path / "file").touch()
    for path, hint in (
        (tmp_path / "file", "name the directory of the bundle"),
        (case, f"name a bundle in {case / 'bundles'}"),
        (bundle.parent, f"name {bundle}"),
    ):
        done = custody("copy", path, tmp_path / "to", exit_code=12)
        assert "nothing was written" in done.stderr
        assert hint in done.stderr.partition("hint: ")[2]
    assert not (tmp_path / "to").exists()


def test_a_bundle_of_the_case_is_found_by_its_number(
    custody: Any, case: Path, tmp_path: Path
) -> None:
    """With --case, the evidence number or the id will do; without, or for another, exit 12."""
    (tmp_path / "auth.log").write_text("one\n")
    made = custody("collect", tmp_path / "auth.log", "--case", case, "--evidence-number", "E-003",
                   "--json", exit_code=0)  # fmt: skip
    bundle = Path(json.loads(made.stdout)["path"])
    for number, asked in enumerate(["E-003", bundle.name], 1):
        found = copied(custody, asked, tmp_path / f"stick{number}", "--case", case)
        assert found["label"] == f"E-003/C{number}"
        done = custody("verify", asked, "--case", case, "--json", exit_code=0)
        assert json.loads(done.stdout)["path"] == str(bundle)
    done = custody("copy", "E-3", tmp_path / "stick3", "--case", case, exit_code=12)
    assert "the nearest are: E-003" in done.stderr
    custody("copy", "E-003", tmp_path / "stick3", exit_code=12)
    custody("copy", case.name, tmp_path / "stick3", "--case", case, cwd=tmp_path, exit_code=12)
    assert not (tmp_path / "stick3").exists()


def test_a_copy_is_verified_and_entered(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """The copy is the bundle byte for byte, private, ok by itself, and in the ledger with why."""
    found = copied(custody, bundle, tmp_path / "stick", "--case", case, "--purpose", "For review",
                   "--authority", "Order 7", "--place", "Room 12")  # fmt: skip
    copy = tmp_path / "stick" / bundle.name
    assert found["path"] == str(copy)
    assert found["verdict"] == "ok"
    assert content(copy) == content(bundle)
    assert not (tmp_path / "stick" / "incoming").exists()
    for path in (copy, *copy.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    custody("verify", copy, exit_code=0)
    done = custody("ledger", "show", str(found["entry"]), "--json", "--case", case, exit_code=0)
    payload = json.loads(done.stdout)["payload"]
    said = payload["predicate"]
    assert (said["type"], said["item"]) == ("copied", bundle.name)
    assert (said["purpose"], said["authority"], said["place"]) == (
        "For review",
        "Order 7",
        "Room 12",
    )
    assert {one["digest"]["sha256"] for one in payload["subject"]} == {found["sha256"]}
    custody("verify", case, exit_code=0)


def test_copies_are_numbered(custody: Any, bundle: Path, case: Path, tmp_path: Path) -> None:
    """Each copy that is entered has the next number of its bundle, and a label to write on it."""
    for number in (1, 2):
        found = copied(custody, bundle, tmp_path / f"stick{number}", "--case", case)
        assert (found["copy"], found["label"]) == (f"C{number}", f"{bundle.name}/C{number}")
        shown = custody("ledger", "show", str(found["entry"]), "--json", "--case", case)
        details = json.loads(shown.stdout)["payload"]["predicate"]["details"]
        assert (details["copy"], details["label"]) == (found["copy"], found["label"])


def test_two_copies_at_once_get_two_numbers(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """The number is found and entered under the case's lock."""
    running = [
        subprocess.Popen(
            custody.command("copy", bundle, tmp_path / f"to{n}", "--case", case, "--json"),
            env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for n in range(4)
    ]  # fmt: skip
    found = [json.loads(process.communicate()[0]) for process in running]
    assert sorted(one["copy"] for one in found) == ["C1", "C2", "C3", "C4"]


def test_the_evidence_number_is_on_the_label(custody: Any, case: Path, tmp_path: Path) -> None:
    """A bundle that was collected with an evidence number lends it to its copies."""
    (tmp_path / "auth.log").write_text("one\n")
    done = custody("collect", tmp_path / "auth.log", "--case", case, "--evidence-number", "E-003",
                   "--json", exit_code=0)  # fmt: skip
    found = copied(custody, json.loads(done.stdout)["path"], tmp_path / "to", "--case", case)
    assert found["label"] == "E-003/C1"


def test_it_says_from_where_it_was_read_back(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """Whether it was read back from the device or perhaps from a cache is part of the result."""
    found = copied(custody, bundle, tmp_path / "stick", "--case", case)
    known = {copying.FROM_DEVICE, copying.CACHE_DROPPED, copying.PERHAPS_CACHED}
    assert found["read_back"] in known


def test_a_finished_copy_is_never_overwritten(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """A second copy to the same place is refused, and the first one is left alone."""
    copied(custody, bundle, tmp_path / "stick", "--case", case)
    marked = tmp_path / "stick" / bundle.name / "bagit.txt"
    marked.write_text("mine")
    done = custody("copy", bundle, tmp_path / "stick", "--case", case, exit_code=2)
    assert "nothing was overwritten" in done.stderr
    assert marked.read_text() == "mine"
    assert entries(custody, case).count("copied") == 1


def test_an_interrupted_copy_is_taken_up_again(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """Whole files of an earlier run stay, torn ones are written anew, and all is read back."""
    staged = tmp_path / "stick" / "incoming" / bundle.name
    shutil.copytree(bundle, staged)
    torn = next(staged.glob("data/**/access.log"))
    torn.write_bytes(torn.read_bytes()[:1_000_000])
    next(staged.glob("data/**/auth.log")).unlink()
    found = copied(custody, bundle, tmp_path / "stick", "--case", case)
    assert found["taken_over"] == found["files"] - 2
    assert content(tmp_path / "stick" / bundle.name) == content(bundle)


def test_what_an_earlier_run_left_is_not_trusted(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """A file of the right length and the wrong bytes is found when it is read back."""
    staged = tmp_path / "stick" / "incoming" / bundle.name
    shutil.copytree(bundle, staged)
    next(staged.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    done = custody("copy", bundle, tmp_path / "stick", "--case", case, exit_code=1)
    assert "not published" in done.stderr
    assert not (tmp_path / "stick" / bundle.name).exists()
    assert "copied" not in entries(custody, case)


def test_a_changed_bundle_is_not_copied(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """A bundle that is not as it was sealed is exit 10: nothing is published, nothing entered."""
    next(bundle.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    custody("copy", bundle, tmp_path / "stick", "--case", case, exit_code=10)
    (bundle / "seal" / "junk").write_text("more")
    custody("copy", bundle, tmp_path / "other", "--case", case, exit_code=10)
    for name in ("stick", "other"):
        assert not (tmp_path / name / bundle.name).exists()
    assert "copied" not in entries(custody, case)


def test_an_added_file_is_found_in_the_copy(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """What does not belong in a bundle is copied too, so that verifying finds it."""
    (bundle / "seal" / "junk").write_text("more")
    found = copied(custody, bundle, tmp_path / "stick", "--case", case, exit_code=10)
    assert found["published"] is False
    assert found["findings"]


def test_a_link_in_a_bundle_is_refused(
    custody: Any, bundle: Path, case: Path, tmp_path: Path
) -> None:
    """A link or a FIFO in a bundle is neither followed nor opened; nothing is written."""
    os.mkfifo(bundle / "data" / "pipe")
    custody("copy", bundle, tmp_path / "stick", "--case", case, exit_code=10)
    assert not (tmp_path / "stick").exists()


def test_attachments_stay_unless_asked(
    custody: Any, bundle: Path, case: Path, tmp_path: Path, root: Path
) -> None:
    """Counsel's papers are left out of a copy, unless --with-attachments says otherwise."""
    record = root / "sample_logs" / "incident.yaml"
    custody("obligations", record, bundle.name, "--attach", "--case", case, exit_code=0)
    assert list((bundle / "attachments").iterdir())
    copied(custody, bundle, tmp_path / "one", "--case", case)
    assert not (tmp_path / "one" / bundle.name / "attachments").exists()
    copied(custody, bundle, tmp_path / "two", "--case", case, "--with-attachments")
    assert content(tmp_path / "two" / bundle.name) == content(bundle)


def test_without_trust_it_is_copied_and_said(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Somebody who trusts no signer gets a copy and exit 11, and no ledger has it."""
    alone = tmp_path / "alone" / bundle.name
    shutil.copytree(bundle, alone)
    (tmp_path / "nobody").mkdir()
    found = copied(custody, alone, tmp_path / "stick", "--trust", tmp_path / "nobody", exit_code=11)
    assert found["published"] is True
    assert found["entry"] is None
    assert content(tmp_path / "stick" / bundle.name) == content(bundle)
    listed = custody.home / "trust" / "signers.toml"
    listed.write_text("require_timestamp = true\n" + listed.read_text())
    done = custody("copy", alone, tmp_path / "other stick", exit_code=11)
    place = shlex.quote(str(tmp_path / "other stick" / bundle.name))
    assert f"custody timestamp {place} --tsa URL" in done.stdout  # where it is, and not was


def test_requests_without_sense(custody: Any, bundle: Path, case: Path, tmp_path: Path) -> None:
    """A destination in the bundle, and a bundle of a case behind that case's back, are refused."""
    before = content(bundle)
    custody("copy", bundle, bundle / "data", "--case", case, exit_code=2)
    done = custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert f"--case {case}" in done.stderr
    custody("copy", tmp_path / "logs", tmp_path / "stick", "--case", case, exit_code=12)
    assert content(bundle) == before
    assert not (tmp_path / "stick").exists()


def test_a_full_disk_is_known_before(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little room at the destination is said before anything is written."""

    class Space:
        f_bavail, f_frsize = 10, 512

    monkeypatch.setattr(copying.os, "statvfs", lambda _path: Space)
    with pytest.raises(StorageError, match="nothing was written"):
        copying.prepare(bundle, tmp_path / "stick", attachments=False)
    assert not (tmp_path / "stick").exists()
