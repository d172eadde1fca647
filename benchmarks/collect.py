"""Time collect and verify beside what a careful admin would type, and beside bagit.py.

    python benchmarks/collect.py [--set NAME]... [--rounds N] [--work DIR]

Makes its own data, runs whole processes in turn (A B C A B C ...), and prints medians and ratios.
The admin's way is ``sha256sum`` of the source, ``cp -a``, ``sync``, ``sha256sum -c`` of the copy;
the other one is ``openssl dgst -sha256`` before and after ``cp -a``.  Needs room for two copies,
and of small files for three of each round.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import timing
from timing import MIB, DataSet

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
        "custody collect": [clear("out", data), collect],
        "admin": [
            clear("copy", data),
            f"{sums} && cp -a source copy && sync && (cd copy && sha256sum -c --quiet ../sums)",
        ],
        # A fresh copy bypassed the cache on its way to the disk; the others' is in it.
        "custody verify": ["find out -type f -exec cat {} + > /dev/null", found],
        "sha256sum -c": ["", "cd copy && sha256sum -c --quiet ../sums"],
    }
    if data.size > MIB:
        ways["openssl"] = [
            clear("copy", data),
            f"{digests.format('source')} && cp -a source copy && {digests.format('copy')}",
        ]
    if bagit and data.files <= 100_000:
        ways["bagit.py"] = [
            f"{clear('bag', data)}; cp -a source bag; sync",
            f"{bagit} --quiet --sha256 --processes 2 bag",
        ]
        ways["bagit.py --validate"] = ["", f"{bagit} --quiet --validate --processes 2 bag"]
    return ways


def clear(name: str, data: DataSet) -> str:
    """The command that makes room for the next round.

    Many small files are moved aside: for minutes after a file is deleted, ext4 goes looking for
    another inode than its, and that search would be half of what is measured.
    """
    if data.size > MIB:
        return f"rm -rf {name}; sync"
    return f"mkdir -p old && mv {name} old/{name}-$(date +%s%N) 2> /dev/null; sync"


RATIOS = (
    ("custody collect", "admin"),
    ("custody collect", "openssl"),
    ("custody collect", "bagit.py"),
    ("custody verify", "sha256sum -c"),
    ("custody verify", "bagit.py --validate"),
)


def start_up(program: str, where: Path, rounds: int = 20) -> None:
    """How long the program takes to say its version, beside Python doing nothing."""
    python = shlex.quote(sys.executable)
    runs = timing.measure(
        {"version": ["", f"{program} --version"], "pass": ["", f"{python} -c pass"]}, rounds, where
    )
    ours, theirs = (timing.median(runs[name], lambda run: run.wall) for name in ("version", "pass"))
    print(f"\n### start-up, median of {rounds}\n")
    print(f"- custody --version {ours * 1e3:.0f} ms, python -c pass {theirs * 1e3:.0f} ms:"
          f" {ours / theirs:.2f}")  # fmt: skip


def main() -> None:
    """Run the sets."""
    program, bagit = timing.programs()
    for name, where, rounds in timing.each_set(__doc__, SETS, DEFAULT):
        timing.make(where / "source", SETS[name])
        ways = commands(program, bagit, SETS[name])
        if name.startswith(("million", "sparse")):  # memory is the question, not the race
            ways = {key: ways[key] for key in ("custody collect", "custody verify")}
        runs = timing.measure(ways, rounds, where)
        timing.report(name, SETS[name], runs, RATIOS)
    with tempfile.TemporaryDirectory() as directory:
        start_up(program, Path(directory))


if __name__ == "__main__":
    main()
