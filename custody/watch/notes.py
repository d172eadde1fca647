"""The notes of a watch: how far each file is sealed, in the user's own directory.

They spare the next start from reading every bundle again.  They are no evidence: what they say of
a file is held against the file, and lost or damaged notes are as good as none.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody import durable, reading
from custody.errors import CustodyError
from custody.watch.followed import Followed

SCHEMA = "custody.watch-notes/v1"
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class Notes:
    """What was written down: *items*, as of the ledger's first *entries* entries."""

    entries: int = 0
    items: tuple[Followed, ...] = ()


def load(path: Path, origin: str) -> Notes:
    """Read the notes on the ledger *origin*; what cannot be read is as good as nothing."""
    try:
        document = json.loads(reading.read_regular(path, _LARGEST))
        if document["schema"] != SCHEMA or document["origin"] != origin:
            return Notes()
        return Notes(int(document["entries"]), tuple(map(_item, document["files"])))
    except (CustodyError, OSError, ValueError, TypeError, KeyError):
        return Notes()


def save(path: Path, origin: str, entries: int, items: Iterable[Followed]) -> None:
    """Write the notes down.

    :param entries: the size of the ledger that has all of *items*' pieces.
    :raises StorageError: if they could not be written.
    """
    document = {
        "schema": SCHEMA,
        "origin": origin,
        "entries": entries,
        "files": [_fields(item) for item in items if item.sealed_path],
    }
    with durable.private_umask():
        durable.ensure_directory(path.parent)
        durable.replace(path, json.dumps(document).encode())


def _fields(item: Followed) -> dict[str, Any]:
    status = item.status
    return {
        "path": base64.b64encode(item.sealed_path).decode(),
        "generation": item.generation,
        "born": item.born,
        "count": item.count,
        "offset": item.offset,
        "chain": item.chain,
        "whole": "" if item.held or item.whole is None else item.digest().hex(),
        "status": [
            status.st_mode, status.st_ino, status.st_dev, status.st_nlink, status.st_uid,
            status.st_gid, status.st_size, 0, 0, 0,
        ],
        "modified": status.st_mtime_ns,
        "changed": status.st_ctime_ns,
    }  # fmt: skip


def _item(fields: dict[str, Any]) -> Followed:
    path = base64.b64decode(fields["path"], validate=True)
    times = {"st_mtime_ns": fields["modified"], "st_ctime_ns": fields["changed"]}
    return Followed(
        path,
        fields["generation"],
        os.stat_result([int(number) for number in fields["status"]], times),
        born=fields["born"],
        count=int(fields["count"]),
        sealed_path=path,
        offset=int(fields["offset"]),
        chain=fields["chain"],
        whole=bytes.fromhex(fields["whole"]) or None,
    )
