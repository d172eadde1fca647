"""One piece of work in a process beside this one, where the system has a cheap way to do that.

Threads do not help two computations that both run in the interpreter: they wait for its lock.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


@contextmanager
def beside(work: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Start *work* and give the function that waits for its result.

    The result must be picklable.  *work* must only read, because it is done again, here and now,
    if the other process could not be started or came to grief.  It is ended with the block.
    """
    child = _start(work)
    if child is None:
        yield work
        return
    process, results = child

    def result() -> Result:
        try:
            found: Result = results.recv()
        except EOFError:
            return work()
        return found

    try:
        yield result
    finally:
        process.kill()
        process.join()
        results.close()


def _start(work: Callable[[], Any]) -> tuple[Any, Any] | None:
    # A fork copies one thread only, so there must be no other; macOS's libraries forbid it.
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return None
    if len(os.sched_getaffinity(0)) < 2:
        return None
    import multiprocessing

    context = multiprocessing.get_context("fork")
    results, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, sender), daemon=True)
    try:
        process.start()
    except OSError:
        results.close()
        return None
    finally:
        sender.close()
    return process, results


def _run(work: Callable[[], Any], sender: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who waits for us is told
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        result = work()
    except Exception:  # noqa: BLE001 - it will happen again where it can be told
        sender.close()
        return
    sender.send(result)
