"""The two sides of a comparison: a file, a directory, or a bundle, each as a stream of entries.

Every side gives its entries in the order of one walk, so that two of them can be merged in flat
memory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from custody import durable, reading
from custody.acquire import mounts, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.rules import Rules
from custody.acquire.sources import Node
from custody.acquire.walk import Finished, Noted, walk
from custody.compare.entries import (
    DIRECTORY,
    DIRECTORY_FLAGS,
    EVERYTHING,
    UNKNOWN,
    Entry,
    Share,
    directory_key,
    left_out,
    other_key,
)
from custody.errors import UsageError
from custody.formats import inventory

_NOBODY = Accounts({}, {})


class Side(Protocol):
    """One side: what it is, and everything on it."""

    @property
    def kind(self) -> str:
        """``file``, ``directory``, ``live`` or ``bundle``."""

    @property
    def name(self) -> str:
        """What to call it: its path."""

    @property
    def records(self) -> bool:
        """Whether what it left out is part of what it says (a bundle), or is not known."""

    def entries(self, share: Share = EVERYTHING) -> Iterator[Entry]:
        """All of one share, in the order of the walk; what was left out is always given."""

    def again(self, raw: bytes, where: str) -> Entry:
        """One entry again, by the path it was given with.

        :raises OSError: if it is gone.
        """

    def holds(self, path: bytes) -> bool:
        """Whether a real path lies in what is compared."""

    def close(self) -> None:
        """Let go of what is held."""


class Single:
    """One file (or whatever stands there) by itself.

    :param raw: the path it is matched under, whatever its own name is.
    """

    kind = "file"
    records = False

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path = path
        self.name = str(path)
        self._raw = raw

    def entries(self, share: Share = EVERYTHING) -> Iterator[Entry]:  # noqa: ARG002 - a side's
        """The one entry."""
        try:
            yield self.again(self._raw, "")
        except OSError as err:
            raise durable.storage_error("compare", self.path, err) from err

    def again(self, raw: bytes, where: str) -> Entry:  # noqa: ARG002 - a side's signature
        """The one entry again."""
        return Entry.there(other_key(raw), raw, None, os.fsencode(self.path))

    def holds(self, path: bytes) -> bool:
        """Whether it is this file."""
        return path == os.fsencode(os.path.realpath(self.path))

    def close(self) -> None:
        """Nothing is held."""


class Walked:
    """A directory, or some paths of a live host, walked as a collection walks them.

    :param base: what paths are relative to; ``/`` gives them whole, without the slash.
    :param wanted: real absolute paths; everything beneath them is compared.
    """

    records = False

    def __init__(
        self,
        base: Path,
        wanted: list[bytes],
        *,
        kind: str = "directory",
        exclude: tuple[str, ...] = (),
        one_file_system: bool = False,
    ) -> None:
        self.kind = kind
        self.name = str(base)
        self._base = os.fsencode(base)
        self._prefix = self._base.rstrip(b"/") + b"/"
        self._tree = Node()
        for path in wanted:
            self._tree.add(path)
        self._rules = Rules(
            exclude=exclude,
            one_file_system=one_file_system,
            mounts=mounts.read(),
            named=frozenset(wanted),
        )
        self._held: int | None = None

    def entries(self, share: Share = EVERYTHING) -> Iterator[Entry]:
        """Walk it; an entry can be opened until the next one is asked for."""
        last, key, above = b"\0", b"", b""
        for step in walk(self._tree, self._rules, _NOBODY):
            if isinstance(step, Noted):
                entry = self._noted(step.record)
                if entry is not None and (entry.kind is not DIRECTORY or share.takes(entry.raw)):
                    yield entry
                continue
            try:
                if isinstance(step, Finished):
                    continue
                if step.place.path != last:
                    last = step.place.path
                    relative = self._relative(last)
                    key = directory_key(relative) + b"\x01"
                    above = relative + b"/" if relative else b""
                for name, is_file in share.of_directory(above, step.listed):
                    entry = Entry(key + name + b"\0", above + name, UNKNOWN)
                    entry.directory, entry.name, entry.listed = step.fd, name, is_file
                    yield entry
            finally:
                os.close(step.fd)

    def _relative(self, path: bytes) -> bytes:
        return path[len(self._prefix) :] if path.startswith(self._prefix) else b""

    def _noted(self, record: Record) -> Entry | None:
        path = inventory.raw_path(record)
        raw = self._relative(path)
        if record["outcome"] == outcomes.DIRECTORY:
            if record.get("ancestor"):
                return None
            entry = _Described(directory_key(raw), raw, DIRECTORY)
            entry.record = record
            return entry
        if record["outcome"] in (outcomes.VANISHED, outcomes.MISSING):
            return None
        if record["outcome"] == outcomes.EXCLUDED:
            return left_out(other_key(raw), raw, "")
        why = record.get("remark") or record.get("error", {}).get("message", "")
        return left_out(other_key(raw), raw, str(why))

    def again(self, raw: bytes, where: str) -> Entry:  # noqa: ARG002 - a side's signature
        """One entry by its path; every directory on the way is opened through no link."""
        parent, _, name = raw.rpartition(b"/")
        self.close()
        self._held = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parent.split(b"/") if parent else ():
            below = os.open(part, DIRECTORY_FLAGS, dir_fd=self._held)
            os.close(self._held)
            self._held = below
        return Entry.there(other_key(raw), raw, self._held, name)

    def holds(self, path: bytes) -> bool:
        """Whether it lies in what is walked."""
        return self._rules.inside(path)

    def close(self) -> None:
        """Let go of the directory that was opened last."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


class _Described(Entry):
    """A directory, known by its record."""

    record: Record

    def facts(self, fd: int | None) -> Record:  # noqa: ARG002 - an entry's signature
        """What the record says, without times: those change with every name in it."""
        return described(self.record, directory=True)


def described(record: Record, *, directory: bool = False) -> Record:
    """The metadata in an inventory record, in the form of :meth:`Entry.facts`."""
    found: dict[str, Any] = {}
    if "mode" in record:
        with suppress(ValueError):  # whoever made the record may have meant harm
            found["mode"] = int(record["mode"], 8)
    for field in ("uid", "gid"):
        if field in record:
            found[field] = record[field]
    if directory:
        return found
    if "modified" in record:
        with suppress(ValueError):
            found["modified"] = int(record["modified"])
        found["xattrs"] = record.get("xattrs", {})
    return found


def single_or_walked(path: Path, raw: bytes | None = None) -> Single | Walked:
    """What a path that is no bundle stands for; links in the path itself are resolved.

    :param raw: under which path a single file is matched; else its own name.
    :raises NotFoundError: if nothing is there.
    :raises UsageError: if it is a device or a pipe: those have no content to compare.
    :raises StorageError: if it cannot be looked at.
    """
    real = Path(os.path.realpath(path))
    status = reading.status("compare", real, path)
    if stat.S_ISDIR(status.st_mode):
        return Walked(real, [os.fsencode(real)])
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("compare", path, "it is neither a file nor a directory; nothing was read")
    return Single(real, os.fsencode(real.name) if raw is None else raw)
