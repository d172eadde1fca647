"""`custody history`, and the events that are entered by hand: note, correct, access, dispose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from authority import Authority

NUMBER = "E-003"
CLERK = ("--person", "A. Clerk", "--organization", "City of Example")
NOT_UTF8 = "caf\udce9.log"
ODD = "odd |<b>\x1b[31m.log"


_MADE: list[Path] = []


@pytest.fixture
def made(custody: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home, and a case with one bundle of two files: made once, each test works on a copy."""
    if not _MADE:
        base = tmp_path_factory.mktemp("made")
        home, logs = {"CUSTODY_HOME": str(base / "home")}, base / "logs"
        logs.mkdir()
        (logs / "auth.log").write_text("a line\n")
        (logs / ODD).write_text("odd\n")
        (logs / NOT_UTF8).write_text("bytes\n")
        opened = ("init", base / "case", "--no-passphrase", "--number", "26-7", *CLERK)
        custody(*opened, env=home, exit_code=0)
        collected = ("collect", logs, "--case", base / "case", "--evidence-number", NUMBER)
        custody(*collected, env=home, exit_code=0)
        _MADE.append(base)
    return _MADE[0]


@pytest.fixture
def case(custody: Any, made: Path, tmp_path: Path) -> Path:
    """The case, and the keys and trust of whoever keeps it."""
    shutil.copytree(made / "home", custody.home)
    return Path(shutil.copytree(made / "case", tmp_path / "case"))


@pytest.fixture
def log(made: Path) -> str:
    """The path under which the first file was collected."""
    return str(made / "logs" / "auth.log")


def bundle_of(case: Path) -> Path:
    return next((case / "bundles").iterdir())


def told(custody: Any, case: Path, item: str = "", **more: Any) -> dict[str, Any]:
    """The history of an item as a document."""
    asked = (item,) if item else ()
    done = custody("history", *asked, "--case", case, "--json", **({"exit_code": 0} | more))
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def size(custody: Any, case: Path) -> int:
    return int(told(custody, case)["ledger"]["size"])


# ---- which item


def test_every_name_of_an_item(custody: Any, case: Path, log: str) -> None:
    """A bundle is found by id, evidence number and digest, a file by path and digest, the case."""
    bundle = bundle_of(case)
    file = told(custody, case, log)
    assert (file["kind"], file["files"][0]["bundle"]) == ("file", bundle.name)
    digest = file["files"][0]["sha256"]
    assert told(custody, case, digest)["files"] == file["files"]
    assert told(custody, case, f"sha256:{digest}")["files"] == file["files"]
    for name in (bundle.name, NUMBER, told(custody, case)["bundles"][0]["sha256"]):
        document = told(custody, case, name)
        assert (document["kind"], document["bundles"][0]["id"]) == ("bundle", bundle.name)
    assert told(custody, case, str(bundle) + "/")["item"] == bundle.name
    for document in (told(custody, case), told(custody, case, "26-7")):
        assert [event["type"] for event in document["events"]] == ["case-opened", "sealed"]
    assert [event["type"] for event in file["events"]] == ["sealed"]


@pytest.mark.parametrize("item", ["E-03", "E-003/C1", "/no/such/file", "ab" * 32, "../case"])
def test_an_item_that_is_not_there(custody: Any, case: Path, item: str) -> None:
    """No such item: exit 12, the nearest names, and nothing on stdout."""
    done = custody("history", item, "--case", case, exit_code=12)
    assert done.stdout == ""
    assert "no such bundle" in done.stderr
    assert NUMBER in done.stderr


def test_no_case_at_all(custody: Any, tmp_path: Path) -> None:
    """Without a case the exit is 2 and the hint is the command; without a ledger it is 12."""
    done = custody("history", NUMBER, exit_code=2)
    assert f"custody history {NUMBER} --case DIR" in done.stderr
    custody("history", "--case", tmp_path / "nowhere", exit_code=12)
    custody("history", "--ledger", tmp_path, exit_code=12)


# ---- reading only


def test_a_ledger_that_lies_alone(custody: Any, case: Path, tmp_path: Path) -> None:
    """A copy of the ledger tells the same of a bundle, and says that it cannot tell of files."""
    ledger = shutil.copytree(case / "ledger", tmp_path / "elsewhere")
    done = custody("history", NUMBER, "--ledger", ledger, "--json", exit_code=0)
    alone, whole = json.loads(done.stdout), told(custody, case, NUMBER)
    assert (alone["events"], alone["holders"]) == (whole["events"], whole["holders"])
    done = custody("history", "/var/log/auth.log", "--ledger", ledger, exit_code=12)
    assert "the ledger alone names no such" in done.stderr


def test_without_trust_everything_is_shown(custody: Any, case: Path, tmp_path: Path) -> None:
    """Who trusts nobody sees the whole history, the words at the top, and exit 11."""
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    done = custody("history", NUMBER, "--case", case, "--trust", nobody, exit_code=11)
    assert done.stdout.startswith("ledger    NOT CHECKED")
    assert "collected and sealed" in done.stdout
    assert "NOT CHECKED, signed by a key that nobody here trusts" in done.stdout


def test_without_keys_and_on_read_only_media(
    custody: Any, case: Path, tmp_path: Path, ordinary_user: Any
) -> None:
    """Who has no key and may not write anywhere in the case reads its history."""
    for directory, _, files in os.walk(case):
        Path(directory).chmod(0o555)
        for file in files:
            (Path(directory) / file).chmod(0o444)
    trust = tmp_path / "trust"
    shutil.copytree(custody.home / "trust", trust)
    for path in (trust, *trust.iterdir()):
        path.chmod(0o755)
    before = sorted(case.rglob("*"))
    done = custody("history", NUMBER, "--case", case, "--trust", trust, user=ordinary_user,
                   exit_code=0)  # fmt: skip
    assert done.stdout.startswith("ledger    OK")
    assert sorted(case.rglob("*")) == before
    assert not (ordinary_user.home / "custody-home" / "keys").exists()


@pytest.mark.parametrize("defect", ["an-entry", "the-root", "behind"])
def test_a_ledger_that_fails_is_said_first(
    custody: Any, case: Path, tmp_path: Path, defect: str
) -> None:
    """A tampered, forked or shortened ledger is told at the top, with exit 10 and all the rest."""
    older = shutil.copytree(case, tmp_path / "older")
    custody("note", NUMBER, "seen", "--case", case, exit_code=0)
    told(custody, case)  # it is remembered
    if defect == "behind":
        shutil.rmtree(case / "ledger")
        shutil.copytree(older / "ledger", case / "ledger")
    else:
        where = "entries/000.p/3" if defect == "an-entry" else "0/000.p/3"
        path = case / "ledger" / "tile" / where
        data = bytearray(path.read_bytes())
        data[-9] ^= 1
        path.write_bytes(data)
    done = custody("history", "--case", case, exit_code=10)
    assert done.stdout.startswith("ledger    FAIL")
    assert "collected and sealed" in done.stdout
    assert told(custody, case, exit_code=10)["verdict"] == "failed"


def test_a_checkpoint_that_is_gone(custody: Any, case: Path) -> None:
    """Without a checkpoint nothing is promised, so nothing is shown: exit 10."""
    (case / "ledger" / "checkpoint").unlink()
    done = custody("history", "--case", case, exit_code=10)
    assert done.stdout == ""
    assert "custody ledger verify" in done.stderr


def test_a_gap_is_exit_3(custody: Any, case: Path) -> None:
    """A bundle that nobody entered is a gap of the case: exit 3, named, and the rest is shown."""
    bundle = bundle_of(case)
    shutil.copytree(bundle, bundle.with_name("20261122T000000Z-x-000000"))
    done = custody("history", "--case", case, exit_code=3)
    assert "no entry says how 20261122T000000Z-x-000000" in " ".join(done.stdout.split())
    assert told(custody, case, exit_code=3)["gaps"][0]["kind"] == "not-entered"


@pytest.mark.parametrize("trap", ["fifo", "link", "endless", "folder"])
def test_planted_inventories_stop_nothing(custody: Any, case: Path, log: str, trap: str) -> None:
    """An inventory that is a FIFO, a link or one endless line names no file, and blocks nobody."""
    path = bundle_of(case) / "custody" / "inventory.jsonl"
    kept = path.read_bytes()
    path.unlink()
    if trap == "fifo":
        os.mkfifo(path)
    elif trap == "link":
        (case.parent / "outside").write_bytes(kept)
        path.symlink_to(case.parent / "outside")
    elif trap == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(5 << 30)
    custody("history", log, "--case", case, exit_code=12, timeout=60)
    assert told(custody, case, NUMBER)["kind"] == "bundle"


def test_a_ledger_that_is_gone_or_no_ledger(custody: Any, case: Path) -> None:
    """A case whose ledger was taken away, or replaced by a FIFO, is exit 10, and nobody waits."""
    shutil.rmtree(case / "ledger")
    custody("history", "--case", case, exit_code=10)
    (case / "ledger").mkdir()
    os.mkfifo(case / "ledger" / "checkpoint")
    custody("history", "--case", case, exit_code=10, timeout=60)


def test_a_checkpoint_that_somebody_holds(custody: Any, case: Path, tmp_path: Path) -> None:
    """A checkpoint on file shows a history that was cut off, also to who never looked before."""
    older = shutil.copytree(case / "ledger", tmp_path / "older")
    custody("note", NUMBER, "seen", "--case", case, exit_code=0)
    held = tmp_path / "held"
    shutil.copy(case / "ledger" / "checkpoint", held)
    shutil.rmtree(case / "ledger")
    shutil.copytree(older, case / "ledger")
    shutil.rmtree(custody.home / "memory")
    custody("history", "--case", case, exit_code=0)
    done = custody("history", "--case", case, "--checkpoint", held, exit_code=10)
    assert "FAIL" in done.stdout


# ---- how it looks


def test_the_table_fits_80_columns(custody: Any, case: Path) -> None:
    """Nothing in the table is wider than 80 columns, digests stay whole, the holder is on top."""
    custody("note", NUMBER, "x " * 300 + "y" * 200, "--case", case, exit_code=0)
    done = custody("history", NUMBER, "--case", case, exit_code=0)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    digest = told(custody, case)["bundles"][0]["sha256"]
    assert any(line.endswith(digest) for line in lines)
    holder = next(line for line in lines if line.startswith("holder"))
    assert "A. Clerk, City of Example" in holder
    assert lines.index(holder) < next(n for n, line in enumerate(lines) if "entry " in line[:6])


def test_evidence_cannot_act(custody: Any, case: Path, made: Path) -> None:
    """A path with markup and escape codes is harmless in the table and in Markdown."""
    path = str(made / "logs" / ODD)
    custody("note", path, "*bold* <script>| x", "--case", case, exit_code=0)
    done = custody("history", path, "--case", case, exit_code=0)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m" in done.stdout
    done = custody("history", path, "--case", case, "--markdown", exit_code=0)
    assert "\x1b" not in done.stdout
    assert "<b>" not in done.stdout
    assert "<script>" not in done.stdout.replace("\\<script\\>", "")
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {8}
    custody("history", "--markdown", "--json", "--case", case, exit_code=2)


# ---- note, access, correct, dispose


def test_a_note_about_each_kind_of_item(custody: Any, case: Path, log: str) -> None:
    """A note is entered under the bundle, the file in it, or the case, and shows there alone."""
    done = custody("note", log, "line 1 is odd", "--place", "Lab 2", "--case", case, exit_code=0)
    assert done.stdout == f"entry 2: note on {log} in {bundle_of(case).name}\n"
    custody("note", "26-7", "counsel was told", "--case", case, exit_code=0)
    done = custody("note", NUMBER, "box 4", "--json", "--case", case, exit_code=0)
    assert json.loads(done.stdout) == {
        "schema": "custody.entry/v1",
        "index": 4,
        "type": "noted",
        "details": {"bundle": bundle_of(case).name},
    }
    event = told(custody, case, log)["events"][1]
    assert (event["words"]["comment"], event["words"]["place"]) == ("line 1 is odd", "Lab 2")
    assert event["subjects"][0]["name"] == "file"
    other = told(custody, case, str(Path(log).with_name(ODD)))
    assert [item["index"] for item in other["events"]] == [1, 4]
    assert [item["index"] for item in told(custody, case, NUMBER)["events"]] == [1, 2, 4]
    custody("verify", case, exit_code=0)


def test_a_path_that_is_not_utf_8(custody: Any, case: Path, made: Path) -> None:
    """A file is found by the exact bytes of its path, and its odd byte is shown escaped."""
    path = str(made / "logs" / NOT_UTF8)
    custody("note", path, "odd", "--case", case, exit_code=0)
    document = told(custody, case, path)
    assert document["files"][0]["path"] == path.replace("\udce9", "\\xe9")
    assert [event["type"] for event in document["events"]] == ["sealed", "noted"]
    assert "caf\\xe9.log" in custody("history", path, "--case", case, exit_code=0).stdout


def test_a_name_that_may_be_several_things(custody: Any, case: Path, log: str) -> None:
    """A file that is in two bundles is not noted in one of them by chance: exit 2."""
    custody("collect", log, "--case", case, exit_code=0)
    done = custody("note", log, "odd", "--case", case, exit_code=2)
    assert "one of several" in done.stderr
    assert size(custody, case) == 3
    assert len(told(custody, case, log)["bundles"]) == 2


NOTHING = "nothing was entered"
BAD = {
    "long": (("note", NUMBER, "x" * 4_001), NOTHING),
    "empty": (("note", NUMBER, "  "), NOTHING),
    "control": (("note", NUMBER, "a\x1b[31mb"), "without a shape"),
    "newline": (("note", NUMBER, "a\nb"), "without a shape"),
    "place-long": (("note", NUMBER, "x", "--place", "y" * 501), NOTHING),
    "no-purpose": (("access", NUMBER, "--purpose", ""), NOTHING),
    "purpose-lacks": (("access", NUMBER), "--purpose"),
    "no-zone": (("access", NUMBER, "--purpose", "x", "--from", "2026-11-22T03:00:00"), "zone"),
    "no-time": (("access", NUMBER, "--purpose", "x", "--from", "yesterday"), "zone"),
    "a-day": (("access", NUMBER, "--purpose", "x", "--until", "2020-01-01"), "zone"),
    "future": (("access", NUMBER, "--purpose", "x", "--from", "9998-01-01T00:00:00Z"),
               "by the clock of this machine"),
    "no-such-time": (("access", NUMBER, "--purpose", "x", "--from", "0001-01-01T00:00+14:00"),
                     "calendar"),
    "order": (("access", NUMBER, "--purpose", "x", "--from", "2020-01-02T00:00:00Z", "--until",
               "2020-01-01T00:00:00Z"), "before --from"),
    "nameless": (("access", NUMBER, "--purpose", "x", "--person", ", Sergeant"), "name is empty"),
    "not-there": (("correct", "9", "x"), "the ledger has 2 entries"),
    "negative": (("correct", "-1", "x"), "custody: error"),
    "no-authority": (("dispose", NUMBER, "--method", "erased"), "--authority"),
    "empty-method": (("dispose", NUMBER, "--authority", "x", "--method", ""), NOTHING),
    "the-case": (("dispose", "26-7", "--authority", "x", "--method", "y"), "it is a case"),
}  # fmt: skip


@pytest.mark.parametrize("defect", BAD)
def test_what_cannot_be_entered(custody: Any, case: Path, defect: str) -> None:
    """A bad word, time, person, number or item is refused before anything is signed: exit 2."""
    arguments, why = BAD[defect]
    done = custody(*arguments, "--case", case, exit_code=2)
    assert why in done.stderr
    assert done.stdout == ""
    assert size(custody, case) == 2


@pytest.mark.parametrize(
    "verb", [("note", "E-03", "x"), ("access", "E-03", "--purpose", "x"),
             ("dispose", "E-03", "--authority", "x", "--method", "y")],
    ids=["note", "access", "dispose"],
)  # fmt: skip
def test_an_event_about_nothing(custody: Any, case: Path, verb: tuple[str, ...]) -> None:
    """An event about an item that is not there is refused with the nearest names: exit 12."""
    done = custody(*verb, "--case", case, exit_code=12)
    assert f"the nearest are: {NUMBER}" in done.stderr
    assert size(custody, case) == 2


def test_access_says_who_and_when(custody: Any, case: Path) -> None:
    """Another person's access is entered with its times in UTC, and moves no holder."""
    times = ("--from", "2020-01-01T03:00-06:00", "--until", "2020-01-01T10:30:01+01:00")
    done = custody("access", NUMBER, "--purpose", "to look", "--person", "B. Lee, Examiner, Lab",
                   *times, "--authority", "order 9", "--method", "read-only mount", "--case", case,
                   exit_code=0)  # fmt: skip
    assert "accessed by B. Lee, Examiner, Lab" in done.stdout
    document = told(custody, case, NUMBER)
    event = document["events"][-1]
    assert event["details"]["began"] == "2020-01-01T09:00:00Z"
    assert event["details"]["ended"] == "2020-01-01T09:30:01Z"
    assert event["details"]["person"]["organization"] == "Lab"
    assert document["holders"][0]["person"]["name"] == "A. Clerk"
    assert event["actor"]["name"] == "A. Clerk"


def test_a_correction_of_a_correction(custody: Any, case: Path) -> None:
    """A correction is not corrected itself; the entry is, once more, and both are shown."""
    custody("note", NUMBER, "shelf 3", "--case", case, exit_code=0)
    custody("correct", "2", "shelf 4", "--case", case, exit_code=0)
    done = custody("correct", "3", "shelf 5", "--case", case, exit_code=2)
    assert "custody correct 2 TEXT" in done.stderr
    assert size(custody, case) == 4
    custody("correct", "2", "shelf 5", "--case", case, exit_code=0)
    event = told(custody, case, NUMBER)["events"][1]
    assert [item["comment"] for item in event["corrections"]] == ["shelf 4", "shelf 5"]
    assert event["words"]["comment"] == "shelf 3"
    done = custody("history", NUMBER, "--case", case, exit_code=0)
    assert done.stdout.index("shelf 3") < done.stdout.index("CORRECTED by entry 3")


def test_dispose_deletes_nothing(custody: Any, case: Path) -> None:
    """What is disposed of is still there, and said so; a second time is refused."""
    gone = ("dispose", NUMBER, "--authority", "order 9", "--method", "erased", "--witness",
            "W. Nes, Clerk, City of Example", "--at", "2020-01-01T00:00:00Z")  # fmt: skip
    done = custody(*gone, "--case", case, exit_code=0)
    assert "nothing was deleted" in done.stderr
    assert "witnessed by W. Nes" in done.stdout
    assert bundle_of(case).is_dir()
    done = custody(*gone, "--case", case, exit_code=2)
    assert "entry 2 says so already" in done.stderr
    document = told(custody, case, NUMBER)
    assert document["holders"][0]["state"] == "disposed"
    assert document["events"][-1]["details"]["original"] is True
    shutil.rmtree(bundle_of(case))
    custody("verify", case, exit_code=0)
    assert told(custody, case, NUMBER)["gaps"] == []


def test_two_who_dispose_at_once(custody: Any, case: Path) -> None:
    """Of two who enter the same disposal at once, one is told that it is entered already."""
    gone = ("dispose", NUMBER, "--authority", "x", "--method", "y", "--case", case)
    run = [
        subprocess.Popen(
            custody.command(*gone), env=custody.environment(), stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate()[1] for process in run]
    codes = sorted(process.returncode for process in run)
    assert codes in ([0, 2], [0, 13]), said
    assert size(custody, case) == 3


def test_a_copy_disposed_of_excuses_no_missing_original(custody: Any, case: Path) -> None:
    """That a copy is gone does not explain where the original is: verify fails."""
    bundle = bundle_of(case)
    custody("copy", bundle, case.parent / "out", "--case", case, exit_code=0)
    (label,) = [item["label"] for item in told(custody, case, NUMBER)["holders"] if item["copy"]]
    custody("dispose", label, "--authority", "x", "--method", "y", "--case", case, exit_code=0)
    shutil.rmtree(bundle)
    custody("verify", case, exit_code=10)


def test_a_case_that_is_not_ours_to_write(custody: Any, case: Path, tmp_path: Path) -> None:
    """Without the key of the case's ledger nothing is entered: exit 12."""
    home = {"CUSTODY_HOME": str(tmp_path / "other")}
    custody("key", "new", "eve", "--no-passphrase", env=home, exit_code=0)
    done = custody("note", NUMBER, "x", "--case", case, env=home, exit_code=12)
    assert "nothing was written" in done.stderr
    assert size(custody, case) == 2


def test_other_clocks_are_shown(custody: Any, case: Path, tmp_path: Path) -> None:
    """A stamp over the ledger says by when each entry existed; one on a bundle is shown itself."""
    authority = Authority(tmp_path / "tsa")
    (tmp_path / "root.pem").write_bytes(authority.root)
    custody("trust", "add", "tsa", tmp_path / "root.pem", "--name", "example", exit_code=0)
    with authority.serving() as url:
        stamp = ("timestamp", "--tsa", url, "--case", case)
        custody(*stamp, bundle_of(case), exit_code=0)
        custody(*stamp, "--ledger", exit_code=0)
    custody("note", NUMBER, "later", "--case", case, exit_code=0)
    events = told(custody, case)["events"]
    assert [event["type"] for event in events] == [
        "case-opened", "sealed", "timestamped", "timestamped", "noted",
    ]  # fmt: skip
    dated = [event.get("not_later_than", {}).get("by") for event in events]
    assert dated == ["example", "example", "example", None, None]
    assert events[2]["details"]["time"] <= events[0]["not_later_than"]["time"]
    done = custody("history", "--case", case, exit_code=0)
    assert "the ledger's checkpoint of 3 entries time-stamped by" in " ".join(done.stdout.split())
    assert "says example" in done.stdout
