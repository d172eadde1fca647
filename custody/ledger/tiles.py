"""Where a tree lies on disk: the paths and bundles of C2SP tlog-tiles, and nothing read.

A tile holds up to 256 hashes side by side: on level 0 leaf hashes, on each higher level the
roots of full tiles below.  An entry bundle holds the entries of one level 0 tile, each after its
length in two bytes, big-endian.  Tiles at the right edge are partial, ``<path>.p/<width>``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from custody.errors import FormatError, UsageError
from custody.formats.strict import LARGEST_SIZE
from custody.ledger import merkle

TILE_WIDTH = 256
TILE_HEIGHT = 8
ENTRIES = -1
"""The level of entry bundles, which have the numbers and widths of level 0."""
LARGEST_ENTRY = 65_535
LARGEST_TILE = TILE_WIDTH * merkle.HASH_BYTES
LARGEST_BUNDLE = TILE_WIDTH * (2 + LARGEST_ENTRY)
_HIGHEST_LEVEL = 63
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile or entry bundle: *level* (or :data:`ENTRIES`), *index*, *width* 1 to 256."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Relative to the ledger's directory, with slashes."""
        suffix = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return full_path(self.level, self.index) + suffix

    @property
    def largest(self) -> int:
        """The most bytes that its file can have."""
        return LARGEST_BUNDLE if self.level == ENTRIES else self.width * merkle.HASH_BYTES

    def is_within(self, size: int) -> bool:
        """Whether a tree of *size* entries covers all of it."""
        return self.index * TILE_WIDTH + self.width <= hashes_on_level(self.level, size)


def full_path(level: int, index: int) -> str:
    """The path of the full tile: ``tile/0/x001/x234/067`` for level 0, index 1234067."""
    groups = f"{index % 1000:03}"
    while index := index // 1000:
        groups = f"x{index % 1000:03}/{groups}"
    return f"tile/{'entries' if level == ENTRIES else level}/{groups}"


def parse(path: str) -> Tile:
    """Read a tile's path strictly: what it returns has the very same path.

    :raises FormatError: if it is not the path of a tile or entry bundle.
    """
    match = _PATH.match(path)
    if not match:
        raise FormatError("read tile path", path, "not the path of a tile or entry bundle")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    tile = Tile(
        level, int(match["number"].replace("/", "").replace("x", "")), int(match["width"] or 256)
    )
    if level > _HIGHEST_LEVEL or tile.index > LARGEST_SIZE or tile.path != path:
        raise FormatError(
            "read tile path", path, "its numbers are out of range, or spelt otherwise"
        )
    return tile


def hashes_on_level(level: int, size: int) -> int:
    """How many hashes (or entries) that level has in a tree of *size* entries."""
    return size if level == ENTRIES else size >> (TILE_HEIGHT * level)


def width_at(level: int, index: int, size: int) -> int:
    """The width of a tile in a tree of *size* entries; 0 where that tree has no such tile."""
    return max(0, min(TILE_WIDTH, hashes_on_level(level, size) - index * TILE_WIDTH))


def levels(size: int) -> range:
    """The levels of tiles of hashes in a tree of *size* entries."""
    return range((max(0, size.bit_length() - 1)) // TILE_HEIGHT + 1 if size else 0)


def right_edge(size: int) -> Iterator[Tile]:
    """The partial tiles of hashes of a tree of *size* entries, from level 0 upwards.

    Together they hold the roots of all its largest complete subtrees, so the tree's root follows
    from them alone.
    """
    for level in levels(size):
        index, width = divmod(hashes_on_level(level, size), TILE_WIDTH)
        if width:
            yield Tile(level, index, width)


def entries_tile(index: int, size: int) -> Tile:
    """The bundle that holds entry *index* in a tree of *size* entries."""
    number = index // TILE_WIDTH
    return Tile(ENTRIES, number, width_at(ENTRIES, number, size))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Print entries as a bundle.

    :raises UsageError: if an entry is over 65,535 bytes; its size is named.
    """
    pieces = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise UsageError(
                "append entry", None, f"it has {len(entry)} bytes, at most {LARGEST_ENTRY} fit"
            )
        pieces += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(pieces)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Read a bundle of exactly *width* entries.

    :raises FormatError: if it ends early, or has anything more.
    """
    entries: list[bytes] = []
    position = 0
    for _ in range(width):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise FormatError("read entry bundle", None, f"it ends inside entry {len(entries)}")
        entries.append(data[start:position])
    if position != len(data):
        raise FormatError("read entry bundle", None, f"{len(data) - position} bytes too many")
    return entries


def bundle_prefix(data: bytes, width: int) -> bytes:
    """The bytes of the first *width* entries of a bundle that has at least as many.

    :raises FormatError: if it has fewer.
    """
    position = 0
    for number in range(width):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise FormatError("read entry bundle", None, f"it ends inside entry {number}")
    return data[:position]


class StoredHashes:
    """Answers :data:`custody.ledger.merkle.ReadHash` from tiles, reading each tile once.

    :param read_tile: gives the bytes of the tile on this level with this index, as wide as the
        stored tree has it.
    """

    def __init__(self, read_tile: Callable[[int, int], bytes]) -> None:
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, height: int, number: int) -> bytes:
        """The hash of one complete subtree.

        :raises FormatError: if the stored tile is too narrow to hold it.
        """
        level, inside = divmod(height, TILE_HEIGHT)
        first = number << inside
        index, offset = divmod(first, TILE_WIDTH)
        key = (level, index)
        if key not in self._tiles:
            self._tiles[key] = self._read_tile(level, index)
        start, length = offset * merkle.HASH_BYTES, merkle.HASH_BYTES << inside
        hashes = self._tiles[key][start : start + length]
        if len(hashes) != length:
            raise FormatError("read tile", full_path(level, index), "it is too narrow")
        return merkle.complete_root(hashes)
