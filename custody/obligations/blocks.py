"""A small document: what is said, apart from how it is drawn (Markdown here, text in the CLI)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; *level* 1 is the document's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of remarks."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """Lines with a depth each: how an answer came about."""

    lines: tuple[tuple[int, str], ...]


Block: TypeAlias = Heading | Paragraph | Bullets | Fields | Table | Tree

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def markdown(blocks: Iterable[Block]) -> str:
    """The document as Markdown; no text in it can turn into markup."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {escape(text)}"
        case Paragraph(text):
            return escape(text)
        case Bullets(items):
            return "\n".join(f"- {escape(item)}" for item in items)
        case Fields(rows):
            return "\n".join(f"- **{escape(name)}:** {escape(value)}" for name, value in rows)
        case Tree(lines):
            return "\n".join(f"{'  ' * depth}- {escape(text)}" for depth, text in lines)
        case Table():
            return "\n".join(_table(block))


def _table(table: Table) -> Iterator[str]:
    yield _row(table.headers)
    yield _row(("---",) * len(table.headers))
    for row in table.rows:
        yield _row(escape(cell) for cell in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape(text: str) -> str:
    """*text* on one line, with everything that Markdown or HTML would act on made plain."""
    flat = _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")
    return re.sub(r"^([-+]|\d+[.)])(?= )", r"\\\1", flat)
