"""Every system call that touches the case broken in turn, from outside, with strace.

A run without faults shows which calls touch the case and the memory of it, and the how-maniest
call of its kind each of them is.  Then the program runs again for each of them, on a fresh copy,
and that one call fails with EIO or ENOSPC, or the process is killed as it makes it.  After each:
nothing that was acknowledged is gone, nothing half-made is visible, `ledger verify` finds nothing
and an append of other entries succeeds.

Sampled in the normal run; every occurrence with `-m full`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from custody import durable
from custody.case import open_case
from custody.formats import statement
from custody.formats.statement import Actor, Event
from custody.identity import trust as trusts
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
from custody.identity.signing import Signer, seal
from custody.ledger.believed import by_trust
from custody.ledger.check import check
from custody.ledger.log import Log
from custody.verify import verify_case

CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "syncfs", "rename", "renameat",
    "renameat2", "link", "linkat", "mkdir", "mkdirat", "close", "unlink", "unlinkat", "ftruncate",
    "fchmod", "chmod",
)  # fmt: skip
FAULTS = ("error=EIO", "error=ENOSPC", "signal=SIGKILL")
WHEN = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)
NO_PASSPHRASE = FixedPassphrase(b"")
LINE = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)")

APPEND = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from custody.case import open_case
from custody.formats import statement
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
from custody.identity.signing import seal
from custody.ledger.memory import Memory
case, home = Path(sys.argv[1]), Path(sys.argv[2])
folder = KeyFolder(home / "keys")
keys = [folder.unlock(folder.pick(None, use).name, FixedPassphrase(b"")).signer
        for use in ("log", "signer")]
opened = open_case(case, Memory(home / "memory"))
for number, count in enumerate((1, 300, 2)):
    made = []
    for n in range(count):
        actor = statement.Actor(str(keys[1].key))
        words = {"comment": f"batch {number} entry {n}"}
        event = statement.Event("noted", datetime(2026, 1, 1, tzinfo=UTC), actor, words=words)
        made.append(seal(keys[1], statement.dump(event)))
    with opened.locked(0):
        done = opened.log.append(made, keys[0])
    print(f"acknowledged {done.size}", flush=True)
"""


class Place(NamedTuple):
    """One call to be broken: its kind, the how-maniest it is, and what it touched."""

    call: str
    number: int
    seen: str


@pytest.fixture(scope="session")
def strace() -> str:
    """The program; skipped, saying so, where it is missing or not allowed to trace."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    command = [found, "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    return found


class Scene:
    """A case and a home, to be copied fresh for each run."""

    def __init__(self, custody: Any, base: Path) -> None:
        self.custody = custody
        self.base = base
        self.case = base / "run" / "case"
        self.home = base / "run" / "home"
        self.source = base / "source"
        self.source.mkdir()
        (self.source / "auth.log").write_text("evidence\n" * 50)
        (self.source / "empty.log").touch()
        made = base / "made"
        environment = {"CUSTODY_HOME": str(made / "home")}
        made.mkdir()
        custody(
            "init", made / "case", "--no-passphrase", "--person", "Ada", env=environment,
            exit_code=0,
        )  # fmt: skip
        self.reset()
        self.append(3)
        shutil.rmtree(made)
        shutil.copytree(base / "run", made)

    def reset(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.base / "run", ignore_errors=True)
        shutil.copytree(self.base / "made", self.base / "run")

    def keys(self) -> list[Signer]:
        folder = KeyFolder(self.home / "keys")
        uses = ("log", "signer")
        return [folder.unlock(folder.pick(None, use).name, NO_PASSPHRASE).signer for use in uses]

    def append(self, count: int) -> None:
        """Append entries that nobody else appends, in this process."""
        log_key, person = self.keys()
        entries = [
            seal(
                person,
                statement.dump(
                    Event("noted", WHEN, Actor(str(person.key)), words={"comment": f"own {n}"})
                ),
            )
            for n in range(count)
        ]
        opened = open_case(self.case)
        with durable.lock(self.case / "lock", wait_seconds=5):
            Log(opened.log.directory, opened.origin).append(entries, log_key)

    def entries(self) -> list[bytes]:
        return list(open_case(self.case).ledger.entries())

    def run(self, command: list[str], prefix: list[str]) -> subprocess.CompletedProcess[str]:
        environment = self.custody.environment() | {
            "CUSTODY_HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [*prefix, *command], env=environment, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip

    def check(self) -> None:
        """The ledger is whole, and so is everything that can be seen in the case."""
        believed = trusts.load(self.home / "trust")
        opened = open_case(self.case)
        report = check(opened.ledger.directory, opened.origin, believed.logs, by_trust(believed))
        assert report.findings == ()
        found = verify_case(self.case, believed, now=WHEN)
        wrong = [item for item in found.findings if not _is_pending(item.message)]
        assert wrong == [], wrong


def _is_pending(message: str) -> bool:
    """A bundle that is published and not entered yet: what the next append makes good."""
    return "not entered" in message or "nobody entered" in message or "no entry" in message


@pytest.fixture
def scene(custody: Any, tmp_path: Path) -> Scene:
    """A case with some entries, as it is before each fault."""
    return Scene(custody, tmp_path)


def places(strace: str, scene: Scene, command: list[str]) -> list[Place]:
    """Every call of a run without faults that touches the case or the home."""
    scene.reset()
    trace = scene.base / "trace"
    prefix = [strace, "-f", "-y", "-qq", "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    for _ in range(2):  # the first run may still write what Python and the system cache
        scene.reset()
        done = scene.run(command, prefix)
        assert done.returncode == 0, done.stderr
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int], Place] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None or match["call"] not in CALLS:
            continue
        key = match["pid"], match["call"]
        counts[key] += 1
        if str(scene.base / "run") in match["rest"]:
            place = match["call"], counts[key]
            found.setdefault(place, Place(*place, match["rest"][:160]))
    return list(found.values())


def broken(
    strace: str, scene: Scene, command: list[str], chosen: list[tuple[Place, str]]
) -> Iterator[tuple[Place, subprocess.CompletedProcess[str]]]:
    """Run the command once for each chosen fault, each on a fresh copy."""
    for place, fault in chosen:
        scene.reset()
        inject = f"inject={place.call}:{fault}:when={place.number}"
        prefix = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={place.call}"]
        yield place, scene.run(command, [*prefix, "-e", inject])


def sample(found: list[Place], count: int) -> list[tuple[Place, str]]:
    """So many faults, spread over all places, each kind of call among them; 0 takes all."""
    everything = [(place, fault) for place in found for fault in FAULTS]
    if not count:
        return everything
    one_each = {place.call: place for place in found if "checkpoint" in place.seen}
    kinds = list(one_each.values()) + list({place.call: place for place in found}.values())
    picked = [(place, FAULTS[n % len(FAULTS)]) for n, place in enumerate(dict.fromkeys(kinds))]
    step = max(1, len(everything) // max(1, count - len(picked)))
    return list(dict.fromkeys([*picked[:count], *everything[1::step]]))[:count]


def tally(table: Any, program: str, place: Place, *, ended: bool) -> None:
    row = table.setdefault((program, place.call), Counter())
    row["faults tried"] += 1
    row["died or failed"] += ended


def count_places(table: Any, program: str, found: list[Place]) -> None:
    for place in found:
        table.setdefault((program, place.call), Counter())["occurrences"] += 1


HOW_MANY = pytest.mark.parametrize("count", [16, pytest.param(0, marks=pytest.mark.full)])


@HOW_MANY
def test_an_append_survives_every_fault(strace: str, scene: Scene, table: Any, count: int) -> None:
    """What was acknowledged is there, what was not is there whole or not at all."""
    command = [sys.executable, "-c", APPEND, str(scene.case), str(scene.home)]
    before = scene.entries()
    found = places(strace, scene, command)
    whole = scene.entries()
    assert len(whole) == len(before) + 303
    sizes = {len(before), len(before) + 1, len(before) + 301, len(before) + 303}
    count_places(table, "append", found)
    for place, done in broken(strace, scene, command, sample(found, count)):
        tally(table, "append", place, ended=done.returncode != 0)
        acknowledged = [int(word) for word in re.findall(r"acknowledged (\d+)", done.stdout)]
        now = scene.entries()
        assert now == whole[: len(now)], place
        assert len(now) in sizes, place
        assert len(now) >= max(acknowledged, default=0), place
        if done.returncode == 0:
            assert now == whole, place
        scene.check()
        scene.append(270)
        assert scene.entries()[: len(now)] == now, place
        scene.check()


@HOW_MANY
def test_a_collection_survives_every_fault(
    strace: str, scene: Scene, table: Any, count: int
) -> None:
    """A bundle is there whole or not at all, and is entered at the latest by the next one."""
    command = [*scene.custody.command("collect", scene.source, "--case", scene.case)]
    before = scene.entries()
    found = places(strace, scene, command)
    assert len(scene.entries()) == len(before) + 1
    count_places(table, "collect", found)
    for place, done in broken(strace, scene, command, sample(found, count)):
        tally(table, "collect", place, ended=done.returncode != 0)
        assert "Traceback" not in done.stderr, (place, done.stderr)
        now = scene.entries()
        assert now[: len(before)] == before, place
        if done.returncode in (0, 3):
            assert len(now) == len(before) + 1, place
        scene.check()
        again = scene.run(command, [])
        assert again.returncode == 0, (place, again.stderr)
        bundles = os.listdir(scene.case / "bundles")
        assert len(scene.entries()) == len(before) + len(bundles), place
        believed = trusts.load(scene.home / "trust")
        final = verify_case(scene.case, believed, now=WHEN)
        assert final.verdict == "ok", (place, final.findings, final.checks)


def test_strace_breaks_what_it_should(strace: str, scene: Scene) -> None:
    """The harness itself: a fault at the checkpoint's rename is hit, and stops the append."""
    command = [sys.executable, "-c", APPEND, str(scene.case), str(scene.home)]
    found = places(strace, scene, command)
    renames = [place for place in found if "rename" in place.call and "ledger" in place.seen]
    assert renames
    (_, done), *_ = list(broken(strace, scene, command, [(renames[0], "error=EIO")]))
    assert done.returncode == 1
    assert "acknowledged" not in done.stdout
