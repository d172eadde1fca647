"""Whatever ends a watch: what was acknowledged stays, and the next one goes on without a gap."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watching import Watching, append

Start = Callable[..., Watching]
Restore = Callable[[Path], list[bytes]]


class Writers(threading.Thread):
    """Appends numbered lines to a few logs, and rotates one of them now and then."""

    def __init__(self, logs: Path, seed: int) -> None:
        super().__init__()
        self.logs = [logs / f"app{number}.log" for number in range(4)]
        self.done = threading.Event()
        self.random = random.Random(seed)  # noqa: S311 - chance

    def run(self) -> None:
        count = 0
        while not self.done.wait(0.002):
            log = self.random.choice(self.logs)
            if self.random.random() < 0.0007 and log.exists():
                log.rename(log.with_name(f"{log.name}.{count}"))
            append(log, b"line %07d\n" % count)
            count += 1

    def end(self) -> None:
        self.done.set()
        self.join()


@pytest.mark.parametrize(
    "kills", [5, pytest.param(200, marks=pytest.mark.full)], ids=["sampled", "all"]
)
def test_a_watch_that_is_killed_loses_nothing_and_doubles_nothing(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None],
    kills: int,
) -> None:  # fmt: skip
    """Killed at random moments, then started again: every line is there once, in order."""
    chance = random.Random(7)  # noqa: S311 - chance
    writers = Writers(logs, 7)
    writers.start()
    acknowledged = 0
    try:
        for _ in range(kills):
            it = watch()
            it.until(lambda one: one.events)
            it.passes_for(chance.uniform(0, 2))
            it.stop(signal.SIGKILL)
            acknowledged += sum(event.get("bytes", 0) for event in it.events)
            assert sealed_bytes(case) >= acknowledged
    finally:
        writers.end()
    it = watch()
    it.until(lambda one: one.events)
    it.passes(3)
    it.stop()
    assert it.alarms == []
    for path in sorted(logs.iterdir()):
        assert restored(path)[0] == path.read_bytes()
    verified()


def sealed_bytes(case: Path) -> int:
    """How many payload bytes the published bundles have."""
    found = (case / "bundles").glob("*/data/**/*")
    return sum(path.stat().st_size for path in found if path.is_file())


def test_lost_notes_cost_a_look_at_the_bundles_and_nothing_else(
    watch: Start, custody: Any, case: Path, logs: Path, restored: Restore,
    verified: Callable[[], None],
) -> None:  # fmt: skip
    """Where each file stood is derived from the ledger and the bundles alone."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    it.stop()
    shutil.rmtree(custody.home / "watch")
    append(log, b"two\n")
    it = watch()
    it.sealed(4)
    it.stop()
    assert restored(log) == [b"one\ntwo\n"]
    assert it.alarms == []
    verified()


@pytest.mark.parametrize("lie", ["offset", "chain", "cut", "not signed"])
def test_notes_that_lie_are_as_good_as_none(
    watch: Start, custody: Any, logs: Path, restored: Restore, verified: Callable[[], None],
    lie: str,
) -> None:  # fmt: skip
    """Whatever the notes say, no bundle comes of it whose pieces have a gap or overlap."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    append(log, b"two\n")
    it.sealed(8)
    it.stop()
    (notes,) = custody.home.glob("watch/*/notes.json")
    text = notes.read_text()
    changed = {
        "offset": text.replace('"offset": 8', '"offset": 4'),
        "chain": re.sub('"chain": "[0-9a-f]{64}"', f'"chain": "{"0" * 64}"', text),
        "cut": text[: len(text) // 2],
        "not signed": text.partition("\n")[0],
    }[lie]
    assert changed != text
    notes.write_text(changed)
    append(log, b"three\n")
    it = watch()
    it.sealed(6)
    it.stop()
    assert restored(log) == [b"one\ntwo\nthree\n"]
    assert it.alarms == []
    verified()


def test_a_ledger_that_is_rolled_back_under_a_watch_is_said_and_no_new_start_takes_it(
    watch: Start, custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """Nothing is entered in another history; what came is sealed all the same, without a spin."""
    log, old = logs / "auth.log", tmp_path / "old"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    shutil.copytree(case / "ledger", old)
    append(log, b"two\n")
    it.sealed(8)
    (case / "ledger").rename(tmp_path / "taken")
    old.rename(case / "ledger")
    append(log, b"three\n")
    it.until(lambda one: any("tried again" in line for line in one.said))
    it.passes(4)
    assert len(it.said) <= 8
    it.process.send_signal(signal.SIGTERM)
    assert it.process.wait(120) == 10
    assert sealed_bytes(case) == 14
    done = custody("watch", logs, "--case", case, exit_code=10)
    assert "ledger" in done.stderr


@pytest.mark.parametrize("notes", ["kept", "lost"])
def test_what_happened_while_nobody_watched_is_noticed(
    watch: Start, custody: Any, case: Path, logs: Path, restored: Restore,
    verified: Callable[[], None], notes: str,
) -> None:  # fmt: skip
    """Renamed, truncated, rewritten and deleted in between: each is told from the others."""
    renamed, cut, forged, gone = (logs / f"{name}.log" for name in ("r", "c", "f", "g"))
    for log in (renamed, cut, forged, gone):
        append(log, b"%s one\n" % log.name.encode())
    it = watch()
    it.sealed(4 * 10)
    it.stop()
    if notes == "lost":
        shutil.rmtree(custody.home / "watch")
    renamed.rename(logs / "r.log.1")
    append(renamed, b"new\n")
    os.truncate(cut, 3)
    with forged.open("r+b") as stream:
        stream.write(b"F")
    gone.unlink()
    it = watch()
    it.until(lambda one: len(one.alarms) >= 3)
    it.stop()
    found = {Path(alarm["path"]).name: alarm["kind"] for alarm in it.alarms}
    assert found == {"c.log": "truncated", "f.log": "rewritten", "g.log": "deleted"}
    assert restored(renamed) == [b"new\n", b"r.log one\n"]
    assert restored(forged) == [b"F.log one\n", b"f.log one\n"]
    verified()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB in memory."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_said_and_everything_is_sealed_once_there_is_room(
    custody: Any, small_disk: Path, logs: Path, tmp_path: Path
) -> None:
    """What could not be sealed stays where it is, is tried again, and the old bundles stay good."""
    secret, case, log = small_disk / "passphrase", small_disk / "case", logs / "auth.log"
    secret.write_text("watch over me\n")
    secret.chmod(0o600)
    custody(
        "init", case, "--number", "W-2", "--title", "small", "--person", "Somebody",
        "--passphrase-file", secret, exit_code=0,
    )  # fmt: skip
    append(log, b"one\n")
    it = Watching(custody, case, logs, "--passphrase-file", secret)
    try:
        it.sealed(4)
        append(log, b"x" * 3_000_000)
        it.until(lambda one: any("tried again" in line for line in one.said))
        append(log, b"more\n")  # what is held must be able to grow after a failure
        it.passes(3)
        subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True)
        it.sealed(3_000_009)
    finally:
        it.stop()
    target = tmp_path / "restored"
    custody("restore", case, log, "-o", target, exit_code=0)
    assert target.read_bytes() == log.read_bytes()
    custody("verify", case, exit_code=0)


def test_a_bundle_that_has_its_name_is_not_sealed_again_though_the_disk_complained(
    watch: Start, case: Path, logs: Path, tmp_path: Path, restored: Restore,
    verified: Callable[[], None],
) -> None:  # fmt: skip
    """The directory could not be synced after the renaming: the pieces are there, once."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = logs / "auth.log"
    append(log, b"one\n")
    strace = (
        "strace", "-f", "-o", str(tmp_path / "trace"), "-P", str(case / "bundles"),
        "-e", "inject=fsync:error=EIO:when=2",
    )  # fmt: skip
    if subprocess.run([*strace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace cannot be used here")
    it = watch(prefix=strace)
    it.sealed(4)
    append(log, b"two\n")
    it.until(lambda one: any("tried again" in line for line in one.said))
    append(log, b"three\n")
    it.until(lambda one: sum(e.get("bytes", 0) for e in one.events) >= 10)
    pid = int((case / "watch.lock").read_text())
    os.kill(pid, signal.SIGTERM)
    it.process.wait(120)
    assert restored(log) == [b"one\ntwo\nthree\n"]
    verified()


def test_an_interrupt_seals_what_is_pending(watch: Start, logs: Path, restored: Restore) -> None:
    """Ctrl-C ends a watch in order, as it says at its start: what it had seen, and what came until
    then, is sealed."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch("--every", "1h")
    it.until(lambda it: any("watching 1 place, every 1h; Ctrl-C" in line for line in it.said))
    it.sealed(4)
    append(log, b"two\n")
    it.stop(signal.SIGINT)
    assert it.events[-1]["event"] == "ended"
    assert restored(log) == [b"one\ntwo\n"]


def test_more_than_the_limit_is_sealed_before_the_interval_is_over(
    watch: Start, logs: Path
) -> None:
    """``--size`` bounds what is held in memory."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch("--every", "1h", "--size", "64K")
    it.sealed(4)
    begun = time.monotonic()
    append(log, b"x" * 200_000)
    it.sealed(200_004)
    assert time.monotonic() - begun < 3_000
    it.stop()
