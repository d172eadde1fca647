"""`custody receive --from`: what hosts bring is copied, verified and entered, whatever it is."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hands import Brought, Person, bring, content, details, entries, kinds

from custody import case as cases
from custody import clock, pump
from custody.cli import exit_codes
from custody.errors import StorageError
from custody.identity.trust import Trust
from custody.transfer import intake
from custody.transfer.intake import Terms

WHO = "H. Ost, Responder, City"


def take_in(desk: Person, case: Path, *args: Any, exit_code: int = 0) -> list[dict[str, Any]]:
    found = desk.json("receive", "--case", case, "--from", WHO, *args, exit_code=exit_code)
    assert found["schema"] == "custody.intake/v1"
    listed: list[dict[str, Any]] = found["bundles"]
    return listed


def test_a_bundle_with_its_fingerprint(desk: Person, case: Path, brought: Brought) -> None:
    """With the fingerprint from the paper form it is verified, vouched for, and the case is ok."""
    before = content(brought.path)
    words = ["--via", "by hand", "--place", "Room 1", "--evidence-number", "E-1"]
    key = ["--fingerprint", brought.fingerprint]
    (one,) = take_in(desk, case, brought.path, *key, *words)
    assert (one["outcome"], one["verdict"]) == ("received", "ok")
    inside = case / "bundles" / brought.name
    assert {name: data for name, data in content(inside).items() if name in before} == before
    assert kinds(desk, case) == ["case-opened", "key-added", "received"]
    entry = entries(desk, case)[one["entry"]]
    said = entry["statement"]["predicate"]
    assert (said["item"], said["place"], said["method"]) == (brought.name, "Room 1", "by hand")
    found = details(entry)
    assert found["from"] == {"name": "H. Ost", "title": "Responder", "organization": "City"}
    assert found["signer"] == brought.fingerprint
    assert (found["evidence_number"], found["verdict"]) == ("E-1", "ok")
    desk("verify", case, exit_code=0)
    assert content(brought.path) == before
    assert not list((case / "incoming").iterdir())


def test_an_untrusted_key_is_received_and_not_verified(
    desk: Person, case: Path, brought: Brought
) -> None:
    """Without a reason to believe the key it is published and entered, and the exit is 11."""
    (one,) = take_in(desk, case, brought.path, exit_code=11)
    assert (one["outcome"], one["verdict"]) == ("not-verified", "cannot-verify")
    assert one["hint"].endswith(f" --fingerprint {brought.fingerprint}")
    assert "trust add" not in one["hint"]
    assert (case / "bundles" / brought.name / "seal").is_dir()
    assert details(entries(desk, case)[one["entry"]])["verdict"] == "cannot-verify"
    desk("verify", case, exit_code=11)
    (same,) = take_in(desk, case, brought.path, exit_code=11)
    assert same["outcome"] == "held"
    command = shlex.split(one["hint"].partition("then: custody ")[2])
    assert same["hint"] == one["hint"]
    assert (
        f"--signer {brought.fingerprint}" in desk.json("verify", brought.path, exit_code=11)["hint"]
    )
    (again,) = desk.json(*command)["bundles"]
    assert again["outcome"] == "held"
    desk("verify", case, exit_code=0)
    take_in(desk, case, brought.path)
    take_in(desk, case, brought.path, "--fingerprint", brought.fingerprint)
    assert kinds(desk, case)[1:] == ["received", "received", "key-added", *["received"] * 3]


def test_a_collection_after_an_intake_says_nothing_of_it(
    desk: Person, case: Path, brought: Brought, logs: Path
) -> None:
    """What was taken in is not pending: it is neither entered again nor complained about."""
    take_in(desk, case, brought.path, exit_code=11)
    done = desk("collect", logs, "--case", case, exit_code=0)
    assert brought.name not in done.stderr
    assert kinds(desk, case) == ["case-opened", "received", "sealed"]


def test_another_fingerprint_than_on_the_paper(
    desk: Person, case: Path, brought: Brought, host: Person, logs: Path, tmp_path: Path
) -> None:
    """A bundle that somebody else sealed is not what the paper form is about: kept apart, 10."""
    other = bring(host, logs, tmp_path / "other")
    (one,) = take_in(desk, case, brought.path, "--fingerprint", other.fingerprint, exit_code=10)
    assert one["outcome"] == "differs"
    assert not (case / "bundles" / brought.name).exists()
    assert brought.fingerprint not in one["hint"]
    desk("history", brought.name, "--case", case, exit_code=3)
    words = shlex.split(one["hint"].partition(": custody ")[2])
    filled = {"NAME": WHO, "NUMBER": brought.fingerprint}
    desk(*(filled.get(word, word) for word in words), exit_code=0)
    told = desk.json("history", brought.name, "--case", case)
    assert told["gaps"] == []
    assert any("entry 1: what was brought as" in remark for remark in told["remarks"])


def test_the_two_numbers_exchanged_are_noticed_before_anything_is_entered(
    desk: Person, case: Path, brought: Brought
) -> None:
    """What was kept apart by mistake would be in the ledger for ever."""
    statement = (brought.path / "seal/statement.dsse.json").read_bytes()
    digest = hashlib.sha256(statement).hexdigest()
    before = kinds(desk, case)
    (one,) = take_in(desk, case, brought.path, "--fingerprint", digest, exit_code=2)
    assert "is the digest of this bundle's statement" in one["why"]
    assert kinds(desk, case) == before
    assert not list((case / "transfers").iterdir())


def test_a_changed_bundle_is_kept_apart(desk: Person, case: Path, brought: Brought) -> None:
    """It never comes under bundles/; that it came, and differs, is entered; exit 10."""
    next(brought.path.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    (one,) = take_in(desk, case, brought.path, exit_code=10)
    assert (one["outcome"], one["verdict"]) == ("differs", "failed")
    assert list((case / "bundles").iterdir()) == []
    kept = Path(one["where"])
    assert kept.parent == case / "transfers"
    assert content(kept) == content(brought.path)
    found = details(entries(desk, case)[one["entry"]])
    assert (found["verdict"], found["kept"]) == ("failed", f"transfers/{kept.name}")
    desk("verify", case, exit_code=0)
    shutil.rmtree(kept)
    assert "kept apart is gone" in desk("verify", case, exit_code=10).stdout


def test_many_of_which_some_are_bad(
    desk: Person, case: Path, host: Person, logs: Path, tmp_path: Path
) -> None:
    """Good ones go in whatever the others are, in one commit; one line each; the worst exit."""
    sticks = [bring(host, logs, tmp_path / f"stick{n}") for n in range(4)]
    (sticks[1].path / "manifest-sha256.txt").write_text("junk\n")
    shutil.rmtree(sticks[2].path / "seal")
    (tmp_path / "nothing").mkdir()
    paths = [one.path for one in sticks] + [tmp_path / "nothing", tmp_path / "gone"]
    keys = [part for one in sticks for part in ("--fingerprint", one.fingerprint)]
    found = take_in(desk, case, *paths, *keys, exit_code=10)
    assert [one["outcome"] for one in found] == [
        "received", "differs", "differs", "received", "failed", "failed",
    ]  # fmt: skip
    assert [one["exit"] for one in found] == [0, 10, 10, 0, 12, 12]
    assert sorted(p.name for p in (case / "bundles").iterdir()) == sorted(
        [sticks[0].name, sticks[3].name]
    )
    assert len({entry["index"] for entry in entries(desk, case)}) == 7
    desk("verify", case, exit_code=0)
    done = desk("receive", "--case", case, "--from", WHO, *paths, exit_code=10)
    assert len(done.stdout.splitlines()) == 6


def test_a_refusal(desk: Person, case: Path, brought: Brought) -> None:
    """--refuse takes nothing, and enters that it was refused and why."""
    (one,) = take_in(desk, case, brought.path, "--refuse", "no papers")
    assert one["outcome"] == "refused"
    assert list((case / "bundles").iterdir()) == []
    assert list((case / "incoming").iterdir()) == []
    entry = entries(desk, case)[one["entry"]]
    assert (entry["type"], entry["statement"]["predicate"]["comment"]) == ("refused", "no papers")


def test_a_bundle_that_is_held_already(
    desk: Person, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """A bundle of the case that is brought again is held against what is there, and entered so."""
    before = content(bundle)
    shutil.copytree(bundle, tmp_path / "back" / bundle.name)
    (one,) = take_in(desk, case, tmp_path / "back" / bundle.name)
    assert one["outcome"] == "held"
    assert details(entries(desk, case)[one["entry"]])["already_held"] is True
    assert content(bundle) == before
    assert list((case / "incoming").iterdir()) == []
    desk("verify", case, exit_code=0)


def test_another_bundle_under_a_name_that_is_taken(
    desk: Person, case: Path, host: Person, logs: Path, brought: Brought, tmp_path: Path
) -> None:
    """What bears the name of a bundle of the case, and is another, is kept apart."""
    take_in(desk, case, brought.path, exit_code=11)
    other = bring(host, logs, tmp_path / "other").path
    fake = other.rename(other.with_name(brought.name))
    info = fake / "bag-info.txt"
    info.write_text(info.read_text().replace(other.name, brought.name))
    before = content(case / "bundles")
    (one,) = take_in(desk, case, fake, exit_code=10)
    assert one["outcome"] == "differs"
    assert content(case / "bundles") == before


def plant_link(bag: Path) -> None:
    (bag / "data" / "link").symlink_to("/etc/passwd")


def plant_fifo(bag: Path) -> None:
    os.mkfifo(bag / "data" / "pipe")


def plant_directory_link(bag: Path) -> None:
    (bag / "custody").rename(bag.parent / "elsewhere")
    (bag / "custody").symlink_to(bag.parent / "elsewhere")


def plant_file_for_directory(bag: Path) -> None:
    (bag / "seal" / "events").write_text("not a directory")


def plant_statement_fifo(bag: Path) -> None:
    (bag / "seal" / "statement.dsse.json").unlink()
    os.mkfifo(bag / "seal" / "statement.dsse.json")


def plant_name(bag: Path) -> None:
    info = bag / "bag-info.txt"
    info.write_text(info.read_text().replace(bag.name, "../../evil"))


@pytest.mark.parametrize(
    "plant",
    [plant_link, plant_fifo, plant_directory_link, plant_file_for_directory, plant_statement_fifo,
     plant_name],
)  # fmt: skip
def test_hostile_bundles(desk: Person, case: Path, brought: Brought, plant: Any) -> None:
    """No link is followed, no FIFO waited for, no name believed: it differs, and is kept apart."""
    plant(brought.path)
    (one,) = take_in(desk, case, brought.path, exit_code=10)
    assert one["outcome"] == "differs"
    kept = Path(one["where"])
    assert kept.parent == case / "transfers"
    assert not [path for path in kept.rglob("*") if path.is_symlink() or path.is_fifo()]
    assert b"root:" not in b"".join(content(kept).values())
    assert list((case / "bundles").iterdir()) == []
    assert not (case.parent / "evil").exists()
    desk("verify", case, exit_code=0)


def test_a_path_that_is_a_link(desk: Person, case: Path, brought: Brought, tmp_path: Path) -> None:
    """A link among the paths is not gone through."""
    (tmp_path / "link").symlink_to(brought.path)
    (one,) = take_in(desk, case, tmp_path / "link", exit_code=12)
    assert "a link" in one["why"]
    assert kinds(desk, case) == ["case-opened"]


def test_a_number_that_is_not_taken_over_is_said(
    desk: Person, case: Path, host: Person, logs: Path, tmp_path: Path
) -> None:
    """Also of a bundle that nobody could verify: the number that it brings is another's here."""
    host("collect", logs, "--output", tmp_path / "out", "--evidence-number", "E-1/C1")
    (bundle,) = (tmp_path / "out").iterdir()
    done = desk("receive", bundle, "--case", case, "--from", WHO, exit_code=11)
    assert "was received, and not verified" in done.stderr
    assert (
        "the evidence number that it brings, E-1/C1, is the name of something else" in done.stderr
    )


@pytest.mark.parametrize("giver", [[], ["--from", WHO]])
def test_what_is_no_bundle_and_what_was_meant(
    desk: Person, case: Path, brought: Brought, tmp_path: Path, giver: list[str]
) -> None:
    """The hint names the bundle: for the directory around it, a case, its release, its receipt."""
    papers = {}
    for name in ("release", "receipt"):
        papers[name] = tmp_path / f"{brought.name}.{name}.dsse.json"
        papers[name].write_text("{}")
    (tmp_path / "empty").mkdir()
    expected = {
        brought.path.parent: str(brought.path),
        case: str(case / "bundles"),
        papers["release"]: str(tmp_path / brought.name),
        papers["receipt"]: "custody record RECEIPT",
        tmp_path / "empty": "name the directory of the bundle",
        case / "case.json": "name the directory of the bundle",
    }
    for path, hint in expected.items():
        done = desk("receive", path, "--case", case, *giver, exit_code=12)
        assert hint in done.stderr.partition("hint: ")[2], path
        assert "a bundle" in done.stderr.partition("hint: ")[0]
    assert kinds(desk, case) == ["case-opened"]


def test_a_huge_sparse_file_is_not_begun_with(desk: Person, case: Path, brought: Brought) -> None:
    """A file that claims more than the disk has is refused before anything is written."""
    with next(brought.path.glob("data/**/auth.log")).open("r+b") as file:
        file.truncate(8 << 40)
    (one,) = take_in(desk, case, brought.path, exit_code=1)
    assert "bytes are needed" in one["why"]
    assert list((case / "incoming").iterdir()) == []
    assert kinds(desk, case) == ["case-opened"]


def test_one_number_for_many(desk: Person, case: Path, brought: Brought) -> None:
    """An evidence number, or a copy's, is one bundle's: with several nothing is taken in."""
    for option in (["--evidence-number", "E-1"], ["--copy", "C1"]):
        done = desk("receive", "--case", case, "--from", WHO, brought.path, brought.path, *option,
                    exit_code=2)  # fmt: skip
        assert "one by one" in done.stderr
    assert kinds(desk, case) == ["case-opened"]


def test_a_copy_that_comes_back(desk: Person, case: Path, bundle: Path, tmp_path: Path) -> None:
    """--copy says which it was, and it must be exactly that."""
    desk("copy", bundle, tmp_path / "out", "--case", case, exit_code=0)
    copy = tmp_path / "out" / bundle.name
    (one,) = take_in(desk, case, copy, "--copy", "C1")
    found = details(entries(desk, case)[one["entry"]])
    assert (found["copy"], found["label"]) == ("C1", f"{bundle.name}/C1")
    (none,) = take_in(desk, case, copy, "--copy", "C2", exit_code=12)
    assert none["outcome"] == "failed"


def swap_for_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def swap_for_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    os.truncate(path, 1)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("change", [swap_for_link, swap_for_fifo, remove, shorten, lengthen])
def test_a_bundle_that_changes_while_it_is_copied(
    case: Path, brought: Brought, change: Callable[[Path], None]
) -> None:
    """Whatever is done to it meanwhile, it never counts as good, and nothing is followed."""
    victim = next(brought.path.glob("data/**/access.log"))
    told: list[int] = []

    def progress(files: int, *_: Any) -> None:
        told.append(files)
        if len(told) == 1:
            change(victim)

    trust = Trust().with_signer(brought.fingerprint)
    terms = Terms({"name": "H. Ost"}, {})
    opened = cases.open_case(case)
    arrived = intake.look(opened, brought.path, trust, terms, clock.now(), progress)
    assert told
    assert arrived.error is not None or arrived.differs
    if arrived.error is not None:
        assert exit_codes.for_error(arrived.error) == 10
        assert "while it was copied" in arrived.why
    assert b"root:" not in b"".join(content(case / "incoming").values())


def test_a_disk_that_fills_up(
    desk: Person, case: Path, brought: Brought, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that could not be written is not taken in, and the case is as it was."""
    full = OSError(errno.ENOSPC, "full")

    def write(*_: Any) -> None:
        raise full

    monkeypatch.setattr(pump, "_write_some", write)
    trust, terms = Trust().with_signer(brought.fingerprint), Terms({"name": "H. Ost"}, {})
    opened = cases.open_case(case)
    arrived = intake.look(opened, brought.path, trust, terms, clock.now(), lambda *_: None)
    assert isinstance(arrived.error, StorageError)
    assert "the disk is full" in arrived.why
    assert kinds(desk, case) == ["case-opened"]
    assert list((case / "bundles").iterdir()) == []


DIES = """
import os, sys
from custody import keeping
def die(*_):
    os._exit(9)
keeping.Writing.append = die
from custody.cli.main import main
sys.exit(main())
"""


def test_an_intake_that_was_stopped_is_entered_by_the_next(
    desk: Person, case: Path, brought: Brought, host: Person, logs: Path, tmp_path: Path
) -> None:
    """Killed between publishing and entering, it is entered by the next, as it was signed."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, "receive", "--case", case, "--from", WHO, brought.path,
         "--fingerprint", brought.fingerprint],
        env={**desk.custody.environment(), "CUSTODY_HOME": str(desk.home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 9
    inside = case / "bundles" / brought.name
    assert len(list((inside / "seal" / "events").iterdir())) == 2
    assert kinds(desk, case) == ["case-opened"]
    assert "nobody entered this bundle" in desk("verify", case, exit_code=10).stdout
    other = bring(host, logs, tmp_path / "other")
    (one,) = take_in(desk, case, other.path, "--fingerprint", other.fingerprint)
    assert one["outcome"] == "received"
    found = kinds(desk, case)
    assert sorted(found[1:3]) == ["key-added", "received"]
    assert found[3:] == ["key-added", "received"]
    desk("verify", case, exit_code=0)
    (again,) = take_in(desk, case, brought.path)
    assert again["outcome"] == "held"


def test_two_intakes_of_one_bundle_at_once(
    desk: Person, case: Path, brought: Brought, tmp_path: Path
) -> None:
    """One of them takes it in, and the others find that it is there."""
    running = [
        subprocess.Popen(
            desk.custody.command("receive", "--case", case, "--from", WHO, brought.path,
                                 "--fingerprint", brought.fingerprint, "--json"),
            env={**desk.custody.environment(), "CUSTODY_HOME": str(desk.home)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    found = [json.loads(process.communicate()[0])["bundles"][0] for process in running]
    assert sorted(one["outcome"] for one in found) == ["held", "held", "received"]
    assert len({one["entry"] for one in found}) == 3
    desk("verify", case, exit_code=0)
