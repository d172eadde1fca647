"""A few workers, results in the order of the tasks, a bounded number under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_TICK_SECONDS = 0.2


def in_order(
    tasks: Iterable[Task],
    run: Callable[[Task], Result],
    *,
    workers: int,
    ahead: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Run every task, at most *ahead* of them at a time, and give the results in order.

    :param tick: called now and then while waiting, in the caller's thread.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="custody-worker")
    waiting: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(run, task))
            if len(waiting) >= ahead:
                yield _result(waiting.popleft(), tick)
        while waiting:
            yield _result(waiting.popleft(), tick)
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)
        pool.shutdown(wait=True)


def _result(future: Future[Result], tick: Callable[[], None]) -> Result:
    while True:
        try:
            result = future.result(timeout=_TICK_SECONDS)
        except TimeoutError:
            if future.done():  # the task itself raised it
                raise
            tick()
        else:
            tick()
            return result
