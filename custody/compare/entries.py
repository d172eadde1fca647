"""One thing on one side of a comparison, and where it stands in the walk.

Keys sort as the walk goes: a directory, the other things in it, then each directory in it, names
as bytes.  Nothing is opened but what is, or was listed as, a regular file; no link is followed.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable, Sequence

from custody.acquire import metadata
from custody.acquire.listing import Listed
from custody.acquire.metadata import Record
from custody.formats import names

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
DIRECTORY_FLAGS = _FLAGS | getattr(os, "O_DIRECTORY", 0)
_NOATIME = getattr(os, "O_NOATIME", 0)
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}


def directory_key(raw: bytes) -> bytes:
    """The key of a directory; the keys of what is in it begin with it."""
    return b"".join(b"\x02" + part + b"\0" for part in raw.split(b"/") if part)


def other_key(raw: bytes) -> bytes:
    """The key of what is not a directory."""
    if names.is_fact(raw):  # before everything that has a path
        return b"\0" + raw
    if names.is_export(raw):  # after all that
        return b"\3" + raw
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
    :ivar name: its name in the open *directory*.
    :ivar listed: whether it was listed as a regular file, and not looked at since.
    """

    note = ""
    reason = ""
    status: os.stat_result | None = None
    listed = False
    directory: int | None = None
    name: bytes = b""

    def __init__(self, key: bytes, raw: bytes, kind: str) -> None:
        self.key = key
        self.raw = raw
        self.kind = kind

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
        entry.directory, entry.name = directory, name
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
        status = os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        self.kind = _KINDS.get(stat.S_IFMT(status.st_mode), SPECIAL)
        self.status = status

    def open(self) -> int:
        """A descriptor of a regular file; the caller closes it.

        :raises OSError: if it cannot be opened, or is no regular file any more.
        """
        return open_quietly(self.name, self.directory)

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
        return os.fsencode(os.readlink(self.name, dir_fd=self.directory))

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
        if self.kind is SPECIAL:
            found["device number"] = status.st_rdev
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


class Share:
    """Which paths one of several processes takes, by a checksum of their bytes.

    :ivar number: this process's number among the *of*.
    """

    __slots__ = ("number", "of")

    def __init__(self, number: int = 0, of: int = 1) -> None:
        self.number = number
        self.of = of

    def takes(self, raw: bytes) -> bool:
        """Whether this path is this process's."""
        return self.of == 1 or zlib.crc32(raw) % self.of == self.number

    def of_directory(self, above: bytes, names: Sequence[Listed]) -> Iterable[tuple[bytes, bool]]:
        """Those of the *names* in one directory that are this process's, and whether each is
        listed as a regular file.

        :param above: the directory's path, with a slash at its end, or empty.
        """
        if self.of == 1:
            return [(name, is_file) for name, _, is_file in names]
        start, of, number = zlib.crc32(above), self.of, self.number
        return [
            (name, is_file) for name, _, is_file in names if zlib.crc32(name, start) % of == number
        ]


EVERYTHING = Share()
