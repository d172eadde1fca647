"""A sentence, or a table, on a terminal: folded, and what somebody may paste left whole."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_COMMAND = ": custody "  # what follows is to be pasted
_NARROWEST = 40
_INDENT = "    "
_GUTTER = "  "  # between the columns of a table


def folded(text: str, columns: int) -> list[str]:
    """The lines of *text*, each shorter than *columns* where its words allow that.

    :returns: one line, if it fits or holds a command.
    """
    width = max(columns, _NARROWEST) - 1
    if len(text) <= width or _COMMAND in text:
        return [text]
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def beneath(
    rows: Sequence[Sequence[str]], headers: Sequence[str], columns: int
) -> dict[int, list[str]]:
    """The last cells of a table that do not fit beside the others, as the lines to put beneath.

    :param rows: the cells, as wide as they are shown.
    :returns: by the number of the row.
    """
    if len(headers) < 2:
        return {}
    before = len(headers) - 1
    widths = [max(len(row[n]) for row in (headers, *rows)) for n in range(before)]
    room = columns - sum(widths) - before * len(_GUTTER)
    return {
        number: [_INDENT + line.lstrip() for line in folded(row[-1], columns - len(_INDENT))]
        for number, row in enumerate(rows)
        if len(row[-1]) > room
    }
