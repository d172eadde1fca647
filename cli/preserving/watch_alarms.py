"""The command that a watch runs for each alarm."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from custody.cli.terminal import console
from custody.counted import counted

_MOST_AT_ONCE = 16
_MOST_WAITING = 10_000
_LONG_SECONDS = 60.0


class Commands:
    """Runs *command* for every alarm, a few at a time; with no words, none."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._running: dict[subprocess.Popen[bytes], float] = {}  # since when
        self._is_said = False  # that none of them ends
        self._waiting: list[Mapping[str, Any]] = []

    def add(self, alarm: Mapping[str, Any]) -> None:
        """Run it for this alarm, now or when others have ended."""
        if self._command:
            self._waiting.append(alarm)
            self.run()

    def run(self) -> None:
        """Run it for as many of those that wait as may run at once."""
        self._look()
        left = len(self._waiting) - _MOST_WAITING
        if left > 0:
            self._waiting = self._waiting[:_MOST_WAITING]
            console.warning(
                f"{self._command[0]} is too slow: it is not run for {counted(left, 'alarm')}"
            )
        while self._waiting and len(self._running) < _MOST_AT_ONCE:
            self._start(self._waiting.pop(0))

    def end(self) -> None:
        """Nobody will run it any more: say for how many alarms it was not."""
        self.run()
        if self._waiting:
            why = f"{counted(len(self._running), 'run')} of it not ended yet"
            count = len(self._waiting)
            console.warning(f"{self._command[0]} was not run for {counted(count, 'alarm')}: {why}")

    def _look(self) -> None:
        """Let go of those that have ended, and say what went wrong with them."""
        for process in [one for one in self._running if one.poll() is not None]:
            del self._running[process]
            self._is_said = False
            if process.returncode:
                how = f"ended with {process.returncode}"
                console.warning(f"{self._command[0]} {how}: nobody may know of the alarm")
        if not self._waiting or self._is_said or not self._running:
            return
        if time.monotonic() - max(self._running.values()) > _LONG_SECONDS:
            self._is_said = True
            waiting = counted(len(self._waiting), "alarm")
            console.warning(f"no run of {self._command[0]} ends; waiting: {waiting}")

    def _start(self, alarm: Mapping[str, Any]) -> None:
        try:
            # What it says goes to stderr: on stdout there are events alone.
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=2, start_new_session=True
            )
        except OSError as err:
            console.warning(f"{self._command[0]} could not be run: {err.strerror or err}")
            return
        self._running[process] = time.monotonic()
        with suppress(OSError):  # one that ends without reading has said so by its exit code
            if process.stdin is not None:
                with process.stdin as stream:
                    stream.write(json.dumps(alarm).encode() + b"\n")
