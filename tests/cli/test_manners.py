"""`collect --rate`, `--nice`, `--since`: a busy host is spared, and what was left out is said."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20


def collected(custody: Any, tmp_path: Path, *args: Any, exit_code: int = 0) -> Path:
    """Collect into a directory; gives the bundle."""
    done = custody("collect", *args, "--output", tmp_path / "out", "--json", exit_code=exit_code)
    return Path(json.loads(done.stdout)["path"])


def acquisition(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "custody/acquisition.json").read_text())
    return found


def records(bundle: Path) -> dict[str, dict[str, Any]]:
    """What became of each path, by its last component."""
    listed = map(json.loads, (bundle / "custody/inventory.jsonl").read_text().splitlines())
    return {one["path"].rpartition("/")[2]: one for one in listed}


@pytest.mark.parametrize("sizes", [[4 * MIB], [512 * 1024] * 8])
def test_a_rate_is_kept(custody: Any, tmp_path: Path, sizes: list[int]) -> None:
    """Four mebibytes at one a second take three seconds at least, in one file or in many, and the
    rate is recorded."""
    logs = tmp_path / "logs"
    logs.mkdir()
    for number, size in enumerate(sizes):
        (logs / str(number)).write_bytes(os.urandom(size))
    began = time.monotonic()
    bundle = collected(custody, tmp_path, logs, "--rate", "1M")
    assert time.monotonic() - began >= 2.9  # the first second's worth may be read at once
    assert acquisition(bundle)["rate"] == MIB
    custody("verify", bundle, exit_code=11)


def test_the_priority_is_lowered(custody: Any, tmp_path: Path) -> None:
    """The collector, whose own state is collected here, runs at the priority asked for."""
    bundle = collected(custody, tmp_path, "/proc/self/stat", "--nice", "7")
    (stat,) = bundle.glob("data/proc/*/stat")
    fields = stat.read_text().rpartition(")")[2].split()
    assert int(fields[16]) == min(19, os.nice(0) + 7)
    assert acquisition(bundle)["nice"] == 7


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the call's number is another here")
@pytest.mark.parametrize(("nice", "expected"), [(0, 0), (5, 2 << 13 | 7), (19, 3 << 13)])
def test_the_disk_serves_us_last(nice: int, expected: int) -> None:
    """The priority for the disk is lowered too: last of the ordinary ones, or only when idle."""
    code = (
        "import ctypes, sys; from custody import priority; priority.lower(int(sys.argv[1]));"
        "print(ctypes.CDLL(None).syscall(252, 1, 0))"
    )
    words = [sys.executable, "-c", code, str(nice)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["--nice", "-1"],
        ["--nice", "20"],
        ["--rate", "fast"],
        ["--since", "yesterday"],
        ["--since", "2026-11-21T21:14"],
        ["--since", "2999-01-01T00:00Z"],
    ],
)
def test_what_makes_no_sense(custody: Any, tmp_path: Path, words: list[str]) -> None:
    """A priority, rate or time that is none is a usage error, and nothing is written."""
    done = custody("collect", "/etc/hostname", "--output", tmp_path / "out", *words, exit_code=2)
    assert words[0] in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_did_not_change_since_is_left_out(custody: Any, tmp_path: Path) -> None:
    """A file that nothing touched since is recorded as excluded with the reason, without a gap, and
    a dry run says the same."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "old.log").write_text("old\n")
    later = time.time_ns() // 1_000_000_000 + 2
    while time.time_ns() // 1_000_000_000 < later:
        time.sleep(0.05)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(later - 1))
    (logs / "new.log").write_text("new\n")
    bundle = collected(custody, tmp_path, logs, "--since", since)
    found = records(bundle)
    assert found["new.log"]["outcome"] == "collected"
    old = found["old.log"]
    assert (old["outcome"], old["remark"]) == ("excluded", f"not changed since {since}")
    assert "payload" not in old
    assert old["size"] == 4
    assert acquisition(bundle)["since"] == since
    done = custody("collect", logs, "--since", since, "--dry-run", "--json", exit_code=0)
    assert json.loads(done.stdout)["files"] == 1


def test_times_that_were_set_back_hide_nothing(custody: Any, tmp_path: Path) -> None:
    """A log rewritten and dated back is collected: its inode tells when that was done."""
    log = tmp_path / "auth.log"
    log.write_text("rewritten\n")
    os.utime(log, (0, 0))
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_600))
    bundle = collected(custody, tmp_path, log, "--since", since)
    assert records(bundle)["auth.log"]["outcome"] == "collected"
