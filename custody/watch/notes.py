"""The notes of a watch: how far each file is sealed, in the user's own directory.

They spare the next start from reading every bundle again.  They are no evidence: what they say of
a file is held against the file, and lost or damaged notes are as good as none.  They are signed,
and name the tree of entries that they rely on: what somebody else wrote, or another history of the
ledger, must not lead to pieces with a gap.
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
from custody.formats import dsse
from custody.formats.vkey import VerifierKey
from custody.identity.signing import Signer, is_signed
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.reader import LedgerReader
from custody.watch.followed import Followed

SCHEMA = "custody.watch-notes/v1"
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class Notes:
    """What was written down: *items*, as of the ledger's first *entries* entries."""

    entries: int = 0
    items: tuple[Followed, ...] = ()


def load(path: Path, ledger: LedgerReader, key: VerifierKey) -> Notes:
    """Read the notes on *ledger* that *key* signed; what cannot be read is as good as nothing."""
    try:
        data, _, signature = reading.read_regular(path, _LARGEST).rstrip(b"\n").rpartition(b"\n")
        if not is_signed(key, base64.b64decode(signature, validate=True), _signed(data)):
            return Notes()
        document = json.loads(data)
        tree = Checkpoint(
            document["origin"], document["entries"], bytes.fromhex(document["root"]), ()
        )
        if document["schema"] != SCHEMA or not _has(ledger, tree):
            return Notes()
        return Notes(tree.size, tuple(map(_item, document["files"])))
    except (CustodyError, OSError, ValueError, TypeError, KeyError):
        return Notes()


def _signed(data: bytes) -> bytes:
    """What is signed: the same bytes as a payload of another type, which no entry has."""
    return dsse.pae(SCHEMA, data)


def _has(ledger: LedgerReader, tree: Checkpoint) -> bool:
    now = ledger.checkpoint().checkpoint
    return tree.origin == now.origin and tree.size <= now.size and ledger.still_holds(tree)


def save(path: Path, tree: Checkpoint, signer: Signer, items: Iterable[Followed]) -> None:
    """Write the notes down.

    :param tree: the ledger that has all of *items*' pieces.
    :raises StorageError: if they could not be written.
    """
    document = {
        "schema": SCHEMA,
        "origin": tree.origin,
        "entries": tree.size,
        "root": tree.root.hex(),
        "files": [_fields(item) for item in items if item.sealed_path],
    }
    with durable.private_umask():
        durable.ensure_directory(path.parent)
        data = json.dumps(document).encode()
        signature = base64.b64encode(signer.sign(_signed(data)))
        durable.replace(path, data + b"\n" + signature + b"\n")


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
