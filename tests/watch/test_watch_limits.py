"""A host that gives a watch less than it asks for: few open files, holes, short files, no disk."""

from __future__ import annotations

import fcntl
import json
import lzma
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_watch_following import records
from watching import Watching, append

Start = Callable[..., Watching]
Restore = Callable[[Path], list[bytes]]


@pytest.fixture
def few() -> tuple[str, ...]:
    """A prefix that lets a watch have no more than 160 files open."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    return ("prlimit", "--nofile=160:160")


def test_more_files_than_may_be_open_are_followed_across_a_restart(
    watch: Start, case: Path, logs: Path, few: tuple[str, ...], restored: Restore,
    verified: Callable[[], None],
) -> None:  # fmt: skip
    """Files that change all at once, and more of them than descriptors, are read in turns."""
    paths = [logs / f"{number:03d}.log" for number in range(300)]
    for path in paths:
        append(path, b"one\n")
    it = watch(prefix=few)
    it.sealed(4 * 300)
    for path in paths:
        append(path, b"two\n")
    it.sealed(8 * 300)
    it.stop()
    for path in paths:
        append(path, b"three\n")
    it = watch(prefix=few)
    it.sealed(6 * 300)
    for number in range(300, 600):
        append(logs / f"{number:03d}.log", b"one\n")
    it.sealed(6 * 300 + 4 * 300)
    it.stop()
    assert (it.alarms, [line for line in it.said if "warning" in line]) == ([], [])
    assert restored(paths[0]) == restored(paths[299]) == [b"one\ntwo\nthree\n"]
    gaps = [e["gaps"] for e in it.events if e["event"] == "sealed"]
    assert set(gaps) == {0}
    verified()


def test_a_host_without_descriptors_is_said_and_nothing_is_called_deleted(
    watch: Start, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """A pass that cannot be made is tried again; a seal, too; no file is given up for it."""
    resource = pytest.importorskip("resource")
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    before = resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    append(log, b"two\n")
    it.until(lambda one: any("too many open files" in line.lower() for line in one.said))
    it.passes(3)
    resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, before)
    it.sealed(8)
    it.stop()
    assert it.alarms == []
    assert restored(log) == [b"one\ntwo\n"]
    verified()


def test_a_hole_without_end_holds_nobody_up(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """A file can be made a terabyte long at no cost: that is said once, and other logs go on."""
    hole, log = logs / "a.log", logs / "b.log"
    append(hole, b"one\n")
    append(log, b"one\n")
    it = watch()
    it.sealed(8)
    os.truncate(hole, 1 << 40)
    os.truncate(logs / "a.log", (1 << 40) + 1)
    new = logs / "new.log"
    made = case.parent / "made"
    made.touch()
    os.truncate(made, 1 << 40)
    made.rename(new)
    append(log, b"two\n")
    it.sealed(12)
    it.passes(4)
    it.stop()
    assert it.events[-1]["bytes"] < 1 << 20
    skipped = [r["path"] for r in records(case) if r["outcome"] == "limit-skipped"]
    assert sorted(skipped) == [str(hole), str(new)]
    assert not any(r["outcome"] == "empty" and r["path"] == str(new) for r in records(case))
    assert restored(hole)[0].rstrip(b"\0") == b"one\n"
    verified()


def test_one_large_file_is_sealed_in_parts_and_keeps_no_other_waiting(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """At a slow rate a bundle has what the rate gives; the next goes on where it ended."""
    large, log = logs / "a.log", logs / "b.log"
    append(large, b"0123456789abcde\n" * 100_000)
    append(log, b"one\n")
    it = watch("--rate", "512K")
    it.until(lambda one: one.events)
    assert it.events[0]["bytes"] < 1_600_004
    assert log.name in {Path(r["path"]).name for r in records(case)}
    it.sealed(1_600_004)
    it.stop()
    assert restored(large) == [large.read_bytes()]
    verified()


def test_a_file_that_says_more_than_it_has_makes_one_bundle(watch: Start, case: Path) -> None:
    """Files that show the kernel claim a page and hold a line; nothing new is nothing new."""
    shown = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not shown.is_file() or shown.stat().st_size <= len(shown.read_bytes()):
        pytest.skip("no file of that kind here")
    it = watch(shown)
    it.until(lambda one: one.events)
    it.passes(4)
    it.stop()
    assert len(list((case / "bundles").iterdir())) == 1


def test_a_ledger_that_is_kept_by_another_process_stops_nobody_from_looking(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """What is appended and cleared while the ledger is locked is preserved, and entered after."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    lock = os.open(case / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    append(log, b"two\n")
    it.until(lambda one: any("tried again" in line for line in one.said))
    append(log, b"three\n")
    it.sealed(14)
    os.truncate(log, 0)
    it.cried("truncated")
    os.close(lock)
    it.until(lambda _: not list_pending(case))
    it.stop()
    assert restored(log)[-1] == b"one\ntwo\nthree\n"
    verified()


def list_pending(case: Path) -> list[str]:
    """The bundles without a receipt."""
    return [b.name for b in (case / "bundles").iterdir() if not any(b.glob("seal/receipts/*"))]


def test_what_a_watch_writes_for_itself_is_no_news(
    watch: Start, custody: Any, case: Path, logs: Path
) -> None:
    """Its notes change with every seal; where they lie in what is watched, they make no other."""
    append(logs / "auth.log", b"one\n")
    it = watch(custody.home)
    it.until(lambda one: one.events)
    it.passes(4)
    it.stop()
    assert len(list((case / "bundles").iterdir())) == 1


def test_a_packed_file_that_needs_all_memory_ends_nothing(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """An .xz file of some bytes may ask for 4 GiB; it is then collected as it is."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    packed, old = bytearray(lzma.compress(b"one\n" * 1_000)), logs / "auth.log.1"
    at = packed.index(b"\x21\x01") + 2  # the size of the dictionary, in the block's header
    packed[at] = 40
    header = packed[12 : 12 + 4 * packed[12] + 4]
    packed[12 + len(header) - 4 : 12 + len(header)] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    with pytest.raises((MemoryError, lzma.LZMAError)):
        lzma.LZMADecompressor(memlimit=1 << 30).decompress(bytes(packed))
    append(old, b"one\n" * 1_000)
    it = watch(prefix=("prlimit", f"--as={3 << 30}"))
    it.sealed(4_000)
    (logs / "auth.log.1.xz").write_bytes(packed)
    it.sealed(4_000 + len(packed))
    it.stop()
    assert restored(logs / "auth.log.1.xz") == [bytes(packed)]


def test_a_directory_that_may_not_be_read_any_more_has_lost_nothing(
    custody: Any, ordinary_user: Any
) -> None:
    """An ordinary user watches what they may read; what is closed to them is not called deleted."""
    home = ordinary_user.home
    case, logs = home / "case", home / "logs"
    custody(
        "init", case, "--number", "W-3", "--title", "t", "--person", "Somebody",
        "--no-passphrase", user=ordinary_user, exit_code=0,
    )  # fmt: skip
    inner = logs / "inner"
    inner.mkdir(parents=True)
    append(inner / "auth.log", b"one\n")
    for path in (logs, inner, inner / "auth.log"):
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    it = Watching(custody, case, logs, user=ordinary_user)
    try:
        it.sealed(4)
        inner.chmod(0)
        it.passes(4)
        append(inner / "auth.log", b"two\n")
        it.sealed(8)
        inner.chmod(0o700)
        append(inner / "other.log", b"three\n")
        os.chmod(inner / "other.log", 0o644)
        it.sealed(14)
    finally:
        it.stop()
    assert it.alarms == []
    custody("verify", case, user=ordinary_user, exit_code=0)


def test_a_disk_that_cannot_be_read_is_a_gap_and_the_other_logs_are_kept(
    watch: Start, custody: Any, case: Path, logs: Path, restored: Restore
) -> None:
    """What the system refuses to read is recorded with its reason, and stops nothing else."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    bad, good = logs / "bad.log", logs / "good.log"
    append(bad, b"lost\n")
    append(good, b"kept\n")
    fault = ("-P", str(bad), "-e", "trace=pread64", "-e", "inject=pread64:error=EIO")
    it = watch(prefix=("strace", "-D", "-f", "-qq", "-o", "/dev/null", *fault))
    it.sealed(5)
    it.stop()
    assert restored(good) == [b"kept\n"]
    records = [
        json.loads(line)
        for path in case.glob("bundles/*/custody/inventory.jsonl")
        for line in path.read_text().splitlines()
    ]
    (found,) = [record for record in records if record["path"] == str(bad)]
    assert (found["outcome"], found["error"]["name"]) == ("unreadable", "EIO")
    assert sum(event.get("gaps", 0) for event in it.events) == 1
    custody("verify", case, exit_code=0)
