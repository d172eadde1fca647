"""A tree that only grows, kept as the tiles of its right edge.

The writer uses it to make the files of an append; the re-deriver uses it to make every file of
a ledger again.  Memory is one tile a level, whatever the tree's size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from custody.errors import FormatError
from custody.ledger import merkle, tiles
from custody.ledger.tiles import LARGEST_TILE, TILE_HEIGHT, Tile

_sha256 = hashlib.sha256


def leaf_hashes(entries: Sequence[bytes]) -> bytes:
    """The concatenated leaf hashes of *entries*."""
    return b"".join([_sha256(b"\x00" + entry).digest() for entry in entries])


class Growth:
    """A tree's size and right edge.

    :param size: how many leaves it has already.
    :param edge: for each level, the bytes of its partial tile (empty where there is none).
    :raises FormatError: if the edge does not have the widths of that size.
    """

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        self.size = size
        self._edge = [bytearray(item) for item in edge]
        self._full = [
            tiles.hashes_on_level(level, size) // tiles.TILE_WIDTH for level in range(len(edge))
        ]
        widths = [len(item) // merkle.HASH_BYTES for item in self._edge]
        if sum(width << (TILE_HEIGHT * level) for level, width in enumerate(widths)) != size:
            raise FormatError("read ledger", None, "its right edge is not that of its size")

    def add(self, hashes: bytes) -> Iterator[tuple[Tile, bytes]]:
        """Add leaves, given as concatenated leaf hashes; yields each tile as it becomes full.

        The iterator must be run to its end before anything else is asked.
        """
        self.size += len(hashes) // merkle.HASH_BYTES
        yield from self._add(0, hashes)

    def partial_tiles(self) -> Iterator[tuple[Tile, bytes]]:
        """The partial tiles of the right edge as it is now, from level 0 upwards."""
        for tile in tiles.right_edge(self.size):
            yield tile, bytes(self._edge[tile.level])

    def root(self) -> bytes:
        """The root hash of all leaves so far."""
        result: bytes | None = None
        for hashes in self._edge:
            result = _join(bytes(hashes), result)
        return merkle.EMPTY_ROOT if result is None else result

    def _add(self, level: int, hashes: bytes) -> Iterator[tuple[Tile, bytes]]:
        if level == len(self._edge):
            self._edge.append(bytearray())
            self._full.append(0)
        edge = self._edge[level]
        edge += hashes
        while len(edge) >= LARGEST_TILE:
            full = bytes(edge[:LARGEST_TILE])
            del edge[:LARGEST_TILE]
            yield Tile(level, self._full[level]), full
            self._full[level] += 1
            yield from self._add(level + 1, merkle.complete_root(full))


def _join(hashes: bytes, right: bytes | None) -> bytes | None:
    """Fold the complete subtrees among one level's *hashes* onto what lies to their right."""
    end = len(hashes)
    while end:
        count = end // merkle.HASH_BYTES
        start = end - (count & -count) * merkle.HASH_BYTES
        piece = merkle.complete_root(hashes[start:end])
        right = piece if right is None else merkle.node_hash(piece, right)
        end = start
    return right
