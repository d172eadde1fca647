"""`custody init`: a case, its keys, and nothing half-made."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import pytest

from custody.formats import vkey

ROOT = os.geteuid() == 0


def files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("a long passphrase\n")
    path.chmod(0o600)
    return path


def test_what_it_makes(custody: Any, tmp_path: Path, secret: Path) -> None:
    """A private case with one entry, two encrypted keys and both in the own trust folder."""
    case = tmp_path / "cases/2026-117"
    done = custody(
        "init", case, "--number", "2026-117", "--title", "Web server", "--person", "Sam Lee",
        "--organization", "City of Example", "--passphrase-file", secret, "--json", exit_code=0,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["schema"] == "custody.case/v1"
    assert (found["path"], found["case"]) == (str(case.resolve()), "2026-117")
    assert re.fullmatch(r"custody/2026-117-[0-9a-f]{8}", found["origin"])
    assert vkey.parse(found["log_vkey"]).name == found["origin"]
    record = json.loads((case / "case.json").read_text())
    assert set(record) == {"case", "created", "format", "origin", "title"}
    assert {path.name for path in case.iterdir()} == {
        "case.json", "bundles", "ledger", "attachments", "transfers", "incoming", "lock",
    }  # fmt: skip
    for path in [case.parent, case, *case.rglob("*"), *(custody.home).rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    keys = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
    assert [key["encrypted"] for key in keys] == [True, True]
    trusted = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    assert [signer["name"] for signer in trusted["signers"]] == ["Sam Lee"]
    entries = custody("ledger", "list", "--case", case, "--json", exit_code=0).stdout.splitlines()
    assert [json.loads(line)["type"] for line in entries] == ["case-opened"]
    assert custody("verify", case).returncode == 0
    assert not list(case.rglob("*.pem"))


def test_what_it_says(custody: Any, tmp_path: Path) -> None:
    """The names, both keys, and the next command; unencrypted keys and root are said aloud."""
    done = custody("init", tmp_path / "case", "--no-passphrase", exit_code=0)
    for word in ("case", "directory", "ledger", "ledger key", "your key"):
        assert re.search(rf"^{word} +\S", done.stdout, re.MULTILINE)
    assert f"next: custody collect SOURCE... --case {tmp_path / 'case'}" in done.stderr
    assert "warning: the keys are not encrypted" in done.stderr
    assert ("you are root" in done.stderr) == ROOT


def test_a_second_case_uses_the_same_key(custody: Any, tmp_path: Path) -> None:
    """Each ledger has a key of its own; the person's key is made once."""
    documents = [
        json.loads(
            custody("init", tmp_path / name, "--no-passphrase", "--json", exit_code=0).stdout
        )
        for name in ("one", "two")
    ]
    assert documents[0]["signer_vkey"] == documents[1]["signer_vkey"]
    name = documents[0]["signer_vkey"].partition("+")[0]
    host = re.sub(r"[^A-Za-z0-9._-]", "", platform.node().partition(".")[0]).strip("._-")[:31]
    assert name.endswith(f"@{host}" if host else "")  # not the same as root's of the next desk
    assert documents[0]["log_vkey"] != documents[1]["log_vkey"]
    assert len(list((custody.home / "keys").glob("*.pem"))) == 3


def test_an_empty_directory_will_do(custody: Any, tmp_path: Path) -> None:
    """A directory that is there and empty becomes the case, and private."""
    case = tmp_path / "case"
    case.mkdir(mode=0o755)
    custody("init", case, "--no-passphrase", exit_code=0)
    assert case.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("what", ["case", "file", "dangling link", "full directory"])
def test_nothing_is_overwritten(what: str, custody: Any, tmp_path: Path) -> None:
    """Where something stands there is no new case: exit 2, and no key was made."""
    place = tmp_path / "place"
    if what == "file":
        place.write_text("mine")
    elif what == "dangling link":
        place.symlink_to("nowhere")
    else:
        place.mkdir()
        (place / "case.json").write_text("{}")
    before = files(tmp_path)
    done = custody("init", place, "--no-passphrase", exit_code=2)
    assert "nothing was written" in done.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["CASE", "--title", "a\nb"], ["CASE", "--number", "\x1b[2J"],
        ["CASE", "--title", "x" * 9_999], ["CASE", "--person", "a\t"],
        ["CASE", "--no-passphrase", "--passphrase-file", "f"],
    ],
)  # fmt: skip
def test_what_makes_no_sense(arguments: list[str], custody: Any, tmp_path: Path) -> None:
    """Missing, unprintable, endless or contradicting words: exit 2, and nothing is written."""
    words = [str(tmp_path / "case") if word == "CASE" else word for word in arguments]
    done = custody("init", *words, exit_code=2)
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "case").exists()
    assert not custody.home.exists()


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"\x1b[31m", b"a b", "Straße".encode(), b"-x", b"a" * 200, b"+"]
)
def test_a_number_from_an_odd_directory(name: bytes, custody: Any, tmp_path: Path) -> None:
    """The directory's name is the number where none is given, made printable."""
    case = os.fsencode(tmp_path) + b"/" + name
    custody("init", "--no-passphrase", "--", os.fsdecode(case), exit_code=0)
    with open(case + b"/case.json", "rb") as stream:
        record = json.load(stream)
    assert record["case"].isprintable()
    assert re.fullmatch(r"custody/[A-Za-z0-9._-]+-[0-9a-f]{8}", record["origin"])
    custody("verify", os.fsdecode(case), exit_code=0)


def test_a_wrong_passphrase_opens_no_case(custody: Any, tmp_path: Path, secret: Path) -> None:
    """With an own key that cannot be unlocked there is no new case: 14."""
    custody("key", "new", "desk", "--passphrase-file", secret, exit_code=0)
    secret.write_text("another\n")
    custody("init", tmp_path / "case", "--passphrase-file", secret, exit_code=14)
    assert not (tmp_path / "case").exists()
    assert sorted(os.listdir(custody.home / "keys")) == ["desk.json", "desk.pem"]


@pytest.mark.skipif(not ROOT, reason="becoming another user needs root")
def test_where_nothing_may_be_written(custody: Any, ordinary_user: Any, tmp_path: Path) -> None:
    """A place that may not be written to or entered is one clear error."""
    wall = tmp_path / "wall"
    wall.mkdir(mode=0o700)
    for place in (wall / "case", wall / "deeper/case"):
        done = custody("init", place, "--no-passphrase", user=ordinary_user, exit_code=1)
        assert re.search(r"permission denied|not permitted", done.stderr), done.stderr
        assert "Traceback" not in done.stderr
        assert "unexpected" not in done.stderr
