"""The case directory: one incident, its bundles, its ledger.

case.json      format, case number, title, ledger origin, when it was opened
bundles/       sealed bundles, published by one rename each
ledger/        the custody ledger (C2SP tlog-tiles)
attachments/   transfers/
incoming/      unfinished work, never trusted
lock           held by whoever writes to the ledger; empty otherwise
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable, reading
from custody.errors import (
    DifferenceError,
    FormatError,
    LockedError,
    NotFoundError,
    UnknownFormatError,
    UsageError,
)
from custody.formats import canonical, statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signing import Signer
from custody.ledger.log import Log
from custody.ledger.memory import Memory
from custody.ledger.reader import LedgerReader

FORMAT = "custody.case/1"
RECORD = "case.json"
_LARGEST_RECORD = 65_536
_FIELDS = ("case", "created", "format", "origin", "title")
_PARTS = ("bundles", "attachments", "transfers", "incoming")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Case:
    """A case that is there: its directory and what ``case.json`` says.

    :ivar memory: what was seen of its ledger before, where that is to be compared when writing.
    """

    directory: Path
    case: str
    title: str
    origin: str
    created: datetime
    memory: Memory | None = None

    @property
    def bundles(self) -> Path:
        """Where sealed bundles are."""
        return self.directory / "bundles"

    @property
    def incoming(self) -> Path:
        """Where unfinished work is."""
        return self.directory / "incoming"

    @property
    def ledger(self) -> LedgerReader:
        """The ledger, for reading."""
        return LedgerReader(self.directory / "ledger", self.origin)

    @property
    def log(self) -> Log:
        """The ledger, for whoever holds the lock."""
        return Log(self.directory / "ledger", self.origin, self.memory)

    @contextmanager
    def locked(self, wait_seconds: float) -> Iterator[None]:
        """Hold the case for writing.

        :raises LockedError: if another process keeps it longer than *wait_seconds*.
        """
        with ExitStack() as held:
            try:
                held.enter_context(durable.lock(self.directory / "lock", wait_seconds=wait_seconds))
            except LockedError as err:
                err.hint = "try again when it has finished, or wait for it: --wait SECONDS"
                raise
            yield

    def bundle_names(self) -> list[str]:
        """The names of the published bundles, sorted.

        :raises NotFoundError: if the directory is not there.
        """
        try:
            return sorted(os.listdir(self.bundles))
        except OSError as err:
            raise NotFoundError("list bundles", self.bundles, err.strerror or str(err)) from err


def origin_for(number: str, token: str) -> str:
    """A ledger origin for a case number: fit for a key name, and unique by *token*."""
    slug = _UNFIT.sub("-", number).strip("-")[:40] or "case"
    return f"custody/{slug}-{token}"


def record_bytes(case: str, title: str, origin: str, created: datetime) -> bytes:
    """The content of ``case.json``."""
    document = {
        "case": case,
        "created": clock.rfc3339(created),
        "format": FORMAT,
        "origin": origin,
        "title": title,
    }
    return canonical.dump(document) + b"\n"


def refuse_taken(directory: Path) -> None:
    """Make sure that a case may be opened at *directory*: it is not there, or empty.

    :raises UsageError: otherwise.
    """
    if not os.path.lexists(directory):
        return
    try:
        taken = not directory.is_dir() or any(directory.iterdir())
    except OSError as err:
        raise durable.storage_error("open case", directory, err) from err
    if taken:
        raise UsageError(
            "open case", directory, "there is something already; nothing was written",
            hint="name a directory that does not exist",
        )  # fmt: skip


def create(
    directory: Path,
    number: str,
    title: str,
    *,
    log_key: Signer,
    signer: Signer,
    actor: Actor,
    now: datetime,
    memory: Memory | None = None,
    key_quorum: int = 1,
) -> Case:
    """Open a case: its directory, its ledger, and the entry ``case-opened``.

    ``case.json`` comes last but one: a directory without it is not a case.

    :param key_quorum: how many desks must say the same of a key before it is believed; more than
        one is said in the entry, and holds for as long as the ledger does.
    :raises UsageError: if something stands at *directory*.
    :raises StorageError: if it could not be written.
    """
    refuse_taken(directory)
    durable.ensure_private_directory(directory)
    for part in _PARTS:
        durable.make_directory(directory / part)
    record = record_bytes(number, title, log_key.key.name, now)
    case = Case(directory, number, title, log_key.key.name, now, memory)
    opened = Event(
        "case-opened",
        now,
        actor,
        (Subject(RECORD, hashlib.sha256(record).hexdigest()),),
        {"case": number, "item": number, "comment": title},
        details={"key_quorum": key_quorum} if key_quorum > 1 else {},
    )
    entry = signing.seal(signer, statement.dump(opened))
    with case.locked(0):
        log = Log.create(directory / "ledger", log_key, memory)
        log.append([entry], log_key)
        durable.create(directory / RECORD, record)
    return case


def open_case(directory: Path, memory: Memory | None = None) -> Case:
    """Read ``case.json``.

    :param memory: whoever writes to the ledger gives theirs, so that one put back is noticed.
    :raises NotFoundError: if *directory* is not a case.
    :raises UnknownFormatError: if it is of a format that this program does not know.
    :raises DifferenceError: if the record is damaged: its digest is in the ledger.
    """
    try:
        is_directory = stat.S_ISDIR(directory.stat().st_mode)
        if is_directory:
            data = reading.read_beneath(directory, RECORD, _LARGEST_RECORD)
            return replace(parse_record(directory, data), memory=memory)
    except NotFoundError as err:
        raise _no_case(directory, "there is no case") from err
    except FormatError as err:
        hint = f"custody verify {shlex.quote(str(directory))}"
        raise DifferenceError("open case", directory, err.why, hint=hint) from err
    except (FileNotFoundError, NotADirectoryError) as err:
        raise _no_case(directory, "there is no such directory") from err
    except OSError as err:
        raise durable.storage_error("open case", directory, err) from err
    raise _no_case(directory, "it is not a directory")


def _no_case(directory: Path, why: str) -> NotFoundError:
    return NotFoundError(
        "open case", directory, why, hint=f"custody init {shlex.quote(str(directory))}"
    )


def parse_record(directory: Path, data: bytes) -> Case:
    """Read the bytes of ``case.json``; raises what :func:`open_case` raises."""
    try:
        document = canonical.load_object(data.removesuffix(b"\n"))
        kind = document.get("format")
        if isinstance(kind, str) and kind.startswith("custody.case/") and kind != FORMAT:
            why = f"its format is {kind}; this program knows {FORMAT}"
            raise UnknownFormatError("open case", directory, why, hint="use a newer custody")
        _require_fields(document, whole=data.endswith(b"\n"))
        created = clock.parse_rfc3339(document["created"])
    except FormatError as err:
        raise FormatError("open case", directory, f"case.json is damaged: {err}") from err
    return Case(directory, document["case"], document["title"], document["origin"], created)


def _require_fields(document: dict[str, Any], *, whole: bool) -> None:
    if tuple(sorted(document)) != _FIELDS or document["format"] != FORMAT or not whole:
        raise FormatError("read case.json", None, "unknown or missing fields")
    if not all(isinstance(value, str) for value in document.values()):
        raise FormatError("read case.json", None, "a field of the wrong type")
