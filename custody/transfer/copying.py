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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from custody import durable, pump, reading
from custody.bundle import content, layout
from custody.bundle.content import Hash, Line
from custody.bundle.payload import Payload
from custody.bundle.renamed import require_kept
from custody.errors import DifferenceError, StorageError
from custody.findings import Finding
from custody.formats import bagit, dsse
from custody.pump import Pump
from custody.transfer.planning import Plan, Strange, names, prepare, refusal, require_free

__all__ = ["Copied", "Plan", "Strange", "held", "make", "prepare", "publish", "write"]

FROM_DEVICE = "read back from the device, past the system's cache"
CACHE_DROPPED = "read back after the system was asked to drop its cached pages"
PERHAPS_CACHED = "read back, perhaps from the system's cache"

_READ_BACK_WORKERS = 4
_DIRECT = getattr(os, "O_DIRECT", 0)

Progress = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done, and how many of each there are."""


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


@contextmanager
def held(plan: Plan) -> Iterator[None]:
    """Keep the unfinished copy to oneself, from before :func:`make` until after :func:`publish`.

    :raises LockedError: if another process makes this very copy.
    :raises UsageError: if another has finished it meanwhile.
    :raises StorageError: if its directory cannot be made.
    """
    with durable.private_umask():
        durable.ensure_directory(plan.staged / layout.PAYLOAD)
    with durable.lock_directory(plan.staged):
        require_free(plan.final)
        yield


def make(plan: Plan, progress: Progress = lambda *_: None) -> Copied:
    """Write the copy in ``incoming/``, make it durable, read it back and compare.

    The caller holds it (:func:`held`).

    :raises StorageError: if it cannot be written, or reads back as something else.
    :raises DifferenceError: if the original is not what its own manifest says.
    """
    taken_over = write(plan, refusal(plan.bundle), progress)
    pinned = _read_back(plan, progress)
    return Copied(pinned, _how(plan.staged), taken_over)


def write(plan: Plan, strange: Strange, progress: Progress = lambda *_: None) -> int:
    """Write the copy in ``incoming/`` and make it durable; what it is worth is not looked at.

    :returns: how many files an interrupted run had written.
    :raises StorageError: if it cannot be read or written.
    :raises DifferenceError: if a file becomes shorter meanwhile.
    """
    with durable.private_umask():
        durable.ensure_directory(plan.staged / layout.PAYLOAD)
        taken_over = _write(plan, strange, progress)
        fd = os.open(plan.staged, os.O_RDONLY)
        try:
            durable.sync_file_system(fd)
        except OSError as err:
            raise durable.storage_error("copy to", plan.staged, err) from err
        finally:
            os.close(fd)
    return taken_over


def publish(plan: Plan) -> None:
    """Give the finished copy its name, in one step.

    :raises ExistsError: if something stands there by now.
    :raises StorageError: if it could not be moved, or was lost in the move.
    """
    statement = reading.read_beneath(plan.staged, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    durable.publish(plan.staged, plan.final)
    require_kept(plan.final, statement)
    with suppress(OSError):  # another copy may be under way there
        plan.staged.parent.rmdir()


def _write(plan: Plan, strange: Strange, progress: Progress) -> int:
    payload = Payload(plan.staged)
    files = size = taken_over = 0
    try:
        with Pump() as large:
            for name in names(plan.bundle, attachments=plan.attachments, strange=strange):
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


def _read_back(plan: Plan, progress: Progress) -> str:
    """Everything as the device has it: payload against the manifest, the rest against the bag.

    :returns: the digest of the tag manifest.
    """
    pinned = manifest = ""
    all_names = names(plan.bundle, attachments=plan.attachments, strange=refusal(plan.bundle))
    for name in all_names:
        if name.startswith(f"{layout.PAYLOAD}/"):
            continue
        digest = _same(plan, name)
        if name == bagit.TAG_MANIFEST_NAME:
            pinned = digest
        elif name == bagit.MANIFEST_NAME:
            manifest = digest
    parsed = hashlib.sha256()
    files = size = 0
    seen = content.read_payload(
        plan.staged, _lines(plan, parsed), fresh=True, workers=_READ_BACK_WORKERS,
        tick=lambda: None,
    )  # fmt: skip
    for one in seen:
        files, size = files + 1, size + one.size
        progress(files, size, plan.files, plan.bytes)
        if one.difference() is not None:
            raise _blame(plan, one.line)
    if parsed.hexdigest() != manifest:  # what is parsed must be what was compared
        raise _unreliable(plan, bagit.MANIFEST_NAME)
    return pinned


def _lines(plan: Plan, parsed: Hash) -> Iterator[Line]:
    for line in content.manifest_lines(plan.staged, parsed):
        if isinstance(line, Finding):
            raise DifferenceError(
                "copy", line.path, line.message, hint=f"custody verify {plan.bundle}"
            )
        yield line


def _same(plan: Plan, name: str) -> str:
    """The digest of a file that must be the same in the bundle and in the copy.

    :raises StorageError: if it is not.
    """
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
        digests.append(digest.hexdigest())
    if digests[0] != digests[1]:
        raise _unreliable(plan, name)
    return digests[0]


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
