"""Looking at a ledger's entries, one bundle after the other, on one core or on several.

A worker reads a bundle, judges every entry in it and gives back its leaf hashes and what it
found; the tree is put together by whoever asked.  Memory is a few bundles a worker, whatever the
ledger's size.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from custody.counted import counted
from custody.errors import CustodyError, FormatError, NotFoundError, StorageError
from custody.findings import Finding
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.ledger import tiles
from custody.ledger.growth import leaf_hashes
from custody.ledger.reader import LedgerReader
from custody.ledger.tiles import ENTRIES, TILE_WIDTH, Tile

EntryVerdict = Literal["trusted", "untrusted", "undated", "late", "bad"]
VerifyEntry = Callable[[int, Envelope], EntryVerdict]
"""Judges the signature of an entry.

*bad*: a trusted key is named and did not sign.  *late*: by the entry's own time, the key did not
count then.  *undated*: the key has an end, and no trusted time shows that the entry is older.
"""
Doubts = dict[tuple[EntryVerdict, str], tuple[int, int]]
"""How many entries a key's doubt is about, and the first of them, by verdict and key id."""

_BUNDLES_A_TASK = 8
_TASKS_AHEAD = 4  # for each worker
_TOO_FEW = 80  # bundles that are not worth starting processes for


@dataclass(frozen=True, slots=True)
class Task:
    """One bundle to look at.

    :ivar partials: narrower partial bundles that lie beside it.
    """

    index: int
    size: int
    partials: tuple[Tile, ...] = ()


@dataclass(slots=True)
class Seen:
    """What looking at one bundle came to.

    :ivar hashes: the leaf hashes; None if neither the bundle nor the tile beside it is usable.
    """

    hashes: bytes | None = None
    findings: list[Finding] = field(default_factory=list)
    doubts: Doubts = field(default_factory=dict)


def look_at(ledger: LedgerReader, task: Task, verify_entry: VerifyEntry) -> Seen:
    """Read one bundle and judge its entries.

    Where the bundle is unusable, the leaf hashes are those of the tile beside it.
    """
    seen = Seen()
    tile = Tile(ENTRIES, task.index, tiles.width_at(ENTRIES, task.index, task.size))
    data = read(ledger, tile, seen.findings)
    if data is not None:
        try:
            entries = tiles.decode_bundle(data, tile.width)
        except FormatError as err:
            why = "malformed entry bundle"
            seen.findings.append(
                Finding(tile.path, f"{counted(tile.width, 'entry')}", str(err), why)
            )
        else:
            compare_partials(ledger, task.partials, data, seen.findings)
            _judge(tile, entries, verify_entry, seen)
            seen.hashes = leaf_hashes(entries)
            return seen
    stored = _stored(ledger, Tile(0, task.index, tile.width))
    if stored is not None and len(stored) == tile.width * 32:
        seen.hashes = stored
    return seen


def sweep(
    directory: Path, tasks: Iterable[Task], verify_entry: VerifyEntry, *, workers: int = 1
) -> Iterator[Seen]:
    """Look at every bundle, and give what was seen in the order of the tasks.

    :param workers: processes; more than one needs a *verify_entry* that keeps no notes.
    :raises StorageError: if a worker process dies.
    """
    rest = iter(tasks)
    first = list(islice(rest, _TOO_FEW if workers > 1 else 0))
    ledger = LedgerReader(directory)
    if workers < 2 or len(first) < _TOO_FEW or not _may_fork():
        for task in chain(first, rest):
            yield look_at(ledger, task, verify_entry)
        return
    yield from _on_many(ledger, chain(first, rest), verify_entry, workers)


def _may_fork() -> bool:
    # A fork copies one thread only, so there must be no other; macOS's libraries forbid it.
    return sys.platform == "linux" and threading.active_count() == 1


def _on_many(
    ledger: LedgerReader, tasks: Iterable[Task], verify_entry: VerifyEntry, workers: int
) -> Iterator[Seen]:
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, context, _start, (ledger, verify_entry))
    waiting: deque[Future[list[Seen]]] = deque()
    rest = iter(tasks)
    try:
        while some := list(islice(rest, _BUNDLES_A_TASK)):
            waiting.append(pool.submit(_run, some))
            if len(waiting) >= workers * _TASKS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as err:
        raise StorageError("check ledger", ledger.directory, "a worker process died") from err
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What a worker process was started with."""

    ledger: LedgerReader
    verify_entry: VerifyEntry


def _start(ledger: LedgerReader, verify_entry: VerifyEntry) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _Worker.ledger, _Worker.verify_entry = ledger, staticmethod(verify_entry)


def _run(tasks: list[Task]) -> list[Seen]:
    return [look_at(_Worker.ledger, task, _Worker.verify_entry) for task in tasks]


def read(ledger: LedgerReader, tile: Tile, findings: list[Finding]) -> bytes | None:
    """A file that must be there; what is wrong with it becomes a finding."""
    try:
        return ledger.read_file(tile)
    except NotFoundError:
        why = "a file that the checkpoint covers is gone"
        findings.append(Finding(tile.path, "a file", "nothing", why))
    except (FormatError, StorageError) as err:
        why = "a file of the ledger cannot be read"
        findings.append(Finding(tile.path, "a file", str(err), why))
    return None


def compare_partials(
    ledger: LedgerReader, partials: Iterable[Tile], data: bytes, findings: list[Finding]
) -> None:
    """Partial tiles must be byte prefixes of the wider one, whose bytes are *data*."""
    for partial in partials:
        stored = read(ledger, partial, findings)
        expected = _prefix(partial, data)
        if stored is not None and stored != expected:
            findings.append(differs(partial, expected, stored))


def differs(tile: Tile, expected: bytes, found: bytes) -> Finding:
    """A tile is not what the entries make it."""
    why = "it is not what the entries make it"
    if len(expected) != len(found):
        why = f"{len(found)} bytes where the entries make {len(expected)}"
    return Finding(tile.path, _digest(expected), _digest(found), why)


def place(index: int) -> str:
    """Where an entry is: its bundle's path and its number."""
    return f"{tiles.full_path(ENTRIES, index // TILE_WIDTH)}#{index}"


def _judge(tile: Tile, entries: list[bytes], verify_entry: VerifyEntry, seen: Seen) -> None:
    for index, entry in enumerate(entries, tile.index * TILE_WIDTH):
        try:
            envelope = dsse.load(entry)
        except FormatError as err:
            finding = Finding(place(index), "a canonical envelope", str(err), "not an envelope")
            seen.findings.append(finding)
            continue
        verdict = verify_entry(index, envelope)
        if verdict == "bad":
            why = "the entry is not what its signer signed"
            seen.findings.append(Finding(place(index), "the signer's signature", "another", why))
        elif verdict != "trusted":
            doubt = verdict, envelope.signatures[0].keyid
            count, first = seen.doubts.get(doubt, (0, index))
            seen.doubts[doubt] = (count + 1, first)


def _stored(ledger: LedgerReader, tile: Tile) -> bytes | None:
    try:
        return ledger.read_file(tile)
    except CustodyError:
        return None  # it becomes a finding where it is compared


def _prefix(partial: Tile, data: bytes) -> bytes:
    if partial.level == ENTRIES:
        return tiles.bundle_prefix(data, partial.width)
    return data[: partial.width * 32]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
