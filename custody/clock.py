"""Time as a value: UTC moments to the second, as RFC 3339 text.

``now`` is asked for once per operation, at the top, and handed down.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from custody.errors import FormatError

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)


def now() -> datetime:
    """The host's clock, UTC, whole seconds.

    :returns: an aware datetime; what the clock is worth is recorded apart from it.
    """
    return datetime.now(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """Write *moment* as ``2026-11-22T03:14:05Z`` (RFC 3339 section 5.6, always UTC).

    :raises ValueError: if *moment* carries no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def parse_rfc3339(text: str) -> datetime:
    """Read what :func:`rfc3339` writes, and nothing else.

    :raises FormatError: for any other spelling or an impossible date.
    """
    if not _RFC3339.match(text):
        raise FormatError("read a time", text, "not in the form 2026-11-22T03:14:05Z")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as err:
        raise FormatError("read a time", text, str(err)) from err


def compact(moment: datetime) -> str:
    """Write *moment* for a file name, ``20261122T031405Z``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
