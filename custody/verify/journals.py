"""What the acquisition record says of journals: a part of check 6.

It must have exactly the form that FORMAT.md gives, name payload that the inventory has, in its
order, and name every export that the inventory has, by the name that the journal's own makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from custody.acquire import journalctl, outcomes
from custody.bundle import layout
from custody.errors import CustodyError, FormatError
from custody.formats import inventory, journal, names
from custody.formats.inventory import Brief
from custody.verify.docket import Docket
from custody.verify.inventory import lines

_HEX_ID = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,19})\Z", re.ASCII)
_SEALED, _CONTINUOUS = 1, 4
_WHOLE = (outcomes.COLLECTED, outcomes.ROTATED)

Shape = Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _matches(pattern: re.Pattern[str]) -> Shape:
    return lambda value: isinstance(value, str) and pattern.match(value) is not None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_flags(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 32


_HEADER: dict[str, Shape] = {
    "state": lambda value: value in (*journal.STATES, journal.UNKNOWN),
    **dict.fromkeys(("sealed", "sealed_continuous"), _is_flag),
    **dict.fromkeys(("compatible_flags", "incompatible_flags"), _is_flags),
    **dict.fromkeys(("file_id", "machine_id", "boot_id", "seqnum_id"), _matches(_HEX_ID)),
    **dict.fromkeys(
        (
            "header_size", "arena_size", "objects", "entries", "head_seqnum", "tail_seqnum",
            "head_realtime", "tail_realtime",
        ),
        _matches(_DECIMAL),
    ),
}  # fmt: skip
_FILE: dict[str, Shape] = {
    "payload": lambda value: isinstance(value, str) and value.startswith(f"{names.PAYLOAD}/"),
    "verified": lambda value: value in (journalctl.OK, journalctl.FAILED, journalctl.NOT_RUN),
    "header": lambda value: _has_form(value, _HEADER, _HEADER.keys()) and _agrees(value),
    **dict.fromkeys(("problem", "why", "said", "export"), _is_text),
    "exit": _is_count,
    "sealing_key_beside": lambda value: value is True,
}
_PROGRAM: dict[str, Shape] = {
    "path": lambda value: isinstance(value, str) and value.startswith("/"),
    "sha256": _matches(_SHA256),
    "version": lambda value: isinstance(value, str),
}
_ALL: dict[str, Shape] = {
    "files": lambda value: isinstance(value, list) and bool(value) and all(map(_is_file, value)),
    "omitted": lambda value: _is_count(value) and value > 0,
    "program": lambda value: _has_form(value, _PROGRAM, _PROGRAM.keys()),
}


def has_form(value: object) -> bool:
    """Whether the field ``journals`` of an acquisition record is as FORMAT.md has it."""
    if not _has_form(value, _ALL, {"files"}):
        return False
    judged = any(one["verified"] != journalctl.NOT_RUN for one in value["files"])  # type: ignore[index]
    return not judged or "program" in value  # type: ignore[operator]


def _has_form(value: object, shapes: Mapping[str, Shape], needed: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(needed) <= value.keys() <= shapes.keys()
        and all(shapes[name](one) for name, one in value.items())
    )


def _agrees(header: Mapping[str, Any]) -> bool:
    """The words for the flags are those of the flags."""
    flags = header["compatible_flags"]
    return (header["sealed"], header["sealed_continuous"]) == (
        bool(flags & _SEALED),
        bool(flags & _CONTINUOUS),
    )


def _is_file(value: object) -> bool:
    if not _has_form(value, _FILE, {"payload", "verified"}) or not isinstance(value, dict):
        return False
    exits = {journalctl.OK: 0, journalctl.FAILED: 1}
    if value["verified"] == journalctl.NOT_RUN:
        judged = "why" in value
    else:
        judged = "why" not in value and value.get("exit") == exits[value["verified"]]
    told = "header" in value or "problem" in value
    export = value.get("export")
    return judged and told and export in (None, names.export_path(value["payload"]))


def check(bag: Path, said: Mapping[str, Any], number: int, docket: Docket) -> None:
    """Hold what is said of journals against the inventory, and remark on those that are damaged.

    :param said: the field of the record, of the right form; empty if there is none.
    :param number: the check that it belongs to.
    """
    files = said.get("files", [])
    journals = iter(files)
    exports = iter(sorted(one["export"] for one in files if "export" in one))
    awaited = next(journals, None)
    damaged: list[str] = []
    for record in _records(bag, number, docket):
        if names.is_export(record.raw):
            expected, found = next(exports, "none"), record.raw.decode("ascii", "replace")
            if found != expected:
                why = "an export of a journal that the acquisition record does not tell of"
                docket.found(number, layout.ACQUISITION, found, expected, why)
                return
        elif awaited is not None and record.payload == awaited["payload"]:
            if _is_damaged(awaited, record):
                damaged.append(awaited["payload"])
            awaited = next(journals, None)
    left = next(exports, None)
    if awaited is not None or left is not None:
        why = "journals in the acquisition record that the inventory does not have in this order"
        found = left or (awaited or {})["payload"]
        docket.found(number, layout.ACQUISITION, "a record", found, why)
        return
    if damaged:
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        docket.remark(damaged[0], f"journalctl found this journal damaged when collected{more}")


def _records(bag: Path, number: int, docket: Docket) -> Iterator[Brief]:
    """The inventory once more; what is no record in it was found by its own check."""
    try:
        for line in lines(bag):
            try:
                yield inventory.brief(line)
            except FormatError:
                continue
    except CustodyError as err:
        docket.trouble(number, layout.INVENTORY, "the inventory", err)


def _is_damaged(one: Mapping[str, Any], record: Brief) -> bool:
    online = one.get("header", {}).get("state") == journal.ONLINE
    return one["verified"] == journalctl.FAILED and record.outcome in _WHOLE and not online
