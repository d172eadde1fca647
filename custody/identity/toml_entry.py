"""Changing a few lines of one entry in a TOML file that a person keeps.

Only lines are looked at, as people write them; what that cannot find is left alone.  Whoever calls
reads the result again and compares it with what was meant: then it does not matter how cleverly
the file was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TABLE = re.compile(r"\s*\[")
_COMMENT = re.compile(r"\s*(#|\Z)")


def changed(text: str, table: str, number: int, values: Mapping[str, str | None]) -> str | None:
    """The same text, with other values in the entry *number* (from 1) of ``[[table]]``.

    :param values: field to its value as TOML, or to None to leave the field out; a field that is
        there is changed where it stands, others come at the end of the entry.
    :returns: None if there is no such entry.
    """
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]")
    starts = [index for index, line in enumerate(lines) if header.match(line)]
    if not 1 <= number <= len(starts):
        return None
    start = starts[number - 1]
    after = (index for index in range(start + 1, len(lines)) if _TABLE.match(lines[index]))
    end = next(after, len(lines))
    while end > start + 1 and _COMMENT.match(lines[end - 1]):  # they belong to what comes next
        end -= 1
    newline = "\r\n" if lines[start].endswith("\r\n") else "\n"
    block = _block(lines[start:end], values, newline)
    return "".join([*lines[:start], *block, *lines[end:]])


def _block(lines: list[str], values: Mapping[str, str | None], newline: str) -> list[str]:
    left, block = dict(values), list[str]()
    for line in lines:
        field = line.partition("=")[0].strip()
        if field not in left:
            block.append(line)
            continue
        value = left.pop(field)
        if value is not None:
            block.append(f"{field} = {value}{newline}")
    if not block[-1].endswith("\n"):
        block[-1] += newline
    block += [f"{field} = {value}{newline}" for field, value in left.items() if value is not None]
    return block
