"""After a bundle got its name: is it all still there?"""

from __future__ import annotations

from pathlib import Path

from custody import reading
from custody.bundle import layout
from custody.errors import CustodyError, StorageError
from custody.formats import dsse


def require_kept(bundle: Path, envelope: bytes) -> None:
    """Make sure that the rename kept what it moved: some drivers for FAT lose it.

    :param envelope: the bundle's statement, as it was before.
    :raises StorageError: if it did not.
    """
    reason: CustodyError | None = None
    try:
        there = reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    except CustodyError as err:
        there, reason = b"", err
    if there != envelope:
        why = "the file system lost its content when it was renamed"
        hint = "do not rely on this disk or its driver; use another"
        raise StorageError("publish", bundle, why, hint=hint) from reason
