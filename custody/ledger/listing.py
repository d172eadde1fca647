"""What lies in a ledger's directory, sorted by what the layout knows.

No link is followed, and nothing is entered that the layout has no name for, so a hostile tree
costs no more than its listing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from custody import durable
from custody.errors import FormatError
from custody.ledger import tiles
from custody.ledger.reader import CHECKPOINT
from custody.ledger.tiles import TILE_WIDTH, Tile

STAGED = CHECKPOINT + ".new"
_DIRECTORY = re.compile(
    r"tile(?:/(?:entries|0|[1-9][0-9]?)(?:/x[0-9]{3}){0,6}(?:/[0-9]{3}\.p)?)?\Z", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a ledger.

    :ivar partials: the widths present of each covered partial tile, by level and index.
    :ivar beyond: paths of tiles that the checkpoint does not cover, and of an unfinished one.
    :ivar strange: paths that the layout has no name for, links and special files among them.
    """

    partials: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    beyond: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)


def read(directory: Path, size: int) -> Listing:
    """List a ledger whose checkpoint covers *size* entries.

    :raises StorageError: if a directory cannot be read.
    """
    listing = Listing()
    for path, is_file in _walk(directory, ""):
        if not is_file:
            listing.strange.append(path)
        elif path == STAGED:
            listing.beyond.append(path)
        elif path != CHECKPOINT:
            _sort(listing, path, size)
    return listing


def _sort(listing: Listing, path: str, size: int) -> None:
    try:
        tile = tiles.parse(path)
    except FormatError:
        listing.strange.append(path)
        return
    if not tile.is_within(size):
        listing.beyond.append(path)
    elif tile.width < TILE_WIDTH:
        listing.partials.setdefault((tile.level, tile.index), []).append(tile.width)


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, bool]]:
    """Relative paths of files (True) and of what is neither file nor known directory (False)."""
    try:
        with os.scandir(directory) as found:
            items = sorted(found, key=lambda item: item.name)
    except OSError as err:
        raise durable.storage_error("list", directory, err) from err
    for item in items:
        path = prefix + item.name
        if item.is_dir(follow_symlinks=False) and _DIRECTORY.match(path):
            yield from _walk(directory / item.name, path + "/")
        else:
            yield path, item.is_file(follow_symlinks=False)


def narrower(tile: Tile, widths: dict[tuple[int, int], list[int]]) -> list[Tile]:
    """The narrower partial tiles that lie beside *tile*."""
    beside = widths.get((tile.level, tile.index), [])
    return [Tile(tile.level, tile.index, width) for width in beside if width < tile.width]
