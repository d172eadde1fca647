"""What an interrupted comparison had found, so that the next run need not read it again.

One JSON object a line: first what is compared, then each pair of files in the order of the walk,
with a stamp (sizes, times and inode numbers of both) that the pair must still have for its result
to be taken over.  The file is no evidence: losing its end only costs time.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from custody import clock, durable
from custody.acquire.metadata import path_fields
from custody.compare.entries import Entry, other_key
from custody.compare.results import STATUSES, Result
from custody.compare.sides import Side
from custody.errors import FormatError, InputError, UsageError
from custody.formats import inventory

SCHEMA = "custody.comparison-progress/v1"
_SECONDS = 1.0
_LONGEST = 1 << 20
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Earlier:
    """Results of an earlier run, asked for in the order of the walk."""

    def __init__(self, path: Path, length: int) -> None:
        self._lines = _results(path, length)
        self._next: Result | None = next(self._lines, None)

    def known(self, copy: Entry, original: Entry) -> Result | None:
        """The result of this pair, if it was judged before and neither has changed since."""
        while self._next is not None and self._next.key < copy.key:
            self._next = next(self._lines, None)
        found = self._next
        if found is None or found.key != copy.key:
            return None
        try:
            stamp = f"{copy.stamp()}/{original.stamp()}"
        except OSError:
            return None
        return found if found.stamp == stamp else None


class Progress:
    """The file itself; use it as a context manager.

    :raises UsageError: if the comparison in it is finished.
    :raises LockedError: if another comparison keeps its results there.
    :raises InputError: if it is not such a file, or is of another comparison.
    :raises StorageError: if it cannot be written.
    """

    def __init__(self, path: Path, copy: Side, original: Side, now: datetime) -> None:
        self.path = path
        self.began = clock.rfc3339(now)
        self.taken_over = 0
        self._last = b""
        about = {"schema": SCHEMA, "copy": copy.name, "original": original.name}
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise _not_one(path)
        try:
            self._stream: BinaryIO = os.fdopen(os.open(path, _FLAGS, durable.PRIVATE_FILE), "r+b")
        except OSError as err:
            raise durable.storage_error("resume from", path, err) from err
        try:
            durable.lock_open(self._stream.fileno(), path)
            self.length = self._begin(about)
        except BaseException:
            self._stream.close()
            raise
        self._due = time.monotonic() + _SECONDS

    def _begin(self, about: dict[str, str]) -> int:
        """Check what is there and cut off a torn end; gives the length of what counts."""
        first = self._stream.readline(_LONGEST)
        if not first.endswith(b"\n"):
            if first and not json.dumps(about).encode().startswith(first[:20]):
                raise _not_one(self.path)
            self._stream.seek(0)
            self._stream.truncate()
            self._write({**about, "began": self.began})
            return 0
        header = _object(first, self.path)
        if {name: header.get(name) for name in about} != about:
            why = "it is of another comparison"
            raise InputError("resume from", self.path, why, hint="name another file")
        self.began = str(header.get("began", ""))
        length = len(first)
        while (line := self._stream.readline(_LONGEST)).endswith(b"\n"):
            if b'"finished"' in line[:20]:
                why = "the comparison in it is finished"
                raise UsageError("resume from", self.path, why, hint="name a new file")
            self._last = max(self._last, _result(line, self.path).key)
            length += len(line)
        self._stream.seek(length)
        self._stream.truncate()
        return length

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _value: object, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write({"finished": True})
            self._stream.close()
        except OSError as err:
            raise durable.storage_error("write", self.path, err) from err

    def add(self, result: Result) -> None:
        """Keep a result that a later run may take over."""
        if not result.stamp or result.status not in STATUSES:
            return
        if result.key <= self._last:
            self.taken_over += 1
            return
        record: dict[str, Any] = {**path_fields(result.raw), "status": result.status}
        for name in ("detail", "size", "copy_at", "original_at", "copy_sha256", "original_sha256"):
            if value := getattr(result, name):
                record[name] = value
        self._write({**record, "kind": result.kind, "stamp": result.stamp})
        if time.monotonic() >= self._due:
            self._stream.flush()
            self._due = time.monotonic() + _SECONDS

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(record).encode() + b"\n")
        except OSError as err:
            raise durable.storage_error("write", self.path, err) from err


def _results(path: Path, length: int) -> Iterator[Result]:
    if not length:
        return
    with path.open("rb") as stream:
        stream.readline(_LONGEST)
        while stream.tell() < length and (line := stream.readline(_LONGEST)):
            yield _result(line, path)


def _result(line: bytes, path: Path) -> Result:
    record = _object(line, path)
    try:
        raw = inventory.raw_path(record)
        if record["status"] not in STATUSES:
            raise _not_one(path)
        texts = {
            name: str(record.get(name, ""))
            for name in ("detail", "copy_at", "original_at", "copy_sha256", "original_sha256")
        }
        return Result(
            other_key(raw), raw, record["status"], size=int(record.get("size", 0)),
            kind=str(record["kind"]), stamp=str(record["stamp"]), **texts,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, FormatError) as err:
        raise _not_one(path) from err


def _object(line: bytes, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as err:
        raise _not_one(path) from err
    if not isinstance(record, dict):
        raise _not_one(path)
    return record


def _not_one(path: Path) -> InputError:
    why = "it is not the progress of a comparison; nothing was written to it"
    return InputError("resume from", path, why, hint="name a file that does not exist yet")
