"""Time collect and verify beside what a careful admin would type, and beside bagit.py.

    python benchmarks/collect.py [--set NAME]... [--rounds N] [--work DIR]

Makes its own data, runs whole processes in turn (A B C A B C ...), and prints medians and ratios.
The admin's way is ``sha256sum`` of the source, ``cp -a``, ``sync``, ``sha256sum -c`` of the copy;
the other one is ``openssl dgst -sha256`` before and after ``cp -a``.  Needs room for two copies.
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
from collections.abc import Callable
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


SETS = {
    "one-4g": DataSet(1, 4096 * MIB),
    "64x32m": DataSet(64, 32 * MIB),
    "100k": DataSet(100_000, 4096),
    "10k": DataSet(10_000, 4096),
    "million": DataSet(1_000_000, 0),
    "million-flat": DataSet(1_000_000, 0, a_directory=1_000_000),
    "sparse-50g": DataSet(1, 50 * 1024 * MIB, sparse=True),
}
DEFAULT = ("one-4g", "64x32m", "100k")


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


def commands(program: str, bagit: str, data: DataSet) -> dict[str, list[str]]:
    """The ways to measure, each with what is done before it, untimed, and what is timed."""
    sums = "(cd source && find . -type f -print0 | xargs -0 sha256sum) > sums"
    digests = "(cd {} && find . -type f -print0 | xargs -0 openssl dgst -sha256) > digests"
    found = f"{program} verify out/2*/ --signer $(cat signer)"
    collect = (
        f"{program} collect source --output out --json > result;"
        ' test $? -lt 4 && grep -o \'"fingerprint": "[0-9a-f]*"\' result | cut -d\'"\' -f4 > signer'
    )
    ways = {
        "custody collect": ["rm -rf out; sync", collect],
        "admin": [
            "rm -rf copy; sync",
            f"{sums} && cp -a source copy && sync && (cd copy && sha256sum -c --quiet ../sums)",
        ],
        # A fresh copy bypassed the cache on its way to the disk; the others' is in it.
        "custody verify": ["find out -type f -exec cat {} + > /dev/null", found],
        "sha256sum -c": ["", "cd copy && sha256sum -c --quiet ../sums"],
    }
    if data.size > MIB:
        ways["openssl"] = [
            "rm -rf copy; sync",
            f"{digests.format('source')} && cp -a source copy && {digests.format('copy')}",
        ]
    if bagit and data.files <= 100_000:
        ways["bagit.py"] = [
            "rm -rf bag; cp -a source bag; sync",
            f"{bagit} --quiet --sha256 --processes 2 bag",
        ]
        ways["bagit.py --validate"] = ["", f"{bagit} --quiet --validate --processes 2 bag"]
    return ways


RATIOS = (
    ("custody collect", "admin"),
    ("custody collect", "openssl"),
    ("custody collect", "bagit.py"),
    ("custody verify", "sha256sum -c"),
    ("custody verify", "bagit.py --validate"),
)


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


def report(name: str, data: DataSet, runs: dict[str, list[Run]]) -> None:
    """Print the table of one set."""
    count = len(next(iter(runs.values())))
    print(f"\n### {name}: {data.files:,} x {data.size:,} bytes, median of {count}\n")
    print("| way | wall s | user+sys s | user us/file | MiB |\n|---|---|---|---|---|")
    for way, some in runs.items():
        wall, cpu = median(some, lambda run: run.wall), median(some, lambda run: run.cpu)
        user = median(some, lambda run: run.user) / data.files * 1e6
        rss = max(run.rss_mib for run in some)
        print(f"| {way} | {wall:.2f} | {cpu:.2f} | {user:.0f} | {rss:.0f} |")
    print()
    for ours, theirs in RATIOS:
        if ours in runs and theirs in runs:
            pairs = zip(runs[ours], runs[theirs], strict=True)
            ratio = statistics.median(a.wall / b.wall for a, b in pairs)
            print(f"- {ours} / {theirs}: {ratio:.2f}")


def start_up(program: str, where: Path, rounds: int = 20) -> None:
    """How long the program takes to say its version, beside Python doing nothing."""
    python = shlex.quote(sys.executable)
    runs = measure(
        {"version": ["", f"{program} --version"], "pass": ["", f"{python} -c pass"]}, rounds, where
    )
    ours, theirs = (median(runs[name], lambda run: run.wall) for name in ("version", "pass"))
    print(f"\n### start-up, median of {rounds}\n")
    print(f"- custody --version {ours * 1e3:.0f} ms, python -c pass {theirs * 1e3:.0f} ms:"
          f" {ours / theirs:.2f}")  # fmt: skip


def main() -> None:
    """Parse the arguments and run the sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a directory on the disk to measure")
    given = parser.parse_args()
    program = shutil.which("custody", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        sys.exit("custody is not installed; run this with .venv/bin/python after make setup")
    bagit = shutil.which("bagit.py", path=str(Path(sys.executable).parent)) or ""
    os.environ["PYTHONWARNINGS"] = "ignore"
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"command: python benchmarks/collect.py {shlex.join(sys.argv[1:])}")
    for name in given.sets or DEFAULT:
        with tempfile.TemporaryDirectory(dir=given.work) as directory:
            where = Path(directory)
            os.environ["CUSTODY_HOME"] = str(where / "home")
            make(where / "source", SETS[name])
            ways = commands(shlex.quote(program), shlex.quote(bagit) if bagit else "", SETS[name])
            if name.startswith(("million", "sparse")):  # memory is the question, not the race
                ways = {key: ways[key] for key in ("custody collect", "custody verify")}
            report(name, SETS[name], measure(ways, given.rounds, where))
    with tempfile.TemporaryDirectory() as directory:
        start_up(shlex.quote(program), Path(directory))


if __name__ == "__main__":
    main()
