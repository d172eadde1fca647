"""Journals among what was collected: what their headers say, whether they verify, their exports.

The bytes are the evidence, and they are in the bag by then.  What is found here is an opinion on
the copies, and goes into the acquisition record: a damaged journal is preserved as it was found.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from custody import durable
from custody.acquire import journalctl, outcomes
from custody.acquire.journalctl import Journalctl, Opinion
from custody.acquire.metadata import Record
from custody.acquire.program import Program
from custody.acquire.reader import SEALING_KEY
from custody.acquire.walk import error_fields
from custody.bundle.draft import Draft
from custody.bundle.outflow import Outflow
from custody.collect.request import Request
from custody.formats import journal, names
from custody.formats.journal import Header

MOST_JOURNALS = 10_000  # of which something is said; the acquisition record has a limit
SECONDS_IN_ALL = 1_800.0
LARGEST_EXPORT = (4 << 30) - 1  # as much as a file on a FAT disk can have
EXPORT_PER_BYTE = 32
_ENDINGS = (".journal", ".journal~")
_SMALLEST = 512 << 10  # systemd makes none that is smaller
_KEPT_FREE = 64 << 20
_LOOK_EVERY = 8 << 20
_MOST_KEYS = 10_000
_STREAMED = "it was sent as a stream; verify it where it is received"
_NOT_ASKED = "it was asked not to be (--no-journal-verify)"
_NO_TIME = f"the {SECONDS_IN_ALL:.0f} seconds for all journals were over"
_BIG = frozenset(
    "header_size arena_size objects entries head_seqnum tail_seqnum head_realtime"
    " tail_realtime".split()
)


@dataclass(slots=True)
class Journal:
    """One journal among the payload.

    :ivar path: of the source, as its record shows it.
    :ivar whole: its copy is whole and was not touched while it was read.
    """

    path: str
    payload: str
    size: int
    whole: bool
    header: Header | None
    opinion: Opinion = field(default_factory=lambda: Opinion(journalctl.NOT_RUN))
    export: str = ""

    @property
    def is_online(self) -> bool:
        """A program had it open for writing: that it fails to verify is a false alarm, often."""
        return self.header is not None and self.header.state == journal.ONLINE

    @property
    def is_damaged(self) -> bool:
        """It was damaged before it was collected, as far as journalctl can tell."""
        failed = self.opinion.verified == journalctl.FAILED
        return failed and self.whole and not self.is_online


class Journals:
    """The journals of one collection.  Give it every record, then :meth:`finish` it."""

    def __init__(self, request: Request, draft: Draft | Outflow) -> None:
        self._request = request
        self._draft = draft
        self._with_key: set[str] = set()
        self._omitted = 0
        self.found: list[Journal] = []
        self.program = Journalctl(None)
        self.counts: Counter[str] = Counter()

    def note(self, record: Record) -> None:
        """Look whether a record's payload is a journal.

        :raises StorageError: if the copy cannot be read back.
        """
        path: str = record["path"]
        if record.get("remark") == SEALING_KEY.reason and len(self._with_key) < _MOST_KEYS:
            self._with_key.add(path.rpartition("/")[0])
        if "payload" not in record:
            return
        size: int = record["size"]
        if size < _SMALLEST and not path.endswith(_ENDINGS):
            return
        start = self._draft.beginning(record["payload"])
        if not journal.is_journal(start):
            return
        if len(self.found) == MOST_JOURNALS:
            self._omitted += 1
            return
        whole = record["outcome"] in (outcomes.COLLECTED, outcomes.ROTATED)
        header = journal.header(start)
        self.found.append(Journal(path, record["payload"], size, whole, header))

    def finish(self) -> Generator[Record]:
        """Verify all of them, and give a record for each export that was asked for.

        :raises StorageError: if an export cannot be written.
        """
        verify, export = self._request.journal_verify, self._request.journal_export
        here = self._draft if isinstance(self._draft, Draft) else None
        if self.found and here and (verify or export):
            self.program = journalctl.find(self._request.journalctl)
        usable = None if self.program.why else self.program.program
        deadline = time.monotonic() + SECONDS_IN_ALL
        for one in self.found:
            if here is None or not verify:
                one.opinion = Opinion(journalctl.NOT_RUN, _NOT_ASKED if here else _STREAMED)
            elif usable is None:
                one.opinion = Opinion(journalctl.NOT_RUN, self.program.why)
            else:
                one.opinion = _verified(usable, here, one, deadline)
            self.counts[one.opinion.verified] += 1
        if here is not None and usable is not None and export:
            yield from self._exports(usable, here)

    def _exports(self, program: Program, draft: Draft) -> Iterator[Record]:
        deadline = time.monotonic() + SECONDS_IN_ALL
        for one in self.found:
            one.export = names.export_path(one.payload)
        for one in sorted(self.found, key=lambda one: one.export):
            yield _Export(draft, one).write(program, deadline)

    @property
    def why(self) -> str:
        """Why journalctl was of no use, where it was to be."""
        return self.program.why

    @property
    def damaged(self) -> list[Journal]:
        """Those that were damaged before they were collected."""
        return [one for one in self.found if one.is_damaged]

    def as_json(self) -> dict[str, Any]:
        """For the acquisition record; empty where there are none."""
        if not self.found:
            return {}
        said: dict[str, Any] = {"files": [self._one(one) for one in self.found]}
        if self._omitted:
            said["omitted"] = self._omitted
        if self.program.program is not None:
            said["program"] = asdict(self.program.program) | {"version": self.program.version}
        return said

    def _one(self, one: Journal) -> dict[str, Any]:
        said: dict[str, Any] = {"payload": one.payload, "verified": one.opinion.verified}
        if one.header is not None:
            said["header"] = {
                name: str(value) if name in _BIG else value
                for name, value in asdict(one.header).items()
            }
        texts = {
            "problem": one.header.problem(one.size) if one.header else "it ends within its header",
            "why": one.opinion.why,
            "said": one.opinion.said,
            "export": one.export,
        }
        said |= {name: value for name, value in texts.items() if value}
        if one.opinion.code is not None:
            said["exit"] = one.opinion.code
        if one.path.rpartition("/")[0] in self._with_key:
            said["sealing_key_beside"] = True
        return said


def _verified(program: Program, draft: Draft, one: Journal, deadline: float) -> Opinion:
    left = deadline - time.monotonic()
    if left <= 0:
        return Opinion(journalctl.NOT_RUN, _NO_TIME)
    copy = draft.payload.reopen(one.payload)
    try:
        return journalctl.verify(program, copy, min(journalctl.seconds(one.size), left))
    finally:
        os.close(copy)


class _Export:
    """Writes the export of one journal into the bag, as long as there is room."""

    def __init__(self, draft: Draft, one: Journal) -> None:
        self._draft = draft
        self._journal = one
        self._most = min(one.size * EXPORT_PER_BYTE, LARGEST_EXPORT)
        self._size = 0
        self._looked = -_LOOK_EVERY
        self._digest = hashlib.sha256()
        self._target = -1
        self._cut = ""

    def write(self, program: Program, deadline: float) -> Record:
        """Write it and give its record; what went wrong is said there."""
        one, payload = self._journal, names.export_name(self._journal.export)
        started = time.time_ns()
        left = min(journalctl.seconds(one.size), max(deadline - time.monotonic(), 0.0))
        copy = self._draft.payload.reopen(one.payload)
        try:
            self._target = self._draft.payload.create(payload, False)
            try:
                answer = journalctl.export(program, copy, left, self._take)
            finally:
                os.close(self._target)
        finally:
            os.close(copy)
        record: Record = {
            "path": one.export,
            "remark": f"an export of {one.payload} by {program.path}",
            "read_started": str(started),
            "read_finished": str(time.time_ns()),
            "payload": payload,
            "sha256": self._digest.hexdigest(),
            "size": self._size,
            "size_before": 0 if self._cut else self._size,
            "size_after": 0 if self._cut else self._size,
        }
        if answer.enough:
            record["remark"] += f"; {self._cut}"
            return record | {"outcome": outcomes.LIMIT_SKIPPED}
        if answer.code != 0:
            why = OSError(5, answer.why or answer.said.strip()[:200] or f"exit {answer.code}")
            return record | {"outcome": outcomes.UNREADABLE, "error": error_fields(why)}
        return record | {"outcome": outcomes.COLLECTED if self._size else outcomes.EMPTY}

    def _take(self, data: bytes) -> bool:
        if self._size + len(data) > self._most:
            self._cut = f"cut before it had more than {self._most} bytes"
        elif self._size - self._looked >= _LOOK_EVERY:
            self._looked = self._size
            space = os.fstatvfs(self._target)
            if space.f_bavail * space.f_frsize < _KEPT_FREE + _LOOK_EVERY:
                self._cut = "cut because the disk is nearly full"
        if self._cut:
            return False
        try:
            durable.write_all(self._target, data)
        except OSError as err:
            raise durable.storage_error("write", self._journal.export, err) from err
        self._digest.update(data)
        self._size += len(data)
        return True
