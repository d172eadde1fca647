"""The same work in two processes, each doing its half, with one ordered stream of results.

Small files keep an interpreter busy, and threads wait for its lock.  So two processes walk both
sides; each judges the paths that fall to it, by a checksum of their name, and the results are
merged as they come.  Where there is no cheap way to a second process, this one does it all.
"""

from __future__ import annotations

import heapq
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from custody.compare.pairs import IDENTICAL, Mine, Result

_BATCH = 256
_SECONDS = 0.2
_PLAIN = Result._fields.index("kind") + 1  # what the ordinary result has is all that is sent

Work = Callable[[Mine], Iterator[Result]]


def everything(_raw: bytes) -> bool:
    """The whole work."""
    return True


def half(number: int) -> Mine:
    """One of the two halves."""

    def mine(raw: bytes) -> bool:
        return zlib.crc32(raw) & 1 == number

    return mine


def shared(work: Work) -> Iterator[Result]:
    """Do all of *work*, in two processes beside this one where that is possible."""
    if not _is_possible():
        yield from work(everything)
        return
    children = [_Child(work, half(number)) for number in (0, 1)]
    try:
        yield from heapq.merge(*(child.results() for child in children), key=lambda one: one.key)
    finally:
        for child in children:
            child.end()


def _is_possible() -> bool:
    # A fork copies one thread only, so there must be no other; macOS's libraries forbid it.
    return (
        sys.platform.startswith("linux")
        and threading.active_count() == 1
        and len(os.sched_getaffinity(0)) > 1
    )


class _Child:
    def __init__(self, work: Work, mine: Mine) -> None:
        import multiprocessing

        self._work, self._mine = work, mine
        context = multiprocessing.get_context("fork")
        self._received, sender = context.Pipe(duplex=False)
        self._process: Any = context.Process(target=_run, args=(work, mine, sender), daemon=True)
        try:
            self._process.start()
        except OSError:
            self._process = None
        sender.close()

    def results(self) -> Iterator[Result]:
        """What the process finds; if it comes to grief, the rest is done here."""
        last = -1
        count = 0
        while self._process is not None:
            try:
                batch = self._received.recv()
            except EOFError:
                break
            if batch is None:
                return
            for item in batch:
                yield Result(*item)
            count += len(batch)
        for last, result in enumerate(self._work(self._mine)):
            if last >= count:
                yield result

    def end(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._received.close()


def _run(work: Work, mine: Mine, sender: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who waits for us is told
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    batch: list[tuple[Any, ...]] = []
    due = time.monotonic() + _SECONDS
    try:
        for result in work(mine):
            plain = result.status == IDENTICAL and not (result.stamp or result.copy_sha256)
            batch.append(result[:_PLAIN] if plain else tuple(result))
            if len(batch) >= _BATCH or time.monotonic() >= due:
                sender.send(batch)
                batch = []
                due = time.monotonic() + _SECONDS
        sender.send(batch)
        sender.send(None)
    except Exception:  # noqa: BLE001 - it will happen again where it can be told
        sender.close()
