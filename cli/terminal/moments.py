"""Moments and spans of time, as they are typed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from custody.errors import FormatError, UsageError

_SPAN = re.compile(r"([1-9][0-9]{0,4})(m|h|d)\Z", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3_660)


def moment(option: str, text: str | None) -> datetime | None:
    """The moment that an option names, if it was given.

    :raises UsageError: if it is not written ``2026-11-22T03:14:05Z``.
    """
    from custody import clock

    try:
        return None if text is None else clock.parse_rfc3339(text)
    except FormatError as err:
        raise UsageError("read the command line", option, err.why) from err


def span(option: str, text: str) -> timedelta:
    """How long something lasts: ``90m``, ``8h``, ``30d``.

    :raises UsageError: if it is not written so, or longer than ten years.
    """
    match = _SPAN.match(text)
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < length <= _LONGEST:
        why = "a span is written 90m, 8h or 30d, and is ten years at most"
        raise UsageError("read the command line", option, why)
    return length
