"""The case directory and its record: checks (1) and (2)."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from custody import case as cases
from custody import clock, reading
from custody.bundle import tree
from custody.errors import CustodyError, FormatError, UnknownFormatError
from custody.formats.statement import Event, Subject
from custody.verify.case.checks import LAYOUT, RECORD
from custody.verify.docket import Docket

_FILES = {cases.RECORD, "lock", "watch.lock"}
_NEEDED = ("bundles", "ledger")
_PARTS = {*_NEEDED, "attachments", "transfers", "timestamps", "incoming"}
_LARGEST_RECORD = 65_536


def layout(path: Path, docket: Docket) -> None:
    """(2) The parts are there and are directories."""
    top = tree.look(path, "")
    for name in sorted(_PARTS.intersection(top.files + top.others)):
        found = "a file, a link or a device"
        docket.found(LAYOUT, name, "a directory", found, "a part of the case is not one")
    for name in _NEEDED:
        if name not in {*top.directories, *top.files, *top.others}:
            why = "a part of the case is missing"
            docket.found(LAYOUT, name, "a directory", "nothing", why)
    for name in sorted({*top.directories, *top.files, *top.others} - _PARTS - _FILES):
        docket.remark(name, "not a part of a case; it is not looked at")
    if "incoming" in top.directories:
        _incoming(path, docket)
    _permissions(path, [*top.directories, *top.files], docket)
    docket.shown(LAYOUT, "every part of the case is there")


def _incoming(path: Path, docket: Docket) -> None:
    try:
        left = tree.look(path, "incoming")
    except CustodyError as err:
        docket.remark("incoming", f"cannot be listed: {err.why}")
        return
    for name in (*left.directories, *left.files, *left.others):
        why = "unfinished work, never to be relied on; it may be removed"
        docket.remark(f"incoming/{name}", why)


def _permissions(path: Path, listed: list[str], docket: Docket) -> None:
    for name in ("", *listed):
        try:
            mode = (path / name).lstat().st_mode
        except OSError:
            continue
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            wanted = "0700" if stat.S_ISDIR(mode) else "0600"
            said = f"others can reach it: mode {stat.S_IMODE(mode):04o}, not {wanted}"
            docket.remark(name or ".", said)


def read_record(path: Path, docket: Docket) -> bytes | None:
    """The bytes of ``case.json``, or None with the reason in the docket."""
    try:
        return reading.read_beneath(path, cases.RECORD, _LARGEST_RECORD)
    except CustodyError as err:
        docket.trouble(RECORD, cases.RECORD, "the record of the case", err)
        return None


def record(
    path: Path, data: bytes, opened: Event | None, docket: Docket, *, was_read: bool
) -> None:
    """(1) The record is the one that was entered, and canonical.

    :param opened: the entry ``case-opened``, where there is one.
    :param was_read: the ledger could be read, so that an entry that was not met is missing.
    :raises UnknownFormatError: if it is of an unknown format, and nothing else is wrong with it.
    """
    # (1) the very file that the entry names
    digest = hashlib.sha256(data).hexdigest()
    if opened is None and not was_read:
        docket.left(RECORD, "the ledger, whose first entry names it, cannot be read")
    elif opened is None:
        why = "the ledger has no entry that opens the case"
        docket.found(RECORD, cases.RECORD, "an entry case-opened", "none", why)
    elif opened.subjects != (Subject(cases.RECORD, digest),):
        said = ", ".join(f"sha256:{item.sha256}" for item in opened.subjects)[:400]
        why = "the case's record is not the one that was entered when it was opened"
        docket.found(RECORD, cases.RECORD, said, f"sha256:{digest}", why)
    # (1) canonical, with the fields of this format
    try:
        case = cases.parse_record(path, data)
    except UnknownFormatError as err:
        if not docket.failed(RECORD):
            raise
        docket.found(RECORD, cases.RECORD, cases.FORMAT, err.why, "an unknown format")
        return
    except FormatError as err:
        docket.found(RECORD, cases.RECORD, "a canonical record", err.why, "malformed")
        return
    if opened is not None and opened.words.get("case", "") != case.case:
        why = "the entry that opens the case has another number"
        docket.found(RECORD, cases.RECORD, opened.words.get("case", ""), case.case, why)
    opened_at = clock.rfc3339(case.created)
    docket.shown(RECORD, f"case {case.case}, opened {opened_at}")


def origin(path: Path, record: bytes) -> str | None:
    """The ledger's name in the record, if the record can be read."""
    try:
        return cases.parse_record(path, record).origin
    except CustodyError:
        return None
