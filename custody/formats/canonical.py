"""Canonical JSON: the subset of RFC 8785 that everything signed or sealed here uses.

Objects, arrays, strings, booleans, null and integers within +-(2**53 - 1); no floating-point
numbers.  Keys are ASCII, so that sorting by code point is RFC 8785's order.  Reading is strict:
a text that parses but does not re-print byte for byte is refused, so no flipped bit can hide in
white space, a duplicate key or another spelling.
"""

from __future__ import annotations

import json
from typing import Any

from custody.errors import FormatError

Json = dict[str, Any] | list[Any] | str | int | bool | None

LARGEST_INTEGER = 2**53 - 1

_encoder = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)


def _refuse_number(text: str) -> None:
    raise ValueError(f"the number {text[:40]} is not an integer")


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST_INTEGER:
        raise ValueError("an integer beyond 2**53 - 1")
    return value


_decoder = json.JSONDecoder(
    parse_int=_integer, parse_float=_refuse_number, parse_constant=_refuse_number
)


def dump(value: Json) -> bytes:
    """Print *value* canonically, as UTF-8, without a newline.

    The caller gives plain values only; what :func:`load` would refuse is refused here too by
    whoever writes evidence, because everything written is read back.
    """
    return _encoder.encode(value).encode()


def load(data: bytes) -> Json:
    """Read canonical JSON.

    :raises FormatError: if *data* is not valid, or not the canonical spelling.
    """
    try:
        value: Json = _decoder.decode(data.decode())
        again = dump(value)
    except (ValueError, RecursionError) as err:
        raise FormatError("read JSON", None, _shorten(str(err))) from err
    if again != data:
        raise FormatError("read JSON", None, "not in canonical form (RFC 8785)")
    return value


def load_object(data: bytes) -> dict[str, Any]:
    """Read one canonical JSON object.

    :raises FormatError: as :func:`load`, and if the value is not an object.
    """
    value = load(data)
    if not isinstance(value, dict):
        raise FormatError("read JSON", None, "an object was expected")
    return value


def _shorten(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."
