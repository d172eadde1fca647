"""Certificates that a host was given beforehand, and certificates in bundles.

``$CUSTODY_HOME/certificates/`` on the host has what the desk signed for its keys; whatever a key
of the host signs is published with the certificates for that key beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.certifying.events import ADDED, KeyEvent, read
from custody.errors import CustodyError, FormatError
from custody.formats import dsse

FOLDER = "certificates"


def held(folder: Path, fingerprint: str) -> Iterator[tuple[Path, bytes, KeyEvent]]:
    """The certificates for one key among the files in *folder*, sorted by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".json"))
    except OSError:
        return
    for path in paths:
        try:
            data = reading.read_regular(path, dsse.LARGEST_ENVELOPE)
            event = read(dsse.load(data))
        except CustodyError:  # it would help nobody in a bundle either
            continue
        if event is not None and event.kind == ADDED and event.fingerprint == fingerprint:
            yield path, data, event


def usable(event: KeyEvent, bundle: str, sealed_at: datetime) -> str:
    """Why a certificate says nothing for a bundle; empty if it does."""
    if event.bundle not in ("", bundle):
        return f"it is for the bundle {event.bundle} alone"
    if event.valid_from is not None and sealed_at < event.valid_from:
        return "it is not valid yet"
    if event.valid_until is not None and sealed_at >= event.valid_until:
        return "it is no longer valid"
    return ""


def lay(bundle: Path, data: bytes) -> Path:
    """Lay a signed event into a bundle; returns where it is.

    :raises StorageError: if it could not be written.
    """
    path = bundle / layout.event(data)
    durable.ensure_directory(path.parent)
    durable.create_or_equal(path, data)
    return path


def load(data: bytes) -> KeyEvent:
    """A signed event about a key, from a file.

    :raises FormatError: if it is something else.
    """
    event = read(dsse.load(data))
    if event is None:
        raise FormatError("read key event", None, "it is another event")
    return event
