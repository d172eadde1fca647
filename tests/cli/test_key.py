"""`custody key`: what it prints, what it leaves on disk, and how it asks for a passphrase."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SECRET = "correct horse"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_new_makes_a_key_and_trusts_it(custody: Any, secret: Path) -> None:
    """One command: two private files, an entry in the own trust folder, the key printed."""
    done = custody(
        "key", "new", "desk", "--person", "Evidence Clerk", "--title", "Clerk",
        "--organization", "City", "--passphrase-file", secret, exit_code=0,
    )  # fmt: skip
    assert done.stderr == ""
    shown = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert shown["person"] == "Evidence Clerk"
    assert len(shown["fingerprint"]) == 64
    assert "desk+" in done.stdout
    expected = {"keys/desk.pem", "keys/desk.json", "trust/signers.toml", "trust/.lock"}
    assert files(custody.home) == expected
    assert {p.stat().st_mode & 0o777 for p in custody.home.rglob("*")} == {0o700, 0o600}
    trusted = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    assert trusted["signers"][0]["fingerprint"] == shown["fingerprint"]
    assert trusted["signers"][0]["name"] == "Evidence Clerk"


def test_the_passphrase_is_nowhere_in_what_is_written(custody: Any, secret: Path) -> None:
    """No file and no output holds the passphrase."""
    done = custody("key", "new", "desk", "--passphrase-file", secret, exit_code=0)
    assert SECRET not in done.stdout + done.stderr
    for path in custody.home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_list_is_a_document_or_a_table(custody: Any, secret: Path) -> None:
    """`key list --json` has the promised fields; the table has a line for each key."""
    assert json.loads(custody("key", "list", "--json", exit_code=0).stdout) == {
        "schema": "custody.keys/v1",
        "keys": [],
    }
    custody("key", "new", "one", "--passphrase-file", secret, exit_code=0)
    custody("key", "new", "two", "--no-passphrase", exit_code=0)
    document = json.loads(custody("key", "list", "--json", exit_code=0).stdout)
    assert [(key["name"], key["encrypted"]) for key in document["keys"]] == [
        ("one", True),
        ("two", False),
    ]
    assert all({"vkey", "created"} <= set(key) for key in document["keys"])
    table = custody("key", "list", exit_code=0).stdout.splitlines()
    assert [line.split()[0] for line in table[2:]] == ["one", "two"]
    assert "NOT ENCRYPTED" in table[3]


def test_show_prints_what_openssl_reads(custody: Any, secret: Path) -> None:
    """`key show --pem` is a SubjectPublicKeyInfo, for an own key and for any verifier key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    custody("key", "new", "desk", "--passphrase-file", secret, exit_code=0)
    pem = custody("key", "show", "desk", "--pem", exit_code=0).stdout
    document = json.loads(custody("key", "show", "desk", "--json", exit_code=0).stdout)
    assert document["schema"] == "custody.key/v1"
    assert document["pem"] == pem
    assert custody("key", "show", document["vkey"], "--pem", exit_code=0).stdout == pem
    command = ["openssl", "pkey", "-pubin", "-pubout"]
    assert subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout
    private = ["openssl", "pkey", "-in", custody.home / "keys/desk.pem", "-passin"]
    private += [f"file:{secret}", "-pubout"]
    assert subprocess.run(private, capture_output=True, text=True, check=True).stdout == pem


def test_show_of_a_foreign_key_gives_its_fingerprint(custody: Any) -> None:
    """A verifier key from a business card needs no key folder."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    done = custody("key", "show", vkey, exit_code=0)
    assert vkey in done.stdout
    assert not custody.home.exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("key", "show", "nobody"), 12, 'find key "nobody"'),
        (("key", "show", "a+b"), 2, "read verifier key"),
        (("key", "show", "../x"), 2, "name a key"),
        (("key", "new", "../x", "--no-passphrase"), 2, "name a key"),
        (("key", "new", "a", "--person", "x\x1b[31m", "--no-passphrase"), 2, "--person"),
        (("key", "new", "a", "--person", "\udcff", "--no-passphrase"), 2, "--person"),
        (("key", "new"), 2, "missing argument"),
        (("key",), 2, "missing command"),
    ],
)
def test_a_wrong_request_writes_nothing(
    custody: Any, args: Sequence[str], code: int, words: str
) -> None:
    """Each mistake has its exit code and one clear line, and leaves no file."""
    done = custody(*args, exit_code=code)
    assert done.stdout == ""
    assert done.stderr.startswith("custody: error: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not custody.home.exists()


def test_an_existing_key_stays(custody: Any) -> None:
    """A second `key new` of the same name changes nothing."""
    custody("key", "new", "desk", "--no-passphrase", exit_code=0)
    before = (custody.home / "keys/desk.pem").read_bytes()
    done = custody("key", "new", "desk", "--no-passphrase", exit_code=2)
    assert "nothing was overwritten" in done.stderr
    assert (custody.home / "keys/desk.pem").read_bytes() == before


def test_a_name_trusted_for_somebody_else_is_refused_first(custody: Any) -> None:
    """No key is made when its name is another key's in the own trust folder."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    custody("trust", "add", "signer", vkey, exit_code=0)
    done = custody("key", "new", "PeterNeumann", "--no-passphrase", exit_code=2)
    assert "another key of that name" in done.stderr
    assert not (custody.home / "keys").exists()


def test_an_unencrypted_key_is_said_aloud(custody: Any) -> None:
    """`--no-passphrase` warns, also with -q."""
    done = custody("key", "new", "desk", "--no-passphrase", "-q", exit_code=0)
    assert "custody: warning: the key is not encrypted" in done.stderr


# ---- where passphrases come from


def test_two_sources_are_an_error(custody: Any, secret: Path) -> None:
    """A file and a descriptor exclude each other, and any source excludes --no-passphrase."""
    env = {"CUSTODY_PASSPHRASE_FILE": str(secret)}
    custody("key", "new", "desk", "--no-passphrase", env=env, exit_code=2)
    custody("key", "new", "desk", "--passphrase-file", secret, "--passphrase-fd", "0", exit_code=2)
    custody("key", "new", "desk", "--passphrase-file", secret, "--no-passphrase", exit_code=2)
    assert not custody.home.exists()


@pytest.mark.parametrize("option", ["--passphrase-file", "--passphrase-fd"])
def test_an_option_wins_over_the_environment(custody: Any, secret: Path, option: str) -> None:
    """What the command line names is read; the file that the environment names is not."""
    env = {"CUSTODY_PASSPHRASE_FILE": str(secret.with_name("not-there"))}
    given = [option, secret] if option == "--passphrase-file" else [option, "0"]
    custody("key", "new", "desk", *given, env=env, input=SECRET, exit_code=0)
    custody("key", "new", "other", env=env, exit_code=14)


def test_every_source_gives_the_same_passphrase(custody: Any, secret: Path) -> None:
    """One line end is taken off, whether it comes from a file or a descriptor."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    env = {"CUSTODY_PASSPHRASE_FILE": str(secret)}
    custody("key", "new", "a", env=env, exit_code=0)
    custody("key", "new", "b", "--passphrase-fd", "0", input=SECRET, exit_code=0)
    custody("key", "new", "c", "--passphrase-fd", "0", input=SECRET + "\r\n", exit_code=0)
    for name in "abc":
        path = custody.home / f"keys/{name}.pem"
        command = ["openssl", "pkey", "-in", path, "-passin", f"file:{secret}", "-noout"]
        subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("content", ["", "\n", "one\ntwo\n", "x" * 1024])
def test_an_unusable_passphrase_is_refused(custody: Any, content: str) -> None:
    """An empty one, one of several lines, or one that openssl would cut short."""
    done = custody("key", "new", "desk", "--passphrase-fd", "0", input=content, exit_code=2)
    assert "read the passphrase" in done.stderr
    assert not custody.home.exists()


def test_a_passphrase_file_that_others_can_read_is_warned_about(custody: Any, secret: Path) -> None:
    """It is used, and the mode is named."""
    secret.chmod(0o644)
    done = custody("key", "new", "desk", "--passphrase-file", secret, exit_code=0)
    assert "others can read the passphrase file" in done.stderr
    assert "0644" in done.stderr


def test_a_missing_passphrase_file_is_a_key_problem(custody: Any, tmp_path: Path) -> None:
    """Exit 14, naming the file."""
    missing = tmp_path / "no"
    done = custody("key", "new", "desk", "--passphrase-file", missing, exit_code=14)
    assert str(missing) in done.stderr


def test_without_a_terminal_the_hint_names_the_other_ways(custody: Any) -> None:
    """Nobody to ask, no source named: exit 2, the options that help, and stdin is not read."""
    setsid = shutil.which("setsid")
    if setsid is None:
        pytest.skip("setsid is not installed")
    done = custody("key", "new", "desk", prefix=[setsid, "-w"], input="typed\n", exit_code=2)
    assert "there is no terminal to ask on" in done.stderr
    assert "custody: hint: --passphrase-file FILE" in done.stderr
    assert not custody.home.exists()


class Terminal:
    """A pseudo-terminal with a person at it; the program's stdin and stdout are pipes."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one thread
        )
        os.close(slave)

    def answer(self, prompt: str, text: str) -> None:
        """Wait for *prompt*, then type *text*."""
        start = len(self.screen)
        deadline = time.monotonic() + 120
        while prompt not in self.screen[start:]:
            assert time.monotonic() < deadline, self.screen
            self._read(0.2)
        os.write(self._master, text.encode() + b"\n")

    def end(self) -> tuple[int, str]:
        """Wait for the program; return its exit code and stdout."""
        out, _ = self.process.communicate(timeout=120)
        while self._read(0.2):
            pass
        os.close(self._master)
        return self.process.returncode, out.decode()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._master, 4096)
        except OSError:  # the other side is closed
            return False
        self.screen += data.decode()
        return bool(data)


@pytest.fixture
def at_terminal(custody: Any) -> Callable[..., Terminal]:
    return lambda *args: Terminal(custody.command(*args), custody.environment())


def test_a_new_passphrase_is_asked_for_twice(custody: Any, at_terminal: Any, secret: Path) -> None:
    """On the terminal itself, unseen, while stdin and stdout are pipes."""
    person = at_terminal("key", "new", "desk", "--json")
    person.answer("new passphrase for desk: ", SECRET)
    person.answer("once more: ", SECRET)
    code, out = person.end()
    assert code == 0, person.screen
    assert json.loads(out)["encrypted"] is True
    assert SECRET not in person.screen + out
    if shutil.which("openssl") is not None:
        command = ["openssl", "pkey", "-in", custody.home / "keys/desk.pem", "-noout"]
        subprocess.run([*command, "-passin", f"file:{secret}"], check=True, capture_output=True)


def test_two_different_answers_make_no_key(custody: Any, at_terminal: Any) -> None:
    """A typing mistake in a new passphrase is noticed before there is a key."""
    person = at_terminal("key", "new", "desk")
    person.answer("new passphrase", "one")
    person.answer("once more", "two")
    code, _ = person.end()
    assert code == 2
    assert "not the same" in person.screen
    assert not custody.home.exists()


def test_an_empty_answer_makes_no_key(custody: Any, at_terminal: Any) -> None:
    """An empty passphrase is refused with the option that says so openly."""
    person = at_terminal("key", "new", "desk")
    person.answer("new passphrase", "")
    code, _ = person.end()
    assert code == 2
    assert "it is empty" in person.screen
    assert "--no-passphrase" in person.screen
    assert not custody.home.exists()


def test_ctrl_c_at_the_prompt_leaves_nothing(custody: Any, at_terminal: Any) -> None:
    """Exit 130, the terminal echoes again, and no key was made."""
    person = at_terminal("key", "new", "desk")
    person.answer("new passphrase", "\x03")
    code, _ = person.end()
    assert code == 130
    assert "custody: error: interrupted" in person.screen
    assert not custody.home.exists()


def test_a_home_that_may_not_be_entered(custody: Any, ordinary_user: Any, tmp_path: Path) -> None:
    """A key folder that may not be looked into is one clear error, exit 14."""
    locked = tmp_path / "locked"
    (locked / "keys").mkdir(parents=True)
    locked.chmod(0o700)
    env = {"CUSTODY_HOME": str(locked)}
    done = custody("key", "list", user=ordinary_user, env=env, exit_code=14)
    assert "permission denied" in done.stderr
