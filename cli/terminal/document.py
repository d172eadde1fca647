"""The blocks of a summary as text for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from custody.obligations.blocks import Block, Bullets, Fields, Heading, Paragraph, Table, Tree

from . import console

_NARROWEST, _WIDEST = 60, 160
_WIDE_ENOUGH = 110  # below this, the rows of a wide table are shown one after the other
_UNDERLINES = {1: "=", 2: "-"}
# What each column of a table gets of the width, by the number of columns.
_SHARES = {6: (25, 10, 18, 21, 16, 9), 4: (30, 12, 26, 32), 3: (40, 30, 30)}


def show(blocks: Iterable[Block]) -> None:
    """Print *blocks* as the result."""
    width = min(max(shutil.get_terminal_size((130, 24)).columns, _NARROWEST), _WIDEST)
    for number, block in enumerate(blocks):
        if number:
            console.result()
        if isinstance(block, Table) and width < _WIDE_ENOUGH and len(block.headers) > 3:
            _one_by_one(block, width)
        elif isinstance(block, Table):
            _table(block, width)
        else:
            for line in _lines(block, width):
                console.result(line)


def _lines(block: Block, width: int) -> Iterator[str]:
    match block:
        case Heading(level, text):
            yield text
            if level in _UNDERLINES:
                yield _UNDERLINES[level] * min(len(text), width)
        case Paragraph(text):
            yield from _wrap(text, width)
        case Bullets(items):
            for item in items:
                yield from _wrap(item, width, "- ")
        case Fields(rows):
            for name, value in rows:
                yield from _wrap(f"{name}: {value}", width, "  ")
        case Tree(lines):
            for depth, text in lines:
                yield from _wrap(text, width, "  " * (depth + 1))


def _wrap(text: str, width: int, start: str = "") -> list[str]:
    """Fold one text; names of facts and rules stay whole, so that they can be copied."""
    return textwrap.wrap(
        console.safe(text),
        width,
        initial_indent=start,
        subsequent_indent=" " * (len(start) + (2 if start.isspace() else 0)),
        break_on_hyphens=False,
        break_long_words=False,
    ) or [start]


def _table(table: Table, width: int) -> None:
    shares = _SHARES.get(len(table.headers), (100 // len(table.headers),) * len(table.headers))
    widths = [max(share * (width - 2 * len(shares)) // 100, 12) for share in shares]
    rows: list[tuple[str, ...]] = []
    for row in table.rows:
        cells = [_cell(cell, size) for cell, size in zip(row, widths, strict=True)]
        rows += [*([("",) * len(widths)] if rows else []), *zip_longest(*cells, fillvalue="")]
    console.table(rows, table.headers)


def _cell(text: str, width: int) -> list[str]:
    parts = (_breakable(console.safe(part), width) for part in text.split("\n"))
    return [line for part in parts for line in textwrap.wrap(part, width)] or [""]


def _breakable(text: str, width: int) -> str:
    """*text* with a space where the name of a fact is too long for its column."""
    words = []
    for word in text.split():
        rest = word
        while len(rest) > width and (cut := max(map(rest[:width].rfind, "._"))) > 0:
            words.append(rest[: cut + 1])
            rest = rest[cut + 1 :]
        words.append(rest)
    return " ".join(words)


def _one_by_one(table: Table, width: int) -> None:
    for number, row in enumerate(table.rows):
        if number:
            console.result()
        for at, (name, cell) in enumerate(zip(table.headers, row, strict=True)):
            start = "" if at == 0 else "  "
            for line in _wrap(f"{name}: {' '.join(cell.split())}", width, start):
                console.result(line)
