"""Taking volatile facts: each becomes a payload file, before the first source is read."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Generator, Sequence
from typing import Any

from custody import durable
from custody.acquire import apart, commands, outcomes
from custody.acquire.apart import Apart
from custody.acquire.commands import Command
from custody.acquire.metadata import Record
from custody.acquire.reader import Create
from custody.acquire.volatile import Fact
from custody.acquire.walk import error_fields
from custody.formats import names


def take(facts: Sequence[Fact], create: Create, absent: list[Fact]) -> Generator[Record]:
    """Read every fact and give a record for each.

    :param create: makes payload files.
    :param absent: gains those whose source this host does not have, which is no gap.
    :raises StorageError: if the destination cannot be written.
    """
    for fact in facts:
        started = time.time_ns()
        found = apart.read(fact.pieces, fact.seconds, fact.most)
        if found.error is not None and found.error.errno == errno.ENOENT and not found.data:
            absent.append(fact)
            continue
        yield _taken(fact, fact.source, found, started, create)


def ask(listed: Sequence[Command], create: Create, told: list[dict[str, Any]]) -> Generator[Record]:
    """Run every command and give a record for each.

    :param told: gains what is recorded of each beside that: what was run, and how it ended.
    :raises StorageError: if the destination cannot be written.
    """
    for command in listed:
        started = time.time_ns()
        ran = commands.run(command)
        if ran is None:
            source = " ".join(command.words)
            told.append({"name": command.name, "source": source, "absent": True})
            continue
        record = _taken(command, ran.source, ran.found, started, create)
        told.append(noted(record) | ran.about)
        yield record


def noted(record: Record) -> dict[str, Any]:
    """What the acquisition record says of a fact that was taken."""
    return {"name": record["path"], "remark": record["remark"], "outcome": record["outcome"]}


def _taken(fact: Fact | Command, source: str, found: Apart, started: int, create: Create) -> Record:
    times = {"read_started": str(started), "read_finished": str(time.time_ns())}
    return _record(fact, source, found) | times | _payload(fact, found, create)


def _record(fact: Fact | Command, source: str, found: Apart) -> Record:
    record: Record = {"path": names.fact_path(fact.name), "remark": f"a fact, from {source}"}
    if found.error is not None:
        return record | {"outcome": outcomes.UNREADABLE, "error": error_fields(found.error)}
    if found.cut:
        record["remark"] += f"; it did not end within {fact.most} bytes"
        return record | {"outcome": outcomes.LIMIT_SKIPPED}
    return record | {"outcome": outcomes.COLLECTED if found.data else outcomes.EMPTY}


def _payload(fact: Fact | Command, found: Apart, create: Create) -> Record:
    """The file in the bag; none where nothing came and something was to come."""
    if not found.data and (found.error is not None or found.cut):
        return {}
    payload = names.fact_name(fact.name)
    target = create(payload, False)
    try:
        durable.write_all(target, found.data)
    except OSError as err:
        raise durable.storage_error("write", payload, err) from err
    finally:
        os.close(target)
    size = len(found.data)
    seen = 0 if found.cut else size
    return {
        "payload": payload,
        "sha256": hashlib.sha256(found.data).hexdigest(),
        "size": size,
        "size_before": seen,
        "size_after": seen,
    }
