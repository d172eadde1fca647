"""Time compare beside what is usual: sha256sum -c, openssl, diff, rsync, hashdeep, bagit.py.

    python benchmarks/compare.py [--set NAME]... [--rounds N] [--work DIR]

Makes its own data and prints medians and ratios.  Needs room for two copies; the set "grown" is
one log of 4 GiB that went on by a line, "sparse-50g" is a file of holes, and "200k" is about
memory.  rsync, hashdeep and bagit.py are measured where they are installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import timing
from timing import MIB, DataSet

SETS = {
    "grown": DataSet(1, 4096 * MIB),
    "64x32m": DataSet(64, 32 * MIB),
    "100k": DataSet(100_000, 4096),
    "200k": DataSet(200_000, 4096),
    "sparse-50g": DataSet(1, 50 * 1024 * MIB, sparse=True),
}
DEFAULT = ("grown", "64x32m", "100k")
OURS = "custody compare"


def commands(program: str, bagit: str, data: DataSet, *, grown: bool) -> dict[str, list[str]]:
    """The ways to measure, each with what is done before it, untimed, and what is timed."""
    ways = {
        OURS: ["", f"{program} compare copy source"],
        "custody compare BUNDLE --live": ["", f"{program} compare out/2*/ --live"],
        "diff -r": ["", "diff -r --no-dereference copy source" + (" || test $? = 1" * grown)],
    }
    if not data.sparse:
        ways["sha256sum -c"] = ["", "cd copy && sha256sum -c --quiet ../sums"]
    if data.size > MIB and not data.sparse:
        every = "find {} -type f -print0 | xargs -0 openssl dgst -sha256"
        ways["openssl, both sides"] = ["", f"{every.format('copy')}; {every.format('source')}"]
    if shutil.which("rsync"):
        ways["rsync -nc"] = ["", "rsync -ncr source/ copy/"]
    if shutil.which("hashdeep") and not data.sparse:
        ways["hashdeep -a"] = ["", "cd copy && hashdeep -c sha256 -r -l -a -k ../deep ."]
    if bagit and not data.sparse:
        ways["bagit.py --validate"] = ["", f"{bagit} --quiet --validate --processes 2 bag"]
    return ways


def prepare(where: Path, program: str, bagit: str, data: DataSet, *, grown: bool) -> None:
    """Make the original, its copy, its bundle and what the others need."""
    timing.make(where / "source", data)
    steps = [
        f"{program} collect source --output out; test $? -lt 4",
        "cp -a --sparse=auto source copy",
    ]
    if not data.sparse:
        steps.append("cd copy && find . -type f -print0 | xargs -0 sha256sum > ../sums")
    if shutil.which("hashdeep") and not data.sparse:
        steps.append("cd copy && hashdeep -c sha256 -r -l . > ../deep")
    if bagit and not data.sparse:
        steps.append(f"cp -a source bag && {bagit} --quiet --sha256 --processes 2 bag")
    if grown:
        steps.append("for f in source/*/*; do echo and on it went >> $f; done")
    for step in [*steps, "sync"]:
        timing.timed(step, where)


def main() -> None:
    """Run the sets."""
    program, bagit = timing.programs()
    for name, where, rounds in timing.each_set(__doc__, SETS, DEFAULT):
        data, grown = SETS[name], name == "grown"
        prepare(where, program, bagit, data, grown=grown)
        ways = commands(program, bagit, data, grown=grown)
        runs = timing.measure(ways, rounds, where)
        timing.report(name, data, runs, [(OURS, other) for other in ways if other != OURS])


if __name__ == "__main__":
    main()
