"""Where bundles go, and what a place must be for that."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from custody.acquire import answering
from custody.acquire.mounts import Mount
from custody.acquire.sources import Sources
from custody.case import Case
from custody.errors import CustodyError, InterruptedCollection, StorageError, UsageError
from custody.formats.vkey import VerifierKey
from custody.identity import protection
from custody.identity.signing import Signer

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where bundles go: a directory, or a case with the key of its ledger.

    :ivar signers: whose left-over bundles may be entered along with this one.
    :ivar alone: enter this bundle and look for no left-over ones, as a watch does that seals often.
    :ivar staging: what the name of an unfinished bundle begins with.
    :ivar stream: an open descriptor that a stream goes to, and then nothing to the directory.
    :ivar wait_seconds: how long to wait, at the end, while another process writes to the case.
    """

    directory: Path
    case: Case | None = None
    log_key: Signer | None = None
    signers: Sequence[VerifierKey] = ()
    wait_seconds: float = WAIT_SECONDS
    alone: bool = False
    staging: str = ""
    stream: int | None = None

    @property
    def bundles(self) -> Path:
        """Where the finished bundle is published."""
        return self.case.bundles if self.case else self.directory

    @property
    def incoming(self) -> Path:
        """Where it grows."""
        return self.case.incoming if self.case else self.directory / "incoming"


def refuse_inside(found: Sources, destination: Destination) -> None:
    """A source inside the destination would be evidence about ourselves, or grow while read."""
    if not found.image.is_host:  # nothing is ever written into an image
        return
    home = os.fsencode(os.path.realpath(destination.directory))
    for asked in found.asked:
        for path in asked.paths:
            if path == home or path.startswith(home.rstrip(b"/") + b"/"):
                raise UsageError(
                    "collect",
                    asked.text,
                    f"it lies inside the destination {destination.directory}; nothing was written",
                    hint="to look at what is there already, use custody verify",
                )


def require_answer(destination: Destination, all_mounts: Mapping[bytes, Mount]) -> None:
    """Wait for a dead server no longer than a moment, where it is to be written to.

    :raises StorageError: if it does not answer.
    """
    if answering.silent([os.fspath(destination.directory)], all_mounts):
        why = f"no answer within {answering.SECONDS:g} seconds; nothing was written"
        hint = "name another disk with --output"
        raise StorageError("collect into", destination.directory, why, hint=hint)


def own(destination: Destination) -> frozenset[tuple[int, int]]:
    """Device and inode of what is written to, as far as it is there."""
    if destination.stream is None:
        return identities([destination.directory, destination.incoming])
    status = os.fstat(destination.stream)
    return frozenset([(status.st_dev, status.st_ino)])


def identities(paths: Iterable[Path]) -> frozenset[tuple[int, int]]:
    """Device and inode of those that are there."""
    found = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def refuse_shared(destination: Destination) -> None:
    """Whoever else can write where a bundle grows could lead it elsewhere while it does.

    :raises StorageError: if ``incoming/`` is a link, another user's or writable for others, or
        the directory it is in lets everybody rename it.
    """
    found, above = destination.incoming.lstat(), destination.directory.stat()
    if protection.has_no_modes(found):
        return
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid())
    shared = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
    if not ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or shared:
        raise StorageError(
            "collect into",
            destination.incoming,
            "it is a link, another user's, or others can write there; nothing was collected",
            hint="name a directory of your own with --output",
        )


@contextmanager
def still_there(destination: Destination, staged: Path) -> Iterator[None]:
    """Say it in plain words where the disk was pulled out, or unmounted, while it was written to.

    What stands under that name then is the host's own directory, and nothing is written there.

    :raises StorageError: if *staged* is gone when something fails.
    """
    try:
        yield
    except InterruptedCollection:
        raise
    except CustodyError as err:
        if os.path.lexists(staged):
            raise
        why = "it is not there any more: the disk was pulled out or unmounted; nothing was sealed"
        hint = (
            "what was written by then is in incoming/ on that disk: mount it again, and run the"
            " same command with --resume"
        )
        raise StorageError("collect into", destination.directory, why, hint=hint) from err


def existing(directory: Path) -> Path:
    """The directory itself, or the nearest one above it that is there already."""
    place = Path(os.path.abspath(directory))
    while not os.path.exists(place):
        place = place.parent
    return place
