"""What people type for an entry: words, persons and times, as custody forms ask for them.

An entry stays for ever, so what cannot be right is refused before anything is signed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from custody import clock
from custody.errors import UsageError

from . import options

LONGEST_TEXT = 4_000  # of a note or a correction
LONGEST_WORD = 500  # of a field such as purpose or place
LONGEST_PERSON = 300
_NOTHING = "nothing was entered"
_TO_THE_MINUTE = re.compile(r"T\d\d:?\d\d(?![:\d])", re.ASCII)


def word(option: str, text: str, longest: int = LONGEST_WORD, *, needed: bool = False) -> str:
    """One line of text that may go into a signed entry.

    :raises UsageError: if it has a control character, is too long, or is needed and empty.
    """
    options.plain_text(option, text)
    line = text.strip()
    if len(line) > longest:
        why = f"it has {len(line):,} characters, at most {longest:,} are allowed; {_NOTHING}"
        raise UsageError("read the command line", option, why)
    if needed and not line:
        raise UsageError("read the command line", option, f"it says nothing; {_NOTHING}")
    return line


def person(option: str, text: str) -> dict[str, str]:
    """``NAME, TITLE, ORGANIZATION`` as the details of an event have a person; {} for nothing.

    :raises UsageError: if there is text and no name in it, or what :func:`word` refuses.
    """
    line = word(option, text, LONGEST_PERSON)
    if not line:
        return {}
    parts = [part.strip() for part in line.split(",", 2)]
    if not parts[0]:
        why = f'the name is empty: write "NAME, TITLE, ORGANIZATION"; {_NOTHING}'
        raise UsageError("read the command line", option, why)
    names = ("name", "title", "organization")
    return {name: part for name, part in zip(names, parts, strict=False) if part}


def moment(option: str, text: str, now: datetime, undone: str = _NOTHING) -> datetime:
    """A time with its zone: ``2026-11-22T03:14:05Z``, ``2026-11-21T21:14-06:00``; seconds may lack.

    :param now: nothing was done after this.
    :param undone: what a refusal says was not done.
    :raises UsageError: if it is no such time, has no zone, or lies in the future.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        when = None
    if when is None or when.tzinfo is None or "T" not in text:
        why = f"{text} is not a time with its zone, such as 2026-11-21T21:14:05-06:00; {undone}"
        raise UsageError("read the command line", option, why)
    try:
        utc = when.astimezone(UTC).replace(microsecond=0)
    except OverflowError as err:
        why = f"{text} is no time that a calendar has; {undone}"
        raise UsageError("read the command line", option, why) from err
    if utc > now:
        why = f"{text} is in the future; {undone}"
        hint = f"it is {clock.rfc3339(now)} by the clock of this machine"
        raise UsageError("read the command line", option, why, hint=hint)
    return utc


def seconds_meant(text: str) -> int:
    """How many seconds a time that :func:`moment` read may mean: 60, if it ends with minutes."""
    return 60 if _TO_THE_MINUTE.search(text) else 1
