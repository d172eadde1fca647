"""Numbers and base64 in their one allowed spelling, for the text formats of the ledger.

A reader that takes two spellings of one value lets two different files mean the same thing, and
a changed byte go unseen; so whatever does not print back the same is refused.
"""

from __future__ import annotations

import base64
import binascii
import re

from custody.errors import FormatError

# Sizes and indexes stay below this in every C2SP log format (tlog-checkpoint, tlog-proof).
LARGEST_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


def decimal(text: str, doing: str, field: str) -> int:
    """Read a non-negative decimal below 2**63 without leading zeros.

    :param doing: what was being done, for the message.
    :param field: which field it is, for the message.
    :raises FormatError: for any other spelling, or a larger number.
    """
    if not _DECIMAL.match(text):
        raise FormatError(doing, field, f"{_short(text)} is not a plain decimal number")
    number = int(text)
    if number > LARGEST_SIZE:
        raise FormatError(doing, field, "the number is not below 2**63")
    return number


def base64_bytes(text: str, doing: str, field: str, *, length: int | None = None) -> bytes:
    """Read standard base64 (RFC 4648 section 4) with padding, in its canonical spelling.

    :param length: how many bytes it must hold, if that is known.
    :raises FormatError: for any other spelling, or another length.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as err:
        raise FormatError(doing, field, "not base64") from err
    if base64_text(data) != text:
        raise FormatError(doing, field, "not canonical base64")
    if length is not None and len(data) != length:
        raise FormatError(doing, field, f"{len(data)} bytes where {length} were expected")
    return data


def base64_text(data: bytes) -> str:
    """Print *data* the way :func:`base64_bytes` reads it."""
    return base64.b64encode(data).decode("ascii")


def utf8(data: bytes, doing: str, limit: int) -> str:
    """Decode a text of at most *limit* bytes.

    :raises FormatError: if it is longer, or not valid UTF-8.
    """
    if len(data) > limit:
        raise FormatError(doing, None, f"{len(data)} bytes, at most {limit} are allowed")
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        raise FormatError(doing, None, "not valid UTF-8") from err


def _short(text: str) -> str:
    return repr(text if len(text) <= 24 else text[:24] + "...")
