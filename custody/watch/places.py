"""Where the sources of a watch stand: a link that is put in the place of one is not followed.

A source that leads over links when it is first there (``current``, which rotation points elsewhere)
is followed wherever they lead.  One that does not had no link in its place; who puts one there
could lead a watch with all rights to any file.  What it leads to is judged after it was looked up,
so that nothing comes in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from custody.acquire.globs import MAGIC
from custody.acquire.sources import Asked, Sources


@dataclass(slots=True)
class Places:
    """What the sources of one watch led to when they were first there.

    :ivar is_straight: for each source, whether it led over no link.
    :ivar replaced: the places of those that do now, at the last look.
    """

    is_straight: dict[str, bool] = field(default_factory=dict)
    replaced: set[bytes] = field(default_factory=set)

    def look(self, requests: Sequence[str], resolve: Callable[[Sequence[str]], Sources]) -> Sources:
        """Look up *requests*, without those in whose place there is a link by now."""
        self.replaced, left = set(), list(requests)
        while True:
            found = resolve(left)
            moved = {asked.text for asked in found.asked if not self._stands(asked, found)}
            if not moved:
                return found
            self.replaced |= {_place(text) for text in moved}
            left = [text for text in left if text not in moved]

    def _stands(self, asked: Asked, found: Sources) -> bool:
        there = [path for path in asked.paths if path not in found.missing]
        if asked.set or not there:
            return True
        place = _place(asked.text)
        straight = all(path == place or path.startswith(place + b"/") for path in there)
        was_straight = self.is_straight.setdefault(asked.text, straight)
        return straight or not was_straight


def _place(text: str) -> bytes:
    """The path that a source is written as, up to its first pattern."""
    parts = os.path.abspath(text).split("/")
    plain = next((n for n, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    return os.fsencode("/".join(parts[:plain])).rstrip(b"/")
