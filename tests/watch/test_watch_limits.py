"""A host that gives a watch less than it asks for: few open files, holes, short files, no disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
    assert (it.alarms, it.said) == ([], [])
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
