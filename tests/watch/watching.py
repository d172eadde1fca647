"""A watch in a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

PATIENCE = 240.0  # how long a loaded machine may take before a test gives up


class Watching:
    """A running ``custody watch``: its events and alarms, in the order in which it told them."""

    def __init__(
        self, custody: Any, case: Path, *args: Any, prefix: tuple[str, ...] = (), user: Any = None
    ) -> None:
        command = custody.command("watch", "--every", "1s", *args, "--case", case, "--nice", "0")
        self.process = subprocess.Popen(
            [*prefix, *custody.as_user(user, command)],
            env=custody.environment(user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.events: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._queue: Queue[str] = Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,))
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                self._queue.put(line.decode("utf-8", "replace"))

    def _take(self, timeout: float) -> None:
        try:
            line = self._queue.get(timeout=timeout)
        except Empty:
            return
        try:
            document = json.loads(line)
        except ValueError:
            self.said.append(line)
            return
        if document["schema"] == "custody.alarm/v1":
            self.alarms.append(document)
        else:
            self.events.append(document)

    def until(self, true: Callable[[Watching], Any]) -> Any:
        """Wait until *true* of what it said so far; fails if that never comes."""
        end = time.monotonic() + PATIENCE
        while not (found := true(self)):
            if time.monotonic() > end or (self.process.poll() is not None and self._queue.empty()):
                pytest.fail(f"waited in vain: {self.events} {self.alarms} {self.said}")
            self._take(0.05)
        return found

    def sealed(self, size: int) -> None:
        """Wait until so many bytes in all are sealed."""
        self.until(lambda it: sum(e.get("bytes", 0) for e in it.events) >= size)

    def seals(self, count: int) -> None:
        """Wait for so many bundles that are sealed from now on."""
        while not self._queue.empty():
            self._take(0)
        enough = len(self.events) + count
        self.until(lambda it: len(it.events) >= enough)

    def cried(self, kind: str) -> dict[str, Any]:
        """Wait for an alarm of this kind."""
        return self.until(lambda it: next((a for a in it.alarms if a["kind"] == kind), None))

    def passes(self, count: int) -> None:
        """Let about so many rounds go by; what must have happened by then is waited for apart."""
        self.passes_for(count)

    def passes_for(self, seconds: float) -> None:
        """Let so much time go by."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._take(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and take in the rest of what it says."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        while not self._queue.empty():
            self._take(0)
        if number != signal.SIGKILL:
            assert code == 0, self.said

    def kinds(self) -> list[str]:
        """The kinds of alarm so far."""
        return [alarm["kind"] for alarm in self.alarms]


def append(path: Path, data: bytes) -> None:
    """Append as a log writer does."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, data)
    os.close(fd)
