"""What a watch says of its own commands, of falling behind and of its status file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from in_process import Listener, watch_once, watch_with
from watching import PATIENCE

from custody import clock, durable
from custody.cli.preserving import watch as watch_verb
from custody.cli.preserving.watch_alarms import Commands
from custody.cli.preserving.watch_status import _is_alive
from custody.ledger.memory import Memory

ALARM = {"kind": "deleted", "path": "/var/log/auth.log"}


def said(commands: Commands, capsys: Any, true: Callable[[str], bool]) -> str:
    """What was said on stderr, once *true* of it."""
    text, end = "", time.monotonic() + PATIENCE
    while not true(text):
        assert time.monotonic() < end, text
        commands.run()
        text += capsys.readouterr().err
        time.sleep(0.01)
    return text


def test_a_command_that_fails_is_said(capsys: Any) -> None:
    """Nobody may rely on having been told of an alarm when the program that tells them failed."""
    commands = Commands(["sh", "-c", "exit 3"])
    commands.add(ALARM)
    text = said(commands, capsys, lambda text: "ended with" in text)
    assert text == "custody: warning: sh ended with 3: nobody may know of the alarm\n"
    commands = Commands(["true"])
    commands.add(ALARM)
    assert said(commands, capsys, lambda _: not commands._running) == ""


def test_alarms_for_which_no_command_was_run_are_counted_at_the_end(capsys: Any) -> None:
    """Commands that hang keep those behind them waiting, and the end says of how many."""
    commands = Commands(["sleep", "600"])
    try:
        for _ in range(20):
            commands.add(ALARM)
        commands.end()
        assert "sleep was not run for 4 alarms: 16 runs" in capsys.readouterr().err
    finally:
        for process in commands._running:
            process.kill()
            process.wait()


def test_a_status_file_that_is_none_is_no_status(custody: Any, case: Path) -> None:
    """It is no evidence; what cannot be read is as good as nothing."""
    origin = json.loads((case / "case.json").read_bytes())["origin"]
    place = custody.home / "watch" / hashlib.sha256(origin.encode()).hexdigest()[:32]
    place.mkdir(parents=True)
    for text in ("null", '{"running": true, "pid": "1"}', "[" * 100_000):
        (place / "status.json").write_text(text)
        done = custody("watch", "--status", "--case", case, exit_code=12)
        assert "no watch of this case" in done.stderr


def test_a_process_number_that_no_process_has_is_not_running() -> None:
    """A damaged number is neither a crash nor a sign of life."""
    assert not _is_alive(1 << 70)
    assert not _is_alive(-1)
    assert not _is_alive(0)


def test_falling_behind_is_said_with_how_much_and_not_every_round(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody sees a status line, a warning a minute says it."""
    now = [1_000.0]
    monkeypatch.setattr(watch_verb.time, "monotonic", lambda: now[0])
    told = watch_verb._Told([], tmp_path / "status.json")
    for seconds in range(200):
        now[0] = 1_000.0 + seconds
        told._say_behind(2_048, 30.0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "2.0 KiB wait to be sealed; it has been behind for 61 s" in lines[0]
    told._say_behind(0, 30.0)
    told._say_behind(1, 30.0)
    assert capsys.readouterr().err == ""


def test_a_memory_that_cannot_be_written_is_said(
    custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """A watch that cannot remember its ledger would not notice that it was put back."""
    (tmp_path / "memory" / ".lock").mkdir(parents=True)
    (logs / "a.log").write_text("one\n")
    told = watch_once(custody.home, case, logs, clock.now(), Memory(tmp_path / "memory"))
    assert any("could not be remembered" in text for text in told.troubles)


class Busy(Listener):
    """Another who writes to the case when an alarm comes, and ends when the watch complains."""

    def __init__(self, case: Path) -> None:
        super().__init__()
        self.case = case
        self.held = ExitStack()

    def alarm(self, alarm: Any) -> None:
        """One alarm."""
        super().alarm(alarm)
        self.held.enter_context(durable.lock(self.case / "lock", wait_seconds=0))

    def trouble(self, err: Any) -> None:
        """What could not be done: the next try will."""
        super().trouble(err)
        self.held.close()


def test_an_alarm_that_is_entered_late_says_when_it_was_seen(
    custody: Any, case: Path, logs: Path
) -> None:
    """Its entry has the time at which it was made, and the alarm may be much older."""
    log, noon = logs / "a.log", datetime(2026, 11, 22, 12, tzinfo=UTC)
    log.write_text("one\n")
    assert watch_once(custody.home, case, logs, noon).troubles == []
    log.write_text("")
    told = watch_with(Busy(case), custody.home, case, logs, noon)
    assert [alarm.kind for alarm in told.alarms] == ["truncated"]
    assert "is writing to it" in told.troubles[0]
    listed = custody("ledger", "export", "--case", case, exit_code=0).stdout.splitlines()
    details = [json.loads(line)["statement"]["predicate"].get("details", {}) for line in listed]
    (alarm,) = [one for one in details if one.get("kind") == "truncated"]
    assert alarm["seen"] == "2026-11-22T12:00:00Z"
