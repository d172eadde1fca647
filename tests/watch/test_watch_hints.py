"""Hints wake the loop, from any thread and from a signal's handler, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from watching import Watching, append

STORM = """
import random, signal
from custody.watch.hints import Hints

hints, count = Hints(), 0

def ring(*_):
    global count
    count += 1
    hints.wake()
    signal.setitimer(signal.ITIMER_REAL, random.random() / 5_000 + 1e-6)

signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.001)
while count < 20_000:
    hints.wait(0.0001)
signal.setitimer(signal.ITIMER_REAL, 0)
hints.close()
"""


def test_a_signal_at_any_moment_wakes_and_never_blocks() -> None:
    """SIGTERM may come while the loop begins or ends its waiting; it must not wait for itself."""
    subprocess.run([sys.executable, "-c", STORM], check=True, timeout=120)


def test_asking_again_and_again_for_hints_that_there_are_none_of_keeps_no_file_open(
    tmp_path: Path,
) -> None:
    """A host without watches to give is asked at every pass, for months."""
    program = f"""
import os
from custody.watch.hints import Hints

hints = Hints()
for number in range(25):
    hints.watch({{os.fsencode({str(tmp_path)!r}): True}})
    assert hints.trouble, hints.trouble
    if number == 4:
        before = len(os.listdir("/proc/self/fd"))
assert len(os.listdir("/proc/self/fd")) <= before, (before, len(os.listdir("/proc/self/fd")))
hints.close()
"""
    for number in range(3):
        (tmp_path / str(number)).mkdir()
    limit = 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a user namespace with no inotify watches cannot be made here")
    command = [*unshare, sys.executable, "-c", program]
    subprocess.run(command, check=True, timeout=120, env=os.environ)


def test_events_that_the_system_drops_hide_nothing(
    watch: Callable[..., Watching], logs: Path, restored: Callable[[Path], list[bytes]]
) -> None:
    """While a watch is stopped its queue of hints overflows; what happened last is found all the
    same, and what came and went in between is no alarm.
    """
    queue = Path("/proc/sys/fs/inotify/max_queued_events")
    most = int(queue.read_text()) if queue.is_file() else 1 << 20
    if most > 20_000:
        pytest.skip(f"the queue takes {most} events here: too many to make")
    log, moved = logs / "auth.log", logs / "deep" / "auth.log.1"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    it.process.send_signal(signal.SIGSTOP)
    for number in range(most // 4 + 1_000):
        name = logs / f"{number}.tmp"
        name.mkdir()
        name.rename(logs / "other.tmp")
        (logs / "other.tmp").rmdir()
    append(log, b"two\n")
    moved.parent.mkdir()
    log.rename(moved)
    append(log, b"new\n")
    it.process.send_signal(signal.SIGCONT)
    it.sealed(12)
    it.stop()
    assert it.alarms == []
    assert restored(log) == [b"new\n", b"one\ntwo\n"]
