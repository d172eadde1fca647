"""How long the portable build takes to start, beside the installed program.

python benchmarks/startup.py build/portable/custody [--rounds N]
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

import timing


def main() -> None:
    """Print a table for each of three commands."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("folder", type=Path)
    wanted.add_argument("--rounds", type=int, default=11)
    given = wanted.parse_args()
    timing.say_where()
    installed, _ = timing.programs()
    portable = shlex.quote(str(given.folder.resolve() / "custody"))
    with tempfile.TemporaryDirectory() as held:
        work = Path(held)
        (work / "a.log").write_text("one line\n")
        for words in ("--version", "collect --help", "collect a.log --output out --no-progress"):
            ways = {
                name: ["rm -rf out", f"{program} {words} 2>/dev/null"]
                for name, program in (("portable", portable), ("installed", installed))
            }
            runs = timing.measure(ways, given.rounds, work)
            timing.report(words, timing.DataSet(1, 9), runs, [("portable", "installed")])


if __name__ == "__main__":
    main()
