"""Time the ledger: re-deriving, appending, proving, and what others do with the same entries.

    python benchmarks/ledger.py [--entries N] [--work DIR] [--writers]

pymerkle (SQLite store) is measured where it is installed, and golang.org/x/mod/sumdb/tlog where
Go is.  User and system time stand beside wall time, because other work on the machine shows in
the latter.  The entries are real envelopes; 20,000 are signed, and repeated to make up the number.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from custody import durable
from custody.formats import statement
from custody.formats.statement import Actor, Event
from custody.identity.signing import Signer, seal
from custody.ledger import tiles
from custody.ledger.check import by_keys, check
from custody.ledger.growth import Growth, leaf_hashes
from custody.ledger.log import Log
from custody.ledger.proof import load
from custody.ledger.receipt import verify_receipt
from custody.ledger.tiles import ENTRIES, TILE_WIDTH

ORIGIN = "bench.example/log"
DISTINCT = 20_000
BATCH = 10_000
WRITERS, APPENDS = 32, 200


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def row(what: str, value: str, note: str = "") -> None:
    print(f"| {what} | {value} | {note} |", flush=True)


def rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}/s"


def entries(person: Signer, count: int) -> list[bytes]:
    made = []
    for number in range(count):
        words = {"item": f"E-{number}", "comment": f"benchmark entry {number}"}
        event = Event(
            "noted", datetime(2026, 11, 22, tzinfo=UTC), Actor(str(person.key)), (), words
        )
        made.append(seal(person, statement.dump(event)))
    return made


def bundles(log: Log) -> Iterator[list[bytes]]:
    size = log.checkpoint().size
    for index in range(-(-size // TILE_WIDTH)):
        width = tiles.width_at(ENTRIES, index, size)
        yield tiles.decode_bundle(log.read_tile(ENTRIES, index, size), width)


def rederive(log: Log) -> bytes:
    """The root, from the entries on disk, with every tile made on the way."""
    growth = Growth()
    for some in bundles(log):
        for _ in growth.add(leaf_hashes(some)):
            pass
    return growth.root()


def openssl_rate() -> float | None:
    """How many Ed25519 signatures one core verifies in a second."""
    if shutil.which("openssl") is None:
        return None
    command = ["openssl", "speed", "-seconds", "3", "ed25519"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.findall(r"Ed25519\).*\s([\d.]+)\s*$", done.stdout, re.MULTILINE)
    return float(found[-1]) if found else None


def check_whole(directory: str, workers: int) -> None:
    """The child process that checks: its time and its memory are its own."""
    log_key, person = keys()
    wall = time.perf_counter()
    report = check(Path(directory), None, [log_key.key], by_keys([person.key]), workers=workers)
    assert report.verdict == "ok"
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(item.ru_utime + item.ru_stime for item in usage)
    peak = max(item.ru_maxrss for item in usage)
    print(report.size, time.perf_counter() - wall, cpu, peak)


def keys() -> tuple[Signer, Signer]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2)]
    return Signer.of(ORIGIN, made[0]), Signer.of("ada", made[1])


def measure(work: Path, count: int) -> None:
    log_key, person = keys()
    log = Log.create(work / "ledger", log_key)
    made = entries(person, min(count, DISTINCT))
    times = []
    for start in range(0, count, BATCH):
        some = [made[n % len(made)] for n in range(start, min(count, start + BATCH))]
        times.append(timed(lambda some=some: log.append(some, log_key)))
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    batch = min(BATCH, count)
    row(
        f"{BATCH:,} entries in one append, {len(made[0])} bytes each",
        f"{rate(batch, wall)} wall, {rate(batch, cpu)} a core",
        "besides signing; aim 30,000/s",
    )
    tree(log, count)
    appends(log, log_key, made, work)
    writers(work, WRITERS, APPENDS)
    proofs(log, log_key, count)
    signatures(log)
    others(log, work, count)


def tree(log: Log, count: int) -> None:
    expected = log.checkpoint().checkpoint.root
    _, cpu = timed(lambda: _require(rederive(log) == expected))
    row("tree re-derived from entries, one core", rate(count, cpu), "processor time; aim 400,000/s")
    hashes = b"".join(leaf_hashes(some) for some in bundles(log))

    def only_tree() -> None:
        growth = Growth()
        for start in range(0, len(hashes), 8192):
            for _ in growth.add(hashes[start : start + 8192]):
                pass
        _require(growth.root() == expected)

    _, cpu = timed(only_tree)
    row("of that, the tree over the leaf hashes", rate(count, cpu), "processor time")
    _, cpu = timed(lambda: hashes_alone(log))
    row("nothing but hashlib, as many leaves and nodes", rate(count, cpu), "no tree can be faster")


def hashes_alone(log: Log) -> None:
    """What re-deriving cannot do without: one hash a leaf and one a node, of their sizes."""
    node = bytes(65)
    for some in bundles(log):
        for entry in some:
            hashlib.sha256(entry).digest()
            hashlib.sha256(node).digest()


def _require(condition: bool) -> None:
    if not condition:
        raise SystemExit("the ledger is not what it was made as")


def appends(log: Log, log_key: Signer, made: list[bytes], work: Path) -> None:
    one, small = [], []
    for number in range(30):
        one.append(timed(lambda n=number: log.append([made[n]], log_key))[0])
        small.append(timed(lambda: durable.replace(work / "small", b"x" * 200))[0])
    ours, theirs = statistics.median(one), statistics.median(small)
    row(
        "durable append of one entry",
        f"{ours * 1000:.2f} ms",
        f"{ours / theirs:.1f} x a durable replace of one small file; aim 6",
    )


def writers(work: Path, count: int, each: int) -> None:
    """So many processes, each with so many appends of one entry, at one ledger."""
    log_key, person = keys()
    log = Log.create(work / "written", log_key)
    command = [sys.executable, __file__, "--write", str(log.directory), str(each)]
    wall = time.perf_counter()
    running = [subprocess.Popen(command) for _ in range(count)]
    _require(not any(process.wait() for process in running))
    wall = time.perf_counter() - wall
    report = check(log.directory, None, [log_key.key], by_keys([person.key]))
    _require(report.verdict == "ok" and report.size == count * each)
    row(
        f"{count} processes, {each} durable appends each",
        f"{wall:.1f} s",
        f"{wall / count / each * 1000:.1f} ms an append; one history of {report.size:,} entries",
    )


def write(directory: Path, each: int) -> None:
    """One of them."""
    log_key, person = keys()
    log, made = Log(directory, ORIGIN), entries(person, each)
    for entry in made:
        with durable.lock(directory.with_name("lock"), wait_seconds=600):
            log.append([entry], log_key)


def proofs(log: Log, log_key: Signer, count: int) -> None:
    times, read = [], []
    for number in range(200):
        index = number * 104_729 % count
        reads: list[int] = []
        original = log.read_tile

        def counting(level: int, at: int, size: int) -> bytes:
            reads.append(level)  # noqa: B023 - called before the next turn
            return original(level, at, size)  # noqa: B023 - as above

        log.read_tile = counting  # type: ignore[method-assign]
        start = time.perf_counter()
        receipt = log.receipt(index)
        result = verify_receipt(receipt, log.entry(index), [log_key.key])
        times.append(time.perf_counter() - start)
        del log.read_tile
        _require(result.verdict == "ok" and load(receipt).index == index)
        read.append(len(reads))
    row(
        f"prove and check one entry of {count:,}",
        f"{statistics.median(times) * 1000:.2f} ms",
        f"{statistics.median(read):.0f} files read; aim 5 ms",
    )


def signatures(log: Log) -> None:
    reference = openssl_rate()
    cores = len(os.sched_getaffinity(0))
    for workers in sorted({1, cores}):
        command = [sys.executable, __file__, "--check", str(log.directory), str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        size, wall, cpu, peak = (float(word) for word in done.stdout.split())
        share = f"{size / cpu / reference:.0%} of openssl a core" if reference else ""
        row(
            f"ledger verify with every signature, {workers} processes",
            f"{rate(int(size), wall)} wall, {rate(int(size), cpu)} a core",
            f"{share}; aim 80%; peak {peak / 1024:.0f} MiB, aim 200",
        )
    if reference:
        row("openssl speed ed25519, one core", f"{reference:,.0f}/s", "verifies")


def others(log: Log, work: Path, count: int) -> None:
    some = [entry for _, bundle in zip(range(80), bundles(log), strict=False) for entry in bundle]
    try:
        from pymerkle import SqliteTree
    except ImportError:
        row("pymerkle", "not installed", "")
    else:
        other = SqliteTree(str(work / "pymerkle.db"))
        wall, cpu = timed(lambda: (other.append_entries(some), other.get_root()))
        row(
            f"pymerkle, SQLite: {len(some):,} of the entries into a tree, and its root",
            f"{rate(len(some), cpu)} a core", f"{rate(len(some), wall)} wall; aim for us: 10 x",
        )  # fmt: skip
        _, cpu = timed(lambda: leafs(some))
        row("the same entries, ours", f"{rate(len(some), cpu)} a core", "tiles and root in memory")
    go = shutil.which("go")
    if go is None:
        row("sumdb/tlog", "Go is not installed", "")
        return
    source = Path(__file__).resolve().parent.parent / "tests" / "ledger" / "go"
    folder = shutil.copytree(source, work / "go")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    subprocess.run([go, "build", "-o", "reader", "."], cwd=folder, env=environment, check=True)
    log_key, _ = keys()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    subprocess.run(
        [folder / "reader", log.directory, str(log_key.key)], input="{}", text=True, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row(
        "Go's sumdb/tlog: tree and every tile from the entries",
        f"{rate(count, cpu)} a core", f"{rate(count, wall)} wall; all hashes in memory",
    )  # fmt: skip


def leafs(some: list[bytes]) -> bytes:
    growth = Growth()
    for start in range(0, len(some), TILE_WIDTH):
        for _ in growth.add(leaf_hashes(some[start : start + TILE_WIDTH])):
            pass
    return growth.root()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--writers", action="store_true", help="nothing but many writers at once")
    parser.add_argument("--write", nargs=2, metavar=("DIR", "APPENDS"), help=argparse.SUPPRESS)
    parser.add_argument("--check", nargs=2, metavar=("DIR", "WORKERS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.check:
        check_whole(chosen.check[0], int(chosen.check[1]))
        return
    if chosen.write:
        write(Path(chosen.write[0]), int(chosen.write[1]))
        return
    if chosen.writers:
        with tempfile.TemporaryDirectory(dir=chosen.work) as work:
            writers(Path(work), WRITERS, APPENDS)
        return
    cores, version = len(os.sched_getaffinity(0)), sys.version.split()[0]
    print(f"{platform.machine()}, {cores} cores, Python {version}")
    print(f"\n| {chosen.entries:,} entries | | |\n|---|---|---|")
    with tempfile.TemporaryDirectory(dir=chosen.work) as work:
        measure(Path(work), chosen.entries)


if __name__ == "__main__":
    main()
