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
from collections.abc import Callable, Iterator
from typing import Any

from custody.compare.entries import EVERYTHING, Share
from custody.compare.results import IDENTICAL, Result, Tally

_BATCH = 256
_SECONDS = 0.2
_PLAIN = Result._fields.index("kind") + 1  # what the ordinary result has is all that is sent
_TALLY = len(Tally._fields)

Tick = Callable[[int], None]
Work = Callable[[Share, Tick], Iterator[Result | Tally]]
"""Does one share; told how many bytes of a large file are done."""


def shared(work: Work, tick: Tick) -> Iterator[Result | Tally]:
    """Do all of *work*, in two processes beside this one where that is possible."""
    if not _is_possible():
        yield from work(EVERYTHING, tick)
        return
    children: list[_Child] = []

    def told() -> None:
        tick(sum(child.done for child in children))

    children += [_Child(work, Share(number, 2), told) for number in (0, 1)]
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
    """One of the two processes.

    :ivar done: how many bytes it has read of a large file.
    """

    def __init__(self, work: Work, share: Share, told: Callable[[], None]) -> None:
        import multiprocessing

        self.done = 0
        self._work, self._share, self._told = work, share, told
        context = multiprocessing.get_context("fork")
        self._received, sender = context.Pipe(duplex=False)
        self._process: Any = context.Process(target=_run, args=(work, share, sender), daemon=True)
        try:
            self._process.start()
        except OSError:
            self._process = None
        sender.close()

    def results(self) -> Iterator[Result | Tally]:
        """What the process finds; if it comes to grief, the rest is done here."""
        count = 0
        while self._process is not None:
            try:
                message = self._received.recv()
            except EOFError:
                break
            if message is None:
                return
            if isinstance(message, int):
                self.done = message
                self._told()
                continue
            self.done = 0
            for item in message:
                yield Tally(*item) if len(item) == _TALLY else Result(*item)
            count += len(message)
        for number, result in enumerate(self._work(self._share, self._tick)):
            if number >= count:
                yield result

    def _tick(self, done: int) -> None:
        self.done = done
        self._told()

    def end(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._received.close()


class _Teller:
    """Sends what a process finds, some at a time, and in between how far it is."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self._batch: list[tuple[Any, ...]] = []
        self._due = time.monotonic() + _SECONDS

    def add(self, found: Result | Tally) -> None:
        self._batch.append(found[:_PLAIN] if _is_plain(found) else tuple(found))
        if len(self._batch) >= _BATCH or time.monotonic() >= self._due:
            self.send()

    def send(self) -> None:
        self._sender.send(self._batch)
        self._batch = []
        self._due = time.monotonic() + _SECONDS

    def tick(self, done: int) -> None:
        if time.monotonic() >= self._due:
            self.send()
            self._sender.send(done)


def _is_plain(found: Result | Tally) -> bool:
    if isinstance(found, Tally) or found.status != IDENTICAL:
        return False
    return not (found.stamp or found.copy_sha256)


def _run(work: Work, share: Share, sender: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who waits for us is told
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    teller = _Teller(sender)
    try:
        for result in work(share, teller.tick):
            teller.add(result)
        teller.send()
        sender.send(None)
    except Exception:  # noqa: BLE001 - it will happen again where it can be told
        sender.close()
