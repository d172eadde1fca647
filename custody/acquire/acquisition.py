"""Reading everything that was asked for: one record for every path, in the walk's order.

Paths are read one after the other in the caller's thread.  More threads were tried and made many
small files slower, because the system's own time for making a file is most of it; a large file
is spread over threads by its :class:`~custody.pump.Pump`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator

from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.reader import Adopt, Create, Pour, Reader, Tick
from custody.acquire.rotation import Moved
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.acquire.walk import Batch, Noted, error_fields, walk


def acquire(
    sources: Sources,
    rules: Rules,
    accounts: Accounts,
    create: Create,
    tick: Tick,
    pour: Pour | None = None,
    adopt: Adopt | None = None,
) -> Generator[Record]:
    """Read every source and give a record for every path.

    :param create: makes payload files.
    :param tick: told how many bytes of a large file have been read.
    :param pour: takes large files where they go into a stream.
    :param adopt: takes over large files that an interrupted run wrote.
    :raises StorageError: if the destination cannot be written.
    """
    nothing = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in sources.missing:
        missing = {"outcome": outcomes.MISSING, "error": error_fields(nothing)}
        yield metadata.path_fields(path) | missing
    moved = Moved()
    with Reader(create, rules, accounts, tick, pour, adopt) as reader:
        for step in walk(sources.tree, rules, accounts, sources.image):
            if isinstance(step, Noted):
                yield step.record
            elif isinstance(step, Batch):
                yield from moved.take(reader.batch(step))
            else:
                yield from moved.settle(step, reader)
                moved = Moved()
