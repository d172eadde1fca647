"""What every command stands in: options, streams, errors, signals, start-up."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custody import errors
from custody.cli import exit_codes, failures
from custody.cli.main import COMMANDS
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import Progress


@pytest.fixture
def quiet_state() -> Iterator[None]:
    yield
    console.set_mode(console.Mode())


# ---- starting


def test_version_starts_without_the_heavy_parts(custody: Any) -> None:
    """`--version` imports neither typer nor cryptography; asked later it says the same."""
    done = custody("--version", env={"PYTHONPROFILEIMPORTTIME": "1"}, exit_code=0)
    assert done.stdout.startswith("custody ")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "custody.cli.main" in imported
    assert not {"typer", "cryptography", "custody.errors"} & imported
    assert custody("-q", "--version", exit_code=0).stdout == done.stdout
    assert custody("key", "list", "--version", exit_code=0).stdout == done.stdout


def test_a_command_loads_only_its_own_module(custody: Any) -> None:
    """`trust list` does not import what `key` or `collect` need, nor rich."""
    code = (
        "import sys; sys.argv = ['custody', 'trust', 'list', '-q']\n"
        "from custody.cli.main import main; main(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=custody.environment(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "custody.cli.keys.trust" in loaded
    assert not {"custody.cli.keys.key", "custody.collect", "rich", "yaml", "watchdog"} & loaded


def test_bare_custody_names_the_first_commands(custody: Any) -> None:
    """Without a verb: the first command of each of its people, exit 0."""
    done = custody(exit_code=0)
    for command in ("custody collect", "custody receive --case", "custody verify"):
        assert command in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_help_with_the_global_options(custody: Any, verb: str) -> None:
    """The list of commands is true: each loads, and each knows the global options."""
    assert f"  {verb} " in custody("--help", exit_code=0).stdout
    done = custody(verb, "--help", exit_code=0)
    assert done.stdout.startswith(f"Usage: custody {verb} ")
    for option in ("case", "wait", "json", "quiet", "verbose", "no-progress", "color"):
        assert f"--{option}" in done.stdout


def test_help_never_shows_a_value_from_the_environment(custody: Any) -> None:
    """What the environment says is not a default that --help prints."""
    env = {"CUSTODY_CASE": "/secret-case", "CUSTODY_PASSPHRASE_FILE": "/secret-file"}
    for args in (["--help"], ["key", "new", "--help"], ["key", "list", "--help"]):
        assert "secret" not in custody(*args, env=env, exit_code=0).stdout


# ---- options


@pytest.mark.parametrize(
    "args",
    [
        ("--json", "key", "list"),
        ("key", "--json", "list"),
        ("key", "list", "--json"),
        ("--json", "key", "--json", "list", "--json", "--no-progress", "--color", "never"),
    ],
)
def test_global_options_stand_anywhere(custody: Any, args: tuple[str, ...]) -> None:
    """Before the verb, in the middle and after it they mean the same."""
    assert json.loads(custody(*args, exit_code=0).stdout)["schema"] == "custody.keys/v1"


@pytest.mark.parametrize(
    "args",
    [
        ("-q", "-v", "key", "list"),
        ("-v", "key", "list", "-q"),
        ("--color", "blue", "key", "list"),
        ("--wait", "-1", "key", "list"),
        ("--wait", "inf", "key", "list"),
        ("--wait", "nan", "key", "list"),
        ("--wait", "a while", "key", "list"),
        ("--wait", "", "key", "list"),
        ("--case", "a", "key", "list", "--case", "b"),
        ("--case", "", "key", "list"),
        ("--bogus",),
        ("key", "list", "--bogus"),
        ("nonsense",),
        ("key", "list", "surplus"),
    ],
)
def test_a_contradiction_or_an_unknown_word_exits_2(custody: Any, args: tuple[str, ...]) -> None:
    """The parser's complaints have the form of every error."""
    done = custody(*args, exit_code=2)
    assert done.stdout == ""
    assert done.stderr.startswith('custody: error: read the command line "')
    assert "Usage" not in done.stderr
    told = custody(*args, "--json", exit_code=2)
    document = json.loads(told.stderr)
    assert document["schema"] == "custody.error/v1"
    assert document["exit"] == 2
    assert set(document) == {"schema", "error", "thing", "why", "hint", "exit"}


def test_a_value_that_looks_like_an_option_stays_a_value(custody: Any) -> None:
    """`--json` as the value of another option does not switch the output."""
    done = custody("key", "new", "a", "--no-passphrase", "--title=--json", exit_code=0)
    assert done.stdout.startswith("name ")


# ---- the way out


def test_terminal_codes_in_names_are_escaped(custody: Any) -> None:
    """What an attacker put into a name cannot steer the terminal of whoever reads it."""
    done = custody("key", "show", "\x1b]0;x\x07\u202e\udcff", exit_code=2)
    assert "\\x1b]0;x\\x07\\u202e\\xff" in done.stderr
    assert done.stderr.replace("\n", "").isprintable()
    done = custody("--json", "key", "show", "\x1b\udcff", exit_code=2)
    assert done.stderr.isascii()
    assert json.loads(done.stderr)["thing"] == "\\x1b\\xff"


def test_a_storage_problem_is_one_line(custody: Any) -> None:
    """A home that cannot be made: exit 1, one line, no traceback; with -vv the traceback."""
    if not Path("/proc/self").exists():
        pytest.skip("no /proc, where nobody can make a directory")
    env = {"CUSTODY_HOME": "/proc/home"}
    done = custody("key", "new", "a", "--no-passphrase", env=env, exit_code=1)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("custody: error: ")
    done = custody("key", "new", "a", "--no-passphrase", "-vv", env=env, exit_code=1)
    assert "Traceback" in done.stderr


def test_an_unexpected_error_is_one_line_and_a_hint(
    capsys: pytest.CaptureFixture[str], quiet_state: None
) -> None:
    """A mistake of ours exits 1, names itself, and says how to see more."""
    assert failures.report(RuntimeError("boom\x1b")) == 1
    told = capsys.readouterr().err
    assert told.splitlines()[0] == 'custody: error: unexpected error "RuntimeError": boom\\x1b'
    assert told.splitlines()[1].startswith("custody: hint: run it again with -vv")
    console.set_mode(console.Mode(verbose=2))
    with pytest.raises(ZeroDivisionError) as caught:
        divmod(1, 0)
    failures.report(caught.value)
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_stdout_does_not_traceback(custody: Any) -> None:
    """When the reader of a pipe goes away, the program ends without a word."""
    program = subprocess.Popen(
        custody.command("key", "list", "--json"),
        env=custody.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == ""
    program.stderr.close()
    assert program.wait(120) == 1


@pytest.mark.parametrize("args", [("key", "list", "--json"), ("--help",), ()])
def test_a_result_that_could_not_be_written_is_an_error(
    custody: Any, args: tuple[str, ...]
) -> None:
    """A full disk behind stdout is never exit 0."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            custody.command(*args),
            env=custody.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_the_same_way(custody: Any, tmp_path: Path, number: int) -> None:
    """SIGTERM, SIGHUP and Ctrl-C: exit 130, one line, nothing half-made."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    program = subprocess.Popen(
        custody.command("key", "new", "a", "--passphrase-file", str(fifo)),
        env=custody.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    writer = os.open(fifo, os.O_WRONLY)  # returns when the program waits for the passphrase
    time.sleep(0.1)
    program.send_signal(number)
    _, told = program.communicate(timeout=120)
    os.close(writer)
    assert program.returncode == 130
    assert told == "custody: error: interrupted\n"
    assert not custody.home.exists()


def test_nohup_is_respected(custody: Any, tmp_path: Path) -> None:
    """A signal that the caller chose to ignore stays ignored."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    program = subprocess.Popen(
        ["nohup", *custody.command("key", "new", "a", "--passphrase-file", str(fifo))],
        env=custody.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    writer = os.open(fifo, os.O_WRONLY)
    program.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    os.write(writer, b"x\n")
    os.close(writer)
    assert program.wait(120) == 0


def test_files_are_private_under_any_umask(custody: Any) -> None:
    """The program sets its own umask before anything else."""
    prefix = ["sh", "-c", 'umask 0; exec "$@"', "sh"]
    custody("key", "new", "a", "--no-passphrase", prefix=prefix, exit_code=0)
    for path in [custody.home, *custody.home.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_without_any_stream_it_still_works(custody: Any) -> None:
    """Closed stdin and stderr are no reason to fail; a closed stdout is."""
    run = 'exec "$@" <&- 2>&-'
    custody("key", "list", "--json", prefix=["sh", "-c", run, "sh"], exit_code=0)
    done = custody("key", "list", "--json", prefix=["sh", "-c", 'exec "$@" >&-', "sh"], exit_code=1)
    assert "write the result" in done.stderr


# ---- exit codes


def test_every_error_has_its_exit_code() -> None:
    """The tree of errors and the table of codes belong together; subclasses follow."""
    expected = {
        errors.UsageError: 2,
        errors.InputError: 2,
        errors.NotFoundError: 12,
        errors.UnknownFormatError: 12,
        errors.LockedError: 13,
        errors.KeyAccessError: 14,
        errors.DifferenceError: 10,
        errors.TrustError: 11,
        errors.InterruptedCollection: 130,
        errors.FormatError: 1,
        errors.StorageError: 1,
        errors.ExistsError: 2,
        errors.CustodyError: 1,
    }
    ours = {
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, errors.CustodyError)
    }
    assert set(expected) == ours
    for kind, code in expected.items():
        assert exit_codes.for_error(kind("x")) == code
    assert exit_codes.for_error(KeyboardInterrupt()) == 130
    assert exit_codes.for_error(RuntimeError()) == 1


def test_the_table_of_exit_codes_is_complete() -> None:
    """Every constant has its line, in ascending order."""
    constants = [value for name, value in vars(exit_codes).items() if name.isupper()]
    codes = [meaning.code for meaning in exit_codes.MEANINGS]
    assert codes == sorted(value for value in constants if isinstance(value, int))
    assert exit_codes.markdown().count("\n") == len(codes) + 1


# ---- the console


def test_escaping_twice_changes_nothing_more() -> None:
    """Text may pass through `safe` as often as it likes."""
    every = "".join(map(chr, range(0x500))) + "\u202e\u2028\udcff\U000e0001\ufeff"
    once = console.safe(every)
    assert once.isprintable()
    assert console.safe(once) == once
    assert console.safe(b"\xff\x00a") == "\\xff\\x00a"
    assert console.safe(Path("a\nb")) == "a\\x0ab"
    assert console.safe("Évidence 日本") == "Évidence 日本"


def test_a_table_leaves_digits_and_spaces_alone(
    capsys: pytest.CaptureFixture[str], quiet_state: None
) -> None:
    """A hash that looks like a number, and a name with a leading space, are shown as they are."""
    console.table([("1e5", " a\x1b"), ("0x10", "b|c")], ("hash", "name"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["1e5      a\\x1b", "0x10    b|c"]


def test_words_come_before_colour(
    capsys: pytest.CaptureFixture[str], quiet_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only status words are coloured, only on a terminal or on request, never by their text."""
    console.result(console.FAIL, " ", "FAIL")
    assert capsys.readouterr().out == "FAIL FAIL\n"
    console.set_mode(console.Mode(color="always"))
    monkeypatch.setenv("NO_COLOR", "1")
    console.result(console.FAIL, " ", "FAIL")
    console.table([(console.OK, "a")], ("status", "name"))
    out = capsys.readouterr().out
    assert out.startswith("\x1b[31mFAIL\x1b[0m FAIL\n")
    assert "\x1b[32mOK\x1b[0m        a" in out


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_follows_the_terminal_and_no_color(
    monkeypatch: pytest.MonkeyPatch, quiet_state: None
) -> None:
    """`auto` colours on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def shown() -> str:
        screen = FakeTerminal()
        monkeypatch.setattr("sys.stdout", screen)
        console.result(console.OK)
        return screen.getvalue()

    assert "\x1b" in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown()


def test_remarks_are_silenced_and_warnings_are_not(
    capsys: pytest.CaptureFixture[str], quiet_state: None
) -> None:
    """-q silences remarks; --json turns warnings into JSON lines; -v adds details."""
    for mode, expected in [
        (console.Mode(), ["custody: r", "custody: warning: w"]),
        (console.Mode(quiet=True), ["custody: warning: w"]),
        (console.Mode(verbose=1), ["custody: r", "custody: warning: w", "custody: d"]),
        (console.Mode(json=True), ['{"schema": "custody.warning/v1", "message": "w"}']),
    ]:
        console.set_mode(mode)
        console.remark("r")
        console.warning("w")
        console.detail("d")
        assert capsys.readouterr().err.splitlines() == expected


def test_progress_shows_files_bytes_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, quiet_state: None
) -> None:
    """One line, at most five times a second, wiped before anything else is written."""
    screen, now = FakeTerminal(), [100.0]
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(console, "_columns", lambda: 100)
    with Progress("collecting") as progress:
        progress(0, 0, 10, 1 << 30)
        assert screen.getvalue() == ""
        now[0] += 1.0
        progress(1, 1 << 28, 10, 1 << 30)
        progress(2, 1 << 29, 10, 1 << 30)
        line = "\rcustody: collecting: 1 of 10 files, 256.0 MiB of 1.0 GiB, 256.0 MiB/s, 4 s left"
        assert screen.getvalue() == line
        console.warning("w")
    wiped = "\r" + " " * (len(line) - 1) + "\r"
    assert screen.getvalue() == line + wiped + "custody: warning: w\n"


@pytest.mark.parametrize(
    "mode",
    [console.Mode(json=True), console.Mode(quiet=True), console.Mode(progress=False)],
)
def test_progress_is_for_people_who_watch(
    monkeypatch: pytest.MonkeyPatch, quiet_state: None, mode: console.Mode
) -> None:
    """--json, -q and --no-progress turn it off; so does a stderr that is no terminal."""
    console.set_mode(mode)
    screen = FakeTerminal()
    monkeypatch.setattr("sys.stderr", screen)
    with Progress("verifying") as progress:
        time.sleep(0.25)
        progress(1, 1)
    assert screen.getvalue() == ""


def test_a_sentence_is_folded_on_a_terminal_alone(
    quiet_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 80 columns, between words; a command, a digest and what is piped stay whole."""
    digest = "0" * 64
    for stream, most in ((FakeTerminal(), 79), (io.StringIO(), 1_000)):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        console.sentence("shown    ", "what was sealed by the key ", digest, " is " + "long " * 30)
        console.warning("word " * 30)
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= most
        assert (len(lines) > 2) == (most == 79)
        assert "".join(stream.getvalue().split()).count(digest) == 1
        assert any(digest in line for line in lines)
        console.remark(f"next: custody verify {'x' * 90} --signer {digest}")
        assert len(stream.getvalue().splitlines()) == len(lines) + 1


def test_a_table_that_is_too_wide_puts_its_last_cells_beneath(
    quiet_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a row fits 80 columns unless a cell alone is wider; a key stays whole."""
    key = f"somebody+{'0' * 80}"
    rows = [("signer", "a" * 60, key), ("ledger", "b", "short"), (console.OK, "", "word " * 30)]
    for stream, is_folded in ((FakeTerminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        console.table(rows, ("kind", "name", "key"))
        lines = stream.getvalue().splitlines()
        assert (max(len(line) for line in lines if key not in line) < 80) == is_folded
        assert (f"    {key}" in lines) == is_folded
        assert lines[2].startswith("signer  aaa")
        assert any(line.startswith("ledger") and line.endswith("  short") for line in lines)
        assert " ".join(stream.getvalue().split()).count("word") == 30


def test_amounts_are_readable() -> None:
    """Bytes in the unit that fits, never a thousand of one unit."""
    amounts = {0: "0 bytes", 1: "1 byte", 1023: "1,023 bytes", 1 << 20: "1.0 MiB"}
    amounts |= {1023 * 1024: "1.0 MiB", 5 * 2**40: "5.0 TiB", 2**70: "1048576.0 PiB"}
    assert {count: figures.amount(count) for count in amounts} == amounts


def test_a_verb_with_a_typo_gets_the_nearest(custody: Any) -> None:
    """A word that is no verb is answered with the verbs it is like, if there are any."""
    done = custody("verfy", exit_code=2)
    assert "no such command 'verfy'. Did you mean 'verify'" in done.stderr
    assert "Did you mean" not in custody("zzz", exit_code=2).stderr


def test_a_hint_can_be_pasted(custody: Any, tmp_path: Path) -> None:
    """A path with a space is quoted in what is to be typed next."""
    case, record = tmp_path / "the case", tmp_path / "a record.yaml"
    done = custody("init", case, "--no-passphrase", exit_code=0)
    assert done.stderr.endswith(f"--case '{case}'\n")
    done = custody("ledger", "list", "--case", tmp_path / "no case", exit_code=12)
    assert f"hint: custody init '{tmp_path / 'no case'}'" in done.stderr
    done = custody("incident", "new", record, exit_code=0)
    assert f"custody incident check '{record}'" in done.stderr
    assert f"custody obligations '{record}'" in custody("incident", "check", record).stderr
    logs = tmp_path / "a log"
    logs.write_text("one\n")
    custody("collect", logs, "--case", case, exit_code=0)
    done = custody("verify", case / "bundles", exit_code=12)
    assert f"hint: custody verify '{case}/bundles/" in done.stderr


@pytest.mark.parametrize(
    ("args", "why", "hint"),
    [
        (("correct", "None", "x"), "None is not the number of an entry", "custody ledger list"),
        (("ledger", "show", "E-003"), "E-003 is not the number", "custody ledger list"),
        (("ledger", "prove", "9" * 19), "is not the number of an entry", "custody ledger list"),
        (("correct", "-1", "x"), "no such option: -1", "begins with - goes after --"),
        (("note", "E-003"), "missing argument 'TEXT'", "custody note [OPTIONS] ITEM TEXT"),
        (("note", "E-003", "two", "words"), "extra argument (words)", "goes in quotes"),
    ],
)
def test_an_odd_argument_says_what_is_wanted(
    custody: Any, args: tuple[str, ...], why: str, hint: str
) -> None:
    """What the parser does not take is answered with what to type, and not with the help alone."""
    said, hinted = custody(*args, exit_code=2).stderr.split("custody: hint: ")
    assert why in said
    assert hint in hinted
