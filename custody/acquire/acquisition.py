"""Reading everything that was asked for: one record for every path, in the walk's order."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator

from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.reader import Create, Read, Reader
from custody.acquire.rotation import Moved
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.acquire.walk import Batch, Finished, Noted, Step, error_fields, walk
from custody.ordered import in_order

WORKERS = 2
_AHEAD = 16


def acquire(
    sources: Sources,
    rules: Rules,
    accounts: Accounts,
    create: Create,
    *,
    stop: threading.Event,
    tick: Callable[[], None],
) -> Iterator[Record]:
    """Read every source and give a record for every path.

    :param create: makes payload files.
    :param stop: set when the caller gives up; long files are then left in the middle.
    :param tick: called now and then, in the caller's thread.
    :raises StorageError: if the destination cannot be written.
    """
    nothing = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in sources.missing:
        missing = {"outcome": outcomes.MISSING, "error": error_fields(nothing)}
        yield metadata.path_fields(path) | missing
    reader = Reader(create, rules, accounts, stop)

    def run(step: Step) -> Noted | Finished | list[Read]:
        return reader.batch(step) if isinstance(step, Batch) else step

    steps = walk(sources.tree, rules, accounts)
    done = in_order(steps, run, workers=WORKERS, ahead=_AHEAD, tick=tick, drop=_let_go)
    moved = Moved()
    try:
        for result in done:
            if isinstance(result, Noted):
                yield result.record
            elif isinstance(result, Finished):
                yield from moved.settle(result, reader)
                moved = Moved()
            else:
                yield from moved.take(result)
    except BaseException:
        stop.set()
        raise
    finally:
        done.close()
        steps.close()
        reader.close()


def _let_go(step: Step) -> None:
    if not isinstance(step, Noted):
        os.close(step.fd)
