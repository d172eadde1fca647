"""Going on where an earlier run stopped: what is sealed, from the ledger and the bundles.

The ledger says which bundles are pieces of a watch, and in which order; their inventories say how
far each content got.  A file of notes in the user's own directory spares reading them all again,
and knows the digest of everything up to the offset.  Nothing relies on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from custody import pieces
from custody.case import Case
from custody.counted import counted
from custody.formats import inventory
from custody.formats.inventory import Record
from custody.watch import alarms, kinship, prefix
from custody.watch.followed import Followed, Identity
from custody.watch.follower import Follower
from custody.watch.notes import Notes

_MOST_REREAD = 1 << 30
_LARGEST_SAMPLE = 64 << 20
_WHILE_AWAY = "while nobody watched: "


def take_up(follower: Follower, item: Followed, path: bytes, fd: int) -> None:
    """Go on with a content whose file is there again, if it still begins as it was sealed."""
    before, item.path, item.fd = item.status, path, fd
    known, item.whole = item.whole, None
    item.status, item.ended = os.fstat(fd), False
    follower.follow(item)
    follower.judge_permissions(item, before)
    if item.status.st_size < item.offset:
        size = counted(item.status.st_size, "byte")
        why = f"{_WHILE_AWAY}it is {size} long; {item.offset:,} are sealed"
        follower.start_over(item, alarms.TRUNCATED, why)
        return
    item.whole = kinship.digest_of(fd, item.offset) if item.offset <= _MOST_REREAD else None
    if isinstance(known, bytes) and item.whole is not None and known != item.whole.digest():
        why = f"{_WHILE_AWAY}its first {item.offset} bytes are not those that are sealed"
        follower.start_over(item, alarms.REWRITTEN, why)
        return
    if prefix.changed(fd, item.samples.every()) is not None:
        why = f"{_WHILE_AWAY}the last bytes that were sealed are not there any more"
        follower.start_over(item, alarms.REWRITTEN, why)
        return
    _sample(item, fd)
    follower.hold(item)


def _sample(item: Followed, fd: int) -> None:
    item.samples = prefix.Samples()
    item.samples.grow(0, os.pread(fd, min(prefix.BLOCK, item.offset), 0))
    start = max(0, item.offset - prefix.BLOCK)
    item.samples.grow(start, os.pread(fd, item.offset - start, start))


def followed_before(case: Case, notes: Notes) -> dict[Identity, Followed]:
    """What is sealed of each file: from the notes, and from every bundle that came after them.

    :raises DifferenceError: if an inventory is not the one that was sealed.
    """
    found = {item.generation: item for item in notes.items}
    for bundle in pieces.bundles(case.ledger, case.bundles, notes.entries):
        for record in bundle.records():
            _take(found, record)
    return _newest(found.values())


def _newest(items: Iterable[Followed]) -> dict[Identity, Followed]:
    """The last content of each file."""
    found: dict[Identity, Followed] = {}
    for item in items:
        other = found.get(item.identity)
        if other is None or (item.born, item.count) >= (other.born, other.count):
            found[item.identity] = item
    return found


def _take(found: dict[str, Followed], record: Record) -> None:
    piece = inventory.piece_of(record)
    if piece is None:
        return
    path = inventory.raw_path(record)
    item = found.get(piece.generation)
    if item is None:
        count = int(piece.generation.rpartition("-")[2])
        item = Followed(path, piece.generation, _status(record), count=count, whole=None)
        found[piece.generation] = item
    if piece.offset + piece.length < item.offset:
        return  # two bundles of one moment can be entered the wrong way round
    item.path = item.sealed_path = path
    item.status, item.born = _status(record), record.get("born", "")
    item.offset, item.chain, item.whole = piece.offset + piece.length, piece.chain_sha256, None
    if 0 < piece.length <= _LARGEST_SAMPLE:
        digest = bytes.fromhex(record["sha256"])
        item.samples.tail = prefix.Sample(piece.offset, piece.length, digest)


def _status(record: Record) -> os.stat_result:
    major, _, minor = record["device"].partition(":")
    seen = (
        int(record["mode"], 8), int(record["inode"]), os.makedev(int(major), int(minor)),
        record["nlink"], record["uid"], record["gid"], record.get("size_after", 0), 0, 0, 0,
    )  # fmt: skip
    times = {"st_mtime_ns": int(record["modified"]), "st_ctime_ns": int(record["changed"])}
    return os.stat_result(seen, times)
