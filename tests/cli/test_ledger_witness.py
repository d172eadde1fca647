"""`custody ledger witness`: a case and a second office, by stick and over the network."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The desk of the ledger's tests: a case whose keys are unlocked in process.
from custody.case import open_case
from custody.clock import now
from custody.formats import statement
from custody.formats.statement import Actor, Event
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
from custody.identity.signing import seal

Office = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Path:
    """A case with one entry."""
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--person", "Ada", exit_code=0)
    return directory


@pytest.fixture
def office(custody: Any, case: Path, tmp_path: Path) -> Office:
    """A second office: a home of its own, with a witness that knows the case's ledger."""
    home = tmp_path / "office"

    def run(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = custody(
            *arguments, env={"CUSTODY_HOME": str(home)}, **more
        )
        return done

    run("ledger", "witness", "new", "w1", "--no-passphrase", exit_code=0)
    listed = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    run("trust", "add", "ledger", listed["ledgers"][0]["vkey"], exit_code=0)
    return run


@pytest.fixture
def vkey(office: Office) -> str:
    """The witness's verifier key."""
    keys = json.loads(office("key", "list", "--json", exit_code=0).stdout)["keys"]
    (found,) = [key["vkey"] for key in keys if key["use"] == "witness"]
    return str(found)


def note(custody: Any, case: Path, count: int = 1, word: str = "") -> None:
    """Append entries."""
    folder = KeyFolder(custody.home / "keys")
    log_key, person = (
        folder.unlock(folder.pick(None, use).name, FixedPassphrase(b"")).signer
        for use in ("log", "signer")
    )
    opened = open_case(case)
    actor = Actor(str(person.key), name="Ada")
    entries = [
        seal(person, statement.dump(Event("noted", now(), actor, words={"comment": f"{word}{n}"})))
        for n in range(count)
    ]
    with opened.locked(0):
        opened.log.append(entries, log_key)


def require_witness(custody: Any, vkey: str, url: str = "") -> None:
    """Make the policy ask for the witness."""
    policy = custody.home / "trust" / "ledger.policy"
    lines = policy.read_text().replace("quorum none\n", "")
    policy.write_text(lines + f"witness w1 {vkey} {url}\nquorum w1\n")


def test_a_witness_by_stick(
    custody: Any, case: Path, office: Office, vkey: str, tmp_path: Path
) -> None:
    """Request there, signature back, added here: what was 11 becomes 0."""
    require_witness(custody, vkey)
    named = ["--case", case]
    done = custody("ledger", "verify", *named, exit_code=11)
    assert "asks for witnesses" in done.stdout
    request, lines = tmp_path / "request", tmp_path / "lines"
    custody("ledger", "witness", "request", "-o", request, *named, exit_code=0)
    office("ledger", "witness", "sign", request, "-o", lines, exit_code=0)
    done = custody("ledger", "witness", "add", lines, *named, exit_code=0)
    assert "cosigned by w1" in done.stdout
    done = custody("ledger", "verify", *named, exit_code=0)
    assert "w1 signed it at 20" in done.stdout
    note(custody, case)
    done = custody("ledger", "witness", "add", lines, *named, exit_code=2)
    assert "ask anew" in done.stderr
    again = office("ledger", "witness", "sign", request, exit_code=11)
    assert "--old 1" in again.stderr
    custody("ledger", "witness", "request", "--old", "1", "-o", tmp_path / "2", *named, exit_code=0)
    office("ledger", "witness", "sign", tmp_path / "2", exit_code=0)


def test_a_witness_signs_a_copy_of_the_ledger(
    custody: Any, case: Path, office: Office, tmp_path: Path
) -> None:
    """A directory is enough: its own tiles prove that it goes on; a restored one is exit 10."""
    note(custody, case, 3)
    backup = tmp_path / "backup"
    shutil.copytree(case / "ledger", backup)
    office("ledger", "witness", "sign", backup, exit_code=0)
    note(custody, case, 300)
    office("ledger", "witness", "sign", case / "ledger", exit_code=0)
    done = office("ledger", "witness", "sign", backup, exit_code=10)
    assert "not signed" in done.stdout
    rewritten = tmp_path / "rewritten"
    shutil.copytree(case, rewritten)
    shutil.rmtree(rewritten / "ledger")
    shutil.copytree(backup, rewritten / "ledger")
    note(custody, rewritten, 301, "other ")
    office("ledger", "witness", "sign", rewritten / "ledger", exit_code=10)


def test_a_witness_signs_only_what_it_knows(custody: Any, office: Office, tmp_path: Path) -> None:
    """A ledger that is not in the witness's trust folder is exit 11, garbage is exit 2."""
    other = tmp_path / "other"
    custody("init", other, "--no-passphrase", exit_code=0)
    done = office("ledger", "witness", "sign", other / "ledger", exit_code=11)
    assert "does not know" in done.stdout
    garbage = tmp_path / "garbage"
    garbage.write_text("old 1\n")
    office("ledger", "witness", "sign", garbage, exit_code=2)
    office("ledger", "witness", "sign", tmp_path / "nothing", exit_code=2)


def test_a_stranger_s_lines_are_not_added(
    custody: Any, case: Path, office: Office, tmp_path: Path
) -> None:
    """Lines by a key that is no witness here leave the checkpoint as it is."""
    lines = tmp_path / "lines"
    office("ledger", "witness", "sign", case / "ledger", "-o", lines, exit_code=0)
    before = (case / "ledger" / "checkpoint").read_bytes()
    done = custody("ledger", "witness", "add", lines, "--case", case, exit_code=2)
    assert "custody trust add witness" in done.stderr
    assert (case / "ledger" / "checkpoint").read_bytes() == before


@pytest.fixture
def serving(custody: Any, office: Office, tmp_path: Path) -> Iterator[str]:
    """The office's witness on a free port."""
    command = custody.command("ledger", "witness", "serve", "--listen", "127.0.0.1:0")
    env = custody.environment() | {"CUSTODY_HOME": str(tmp_path / "office")}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130
        assert process.stdout is not None
        process.stdout.close()


def test_a_witness_over_the_network(
    custody: Any, case: Path, vkey: str, serving: str, tmp_path: Path
) -> None:
    """ask brings the cosignature home; a ledger put back is contradicted with exit 10."""
    require_witness(custody, vkey, serving)
    named = ["--case", case]
    backup = tmp_path / "backup"
    shutil.copytree(case, backup)
    done = custody("ledger", "witness", "ask", *named, exit_code=0)
    assert "OK w1: cosigned at 1 entry" in done.stdout
    note(custody, case, 2)
    done = custody("ledger", "witness", "ask", "--json", *named, exit_code=0)
    document = json.loads(done.stdout)
    assert document["schema"] == "custody.ledger-witnesses/v1"
    assert document["answers"][0]["outcome"] == "cosigned"
    assert "w1" in document["cosigned"]
    custody("ledger", "verify", *named, exit_code=0)
    done = custody("ledger", "witness", "ask", "--case", backup, exit_code=10)
    assert "put back to an older state" in done.stdout


def test_a_witness_that_is_not_there(custody: Any, case: Path, vkey: str) -> None:
    """No answer is exit 11 and says why; without an address there is nobody to ask."""
    custody("ledger", "witness", "ask", "--case", case, exit_code=2)
    require_witness(custody, vkey, "http://127.0.0.1:1")
    done = custody("ledger", "witness", "ask", "--case", case, exit_code=11)
    assert "no answer from http://127.0.0.1:1" in done.stdout
