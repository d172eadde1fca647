"""Mistakes in a file that people write: collected, so that all are shown at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from custody.counted import counted
from custody.errors import InputError

MOST_SHOWN = 200


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it stands, what was found there, and what may stand there."""

    line: int
    field: str
    found: str
    allowed: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "the file"
        name = f", {self.field}" if self.field else ""
        return f"{place}{name}: found {self.found}; {self.allowed}"


class MistakesError(InputError):
    """A record or a pack has mistakes; :attr:`problems` holds all of them, by line."""

    def __init__(self, what: str, thing: object, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        shown = [f"  {problem}" for problem in self.problems[:MOST_SHOWN]]
        if count > MOST_SHOWN:
            shown.append(f"  and {count - MOST_SHOWN} more")
        heading = counted(count, "mistake")
        super().__init__(
            what, thing, "\n".join([heading, *shown]), hint="correct each line named above"
        )


class Problems:
    """A list of mistakes that grows while a file is read."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, line: int, field: str, found: str, allowed: str) -> None:
        """Note one mistake and go on reading."""
        self.found.append(Problem(line, field, found, allowed))

    def raise_any(self, what: str, thing: object) -> None:
        """Raise :class:`MistakesError` if there are any."""
        if self.found:
            raise MistakesError(what, thing, self.found)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``; did you mean "ssn"?`` if something allowed looks like *word*, else nothing."""
    by_lower = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f'; did you mean "{by_lower[close[0]]}"?' if close else ""


def shorten(text: str, most: int = 60) -> str:
    """*text* on one line, in quotes, not longer than *most*."""
    flat = " ".join(text.split())
    return f'"{flat}"' if len(flat) <= most else f'"{flat[:most]}..."'
