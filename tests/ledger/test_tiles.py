"""Paths, widths and bundles of tlog-tiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import FormatError, UsageError
from custody.ledger import merkle, tiles
from custody.ledger.growth import Growth, leaf_hashes
from custody.ledger.tiles import ENTRIES, StoredHashes, Tile

TILES = st.builds(Tile, st.integers(-1, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))


def test_published_paths(vectors: Path) -> None:
    """Every published path is made, read or refused as its authors say."""
    cases = json.loads((vectors / "tlog-tiles/paths.json").read_text())
    for level, index, width, path in cases["tile"]:
        assert Tile(level, index, width or 256).path == path
    for index, width, path in cases["entries"]:
        assert Tile(ENTRIES, index, width or 256).path == path
    for level, rest, index, width in cases["parse_ok"]:
        assert tiles.parse(f"tile/{level}/{rest}") == Tile(int(level), index, width or 256)
    for level, rest in cases["parse_bad"]:
        with pytest.raises(FormatError):
            tiles.parse(f"tile/{level}/{rest}")


@given(TILES)
def test_paths_read_back(tile: Tile) -> None:
    """Every tile's path reads back as that tile."""
    assert tiles.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/", "tile/00/000", "tile/x/000", "tile/0/0000", "tile/0/00",
        "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "/tile/0/000",
        "tile/0/000/", "tile/0/000\n", "tile/0/000.p/1\n", "tile/0/\u0660\u0660\u0660",
        "tile/entries/000.p/", "tile/Entries/000", "tile/0/../0/000", "tile/64/000", "checkpoint",
        "tile/0/x999/x999/x999/x999/x999/x999/000",
    ],
)  # fmt: skip
def test_refuses_path(path: str) -> None:
    """A path in any other spelling is refused."""
    with pytest.raises(FormatError):
        tiles.parse(path)


def test_right_edge() -> None:
    """The example sizes of the specification have the partial tiles that it names."""
    assert list(tiles.right_edge(70_000)) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles.right_edge(256)) == [Tile(1, 0, 1)]
    assert list(tiles.right_edge(0)) == []
    assert [tiles.width_at(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [len(tiles.levels(size)) for size in (0, 1, 255, 256, 65535, 65536)] == [
        0,
        1,
        1,
        2,
        2,
        3,
    ]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_793])
def test_growth_makes_every_tile(size: int) -> None:
    """Growing makes each full tile once, and the right edge, as the definition of a tile says."""
    leaves = b"".join(merkle.leaf_hash(b"%d" % n) for n in range(size))
    growth = Growth()
    made = {}
    for start in range(0, size, 100):
        made |= dict(growth.add(leaves[start * 32 : (start + 100) * 32]))
    made |= dict(growth.partial_tiles())
    expected = {}
    level, hashes = 0, leaves
    while hashes:
        for index in range(-(-len(hashes) // 8192)):
            part = hashes[index * 8192 : (index + 1) * 8192]
            expected[Tile(level, index, len(part) // 32)] = part
        full = len(hashes) // 8192
        level, hashes = (
            level + 1,
            b"".join(merkle.complete_root(hashes[n * 8192 : (n + 1) * 8192]) for n in range(full)),
        )
    assert made == expected
    again = Growth(size, [made.get(Tile(n, size >> 8 * n >> 8, (size >> 8 * n) % 256), b"")
                          for n in tiles.levels(size)])  # fmt: skip
    assert again.root() == growth.root()
    assert dict(again.add(bytes(32))) == dict(growth.add(bytes(32)))


def test_growth_refuses_edge() -> None:
    """An edge that is not that of the size is refused."""
    with pytest.raises(FormatError, match="right edge"):
        Growth(3, [bytes(64)])


def test_proofs_read_few_tiles() -> None:
    """A proof in a large tree reads no more than one full tile a level and the edge."""
    size = 1_000_000
    asked = []

    def read_tile(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(32 * tiles.width_at(level, index, size))

    merkle.inclusion_proof(123_456, size, StoredHashes(read_tile))
    assert len(asked) == len(set(asked)) <= 5
    asked.clear()
    merkle.consistency_proof(123_456, size, StoredHashes(read_tile))
    assert len(asked) == len(set(asked)) <= 5


def test_narrow_tile() -> None:
    """A stored tile that is too narrow for what is asked is refused, not read as something else."""
    with pytest.raises(FormatError, match="too narrow"):
        StoredHashes(lambda _level, _index: bytes(64))(0, 2)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_read_back(entries: list[bytes]) -> None:
    """A bundle reads back as its entries, and each beginning of it as its first entries."""
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data, len(entries)) == entries
    for width in range(len(entries) + 1):
        assert tiles.bundle_prefix(data, width) == tiles.encode_bundle(entries[:width])


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 5))
def test_bundles_have_one_spelling(data: bytes, width: int) -> None:
    """Whatever is read as a bundle prints back byte for byte."""
    try:
        entries = tiles.decode_bundle(data, width)
    except FormatError:
        return
    assert len(entries) == width
    assert tiles.encode_bundle(entries) == data


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\x00", 1), (b"\x00\x02a", 1), (b"\x00\x01ab", 1), (b"\x00\x01a", 2), (b"a", 0)],
)
def test_refuses_bundle(data: bytes, width: int) -> None:
    """A bundle that ends early or goes on is refused."""
    with pytest.raises(FormatError):
        tiles.decode_bundle(data, width)


def test_entry_size() -> None:
    """The largest entry fits; one byte more is refused and the size is named."""
    assert tiles.decode_bundle(tiles.encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(UsageError, match="65536 bytes"):
        tiles.encode_bundle([bytes(65_536)])


def test_leaf_hashes() -> None:
    """Leaf hashes of many are the leaf hashes of each."""
    assert leaf_hashes([b"", b"a"]) == merkle.leaf_hash(b"") + merkle.leaf_hash(b"a")
