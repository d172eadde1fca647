"""Measuring whole processes from outside: data to work on, runs in turn, a table of medians.

Ways take turns (A B C A B C ...), so that what else the machine does falls on all of them; a
ratio is the median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class DataSet:
    """Files to make: how many, how large, how many in one directory."""

    files: int
    size: int
    a_directory: int = 1_000
    sparse: bool = False


@dataclass(frozen=True)
class Run:
    """One process, from outside: seconds and the largest memory."""

    wall: float
    cpu: float
    user: float
    rss_mib: float


def timed(command: str, cwd: Path) -> Run:
    """Run a shell command and wait for it; its output goes nowhere."""
    started = time.perf_counter()
    process = subprocess.Popen(["sh", "-c", command], cwd=cwd, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)  # fmt: skip
    error = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}\n{error.decode()}\nexit {process.returncode}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_utime, used.ru_maxrss / 1024)


def make(where: Path, data: DataSet) -> None:
    """Lay the files of a set; contents differ and do not compress."""
    where.mkdir()
    for number in range(data.files):
        directory = where / f"d{number // data.a_directory:04}"
        if number % data.a_directory == 0:
            directory.mkdir()
        with (directory / f"f{number:07}.log").open("wb") as stream:
            if data.sparse:
                stream.truncate(data.size)
                continue
            left = data.size
            while left:
                left -= stream.write(os.urandom(min(left, MIB)))
    os.sync()


def each_set(
    about: str | None, sets: Mapping[str, object], usual: Sequence[str]
) -> Iterator[tuple[str, Path, int]]:
    """Read the command line; give each set that is asked for, a directory for it, and the rounds.

    The program keeps its keys in that directory, too.

    :param about: what is measured, for ``--help``.
    :param usual: the sets that are run where none is asked for.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--set", action="append", choices=sets, dest="sets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a directory on the disk to measure")
    given = parser.parse_args()
    say_where()
    for name in given.sets or usual:
        with tempfile.TemporaryDirectory(dir=given.work) as directory:
            os.environ["CUSTODY_HOME"] = str(Path(directory) / "home")
            yield name, Path(directory), given.rounds


def measure(ways: dict[str, list[str]], rounds: int, where: Path) -> dict[str, list[Run]]:
    """Alternate the ways, one warm-up round first."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (before, command) in ways.items():
            if before:
                timed(before, where)
            run = timed(command, where)
            if number:
                runs[name].append(run)
    return runs


def median(runs: list[Run], figure: Callable[[Run], float]) -> float:
    """The median of one figure."""
    return statistics.median(figure(run) for run in runs)


def report(
    name: str, data: DataSet, runs: dict[str, list[Run]], ratios: Sequence[tuple[str, str]]
) -> None:
    """Print the table of one set, and ratios of wall time and, in brackets, processor time."""
    count = len(next(iter(runs.values())))
    load = os.getloadavg()[0]
    print(
        f"\n### {name}: {data.files:,} x {data.size:,} bytes, median of {count}, load {load:.1f}\n"
    )
    print("| way | wall s | user+sys s | user us/file | MiB |\n|---|---|---|---|---|")
    for way, some in runs.items():
        wall, cpu = median(some, lambda run: run.wall), median(some, lambda run: run.cpu)
        user = median(some, lambda run: run.user) / data.files * 1e6
        rss = max(run.rss_mib for run in some)
        print(f"| {way} | {wall:.2f} | {cpu:.2f} | {user:.0f} | {rss:.0f} |")
    print()
    for ours, theirs in ratios:
        if ours in runs and theirs in runs:
            pairs = list(zip(runs[ours], runs[theirs], strict=True))
            wall = statistics.median(a.wall / b.wall for a, b in pairs)
            cpu = statistics.median(a.cpu / b.cpu for a, b in pairs)
            print(f"- {ours} / {theirs}: {wall:.2f} ({cpu:.2f})", flush=True)


def programs() -> tuple[str, str]:
    """The installed `custody`, and `bagit.py` if it is there, quoted for a shell."""
    here = Path(sys.executable).parent
    program = shutil.which("custody", path=f"{here}:{os.environ['PATH']}")
    if program is None:
        sys.exit("custody is not installed; run this with .venv/bin/python after make setup")
    bagit = shutil.which("bagit.py", path=str(here)) or ""
    os.environ["PYTHONWARNINGS"] = "ignore"
    return shlex.quote(program), shlex.quote(bagit) if bagit else ""


def say_where() -> None:
    """Print the machine, and the command that is running."""
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"command: python benchmarks/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}")
