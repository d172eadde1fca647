"""Which names a bundle may have, and what lies beside the sealed part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from custody.bundle import layout, tree
from custody.bundle.multiset import Summary
from custody.bundle.tree import Listing
from custody.errors import CustodyError
from custody.formats import bagit
from custody.verify.docket import Docket

LAYOUT = 1

_IN_CUSTODY = frozenset(Path(name).name for name in (layout.INVENTORY, layout.ACQUISITION))
_IN_SEAL = {
    Path(name).name: name
    for name in (
        layout.COUNTERSIGNATURES, layout.TIMESTAMPS, layout.RECEIPTS, layout.EVENTS,
    )
}  # fmt: skip
_DIRECTORIES = (layout.PAYLOAD, "custody", layout.SEAL)
_SHA256_NAME = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


@dataclass(slots=True)
class Inside:
    """What was found in a bundle.

    :ivar payload_sum: the sum of the names of all payload files (:mod:`custody.bundle.multiset`).
    :ivar payload_is_plain: all of it could be listed, and it is regular files alone.
    :ivar additions: the files in each directory of ``seal/``, by the directory's path.
    :ivar attachments: the files of each attachment, by the directory's path.
    """

    summary: Summary = field(default_factory=Summary)
    payload_sum: int = 0
    payload_is_plain: bool = False
    additions: dict[str, list[str]] = field(default_factory=dict)
    attachments: dict[str, list[str]] = field(default_factory=dict)


def inspect(bag: Path, docket: Docket) -> Inside:
    """List everything in the bundle; what has no place there becomes a finding.

    :raises CustodyError: if the bundle itself cannot be listed.
    """
    inside = Inside()
    top = tree.look(bag, "")
    _top(top, docket)
    if "custody" in top.directories:
        _custody(bag, docket)
    if layout.SEAL in top.directories:
        _seal(bag, inside, docket)
    if layout.ATTACHMENTS in top.directories:
        inside.attachments = attachments(bag, LAYOUT, docket)
    if layout.PAYLOAD in top.directories:
        _payload(bag, inside, docket)
    docket.shown(LAYOUT, "only known names, and no link, device or FIFO")
    return inside


def _top(top: Listing, docket: Docket) -> None:
    _strange(docket, "", top)
    for name in (*top.files, *top.directories):
        if name == bagit.FETCH_NAME:
            why = "the bag asks for payload to be fetched from elsewhere"
            docket.found(LAYOUT, name, "nothing", "a file", why)
        elif name not in layout.TOP_LEVEL:
            docket.found(LAYOUT, name, "nothing", "something", "a name that no bundle has")
    if layout.ATTACHMENTS in top.files:
        docket.found(LAYOUT, layout.ATTACHMENTS, "a directory", "a file", "not what a bundle has")
    for name in _DIRECTORIES:
        if name not in top.directories:
            docket.found(LAYOUT, name, "a directory", "nothing", "a part of the bundle is missing")


def _look(bag: Path, path: str, docket: Docket, number: int = LAYOUT) -> Listing | None:
    try:
        listing = tree.look(bag, path)
    except CustodyError as err:
        docket.trouble(number, path, "a directory", err)
        return None
    _strange(docket, path + "/", listing, number)
    return listing


def _strange(docket: Docket, prefix: str, listing: Listing, number: int = LAYOUT) -> None:
    for name in listing.others:
        why = "evidence is kept in regular files and directories only"
        docket.found(number, prefix + name, "a file", "a link, a device, a FIFO or a socket", why)


def _custody(bag: Path, docket: Docket) -> None:
    listing = _look(bag, "custody", docket)
    if listing is None:
        return
    for name in (*listing.files, *listing.directories):
        if name not in _IN_CUSTODY:
            docket.found(LAYOUT, f"custody/{name}", "nothing", "something", _UNKNOWN)


_UNKNOWN = "a name that no bundle has"


def _seal(bag: Path, inside: Inside, docket: Docket) -> None:
    listing = _look(bag, layout.SEAL, docket)
    if listing is None:
        return
    for name in listing.files:
        if f"{layout.SEAL}/{name}" != layout.STATEMENT:
            docket.found(LAYOUT, f"{layout.SEAL}/{name}", "nothing", "a file", _UNKNOWN)
    for name in listing.directories:
        if name not in _IN_SEAL:
            docket.found(LAYOUT, f"{layout.SEAL}/{name}", "nothing", "a directory", _UNKNOWN)
            continue
        path = _IN_SEAL[name]
        _flat(bag, path, inside.additions, docket)


def _flat(
    bag: Path, path: str, into: dict[str, list[str]], docket: Docket, number: int = LAYOUT
) -> None:
    """A directory that holds files alone."""
    listing = _look(bag, path, docket, number)
    if listing is None:
        return
    for name in listing.directories:
        docket.found(number, f"{path}/{name}", "a file", "a directory", _UNKNOWN)
    into[path] = listing.files


def attachments(root: Path, number: int, docket: Docket) -> dict[str, list[str]]:
    """The attachments of a bundle or a case: the files in each, by its directory's path.

    :param number: the check that a strange name belongs to.
    """
    found: dict[str, list[str]] = {}
    listing = _look(root, layout.ATTACHMENTS, docket, number)
    if listing is None:
        return found
    for name in listing.files:
        docket.found(number, f"{layout.ATTACHMENTS}/{name}", "a directory", "a file", _UNKNOWN)
    for name in listing.directories:
        path = f"{layout.ATTACHMENTS}/{name}"
        if _SHA256_NAME.match(name):
            _flat(root, path, found, docket, number)
        else:
            docket.found(number, path, "64 hex digits", name, "not the name of an attachment")
    return found


def _payload(bag: Path, inside: Inside, docket: Docket) -> None:
    total = 0
    inside.payload_is_plain = True
    for part in tree.walk(bag, layout.PAYLOAD):
        for name, why in part.strange:
            inside.payload_is_plain = False
            docket.found(LAYOUT, f"{part.path}/{name}", "a payload file", why, _NO_PAYLOAD)
        if part.error is not None:
            inside.payload_is_plain = False
            docket.trouble(LAYOUT, part.path, "a directory", part.error)
        total += inside.summary.of([payload_name(part.path, name) for name in part.files])
    inside.payload_sum = total


def payload_name(directory: str, name: str) -> bytes:
    """A payload file's name as the manifest would write it; odd bytes stay what they are."""
    return f"{directory}/{name}".encode("utf-8", "surrogateescape")


_NO_PAYLOAD = "something in the payload that is not a payload file"
