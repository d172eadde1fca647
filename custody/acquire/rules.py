"""What to leave out of a walk, and what a path that was left out gets for an outcome."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import translate

from custody import clock
from custody.acquire import mounts
from custody.acquire.mounts import Mount
from custody.formats import canonical

LONGEST_PATH = 262_144
DEEPEST = 4_096
LARGEST_FILE = canonical.LARGEST_INTEGER  # planted sparse files can claim 8 EiB


@dataclass(frozen=True, slots=True)
class Left:
    """Why a path was left out: its *outcome* and a reason in words."""

    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of one collection.

    :ivar exclude: globs; with a slash they match the whole path, without one any name.
    :ivar max_size: the largest file to read, in bytes; None for no limit.
    :ivar since: leave out files that were not changed since; None for no limit.
    :ivar rate: how many bytes to read a second; 0 for no limit.
    :ivar one_file_system: leave out every mount below a source.
    :ivar destinations: (device, inode) of directories being written to.
    :ivar secrets: (device, inode) of the directories and files that hold our own keys and
        passphrases: no secret goes into a bundle.
    :ivar mounts: what is mounted where.
    :ivar named: the paths asked for, which no rule about mounts leaves out.
    :ivar silent: paths behind which nobody answers; to look at one would never end.
    """

    exclude: Sequence[str] = ()
    max_size: int | None = None
    since: datetime | None = None
    rate: int = 0
    one_file_system: bool = False
    destinations: frozenset[tuple[int, int]] = frozenset()
    secrets: frozenset[tuple[int, int]] = frozenset()
    mounts: Mapping[bytes, Mount] = field(default_factory=dict)
    named: frozenset[bytes] = frozenset()
    silent: frozenset[bytes] = frozenset()
    _patterns: list[tuple[bool, re.Pattern[str]]] = field(init=False, default_factory=list)
    _touched: set[bytes] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._touched.update(os.path.dirname(path) for path in (*self.mounts, *self.silent))
        for glob in self.exclude:
            pattern = re.compile(translate(glob.rstrip("/")))
            self._patterns.append(("/" in glob.rstrip("/"), pattern))

    def touch(self, directory: bytes) -> bool:
        """Whether anything in this directory may be left out by its path alone."""
        return bool(self._patterns) or directory in self._touched

    def excluded(self, path: bytes, name: bytes) -> Left | None:
        """Whether ``--exclude`` names this path."""
        for whole, pattern in self._patterns:
            if pattern.match(os.fsdecode(path if whole else name)):
                return Left("excluded", "excluded on request")
        return None

    def own(self, identity: tuple[int, int]) -> Left | None:
        """Whether this (device, inode) is the collection's own and never its object."""
        if identity in self.destinations:
            return Left("excluded", "the destination itself")
        if identity in self.secrets:
            return Left("excluded", "the secret keys of this collection itself")
        return None

    def mounted(self, path: bytes) -> Left | None:
        """Whether the directory is a mount to be left out; nothing is touched to find out."""
        mount = self.mounts.get(path)
        if mount is None or path in self.named:
            return None
        if mounts.may_hang(mount.kind):
            return Left("not-local", f"another file system ({mount.kind}); name it to collect it")
        if self.one_file_system:
            return Left("not-local", f"another file system ({mount.kind}), left out on request")
        if mount.kind in mounts.KERNEL:
            return Left("not-local", f"kernel file system ({mount.kind}); name it to collect it")
        return None

    def silent_in(self, directory: bytes) -> Iterator[bytes]:
        """Those of :attr:`silent` that are names in a directory."""
        return (path for path in self.silent if (path.rpartition(b"/")[0] or b"/") == directory)

    def left(self, status: os.stat_result) -> Left | None:
        """Whether a regular file is not to be read, and why."""
        return (
            self.own((status.st_dev, status.st_ino))
            or self.too_old(status)
            or self.too_large(status.st_size)
        )

    def too_old(self, status: os.stat_result) -> Left | None:
        """Whether ``--since`` leaves a file out.

        Times of content can be set back by whoever may write to a file, and that sets the time
        of its inode: a file counts as changed by the later of the two.
        """
        if self.since is None:
            return None
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        if changed >= int(self.since.timestamp()) * 1_000_000_000:
            return None
        return Left("excluded", f"not changed since {clock.rfc3339(self.since)}")

    def too_large(self, size: int) -> Left | None:
        """Whether a file is over ``--max-size``, or larger than a record can say."""
        limit = LARGEST_FILE if self.max_size is None else self.max_size
        if size > limit:
            return Left("limit-skipped", f"{size} bytes, over the limit of {limit}")
        return None

    def inside(self, path: bytes) -> bool:
        """Whether *path*, taken as it is written, lies in one of the sources."""
        while path not in self.named:
            if path in (b"/", b""):
                return False
            path = path.rpartition(b"/")[0] or b"/"
        return True

    def too_long(self, path: bytes, depth: int) -> Left | None:
        """Whether a directory lies too deep to follow."""
        if len(path) > LONGEST_PATH or depth > DEEPEST:
            return Left("limit-skipped", f"deeper than {DEEPEST} levels or {LONGEST_PATH} bytes")
        return None
