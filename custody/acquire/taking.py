"""Taking volatile facts: each becomes a payload file, before the first source is read."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Generator, Sequence

from custody import durable
from custody.acquire import apart, outcomes
from custody.acquire.apart import Apart
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
        times = {"read_started": str(started), "read_finished": str(time.time_ns())}
        yield _record(fact, found) | times | _payload(fact, found, create)


def _record(fact: Fact, found: Apart) -> Record:
    record: Record = {"path": names.fact_path(fact.name), "remark": f"a fact, from {fact.source}"}
    if found.error is not None:
        return record | {"outcome": outcomes.UNREADABLE, "error": error_fields(found.error)}
    if found.cut:
        record["remark"] += f"; it did not end within {fact.most} bytes"
        return record | {"outcome": outcomes.LIMIT_SKIPPED}
    return record | {"outcome": outcomes.COLLECTED if found.data else outcomes.EMPTY}


def _payload(fact: Fact, found: Apart, create: Create) -> Record:
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
