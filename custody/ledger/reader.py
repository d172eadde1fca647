"""Reading a ledger on disk: its checkpoint, its entries, proofs about them.

Nothing is written, so it works on read-only media and beside a writer: what a checkpoint covers
never changes, except that partial tiles give way to the full ones.  What is read is not verified
here beyond its form; :mod:`custody.ledger.check` re-derives, and a receipt is checked before it
is given out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from custody import reading
from custody.counted import counted
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError, UsageError
from custody.formats import note
from custody.formats.note import SignedNote
from custody.ledger import checkpoint as checkpoints
from custody.ledger import merkle, proof, tiles
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.proof import Proof
from custody.ledger.tiles import ENTRIES, TILE_WIDTH, StoredHashes, Tile

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Published:
    """A ledger's checkpoint file: its bytes, the note in them, and what that says."""

    data: bytes
    note: SignedNote
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """How many entries it covers."""
        return self.checkpoint.size


class LedgerReader:
    """A ledger that is only read.

    :param directory: the one that holds ``checkpoint`` and ``tile``.
    :param origin: the log's name; a ledger of another name is refused.  None takes any.
    """

    def __init__(self, directory: Path, origin: str | None = None) -> None:
        self.directory = directory
        self.origin = origin

    def checkpoint(self) -> Published:
        """The present checkpoint; no signature is checked.

        :raises NotFoundError: if there is none.
        :raises FormatError: if it is malformed.
        :raises DifferenceError: if it is of another origin than this ledger should have.
        """
        data = reading.read_beneath(self.directory, CHECKPOINT, note.LARGEST_NOTE)
        signed, tree = checkpoints.load_signed(data)
        if self.origin is not None and tree.origin != self.origin:
            raise DifferenceError(
                "read ledger", self.directory, f"it is {tree.origin} and not {self.origin}"
            )
        return Published(data, signed, tree)

    def read_tile(self, level: int, index: int, size: int) -> bytes:
        """A tile's or bundle's bytes, as wide as a tree of *size* entries has it.

        A partial one that has been pruned is cut from the full one.

        :raises NotFoundError: if it is not there.
        :raises FormatError: if it is too short or too long.
        """
        tile = Tile(level, index, tiles.width_at(level, index, size))
        try:
            data = self.read_file(tile)
        except NotFoundError:
            if tile.width == TILE_WIDTH:
                raise
            data = self.read_file(Tile(level, index))
            if level == ENTRIES:
                return tiles.bundle_prefix(data, tile.width)
            data = data[: tile.width * merkle.HASH_BYTES]
        if level != ENTRIES and len(data) != tile.largest:
            raise FormatError("read tile", tile.path, f"{len(data)} bytes, not {tile.largest}")
        return data

    def read_file(self, tile: Tile) -> bytes:
        """The bytes of exactly this file, of whatever length they are.

        :raises NotFoundError: if it is not there.
        :raises FormatError: if it is not a regular file, or longer than any tile may be.
        """
        return reading.read_beneath(self.directory, tile.path, tile.largest)

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The entries ``start .. end`` (without *end*; None is all that the checkpoint covers).

        :raises UsageError: if the checkpoint does not cover them.
        :raises NotFoundError: if a bundle is missing.
        :raises FormatError: if a bundle is malformed.
        """
        size = self.checkpoint().size
        end = size if end is None else end
        if not 0 <= start <= end <= size:
            raise UsageError("read entries", f"{start}..{end}", f"the ledger has {size}")
        return self._entries(start, end, size)

    def entries_with(self, needles: Collection[bytes]) -> Iterator[tuple[int, bytes]]:
        """The entries, by number, of those bundles in which any of *needles* stands at all.

        A search in the raw bytes is twenty times as fast as reading what they mean; whoever asks
        looks for itself in which of the entries it is.  Raises what :meth:`entries` raises.
        """
        size = self.checkpoint().size
        for index in range(-(-size // TILE_WIDTH)):
            data = self.read_tile(ENTRIES, index, size)
            if any(needle in data for needle in needles):
                bundle = tiles.decode_bundle(data, tiles.width_at(ENTRIES, index, size))
                yield from enumerate(bundle, index * TILE_WIDTH)

    def entry(self, index: int) -> bytes:
        """One entry, by its number from 0; raises what :meth:`entries` raises."""
        return next(iter(self.entries(index, index + 1)))

    def find(self, entry: bytes, start: int = 0) -> int | None:
        """The number of the first entry with exactly these bytes, or None.

        :param start: no entry before this one is looked at, but for those in its tile.
        :raises NotFoundError: if a tile is missing.
        :raises FormatError: if a tile is malformed.
        """
        wanted = merkle.leaf_hash(entry)
        size = self.checkpoint().size
        for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
            hashes = self.read_tile(0, index, size)
            position = hashes.find(wanted)
            while position % merkle.HASH_BYTES and position >= 0:  # across two hashes: no match
                position = hashes.find(wanted, position + 1)
            if position >= 0:
                return index * TILE_WIDTH + position // merkle.HASH_BYTES
        return None

    def prove_inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion proof of entry *index* in the tree of *size* (None: the present one).

        :raises UsageError: if the checkpoint does not cover them.
        """
        now = self.checkpoint().size
        size = now if size is None else size
        if not 0 <= index < size <= now:
            raise UsageError("prove entry", index, f"not in a tree of size {size} of {now}")
        return merkle.inclusion_proof(index, size, self._stored(now))

    def prove_consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of size *new* (None: the present one) grew out of *old*.

        :raises UsageError: unless ``0 < old <= new`` and the checkpoint covers *new*.
        """
        now = self.checkpoint().size
        new = now if new is None else new
        if not 0 < old <= new <= now:
            raise UsageError(
                "prove growth", f"{old}..{new}", f"the ledger has {counted(now, 'entry')}"
            )
        return merkle.consistency_proof(old, new, self._stored(now))

    def root_at(self, size: int) -> bytes:
        """The root of the first *size* entries, from the stored tiles.

        :raises UsageError: if the checkpoint does not cover them.
        """
        now = self.checkpoint().size
        if not 0 <= size <= now:
            raise UsageError("find root", size, f"the ledger has {counted(now, 'entry')}")
        return merkle.root(size, self._stored(now))

    def still_holds(self, tree: Checkpoint) -> bool:
        """Whether the tiles on disk lead to *tree*, also where the checkpoint does not cover it."""
        try:
            return merkle.root(tree.size, self._stored(tree.size)) == tree.root
        except CustodyError:
            return False

    def receipt(self, index: int) -> bytes:
        """The tlog-proof of entry *index* under the present checkpoint.

        :raises UsageError: if the checkpoint does not cover it.
        :raises DifferenceError: if the ledger's own tiles do not prove it.
        """
        published = self.checkpoint()
        tree = published.checkpoint
        if not 0 <= index < tree.size:
            raise UsageError(
                "write receipt", index, f"the ledger has {counted(tree.size, 'entry')}"
            )
        hashes = merkle.inclusion_proof(index, tree.size, self._stored(tree.size))
        leaf = merkle.leaf_hash(next(self._entries(index, index + 1, tree.size)))
        try:
            merkle.verify_inclusion(index, tree.size, leaf, hashes, tree.root)
        except FormatError as err:
            raise DifferenceError(
                "write receipt",
                index,
                "the ledger's tiles do not agree with its checkpoint",
                hint="custody ledger verify names what differs",
            ) from err
        return proof.dump(Proof(index, tuple(hashes), published.data))

    def _stored(self, size: int) -> StoredHashes:
        return StoredHashes(lambda level, index: self.read_tile(level, index, size))

    def _entries(self, start: int, end: int, size: int) -> Iterator[bytes]:
        while start < end:
            tile = tiles.entries_tile(start, size)
            data = self.read_tile(ENTRIES, tile.index, size)
            bundle = tiles.decode_bundle(data, tile.width)
            first = tile.index * TILE_WIDTH
            yield from bundle[start - first : end - first]
            start = first + tile.width
