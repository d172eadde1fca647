"""The two sides of a comparison: a file, a directory, or a bundle, each as a stream of entries.

Every side gives its entries in the order of one walk (a directory, the other things in it, then
each directory in it, names as bytes), so that two of them can be merged in flat memory.  An
entry's *key* sorts as that walk does.  Nothing is opened but regular files, and no link is
followed below what was named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from custody import durable
from custody.acquire import metadata, mounts, outcomes
from custody.acquire.metadata import Accounts, Record
from custody.acquire.rules import Rules
from custody.acquire.sources import Node
from custody.acquire.walk import Batch, Finished, Noted, walk
from custody.errors import NotFoundError
from custody.formats import inventory

FILE, DIRECTORY, LINK, SPECIAL = "a file", "a directory", "a symbolic link", "a special file"
UNKNOWN = "not looked at"
LEFT_OUT = "left out"
"""What has no content here on purpose, or could not be looked at; *reason* says why."""

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NOATIME = getattr(os, "O_NOATIME", 0)
_NOBODY = Accounts({}, {})
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}


def directory_key(raw: bytes) -> bytes:
    """The key of a directory; the keys of what is in it begin with it."""
    return b"".join(b"\x02" + part + b"\0" for part in raw.split(b"/") if part)


def other_key(raw: bytes) -> bytes:
    """The key of what is not a directory."""
    parent, _, name = raw.rpartition(b"/")
    return directory_key(parent) + b"\x01" + name + b"\0"


def open_quietly(name: bytes | str, directory: int | None) -> int:
    """Open for reading, through no link, without blocking, and without a trace where possible."""
    try:
        return os.open(name, _FLAGS | _NOATIME, dir_fd=directory)
    except PermissionError:  # only the owner and root may ask for O_NOATIME
        return os.open(name, _FLAGS, dir_fd=directory)


class Entry:
    """One thing on one side.

    :ivar raw: its path, relative to what is compared; bytes as the system has them.
    :ivar kind: what it is.
    :ivar note: what is to be said whatever the result, such as that it was collected truncated.
    """

    __slots__ = ("_directory", "_name", "key", "kind", "note", "raw", "reason", "status")

    def __init__(self, key: bytes, raw: bytes, kind: str) -> None:
        self.key = key
        self.raw = raw
        self.kind = kind
        self.note = ""
        self.reason = ""
        self.status: os.stat_result | None = None
        self._directory: int | None = None
        self._name: bytes = b""

    @classmethod
    def there(cls, key: bytes, raw: bytes, directory: int | None, name: bytes) -> Entry:
        """What stands under *name* in an open directory.

        :raises OSError: if it cannot be looked at.
        """
        entry = cls.named(key, raw, directory, name)
        entry.look_closely()
        return entry

    @classmethod
    def named(cls, key: bytes, raw: bytes, directory: int | None, name: bytes) -> Entry:
        """The same, not yet looked at: call :meth:`look` before anything else."""
        entry = cls(key, raw, UNKNOWN)
        entry._directory, entry._name = directory, name
        return entry

    def look(self) -> bool:
        """Find out what it is; False if it is gone."""
        if self.kind is not UNKNOWN:
            return True
        try:
            self.look_closely()
        except FileNotFoundError:
            return False
        except OSError as err:
            self.kind, self.reason = LEFT_OUT, err.strerror or str(err)
        return True

    def look_closely(self) -> None:
        """Find out what it is.

        :raises OSError: if it cannot be looked at.
        """
        status = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        self.kind = _KINDS.get(stat.S_IFMT(status.st_mode), SPECIAL)
        self.status = status

    def open(self) -> int:
        """A descriptor of a regular file; the caller closes it.

        :raises OSError: if it cannot be opened, or is no regular file any more.
        """
        return open_quietly(self._name, self._directory)

    def size(self) -> int:
        """How many bytes it has, as far as is known before it is opened."""
        return self.status.st_size if self.status is not None else 0

    def sealed(self) -> str:
        """The digest that it is promised to have, hex; empty where nothing promises one."""
        return ""

    def target(self) -> bytes:
        """Where a link leads.

        :raises OSError: if that cannot be read.
        """
        return os.fsencode(os.readlink(self._name, dir_fd=self._directory))

    def facts(self, fd: int | None) -> Record:
        """The metadata that are compared.

        :param fd: of the open file, if it is open.
        """
        status = self.status
        if status is None:
            return {}
        found: Record = {
            "mode": status.st_mode,
            "uid": status.st_uid,
            "gid": status.st_gid,
            "modified": status.st_mtime_ns,
        }
        if fd is not None and self.kind is FILE:
            found["xattrs"] = metadata.extended_attributes(fd)
        return found

    def stamp(self) -> str:
        """What changes when the file does."""
        status = self.status
        if status is None:
            return ""
        return (
            f"{status.st_dev}.{status.st_ino}.{status.st_size}"
            f".{status.st_mtime_ns}.{status.st_ctime_ns}"
        )

    def where(self) -> str:
        """What :meth:`Side.again` needs to find it later."""
        return ""


def left_out(key: bytes, raw: bytes, reason: str) -> Entry:
    """An entry without content, and why."""
    entry = Entry(key, raw, LEFT_OUT)
    entry.reason = reason
    return entry


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

    def entries(self) -> Iterator[Entry]:
        """All of it, in the order of the walk."""

    def again(self, raw: bytes, where: str) -> Entry:
        """One entry again, by the path it was given with.

        :raises OSError: if it is gone.
        """

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

    def entries(self) -> Iterator[Entry]:
        """The one entry."""
        try:
            yield self.again(self._raw, "")
        except OSError as err:
            raise durable.storage_error("compare", self.path, err) from err

    def again(self, raw: bytes, where: str) -> Entry:  # noqa: ARG002 - a side's signature
        """The one entry again."""
        return Entry.there(other_key(raw), raw, None, os.fsencode(self.path))

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

    def entries(self) -> Iterator[Entry]:
        """Walk it; an entry can be opened until the next one is asked for."""
        last, key = b"\0", b""
        for step in walk(self._tree, self._rules, _NOBODY):
            if isinstance(step, Noted):
                entry = self._noted(step.record)
                if entry is not None:
                    yield entry
                continue
            try:
                if isinstance(step, Finished):
                    continue
                if step.place.path != last:
                    last = step.place.path
                    key = directory_key(self._relative(last))
                yield from self._batch(step, key)
            finally:
                os.close(step.fd)

    def _batch(self, step: Batch, key: bytes) -> Iterator[Entry]:
        parent = self._relative(step.place.path)
        above = parent + b"/" if parent else b""
        for listed in step.listed:
            name = listed.name
            yield Entry.named(key + b"\x01" + name + b"\0", above + name, step.fd, name)

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
            below = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=self._held)
            os.close(self._held)
            self._held = below
        return Entry.there(other_key(raw), raw, self._held, name)

    def close(self) -> None:
        """Let go of the directory that was opened last."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


class _Described(Entry):
    """A directory, known by its record."""

    __slots__ = ("record",)
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
    :raises StorageError: if it cannot be looked at.
    """
    real = Path(os.path.realpath(path))
    try:
        status = real.lstat()
    except FileNotFoundError as err:
        raise NotFoundError("compare", path, "it is not there") from err
    except OSError as err:
        raise durable.storage_error("compare", path, err) from err
    if stat.S_ISDIR(status.st_mode):
        return Walked(real, [os.fsencode(real)])
    return Single(real, os.fsencode(real.name) if raw is None else raw)
