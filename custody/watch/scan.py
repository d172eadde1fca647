"""One pass over the sources: every regular file is shown, and nothing is read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from custody.acquire import metadata, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.reader import Reader
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.acquire.walk import Batch, Noted, error_fields, failed, outcome_of, walk


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular file: the open directory that it is in, its name, raw path and status."""

    directory: int
    name: bytes
    path: bytes
    status: os.stat_result


Show = Callable[[Seen], None]


def scan(sources: Sources, rules: Rules, accounts: Accounts, show: Show) -> Iterator[Record]:
    """Walk over the sources once.

    :param show: told of every regular file that is to be read, while its directory is open.
    :returns: the records of everything else.
    """
    nothing = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in sources.missing:
        yield failed(path, outcomes.MISSING, nothing)
    with Reader(_make_nothing, rules, accounts, lambda _done: None) as reader:
        for step in walk(sources.tree, rules, accounts, sources.image):
            if isinstance(step, Noted):
                yield step.record
                continue
            try:
                if isinstance(step, Batch):
                    yield from _batch(step, reader, show)
            finally:
                os.close(step.fd)


def _batch(step: Batch, reader: Reader, show: Show) -> Iterator[Record]:
    for listed in step.listed:
        path = step.place.join(listed.name)
        try:
            status = os.stat(listed.name, dir_fd=step.fd, follow_symlinks=False)
            record = reader.unread(step.fd, path, listed.name, status)
        except OSError as err:
            if outcome_of(err) != outcomes.VANISHED:  # files come and go between two passes
                yield failed(path, outcome_of(err), err)
            continue
        if record is not None:
            yield record
        elif stat.S_ISREG(status.st_mode):
            show(Seen(step.fd, listed.name, path, status))


def _make_nothing(name: str, _large: bool) -> int:
    raise AssertionError(f"a pass reads nothing: {name}")


def unopened(seen: Seen, err: OSError, accounts: Accounts) -> Record:
    """The record of a file that is there and cannot be opened."""
    about = metadata.describe(seen.status, accounts)
    return {
        **metadata.path_fields(seen.path),
        "outcome": outcome_of(err),
        "error": error_fields(err),
        **about,
    }
