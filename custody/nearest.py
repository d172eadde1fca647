"""The names that are most like one that is not there, for a hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_COMPARED = 20_000
"""Names beyond these are not worth the time that comparing them takes."""

_SHOWN = 5
_ALIKE = 0.5


def hint(asked: str, known: Iterable[str], otherwise: Iterable[str] | None = None) -> str:
    """Which of the *known* names are the nearest to the one *asked* for.

    :param otherwise: what to name where none is like it; *known* itself if None.
    :returns: a hint, which is empty if there is nothing to name.
    """
    names = list(dict.fromkeys(known))[:MOST_COMPARED]
    nearest = difflib.get_close_matches(asked, names, _SHOWN, _ALIKE)
    if nearest:
        return f"the nearest are: {', '.join(nearest)}"
    others = names if otherwise is None else list(dict.fromkeys(otherwise))
    return f"there are, among others: {', '.join(others[:_SHOWN])}" if others else ""
