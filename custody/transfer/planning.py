"""A copy that may be made: the bundle, the place, and what an earlier run left there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from custody import case as cases
from custody import durable
from custody.acquire import mounts
from custody.bundle import layout, tree
from custody.errors import DifferenceError, NotFoundError, StorageError, UsageError
from custody.formats import bagit
from custody.transfer import offered

_ROOM = 4_096  # what a file takes up at least
_LARGEST_ON_FAT = (1 << 32) - 1

Strange = Callable[[str, str], None]
"""Told what is neither file nor directory, relative to the bundle, and why; it may raise."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A copy that may be made.

    :ivar staged: where it grows; *final* is where it will be.
    :ivar same_device: it would lie on the very device of the original.
    """

    bundle: Path
    staged: Path
    final: Path
    attachments: bool
    files: int
    bytes: int
    same_device: bool


@dataclass(slots=True)
class _Amount:
    """What is to be written.

    :ivar allocated: what it takes up where holes can be kept.
    """

    files: int = 0
    bytes: int = 0
    allocated: int = 0
    largest: int = 0

    def add(self, status: os.stat_result) -> None:
        self.files += 1
        self.bytes += status.st_size
        self.allocated += _allocated(status)
        self.largest = max(self.largest, status.st_size)


def prepare(bundle: Path, destination: Path, *, attachments: bool) -> Plan:
    """Look at both; nothing is written.

    :param destination: the directory that the copy will lie in, under the bundle's own name.
    :raises NotFoundError: if there is no bundle.
    :raises UsageError: if the destination lies in a bundle or a case, has a copy already, or has
        an unfinished one that may not be gone on with.
    :raises DifferenceError: if the bundle holds a link or a device.
    :raises StorageError: if something cannot be looked at, or there is not enough room.
    """
    if not _is_bundle(bundle):
        why, hint = "it is not there", ""
        if bundle.exists():
            why, hint = offered.no_bundle(bundle, is_directory=bundle.is_dir())
        raise NotFoundError("copy", bundle, f"{why}; nothing was written", hint=hint)
    real = Path(os.path.realpath(bundle))
    target = Path(os.path.realpath(destination))
    _refuse_inside(target, destination, real)
    place = _existing(target, destination)
    final = target / real.name
    require_free(final)
    amount = _Amount()
    for name in names(real, attachments=attachments, strange=refusal(real)):
        amount.add(_status(real / name))
    staged = target / "incoming" / real.name
    written = _look_at_staged(staged, real, attachments=attachments)
    _require_room(destination, place, amount, written)
    same = _status(place).st_dev == _status(real).st_dev
    return Plan(real, staged, final, attachments, amount.files, amount.bytes, same)


def require_free(final: Path) -> None:
    """Make sure that no finished copy is there.

    :raises UsageError: if there is one, or anything else of that name.
    """
    if os.path.lexists(final):
        why = "it exists already; nothing was overwritten"
        raise UsageError("copy to", final, why, hint=f"custody verify {final}")


def names(bag: Path, *, attachments: bool, strange: Strange) -> Iterator[str]:
    """Every regular file in the bag, relative to it; anything else is told to *strange*."""
    top = tree.look(bag, "")
    for name in top.others:
        strange(name, "a link, or not a regular file")
    yield from top.files
    for directory in top.directories:
        if directory == layout.ATTACHMENTS and not attachments:
            continue
        for part in tree.walk(bag, directory):
            if part.error is not None:
                raise part.error
            for name, why in part.strange:
                strange(f"{part.path}/{name}", why)
            for name in part.files:
                yield f"{part.path}/{name}"


def refusal(bag: Path) -> Strange:
    """For a bundle in which nothing strange is borne: tell it, and it raises DifferenceError."""

    def strange(where: str, why: str) -> None:
        hint = f"custody verify {bag}"
        raise DifferenceError(
            "copy", where, f"{why}; the bundle is not as it was sealed", hint=hint
        )

    return strange


def _is_bundle(path: Path) -> bool:
    try:
        return (path / bagit.DECLARATION_NAME).is_file() and (path / layout.SEAL).is_dir()
    except OSError as err:
        raise durable.storage_error("copy", path, err) from err


def _refuse_inside(target: Path, destination: Path, bundle: Path) -> None:
    """What is sealed or kept as a whole would not be that any more with a copy in it."""
    for above in (target, *target.parents):
        if above == bundle:
            what = "the bundle itself"
        elif _is_bundle(above):
            what = f"the bundle {above}"
        elif os.path.lexists(above / cases.RECORD):
            what = f"the case {above}"
        else:
            continue
        why = f"the destination lies in {what}; nothing was written"
        raise UsageError("copy to", destination, why, hint="name a directory elsewhere")


def _existing(directory: Path, destination: Path) -> Path:
    """The directory itself, or the nearest one above it that is there."""
    place = directory
    while True:
        try:
            status = place.stat()
        except OSError as err:
            if err.errno not in (errno.ENOENT, errno.ENOTDIR) or place == place.parent:
                raise durable.storage_error("copy to", destination, err) from err
            place = place.parent
            continue
        if stat.S_ISDIR(status.st_mode):
            return place
        why = f"{place} is not a directory; nothing was written"
        raise UsageError("copy to", destination, why)


def _look_at_staged(staged: Path, bundle: Path, *, attachments: bool) -> int:
    """How much an interrupted run has written already.

    Somebody else may have prepared what is there: a link would lead what is written elsewhere,
    and what the copy is not to have would be published with it.
    """
    total = 0
    if os.path.lexists(staged.parent):
        _require(staged.parent, stat.S_ISDIR)
    if not os.path.lexists(staged):
        return 0
    _require(staged, stat.S_ISDIR)
    for above, directories, files in os.walk(staged, onerror=_refuse_unread):
        for name in directories:
            path = Path(above, name)
            _require(path, stat.S_ISDIR)
            if path == staged / layout.ATTACHMENTS and not attachments:
                raise _unwanted(path, "attachments, which this copy is to be without")
        for name in files:
            path = Path(above, name)
            total += _allocated(_require(path, stat.S_ISREG))
            if not os.path.lexists(bundle / path.relative_to(staged)):
                raise _unwanted(path, "a file that the bundle does not have")
    return total


def _refuse_unread(err: OSError) -> None:
    raise durable.storage_error("copy to", err.filename, err) from err


def _require(path: Path, is_kind: Callable[[int], bool]) -> os.stat_result:
    status = _status(path)
    if not is_kind(status.st_mode):
        raise _unwanted(path, "a link, or something else that no copy has")
    return status


def _unwanted(path: Path, what: str) -> UsageError:
    why = f"left by an earlier run or by somebody else: {what}; nothing was written"
    return UsageError("copy to", path, why, hint=f"look at {path}, remove it, and copy again")


def _require_room(destination: Path, place: Path, amount: _Amount, written: int) -> None:
    mount = mounts.of(os.fsencode(place), mounts.read())
    on_fat = mount is not None and mount.kind in mounts.FAT
    if on_fat and mount and mount.kind != "exfat" and amount.largest > _LARGEST_ON_FAT:
        why = (
            f"a file of {amount.largest} bytes does not fit on {mount.kind}, which ends at 4 GiB;"
            " nothing was written"
        )
        raise StorageError("copy to", destination, why, hint="use a disk with another file system")
    try:
        space = os.statvfs(place)
    except OSError as err:
        raise durable.storage_error("copy to", destination, err) from err
    needed = (amount.bytes if on_fat else amount.allocated) + amount.files * _ROOM - written
    free = space.f_bavail * space.f_frsize
    if needed > free:
        why = f"{needed} bytes are needed and {free} are free; nothing was written"
        raise StorageError("copy to", destination, why, hint="name another disk")


def _allocated(status: os.stat_result) -> int:
    """What a file takes up, without its holes, where the system tells."""
    return min(status.st_size, getattr(status, "st_blocks", status.st_size) * 512)


def _status(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as err:
        raise durable.storage_error("copy", path, err) from err
