"""A look before the start: how much there is to read, without reading it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from custody.acquire import metadata, outcomes
from custody.acquire.listing import Listed
from custody.acquire.metadata import Accounts, Record
from custody.acquire.rules import LARGEST_FILE, Rules
from custody.acquire.sources import Sources
from custody.acquire.walk import Batch, Finished, Noted, error_fields, outcome_of, walk


@dataclass(slots=True)
class Survey:
    """What a look at the sources found.

    :ivar files: regular files to read.
    :ivar bytes: their sizes together.
    :ivar allocated: what they take up where they are; less than *bytes* for sparse files.
    :ivar largest: the size of the largest one.
    :ivar gaps: paths that could not be looked at, or would be left out against the wish.
    :ivar devices: the file systems they are on, by device number.
    """

    files: int = 0
    bytes: int = 0
    allocated: int = 0
    largest: int = 0
    gaps: int = 0
    devices: set[int] = field(default_factory=set)


def look(
    sources: Sources,
    rules: Rules,
    accounts: Accounts,
    each: Callable[[Record], None] | None = None,
    tick: Callable[[int, int], None] = lambda _files, _size: None,
) -> Survey:
    """Walk the sources once and add up what is there.

    :param each: told about every path, as a record with path, outcome and size; files are then
        tried for readability too.
    """
    survey = Survey()
    tell = each or (lambda _record: None)
    for path in sources.missing:
        survey.gaps += 1
        tell({**metadata.path_fields(path), "outcome": outcomes.MISSING})
    for step in walk(sources.tree, rules, accounts, sources.image):
        if isinstance(step, Noted):
            survey.gaps += step.record["outcome"] in outcomes.GAPS
            tell(step.record)
            continue
        try:
            if isinstance(step, Batch):
                for listed in step.listed:
                    record = _one(step, listed, rules, survey, readable=each is not None)
                    survey.gaps += record["outcome"] in outcomes.GAPS
                    tell(record)
        finally:
            os.close(step.fd)
        if isinstance(step, Finished):
            tick(survey.files, survey.bytes)
    return survey


def _one(step: Batch, listed: Listed, rules: Rules, survey: Survey, *, readable: bool) -> Record:
    path = step.place.join(listed.name)
    record: Record = metadata.path_fields(path)
    try:
        status = os.stat(listed.name, dir_fd=step.fd, follow_symlinks=False)
    except OSError as err:
        return record | {"outcome": outcome_of(err), "error": error_fields(err)}
    if stat.S_ISLNK(status.st_mode):
        return record | {"outcome": outcomes.SYMLINK}
    if not stat.S_ISREG(status.st_mode):
        return record | {"outcome": outcomes.SPECIAL}
    record["size"] = min(status.st_size, LARGEST_FILE)
    left = rules.left(status)
    if left is not None:
        return record | {"outcome": left.outcome, "remark": left.reason}
    survey.files += 1
    survey.bytes += status.st_size
    survey.allocated += min(status.st_size, status.st_blocks * 512)
    survey.largest = max(survey.largest, status.st_size)
    survey.devices.add(status.st_dev)
    if readable and not os.access(listed.name, os.R_OK, dir_fd=step.fd, effective_ids=True):
        return record | {"outcome": outcomes.UNREADABLE}
    return record | {"outcome": outcomes.COLLECTED if status.st_size else outcomes.EMPTY}
