"""`custody release`: what goes is verified, numbered, signed for and entered; nothing else goes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hands import Brought, Person, content, details, entries, kinds

TO = "I. Vestige, Detective, Police"
WHY = ["--to", TO, "--purpose", "Review", "--authority", "Order 7"]


def released(desk: Person, case: Path, *args: Any, exit_code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = desk.json("release", *args, *WHY, "--case", case, exit_code=exit_code)
    assert found["schema"] == "custody.release/v1"
    return found


def test_a_numbered_copy_is_made_and_goes(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """One entry for the copy and one for its release; the release and its proof lie beside it."""
    found = released(desk, case, bundle, "--copy-to", tmp_path / "out", "--via", "courier",
                     "--tracking", "T-1", "--place", "Room 1",
                     "--expires", "2100-01-01")  # fmt: skip
    copy = tmp_path / "out" / bundle.name
    assert (found["path"], found["copy"], found["verdict"]) == (str(copy), "C1", "ok")
    assert content(copy) == content(bundle)
    assert kinds(desk, case)[-2:] == ["copied", "released"]
    entry = entries(desk, case)[found["entry"]]
    said = entry["statement"]["predicate"]
    assert (said["item"], said["method"], said["place"]) == (bundle.name, "courier", "Room 1")
    assert (said["purpose"], said["authority"]) == ("Review", "Order 7")
    told = details(entry)
    assert told["to"] == {"name": "I. Vestige", "title": "Detective", "organization": "Police"}
    assert (told["copy"], told["label"]) == ("C1", f"{bundle.name}/C1")
    assert (told["tracking"], told["expires"]) == ("T-1", "2100-01-01T23:59:59Z")
    note = tmp_path / "out" / f"{bundle.name}.release.dsse.json"
    raw = desk("ledger", "show", str(found["entry"]), "--raw", "--case", case, exit_code=0)
    assert note.read_text() == raw.stdout
    proof = note.with_name(f"{bundle.name}.release.tlog-proof")
    desk("verify", proof, "--entry", note, exit_code=0)
    kept = case / "transfers" / found["release"]
    assert sorted(path.name for path in kept.iterdir()) == [
        "release.dsse.json", "release.tlog-proof",
    ]  # fmt: skip
    desk("verify", case, exit_code=0)


def test_it_must_be_said_what_goes(desk: Person, case: Path, bundle: Path, tmp_path: Path) -> None:
    """With neither copy nor original named, the commands to type are; nothing is written."""
    done = desk("release", bundle, *WHY, "--case", case, exit_code=2)
    for words in ("--copy-to DEST", "--copy C1", "--original"):
        assert words in done.stderr
    desk("release", bundle, *WHY, "--case", case, "--original", "--copy", "C1", exit_code=2)
    desk("release", bundle, *WHY, "--case", case, "--copy", "D1", exit_code=2)
    desk("release", tmp_path / "gone", *WHY, "--case", case, "--original", exit_code=12)
    assert kinds(desk, case) == ["case-opened", "sealed"]
    assert list((case / "transfers").iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["--to", ""], ["--to", ", Detective"], ["--purpose", " "], ["--authority", ""],
        ["--expires", "yesterday"], ["--expires", "2020-01-01"], ["--expires", "2100-01-01T10:00"],
        ["--to-key", "vestige+00000000+AAAA"], ["--tracking", "x\x1b[31m"],
    ],
)  # fmt: skip
def test_words_that_cannot_be(
    desk: Person, case: Path, bundle: Path, tmp_path: Path, wrong: list[str]
) -> None:
    """A field that is empty, over or malformed is refused before anything is copied."""
    args = [*WHY, *wrong] if wrong[0] not in WHY else [
        wrong[1] if WHY[max(place - 1, 0)] == wrong[0] else word for place, word in enumerate(WHY)
    ]  # fmt: skip
    done = desk(
        "release", bundle, *args, "--copy-to", tmp_path / "out", "--case", case, exit_code=2
    )
    assert wrong[0] in done.stderr
    assert not (tmp_path / "out").exists()
    assert kinds(desk, case) == ["case-opened", "sealed"]


def test_a_changed_bundle_is_never_released(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """Neither as a copy nor as the original: exit 10, and nothing is entered."""
    (bundle / "seal" / "junk").write_text("more")
    for how in (["--copy-to", tmp_path / "out"], ["--original"]):
        found = released(desk, case, bundle, *how, exit_code=10)
        assert found["released"] is False
    assert kinds(desk, case) == ["case-opened", "sealed"]
    assert not (tmp_path / "out" / bundle.name).exists()
    assert not list(tmp_path.glob("out/*.json"))


def test_a_copy_that_was_made_earlier(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """It is hashed again where it lies; it must be that copy, and unchanged."""
    desk("copy", bundle, tmp_path / "out", "--case", case, exit_code=0)
    copy = tmp_path / "out" / bundle.name
    desk("release", copy, *WHY, "--copy", "C2", "--case", case, exit_code=12)
    found = released(desk, case, copy, "--copy", "C1")
    assert (found["copy"], found["path"]) == ("C1", str(copy))
    assert (tmp_path / "out" / f"{bundle.name}.release.dsse.json").is_file()
    next(copy.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    desk("release", copy, *WHY, "--copy", "C1", "--case", case, exit_code=10)
    assert kinds(desk, case)[-2:] == ["copied", "released"]


def test_a_copy_is_named_by_where_it_lies(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """Neither the original nor the directory around a copy passes for the copy."""
    desk("copy", bundle, tmp_path / "out", "--case", case, exit_code=0)
    for wrong, code, why in (
        (bundle, 2, "it is the original, and --copy names a copy"),
        (tmp_path / "out", 12, "neither a bundle nor a case; nothing was released"),
        (case, 2, "it is a case"),
    ):
        done = desk("release", wrong, *WHY, "--copy", "C1", "--case", case, exit_code=code)
        assert why in done.stderr
        assert "not as it was sealed" not in done.stderr
    assert kinds(desk, case)[-1] == "copied"
    assert [path.name for path in (case / "bundles").iterdir()] == [bundle.name]


def test_what_is_away_is_not_released_again(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """Until it has come back, or was refused, a copy has one receiver; so has the original."""
    desk("copy", bundle, tmp_path / "out", "--case", case, exit_code=0)
    copy = tmp_path / "out" / bundle.name
    released(desk, case, copy, "--copy", "C1")
    done = desk("release", copy, *WHY, "--copy", "C1", "--case", case, exit_code=2)
    assert "was released to I. Vestige" in done.stderr
    released(desk, case, bundle, "--original")
    done = desk("release", bundle, *WHY, "--original", "--case", case, exit_code=2)
    assert "has not come back" in done.stderr
    desk("receive", copy, "--copy", "C1", "--from", TO, "--case", case, exit_code=0)
    (tmp_path / "out" / f"{bundle.name}.release.dsse.json").unlink()
    (tmp_path / "out" / f"{bundle.name}.release.tlog-proof").unlink()
    # That copy coming back without its number would have been taken for the original.
    desk("release", bundle, *WHY, "--original", "--case", case, exit_code=2)
    released(desk, case, copy, "--copy", "C1")


def test_the_original_goes(desk: Person, case: Path, bundle: Path, tmp_path: Path) -> None:
    """Nothing is moved; once it is gone from the disk the case says so, and does not fail."""
    before = content(case / "bundles")
    found = released(desk, case, bundle, "--original")
    assert found["original"] is True
    assert found["note"] == str(case / "transfers" / found["release"] / "release.dsse.json")
    assert content(case / "bundles") == before
    desk("verify", case, exit_code=0)
    shutil.move(bundle, tmp_path / "gone")
    done = desk("verify", case, exit_code=0)
    assert "the original was released, by ledger entry 2" in done.stderr
    back = Path(shutil.copytree(tmp_path / "gone", tmp_path / "back" / bundle.name))
    desk("receive", back, "--from", TO, "--case", case, exit_code=0)
    assert details(entries(desk, case)[-1])["original"] is True
    assert content(case / "bundles" / bundle.name).items() >= content(back).items()
    desk("verify", case, exit_code=0)


def test_attachments_stay_unless_asked(
    desk: Person, case: Path, bundle: Path, tmp_path: Path, root: Path
) -> None:
    """Counsel's papers go along only where --with-attachments says so."""
    record = root / "sample_logs" / "incident.yaml"
    desk("obligations", record, bundle.name, "--attach", "--case", case, exit_code=0)
    released(desk, case, bundle, "--copy-to", tmp_path / "one")
    assert not (tmp_path / "one" / bundle.name / "attachments").exists()
    done = desk("release", bundle, *WHY, "--original", "--case", case, exit_code=2)
    assert "--with-attachments" in done.stderr
    released(desk, case, bundle, "--copy-to", tmp_path / "two", "--with-attachments")
    assert content(tmp_path / "two" / bundle.name) == content(bundle)


def test_only_what_the_case_has(
    desk: Person, case: Path, bundle: Path, brought: Brought, tmp_path: Path
) -> None:
    """A bundle from elsewhere, or one that nobody entered, is not released."""
    desk("release", brought.path, *WHY, "--original", "--case", case, exit_code=2)
    shutil.copytree(brought.path, case / "bundles" / brought.name)
    stray = case / "bundles" / brought.name
    signer = ["--signer", brought.fingerprint]
    for how in (["--copy-to", tmp_path / "out"], ["--original"]):
        done = desk("release", stray, *how, *WHY, *signer, "--case", case, exit_code=12)
        assert "not entered" in done.stderr
    assert not (tmp_path / "out" / brought.name).exists()
    assert kinds(desk, case) == ["case-opened", "sealed"]


DIES = """
import os, sys
from custody import keeping
from custody.transfer import release, copying
def die(*_):
    os._exit(9)
if sys.argv.pop(1) == "before":
    keeping.Writing.append = die
else:
    release._papers = die
from custody.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_release_that_was_stopped(
    desk: Person, case: Path, bundle: Path, tmp_path: Path, moment: str
) -> None:
    """The same command finishes it: one copy and one release are entered, and a copy is there."""
    command = ["release", bundle, *WHY, "--copy-to", tmp_path / "out", "--case", case]
    done = subprocess.run(
        [sys.executable, "-c", DIES, moment, *command],
        env={**desk.custody.environment(), "CUSTODY_HOME": str(desk.home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 9
    assert not (tmp_path / "out" / bundle.name).exists()
    if moment == "after":
        other = ["--to", "S. Else", "--purpose", "Review", "--authority", "Order 7"]
        desk("release", bundle, *other, "--copy-to", tmp_path / "out", "--case", case, exit_code=2)
    found = desk.json(*command)
    assert found["finished"] is (moment == "after")
    assert kinds(desk, case)[1:] == ["sealed", "copied", "released"]
    assert found["copy"] == "C1"
    assert content(tmp_path / "out" / bundle.name) == content(bundle)
    note = tmp_path / "out" / f"{bundle.name}.release.dsse.json"
    desk("verify", note.with_name(f"{bundle.name}.release.tlog-proof"), "--entry", note,
         exit_code=0)  # fmt: skip
    desk("verify", case, exit_code=0)


def test_a_release_of_the_original_that_was_stopped(desk: Person, case: Path, bundle: Path) -> None:
    """Entered and without its papers, it is given them by the same command."""
    command = ["release", bundle, *WHY, "--original", "--case", case]
    done = subprocess.run(
        [sys.executable, "-c", DIES, "after", *command],
        env={**desk.custody.environment(), "CUSTODY_HOME": str(desk.home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 9
    assert kinds(desk, case)[-1] == "released"
    other = ["--to", "S. Else", "--purpose", "Review", "--authority", "Order 7"]
    desk("release", bundle, *other, "--original", "--case", case, exit_code=2)
    found = desk.json(*command)
    assert found["finished"] is True
    assert Path(found["note"]).is_file()
    assert kinds(desk, case).count("released") == 1
    desk("verify", case, exit_code=0)


def test_a_key_to_sign_with_is_named(
    desk: Person, case: Path, bundle: Path, receiver: Person, tmp_path: Path
) -> None:
    """--to-key is part of the release."""
    key = receiver.key()["vkey"]
    found = released(desk, case, bundle, "--copy-to", tmp_path / "out", "--to-key", key)
    assert found["to"]["key"] == key
    assert json.loads(json.dumps(found["to"]))["name"] == "I. Vestige"
