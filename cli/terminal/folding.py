"""A sentence on a terminal: folded between words, and what somebody may paste left whole."""

from __future__ import annotations

import textwrap

_COMMAND = ": custody "  # what follows is to be pasted
_NARROWEST = 40
_INDENT = "    "


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
