"""The command that a watch runs for each alarm."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from custody.cli.terminal import console

_MOST_AT_ONCE = 16
_MOST_WAITING = 10_000


class Commands:
    """Runs *command* for every alarm, a few at a time; with no words, none."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._running: list[subprocess.Popen[bytes]] = []
        self._waiting: list[Mapping[str, Any]] = []

    def add(self, alarm: Mapping[str, Any]) -> None:
        """Run it for this alarm, now or when others have ended."""
        if self._command:
            self._waiting.append(alarm)
            self.run()

    def run(self) -> None:
        """Run it for as many of those that wait as may run at once."""
        self._running = [process for process in self._running if process.poll() is None]
        left = len(self._waiting) - _MOST_WAITING
        if left > 0:
            self._waiting = self._waiting[:_MOST_WAITING]
            console.warning(f"{self._command[0]} is too slow: it is not run for {left} alarms")
        while self._waiting and len(self._running) < _MOST_AT_ONCE:
            self._start(self._waiting.pop(0))

    def _start(self, alarm: Mapping[str, Any]) -> None:
        try:
            # What it says goes to stderr: on stdout there are events alone.
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=2, start_new_session=True
            )
            self._running.append(process)
            if process.stdin is not None:
                with process.stdin as stream:
                    stream.write(json.dumps(alarm).encode() + b"\n")
        except OSError as err:
            console.warning(f"{self._command[0]} could not be run: {err.strerror or err}")
