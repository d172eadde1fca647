"""Copy a bundle: into ``incoming/`` at the destination, synced, re-read, and only then published.

The order is the order of what is promised: every file written; one sync; everything read back
from the device and compared; verified as a bundle and entered by the caller; and last the final
name, in one step.  A crash before that leaves a copy that the same command takes up again, and
enters again; never a copy that nobody entered.
What an interrupted run left in ``incoming/`` is taken up again, because all of it is read back
whoever wrote it.  The original is only read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from custody import durable, pump, reading
from custody.bundle import content, layout, tree
from custody.bundle.content import Line
from custody.bundle.payload import Payload
from custody.errors import DifferenceError, NotFoundError, StorageError, UsageError
from custody.findings import Finding
from custody.formats import bagit
from custody.pump import Pump

FROM_DEVICE = "read back from the device, past the system's cache"
CACHE_DROPPED = "read back after the system was asked to drop its cached pages"
PERHAPS_CACHED = "read back, perhaps from the system's cache"

_READ_BACK_WORKERS = 4
_DIRECT = getattr(os, "O_DIRECT", 0)
_ROOM = 4_096  # what a file takes up at least

Progress = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done, and how many of each there are."""


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


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made and read back, and is not published yet.

    :ivar pinned: the SHA-256 of its tag manifest, hex, which is that of the original's.
    :ivar how: from where it was read back.
    :ivar taken_over: how many files an interrupted run had written.
    """

    pinned: str
    how: str
    taken_over: int


def prepare(bundle: Path, destination: Path, *, attachments: bool) -> Plan:
    """Look at both; nothing is written.

    :param destination: the directory that the copy will lie in, under the bundle's own name.
    :raises NotFoundError: if there is no bundle.
    :raises UsageError: if the destination lies in the bundle, or has a copy already.
    :raises DifferenceError: if the bundle holds a link or a device.
    :raises StorageError: if there is not enough room.
    """
    if not (bundle / bagit.DECLARATION_NAME).is_file() or not (bundle / layout.SEAL).is_dir():
        why = "there is no bundle" if bundle.exists() else "it is not there"
        raise NotFoundError("copy", bundle, f"{why}; nothing was written")
    real = Path(os.path.realpath(bundle))
    target = Path(os.path.realpath(destination))
    if target.is_relative_to(real):
        why = "the destination lies in the bundle itself; nothing was written"
        raise UsageError("copy to", destination, why, hint="name a directory elsewhere")
    final = target / real.name
    if os.path.lexists(final):
        why = "it exists already; nothing was overwritten"
        raise UsageError("copy to", final, why, hint=f"custody verify {final}")
    staged = target / "incoming" / real.name
    files = size = 0
    for name in _names(real, attachments=attachments):
        files += 1
        size += (real / name).lstat().st_size
    place = _existing(target)
    try:
        space = os.statvfs(place)
    except OSError as err:
        raise durable.storage_error("copy to", destination, err) from err
    needed = size + files * _ROOM - _written(staged)
    if needed > space.f_bavail * space.f_frsize:
        free = space.f_bavail * space.f_frsize
        why = f"{needed} bytes are needed and {free} are free; nothing was written"
        raise StorageError("copy to", destination, why, hint="name another disk")
    same = place.stat().st_dev == real.stat().st_dev
    return Plan(real, staged, final, attachments, files, size, same)


def make(plan: Plan, progress: Progress = lambda *_: None) -> Copied:
    """Write the copy in ``incoming/``, make it durable, read it back and compare.

    :raises StorageError: if it cannot be written, or reads back as something else.
    :raises DifferenceError: if the original is not what its own manifest says.
    """
    with durable.private_umask():
        durable.ensure_directory(plan.staged / layout.PAYLOAD)
        taken_over = _write(plan, progress)
        fd = os.open(plan.staged, os.O_RDONLY)
        try:
            durable.sync_file_system(fd)
        except OSError as err:
            raise durable.storage_error("copy to", plan.staged, err) from err
        finally:
            os.close(fd)
    _read_back(plan, progress)
    pinned = reading.read_beneath(plan.staged, bagit.TAG_MANIFEST_NAME, layout.LARGEST_TAG_FILE)
    return Copied(hashlib.sha256(pinned).hexdigest(), _how(plan.staged), taken_over)


def publish(plan: Plan) -> None:
    """Give the finished copy its name, in one step.

    :raises ExistsError: if something stands there by now.
    :raises StorageError: if it could not be moved.
    """
    durable.publish(plan.staged, plan.final)
    with suppress(OSError):  # another copy may be under way there
        plan.staged.parent.rmdir()


def _names(bag: Path, *, attachments: bool) -> Iterator[str]:
    """Every regular file in the bag, relative to it.

    :raises DifferenceError: if there is anything that is neither file nor directory.
    """
    top = tree.look(bag, "")
    _refuse_strange(bag, "", [(name, "a link, or not a regular file") for name in top.others])
    yield from top.files
    for directory in top.directories:
        if directory == layout.ATTACHMENTS and not attachments:
            continue
        for part in tree.walk(bag, directory):
            if part.error is not None:
                raise part.error
            _refuse_strange(bag, part.path, part.strange)
            for name in part.files:
                yield f"{part.path}/{name}"


def _refuse_strange(bag: Path, path: str, strange: list[tuple[str, str]]) -> None:
    for name, why in strange:
        where = f"{path}/{name}".lstrip("/")
        hint = f"custody verify {bag}"
        raise DifferenceError(
            "copy", where, f"{why}; the bundle is not as it was sealed", hint=hint
        )


def _existing(directory: Path) -> Path:
    while not directory.exists():
        directory = directory.parent
    return directory


def _written(staged: Path) -> int:
    """How much an interrupted run has written already."""
    total = 0
    for directory, _, names in os.walk(staged):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total


def _write(plan: Plan, progress: Progress) -> int:
    payload = Payload(plan.staged)
    files = size = taken_over = 0
    try:
        with Pump() as large:
            for name in _names(plan.bundle, attachments=plan.attachments):
                with reading.open_beneath(plan.bundle, name) as source:
                    length = os.fstat(source).st_size
                    if _has(plan.staged / name, length):
                        taken_over += 1
                    else:
                        _copy(plan, payload, large, name, source, length)
                files, size = files + 1, size + length
                progress(files, size, plan.files, plan.bytes)
    finally:
        payload.close()
    return taken_over


def _has(path: Path, length: int) -> bool:
    """Whether an earlier run wrote this file to its end; if it wrote less, that is removed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as err:
        raise durable.storage_error("copy to", path, err) from err
    if status.st_size == length and not path.is_symlink():
        return True
    durable.discard([path])
    return False


def _copy(plan: Plan, payload: Payload, large: Pump, name: str, source: int, length: int) -> None:
    target = payload.create(name, length > pump.CHUNK)
    try:
        copied = large.copy(source, target, length)
    finally:
        os.close(target)
    if copied.error is not None:
        raise durable.storage_error("read", plan.bundle / name, copied.error) from copied.error
    if copied.length != length:
        why = "it became shorter while it was copied"
        raise DifferenceError("copy", plan.bundle / name, why, hint=f"custody verify {plan.bundle}")


def _read_back(plan: Plan, progress: Progress) -> None:
    """Everything as the device has it: payload against the manifest, the rest against the bag."""
    for name in _names(plan.bundle, attachments=plan.attachments):
        if not name.startswith(f"{layout.PAYLOAD}/") and not _is_same(plan, name):
            raise _unreliable(plan, name)
    files = size = 0
    seen = content.read_payload(
        plan.staged, _lines(plan), fresh=True, workers=_READ_BACK_WORKERS, tick=lambda: None
    )
    for one in seen:
        files, size = files + 1, size + one.size
        progress(files, size, plan.files, plan.bytes)
        if one.difference() is not None:
            raise _blame(plan, one.line)


def _lines(plan: Plan) -> Iterator[Line]:
    for line in content.manifest_lines(plan.staged):
        if isinstance(line, Finding):
            raise DifferenceError(
                "copy", line.path, line.message, hint=f"custody verify {plan.bundle}"
            )
        yield line


def _is_same(plan: Plan, name: str) -> bool:
    digests = []
    for root in (plan.bundle, plan.staged):
        digest = hashlib.sha256()
        with reading.open_beneath(root, name) as fd:
            if root is plan.staged and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            try:
                while piece := os.read(fd, pump.CHUNK):
                    digest.update(piece)
            except OSError as err:
                raise durable.storage_error("read", root / name, err) from err
        digests.append(digest.digest())
    return digests[0] == digests[1]


def _blame(plan: Plan, line: Line) -> DifferenceError | StorageError:
    """Whether the original is wrong already, or the copy alone."""
    (original,) = content.read_payload(
        plan.bundle, [line], fresh=False, workers=1, tick=lambda: None
    )
    if original.difference() is None:
        return _unreliable(plan, line.name)
    why = "it is not what the bundle's own manifest says; the copy was not published"
    hint = f"custody verify {plan.bundle}"
    return DifferenceError("copy", plan.bundle / line.name, why, hint=hint)


def _unreliable(plan: Plan, name: str) -> StorageError:
    why = "the copy reads back as something else; it was not published"
    hint = f"remove {plan.staged} and copy again, perhaps to another disk"
    return StorageError("read back", name, why, hint=hint)


def _how(staged: Path) -> str:
    """From where a file system gives back what was just synced."""
    if not hasattr(os, "posix_fadvise"):
        return PERHAPS_CACHED
    if not _DIRECT:
        return CACHE_DROPPED
    try:
        os.close(os.open(staged / bagit.MANIFEST_NAME, os.O_RDONLY | _DIRECT))
    except OSError:
        return CACHE_DROPPED
    return FROM_DEVICE
