"""The ledger's entries for other programs: JSON Lines with everything, CSV for a spreadsheet.

A spreadsheet runs a cell that begins like a formula, and entries hold other people's words.  So
such a cell gets an apostrophe in front, and every cell is quoted; whoever needs the exact text
takes the JSON Lines.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from custody.errors import FormatError
from custody.formats import canonical, dsse
from custody.ledger import entry as entries_

COLUMNS = (
    "index", "type", "time", "actor", "item", "summary", "sha256", "signers",
)  # fmt: skip
# What spreadsheets take for the start of a formula, also in full width.
_STARTS = frozenset("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")


def record(index: int, data: bytes) -> dict[str, Any]:
    """Everything about one entry: as it is listed, its digest, its envelope and its statement.

    Nothing is believed or checked.  What cannot be read is there as ``entry_b64``.
    """
    found: dict[str, Any] = {
        **entries_.view(index, data).as_json(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    try:
        envelope = dsse.load(data)
        found["signers"] = [item.keyid for item in envelope.signatures]
        found["envelope"] = canonical.load(data.removesuffix(b"\n"))
    except FormatError:
        return found | {"signers": [], "entry_b64": base64.b64encode(data).decode("ascii")}
    try:
        found["statement"] = canonical.load(envelope.payload)
    except FormatError:
        found["statement"] = None
    return found


def csv_header() -> str:
    """The first line of the CSV."""
    return csv_lines([COLUMNS])


def csv_row(index: int, data: bytes) -> list[str]:
    """One entry's cells, in the order of :data:`COLUMNS`."""
    found = record(index, data)
    return [" ".join(found[name]) if name == "signers" else str(found[name]) for name in COLUMNS]


def csv_lines(rows: Iterable[Iterable[str]]) -> str:
    """Print rows as RFC 4180 has it, with harmless cells."""
    return "".join(",".join(_quoted(cell) for cell in row) + "\r\n" for row in rows)


def harmless(cell: str) -> str:
    """The cell, with an apostrophe in front if a spreadsheet would run it, and on one line."""
    text = "".join(_printable(cell))
    return "'" + text if text[:1] in _STARTS or text.lstrip()[:1] in _STARTS else text


def _quoted(cell: str) -> str:
    return '"' + harmless(cell).replace('"', '""') + '"'


def _printable(cell: str) -> Iterator[str]:
    for char in cell:
        yield char if char.isprintable() else f"\\u{ord(char):04x}"
