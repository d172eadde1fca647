"""`custody ledger`: what it shows of a ledger, and what it says of a damaged one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody import clock, collect
from custody.case import Case, open_case
from custody.collect import Destination
from custody.errors import DifferenceError, LockedError
from custody.formats import canonical, statement
from custody.formats.statement import Actor, Event
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
from custody.identity.signing import Signer, seal

NO_PASSPHRASE = FixedPassphrase(b"")
START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


class Desk:
    """A case with its keys unlocked, for tests that append to its ledger in process."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.home = home
        self.directory = directory
        folder = KeyFolder(home / "keys")
        self.log_key, self.person = (
            folder.unlock(folder.pick(None, use).name, NO_PASSPHRASE).signer
            for use in ("log", "signer")
        )

    @property
    def case(self) -> Case:
        return open_case(self.directory)

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger"

    def entry(self, word: str, when: datetime, signer: Signer | None = None, **words: str) -> bytes:
        signer = signer or self.person
        actor = Actor(str(signer.key), name=words.pop("actor", "Ada"))
        return seal(signer, statement.dump(Event(word, when, actor, words=words)))

    def note(self, count: int = 1) -> None:
        """Append so many entries, one a day from START on."""
        entries = [
            self.entry("noted", START + timedelta(days=day), item=f"E-{day}", comment=f"day {day}")
            for day in range(count)
        ]
        self.append(*entries)

    def append(self, *entries: bytes) -> None:
        with self.case.locked(0):
            self.case.log.append(entries, self.log_key)


@pytest.fixture
def desk(custody: Any, tmp_path: Path) -> Desk:
    """A case with one entry."""
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--person", "Ada", exit_code=0)
    return Desk(custody.home, directory)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_list_is_a_table_or_json_lines(custody: Any, desk: Desk) -> None:
    """Each entry is one line with the promised fields."""
    desk.note(2)
    table = custody("ledger", "list", "--case", desk.directory, exit_code=0).stdout.splitlines()
    assert table[0].split() == ["entry", "type", "time", "actor", "item", "summary"]
    assert len(table) == 2 + 3
    found = lines(custody("ledger", "list", "--json", "--case", desk.directory).stdout)
    assert found[2] == {
        "index": 2,
        "type": "noted",
        "time": "2026-11-21T12:00:00Z",
        "actor": "Ada",
        "item": "E-1",
        "summary": "day 1",
    }


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        (["--type", "noted"], [1, 2, 3]),
        (["--item", "e-1"], [2]),
        (["--actor", "nobody"], []),
        (["--type", "noted", "--since", "2026-11-21"], [2, 3]),
        (["--type", "noted", "--since", "2026-11-21T12:00:01Z"], [3]),
        (["--type", "noted", "--until", "2026-11-21"], [1, 2]),
        (["--type", "noted", "--until", "2026-11-21T11:59:59Z"], [1]),
    ],
)
def test_list_takes_what_is_asked_for(
    custody: Any, desk: Desk, options: list[str], indexes: list[int]
) -> None:
    """The filters are combined; a day alone counts from its start or to its end."""
    desk.note(3)
    done = custody("ledger", "list", "--json", *options, "--case", desk.directory, exit_code=0)
    assert [line["index"] for line in lines(done.stdout)] == indexes


def test_an_impossible_time_is_refused(custody: Any, desk: Desk) -> None:
    """A time in another spelling is a mistake of usage, not an empty list."""
    done = custody("ledger", "list", "--since", "yesterday", "--case", desk.directory, exit_code=2)
    assert "--since" in done.stderr


def test_names_in_entries_are_escaped(custody: Any, desk: Desk) -> None:
    """Control codes in an entry never reach the terminal."""
    desk.append(desk.entry("noted", START, item="\x1b[2J", comment="a\u202eb"))
    out = custody("ledger", "list", "--case", desk.directory, exit_code=0).stdout
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[2J" in out


def test_show_decodes_an_entry_and_judges_its_signature(custody: Any, desk: Desk) -> None:
    """The entry's statement is shown, who signed it, and that the checkpoint covers it."""
    desk.note(1)
    done = custody("ledger", "show", "1", "--json", "--case", desk.directory, exit_code=0)
    shown = json.loads(done.stdout)
    assert shown["schema"] == "custody.ledger-entry/v1"
    assert shown["signature"] == "trusted"
    assert shown["signers"][0]["name"] == "Ada"
    assert shown["payload"]["predicate"]["item"] == "E-0"
    text = custody("ledger", "show", "1", "--case", desk.directory, exit_code=0).stdout
    assert "signature  OK" in text


def test_show_raw_is_the_entry_byte_for_byte(custody: Any, desk: Desk) -> None:
    """What --raw prints is what the tree's hash covers."""
    desk.note(1)
    done = custody("ledger", "show", "1", "--raw", "--case", desk.directory, exit_code=0)
    assert done.stdout.encode() == desk.case.ledger.entry(1)


def test_show_of_an_entry_that_is_not_there(custody: Any, desk: Desk) -> None:
    """A number beyond the checkpoint is a mistake of usage, and the size is said."""
    done = custody("ledger", "show", "7", "--case", desk.directory, exit_code=2)
    assert "the ledger has 1 entry, number 0" in done.stderr
    desk.note(2)
    for verb in ("show", "prove"):
        done = custody("ledger", verb, "99", "--case", desk.directory, exit_code=2)
        assert "the ledger has 3 entries, 0 to 2" in done.stderr


def test_a_damaged_entry_is_listed_as_damaged(custody: Any, desk: Desk) -> None:
    """Bytes that are no entry are shown in their place whatever is asked for, and it exits 10."""
    desk.note(2)
    bundle = desk.ledger / "tile/entries/000.p/3"
    data = bytearray(bundle.read_bytes())
    data[-20] = 0xFF
    bundle.write_bytes(data)
    where = ("--item", "E-0", "--case", desk.directory)
    done = custody("ledger", "list", *where, exit_code=10)
    assert "damaged" in done.stdout
    assert "codec" not in done.stdout + done.stderr
    assert "1 entry is damaged" in done.stderr
    found = lines(custody("ledger", "list", "--json", *where, exit_code=10).stdout)
    assert [line["type"] for line in found] == ["noted", "damaged"]


def test_what_was_done_is_in_the_list(custody: Any, desk: Desk) -> None:
    """Notices and holds say who, on which day, and how many."""
    there = ("--case", desk.directory)
    custody("notice", "sent", "consumers", "--on", "2026-03-20", "--count", "7", *there,
            exit_code=0)  # fmt: skip
    custody("hold", "place", "--agency", "The police", "--reason", "criminal_investigation",
            "--form", "oral", "--on", "2026-03-21", *there, exit_code=0)  # fmt: skip
    custody("hold", "lift", "--on", "2026-03-22", "--comment", "by letter", *there, exit_code=0)
    found = lines(custody("ledger", "list", "--json", *there, exit_code=0).stdout)
    assert [line["summary"] for line in found[1:]] == [
        "consumers on 2026-03-20, 7 told",
        "The police on 2026-03-21, criminal_investigation, oral",
        "lifted on 2026-03-22; by letter",
    ]


@pytest.mark.parametrize("details", [None, [], "x", {"on": 3, "count": "many"}, {"agency": {}}])
def test_details_of_any_shape_are_listed(custody: Any, desk: Desk, details: object) -> None:
    """What a signer wrote in place of the details breaks nothing."""
    payload = {"predicate": {"type": "notified", "details": details}}
    bare = {"predicate": details, "predicateType": "notified"}
    desk.append(*(seal(desk.person, canonical.dump(one)) for one in (payload, bare)))
    assert custody("ledger", "list", "--case", desk.directory, exit_code=0)


@pytest.mark.parametrize("times", [["--since", "0001-01-01"], ["--until", "9999-12-31"]])
def test_the_ends_of_time_are_days(custody: Any, desk: Desk, times: list[str]) -> None:
    """The first and the last day that can be written ask for everything."""
    done = custody("ledger", "list", "--json", *times, "--case", desk.directory, exit_code=0)
    assert len(lines(done.stdout)) == 1


def test_a_stranger_s_entry_is_not_checked(custody: Any, desk: Desk) -> None:
    """An entry by a key that nobody trusts makes verify say 11 and not 10."""
    desk.append(desk.entry("noted", START, Signer.generate("stranger"), actor="Mallory"))
    custody("ledger", "show", "1", "--case", desk.directory, exit_code=0)
    done = custody("ledger", "verify", "--json", "--case", desk.directory, exit_code=11)
    report = json.loads(done.stdout)
    assert report["verdict"] == "cannot-verify"
    assert "nobody here trusts" in report["not_checked"][0]["message"]


@pytest.mark.parametrize(
    ("limit", "code", "word"),
    [
        ("valid_until = 2026-11-20T11:00:00Z", 10, "did not count"),
        ("revoked_at = 2026-11-21T00:00:00Z", 11, "has an end"),
        ("valid_from = 2026-11-20T00:00:00Z", 0, ""),
    ],
)
def test_an_entry_is_judged_by_its_signers_time(
    custody: Any, desk: Desk, tmp_path: Path, limit: str, code: int, word: str
) -> None:
    """A key's limits speak against an entry by the entry's own time, and never for it."""
    other = Signer.generate("bob")
    desk.append(desk.entry("noted", START, other, actor="Bob"))
    trust = tmp_path / "trust"
    shutil.copytree(desk.home / "trust", trust)
    signers = trust / "signers.toml"
    entry = f'\n[[signer]]\nkey = "{other.key}"\nname = "Bob"\nrole = "desk"\n{limit}\n'
    signers.write_text(signers.read_text() + entry)
    done = custody(
        "ledger", "verify", "--trust", trust, "--case", desk.directory, exit_code=code
    )  # fmt: skip
    assert word in done.stdout


def test_verify_says_what_it_found(custody: Any, desk: Desk) -> None:
    """A sound ledger gives its origin, size and root, and exit 0."""
    desk.note(300)
    done = custody("ledger", "verify", "--json", "--case", desk.directory, exit_code=0)
    report = json.loads(done.stdout)
    assert [item["message"][:10] for item in report.pop("remarks")] == ["no witness"]
    assert report == {
        "schema": "custody.ledger-verification/v1",
        "origin": desk.case.origin,
        "size": 301,
        "remembered": 1,
        "root": desk.case.ledger.root_at(301).hex(),
        "verdict": "ok",
        "findings": [],
        "not_checked": [],
        "cosigned": {},
    }
    assert done.stderr == ""


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_verify_says_in_both_forms_what_it_does_not_believe_of_keys(
    custody: Any, desk: Desk
) -> None:
    """The JSON document leaves out nothing that the text has."""
    desk.append(desk.entry("key-added", START))
    told = custody("ledger", "verify", "--case", desk.directory, exit_code=0)
    assert "entry 1: what it says of a key is not believed" in told.stderr
    done = custody("ledger", "verify", "--case", desk.directory, "--json", exit_code=0)
    remarks = json.loads(done.stdout)["remarks"]
    assert [item["path"] for item in remarks if "not believed" in item["message"]] == [
        "ledger: entry 1"
    ]


def test_verify_names_a_changed_file(custody: Any, desk: Desk) -> None:
    """A changed byte is a finding with its path, and exit 10."""
    desk.note(2)
    flip(desk.ledger / "tile/0/000.p/3")
    done = custody("ledger", "verify", "--case", desk.directory, exit_code=10)
    assert "FAIL tile/0/000.p/3" in done.stdout


def test_a_damaged_case_record_ends_in_ten(custody: Any, desk: Desk) -> None:
    """What ``case.json`` is stands in the ledger, so another one is a difference, and said so."""
    record = desk.directory / "case.json"
    whole = record.read_bytes()
    for data in (b"", whole[:-9], b"{}\n", b"\0" * 70_000, whole.replace(b"}", b" }")):
        record.write_bytes(data)
        with pytest.raises(DifferenceError, match="open case"):
            open_case(desk.directory)
    done = custody("ledger", "list", "--case", desk.directory, exit_code=10)
    assert f"hint: custody verify {desk.directory}" in done.stderr


@pytest.mark.parametrize("verb", [["list"], ["show", "1"]])
def test_a_damaged_ledger_ends_in_ten(custody: Any, desk: Desk, verb: list[str]) -> None:
    """Commands that cannot read a damaged ledger exit 10, say so, and point at verify."""
    desk.note(2)
    (desk.ledger / "tile/entries/000.p/3").unlink()
    done = custody("ledger", *verb, "--case", desk.directory, exit_code=10)
    assert "custody ledger verify" in done.stderr
    assert "Traceback" not in done.stderr


def test_checkpoint_prints_the_note_itself(custody: Any, desk: Desk) -> None:
    """stdout is the checkpoint file, byte for byte."""
    done = custody("ledger", "checkpoint", "--case", desk.directory, exit_code=0)
    assert done.stdout.encode() == (desk.ledger / "checkpoint").read_bytes()
    shown = json.loads(
        custody("ledger", "checkpoint", "--json", "--case", desk.directory, exit_code=0).stdout
    )
    assert shown["note"] == done.stdout
    assert shown["verdict"] == "ok"


def test_a_forged_checkpoint_is_told(custody: Any, desk: Desk) -> None:
    """A checkpoint that the trusted key did not sign is printed with a warning, and exit 10."""
    path = desk.ledger / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n1\n", b"\n9\n"))
    done = custody("ledger", "checkpoint", "--case", desk.directory, exit_code=10)
    assert "signature on the checkpoint is wrong" in done.stderr


def test_a_ledger_alone_is_enough(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """A copy of the ledger's directory is listed, shown and checked without its case."""
    desk.note(2)
    copy = tmp_path / "copy"
    shutil.copytree(desk.ledger, copy)
    for verb in (["list"], ["show", "2"], ["verify"], ["checkpoint"]):
        custody("ledger", *verb, "--ledger", copy, exit_code=0)
    done = custody("ledger", "list", "--case", copy, exit_code=12)
    assert f"custody ledger list --ledger {copy}" in done.stderr
    custody("ledger", "list", "--ledger", copy, "--case", desk.directory, exit_code=2)
    custody("ledger", "list", "--ledger", tmp_path / "nothing", exit_code=12)


def test_the_case_may_come_from_the_environment(custody: Any, desk: Desk) -> None:
    """CUSTODY_CASE names the case and is said aloud; without any case it is exit 2."""
    named = {"CUSTODY_CASE": str(desk.directory)}
    assert "CUSTODY_CASE" in custody("ledger", "list", env=named, exit_code=0).stderr
    assert "--case DIR" in custody("ledger", "list", exit_code=2).stderr


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


def test_reading_works_on_read_only_media(custody: Any, desk: Desk) -> None:
    """Every reading command works on a case that is mounted read-only."""
    desk.note(2)
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh"]
    prefix.append(str(desk.directory))
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    for verb in (["list"], ["show", "1"], ["verify"], ["checkpoint"]):
        custody("ledger", *verb, "--case", desk.directory, prefix=prefix, exit_code=0)


def test_prove_an_entry(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """A receipt goes to stdout or to a new file, byte for byte the same."""
    desk.note(3)
    case = ["--case", desk.directory]
    done = custody("ledger", "prove", "2", *case, exit_code=0)
    assert done.stdout.encode() == desk.case.ledger.receipt(2)
    path = tmp_path / "receipt"
    custody("ledger", "prove", "2", "-o", path, *case, exit_code=0)
    assert path.read_text() == done.stdout
    again = custody("ledger", "prove", "1", "-o", path, *case)
    assert again.returncode != 0
    assert "nothing was overwritten" in again.stderr
    assert path.read_text() == done.stdout


def test_prove_growth_from_a_kept_checkpoint(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """A checkpoint on file, or a bare size, is the start of a consistency proof."""
    case = ["--case", desk.directory]
    kept = tmp_path / "checkpoint"
    kept.write_text(custody("ledger", "checkpoint", *case, exit_code=0).stdout)
    desk.note(3)
    from_file = custody("ledger", "prove", "--from", kept, *case, exit_code=0).stdout
    assert from_file.startswith("custody/consistency-proof@v1\norigin ")
    assert "old-checkpoint -" not in from_file
    from_size = custody("ledger", "prove", "--from", "1", "--to", "2", *case, exit_code=0).stdout
    assert from_size.count("-checkpoint -\n") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["1", "--from", "1"], 2),
        (["1", "--to", "2"], 2),
        (["9"], 2),
        (["--from", "0"], 2),
        (["--from", "3", "--to", "2"], 2),
        (["--from", "99"], 2),
        (["--from", "007"], 2),
        (["--from", "nowhere/checkpoint"], 2),
    ],
)
def test_impossible_proofs_are_refused(
    custody: Any, desk: Desk, arguments: list[str], code: int
) -> None:
    """What cannot be proved is a mistake of usage, in one clear error."""
    desk.note(3)
    done = custody("ledger", "prove", *arguments, "--case", desk.directory, exit_code=code)
    assert done.stdout == ""
    assert done.stderr.startswith("custody: error: ")


def test_a_rewritten_ledger_cannot_prove_its_growth(
    custody: Any, desk: Desk, tmp_path: Path
) -> None:
    """Against a checkpoint of another history, prove exits 10 and says what happened."""
    before = tmp_path / "before"
    shutil.copytree(desk.ledger, before)
    desk.note(2)
    kept = tmp_path / "kept"
    shutil.copy(desk.ledger / "checkpoint", kept)
    shutil.rmtree(desk.ledger)
    shutil.copytree(before, desk.ledger)
    desk.append(*[desk.entry("noted", START, comment=f"forged {n}") for n in range(3)])
    done = custody("ledger", "prove", "--from", kept, "--case", desk.directory, exit_code=10)
    assert "history was rewritten" in done.stderr


def test_the_checkpoint_as_a_qr_code(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """On the terminal and in a file, the code holds exactly the note's bytes."""
    segno = pytest.importorskip("segno")
    data = (desk.ledger / "checkpoint").read_bytes()
    code = segno.make_qr(data, error="l")
    path = tmp_path / "code.svg"
    done = custody(
        "ledger", "checkpoint", "--qr", "--qr-file", path, "--case", desk.directory, exit_code=0
    )
    assert done.stdout.startswith(data.decode())
    drawn = done.stdout.removeprefix(data.decode()).splitlines()
    light = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows = [[light[char][half] for char in line] for line in drawn for half in (0, 1)]
    assert [tuple(row) for row in code.matrix_iter(border=2)] == [tuple(r) for r in rows][:-1]
    assert b"<svg" in path.read_bytes()
    done = custody("ledger", "checkpoint", "--qr-file", "x.txt", "--case", desk.directory)
    assert done.returncode == 2
    assert done.stdout == ""


def test_without_the_qr_library(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """Where the optional library is absent, one plain message says how to get it."""
    (tmp_path / "segno.py").write_text("raise ImportError\n")
    named = {"PYTHONPATH": str(tmp_path)}
    case = ["--case", desk.directory]
    custody("ledger", "checkpoint", *case, env=named, exit_code=0)
    done = custody("ledger", "checkpoint", "--qr", *case, env=named, exit_code=2)
    assert "pip install 'custody[qr]'" in done.stderr


def test_a_ledger_put_back_is_found_and_not_written_to(
    custody: Any, desk: Desk, tmp_path: Path
) -> None:
    """verify remembers; after a rollback it exits 10, and collect refuses before it reads."""
    case = ["--case", desk.directory]
    backup = tmp_path / "backup"
    shutil.copytree(desk.ledger, backup)
    source = tmp_path / "source"
    source.write_text("evidence\n")
    custody("collect", source, *case, exit_code=0)
    done = custody("ledger", "verify", "--json", *case, exit_code=0)
    assert json.loads(done.stdout)["remembered"] == 2
    shutil.rmtree(desk.ledger)
    shutil.copytree(backup, desk.ledger)
    done = custody("ledger", "verify", *case, exit_code=10)
    assert "had 2 entries and has only 1 now" in done.stdout
    bundles = sorted(path.name for path in (desk.directory / "bundles").iterdir())
    done = custody("collect", source, *case, exit_code=10)
    assert "had 2 entries and has only 1 now" in done.stderr
    assert "nothing was written" in done.stderr
    assert sorted(path.name for path in (desk.directory / "bundles").iterdir()) == bundles


def test_a_checkpoint_from_paper(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """Somebody without memory finds the rollback by a checkpoint that was kept elsewhere."""
    backup, kept = tmp_path / "backup", tmp_path / "kept"
    shutil.copytree(desk.ledger, backup)
    desk.note(3)
    shutil.copy(desk.ledger / "checkpoint", kept)
    trust = ["--trust", desk.home / "trust"]
    elsewhere = {"CUSTODY_HOME": str(tmp_path / "elsewhere")}
    verify = ["ledger", "verify", "--checkpoint", kept, *trust]
    custody(*verify, "--ledger", desk.ledger, env=elsewhere, exit_code=0)
    assert list((tmp_path / "elsewhere" / "memory").rglob("*.checkpoint"))
    shutil.rmtree(tmp_path / "elsewhere")
    done = custody(*verify, "--ledger", backup, env=elsewhere, exit_code=10)
    assert "has only 1 now" in done.stdout
    kept.write_text("a note\n")
    custody(*verify, "--ledger", desk.ledger, env=elsewhere, exit_code=2)


def test_a_checkpoint_is_compared_with_a_ledger_alone(
    custody: Any, desk: Desk, tmp_path: Path
) -> None:
    """With a bundle it is a mistake, exit 2, and the hint says what to type for its case or not."""
    (tmp_path / "source").write_text("evidence\n")
    custody("collect", tmp_path / "source", "--case", desk.directory, exit_code=0)
    (bundle,) = (desk.directory / "bundles").iterdir()
    apart = shutil.copytree(bundle, tmp_path / bundle.name)
    kept = tmp_path / "kept"
    kept.write_text(custody("ledger", "checkpoint", "--case", desk.directory).stdout)
    done = custody("verify", bundle, "--checkpoint", kept, exit_code=2)
    assert "a checkpoint is compared with a ledger, and a bundle holds none" in done.stderr
    assert f"hint: custody verify {desk.directory} --checkpoint FILE" in done.stderr
    custody("verify", desk.directory, "--checkpoint", kept, exit_code=0)
    done = custody("verify", apart, "--checkpoint", kept, exit_code=2)
    assert "hint: custody ledger verify --ledger DIR --checkpoint FILE" in done.stderr
    custody("ledger", "verify", "--ledger", desk.ledger, "--checkpoint", kept, exit_code=0)


def test_a_busy_ledger_is_exit_13_with_the_holder(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """Who writes is named by process id; nothing is written, and waiting has an end."""
    source = tmp_path / "source"
    source.write_text("evidence\n")
    with desk.case.locked(0):
        done = custody("collect", source, "--case", desk.directory, exit_code=13)
        assert f"process {os.getpid()} is writing to it" in done.stderr
        assert "or wait for it: --wait SECONDS" in done.stderr
        start = time.monotonic()
        custody("ledger", "receipt", "x", "--wait", "1", "--case", desk.directory, exit_code=13)
        custody("collect", source, "--wait", "1", "--case", desk.directory, exit_code=13)
        assert 2 <= time.monotonic() - start < 60
    assert list((desk.directory / "bundles").iterdir()) == []
    custody("collect", source, "--case", desk.directory, exit_code=0)


def test_a_ledger_that_becomes_busy_during_a_collection(
    custody: Any, desk: Desk, tmp_path: Path
) -> None:
    """The bounded waiting holds at the end as well: the holder is named, the bundle is sealed."""
    source = tmp_path / "source"
    source.write_text("evidence\n")
    case, stack = desk.case, ExitStack()
    destination = Destination(desk.directory, case, desk.log_key, [desk.person.key], 0)
    with stack, pytest.raises(LockedError, match=f"process {os.getpid()} is writing") as caught:
        collect.run(
            collect.prepare(collect.Request([str(source)]), destination),
            desk.person,
            Actor(str(desk.person.key), name="Ada"),
            now=clock.now,
            published=lambda _: stack.enter_context(case.locked(0)),
        )
    (bundle,) = (desk.directory / "bundles").iterdir()
    assert caught.value.hint.startswith(f"the bundle is sealed in {bundle}; the next collect")
    custody("collect", source, "--case", desk.directory, exit_code=0)
    listed = custody("ledger", "list", "--case", desk.directory, exit_code=0).stdout
    assert listed.count("sealed") == 2
    custody("verify", desk.directory, exit_code=0)


EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "|cmd", "\uff1d1", 'a"b', "a,b", "a\r\nb"]


def test_export_as_json_lines_keeps_everything(custody: Any, desk: Desk) -> None:
    """From each line the entry can be printed again, byte for byte."""
    desk.append(*[desk.entry("noted", START, item=word) for word in EVIL])
    done = custody("ledger", "export", "--case", desk.directory, exit_code=0)
    entries = list(desk.case.ledger.entries())
    found = lines(done.stdout)
    assert len(found) == len(entries)
    for data, line in zip(entries, found, strict=True):
        assert canonical.dump(line["envelope"]) + b"\n" == data
        assert line["sha256"] == hashlib.sha256(data).hexdigest()
    assert [line["statement"]["predicate"]["item"] for line in found[1:]] == EVIL


def test_export_as_csv_is_safe_in_a_spreadsheet(custody: Any, desk: Desk) -> None:
    """No cell begins like a formula, and each entry is one row of one line."""
    desk.append(*[desk.entry("noted", START, item=word, comment=word) for word in EVIL])
    done = custody("ledger", "export", "--format", "csv", "--case", desk.directory, exit_code=0)
    rows = list(csv.reader(io.StringIO(done.stdout, newline=""), strict=True))
    assert rows[0][:6] == ["index", "type", "time", "actor", "item", "summary"]
    assert len(rows) == 1 + 1 + len(EVIL)
    for row in rows:
        assert not [cell for cell in row if cell.strip()[:1] in set("=+-@|%\uff1d")]
        assert all(cell.isprintable() for cell in row)
    assert rows[2][4] == "'=1+1"
    assert custody("ledger", "export", "--format", "xls", "--case", desk.directory).returncode == 2


def test_proofs_are_verified_with_nothing_else(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """A proof, the entry and a trust folder are all that verify needs, and the case is gone."""
    receipt, growth, entry, kept = (tmp_path / name for name in ("r", "g", "e", "k"))
    case = ["--case", desk.directory]
    shutil.copy(desk.ledger / "checkpoint", kept)
    desk.note(3)
    custody("ledger", "prove", "2", "-o", receipt, *case, exit_code=0)
    custody("ledger", "prove", "--from", kept, "-o", growth, *case, exit_code=0)
    entry.write_text(custody("ledger", "show", "2", "--raw", *case, exit_code=0).stdout)
    other = tmp_path / "o"
    other.write_text(custody("ledger", "show", "1", "--raw", *case, exit_code=0).stdout)
    shutil.rmtree(desk.directory)
    done = custody("verify", receipt, "--entry", entry, "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert document["schema"] == "custody.verification/v1"
    assert [check["status"] for check in document["checks"]] == ["ok"] * 3
    assert "verdict  ok" in custody("verify", growth, exit_code=0).stdout
    custody("verify", receipt, "--entry", other, exit_code=10)
    custody("verify", receipt, exit_code=2)
    custody("verify", growth, "--entry", entry, exit_code=2)
    custody("verify", entry, exit_code=12)
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    custody("verify", receipt, "--entry", entry, "--trust", nobody, exit_code=11)
    custody("verify", growth, "--trust", nobody, exit_code=11)
    growth.write_bytes(growth.read_bytes().replace(b"\nold 1 ", b"\nold 2 "))
    custody("verify", growth, exit_code=10)


def test_verify_takes_a_checkpoint_from_paper(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """verify of a whole case compares its ledger with a checkpoint that was kept elsewhere."""
    backup, kept = tmp_path / "backup", tmp_path / "kept"
    shutil.copytree(desk.directory, backup)
    desk.note(3)
    shutil.copy(desk.ledger / "checkpoint", kept)
    shutil.rmtree(custody.home / "memory")
    custody("verify", backup, exit_code=0)
    done = custody("verify", backup, "--checkpoint", kept, exit_code=10)
    assert "has only 1 now" in done.stdout


def test_since_reads_back_from_the_end(custody: Any, desk: Desk) -> None:
    """What is older by far is not even read, and that is said; --all reads it."""
    desk.append(*[desk.entry("noted", START, item=f"old {n}") for n in range(600)])
    recent = START + timedelta(days=30)
    desk.append(*[desk.entry("noted", recent, item=f"new {n}") for n in range(300)])
    (desk.ledger / "tile/entries/000").unlink()
    named = ["--since", "2026-12-20", "--case", desk.directory]
    done = custody("ledger", "list", "--json", *named, exit_code=0)
    assert [line["item"] for line in lines(done.stdout)] == [f"new {n}" for n in range(300)]
    assert "were not read" in custody("ledger", "list", *named, exit_code=0).stderr
    custody("ledger", "list", "--all", *named, exit_code=10)


def test_reading_and_proving_need_no_network(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """Without any network interface, everything but asking a witness works as before."""
    prefix = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    desk.note(2)
    case = ["--case", desk.directory]
    verbs = ["list", "verify", "checkpoint", "export"], ["prove", "1"], ["show", "1"]
    for verb in [[name] for name in verbs[0]] + list(verbs[1:]):
        custody("ledger", *verb, *case, prefix=prefix, exit_code=0)
    source = tmp_path / "source"
    source.write_text("evidence\n")
    custody("collect", source, *case, prefix=prefix, exit_code=0)
    custody("verify", desk.directory, prefix=prefix, exit_code=0)


def test_hints_of_prove_are_commands_that_work(custody: Any, desk: Desk, tmp_path: Path) -> None:
    """Each hint is one command, and both together check the proof."""
    desk.note(1)
    proof = tmp_path / "a proof"
    done = custody("ledger", "prove", "1", "-o", proof, "--case", desk.directory, exit_code=0)
    hints = [line.partition(": custody ")[2] for line in done.stderr.splitlines()]
    show, _, entry = next(hint for hint in hints if ">" in hint).partition(" > ")
    (written,) = shlex.split(entry)
    Path(written).write_text(custody(*shlex.split(show), exit_code=0).stdout)
    verify = next(hint for hint in hints if hint.startswith("verify "))
    custody(*shlex.split(verify), exit_code=0)
    for wrong in ([], ["1", "--from", "1"]):
        text = custody("ledger", "prove", *wrong, "--case", desk.directory, exit_code=2).stderr
        hint = next(line for line in text.splitlines() if line.startswith("custody: hint: "))
        custody(*shlex.split(hint.removeprefix("custody: hint: custody ")),
                "--case", desk.directory, exit_code=0)  # fmt: skip
