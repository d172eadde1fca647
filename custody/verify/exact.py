"""Where long lists turn out to differ: the exact comparison, a part of the names at a time."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from custody import reading
from custody.bundle import content, layout, tree
from custody.bundle.content import Line
from custody.counted import counted
from custody.errors import CustodyError, FormatError
from custody.findings import Finding
from custody.formats import inventory
from custody.formats.inventory import Brief
from custody.verify.inventory import lines
from custody.verify.layout import payload_name

_PART = 200_000  # names at a time
_MOST_PARTS = 64


class _Part:
    """The names that are compared in one round."""

    def __init__(self, number: int, parts: int) -> None:
        self._number = number
        self._parts = parts

    def has(self, name: str | bytes) -> bool:
        return hash(name) % self._parts == self._number


def _parts(count: int) -> Iterator[_Part]:
    parts = min(count // _PART + 1, _MOST_PARTS)
    return (_Part(number, parts) for number in range(parts))


def _manifest(bag: Path) -> Iterator[Line]:
    for line in content.manifest_lines(bag):
        if not isinstance(line, Finding):
            yield line


def _on_disk(bag: Path) -> Iterator[bytes]:
    for part in tree.walk(bag, layout.PAYLOAD):
        yield from (payload_name(part.path, name) for name in part.files)


def _payloads(bag: Path) -> Iterator[Brief]:
    for line in lines(bag):
        try:
            record = inventory.brief(line)
        except FormatError:
            continue
        if record.payload is not None:
            yield record


def unlisted(bag: Path, count: int) -> Iterator[Finding]:
    """Files that no line names, and lines that name a file again; missing ones are known."""
    for part in _parts(count):
        names = (line.name.encode() for line in _manifest(bag))
        listed = Counter(name for name in names if part.has(name))
        for name, times in listed.items():
            if times > 1:
                why = "the manifest names a file more than once"
                yield Finding(name.decode(), "one line", f"{counted(times, 'line')}", why)
        for name in _on_disk(bag):
            if part.has(name) and name not in listed:
                shown = name.decode("utf-8", "surrogateescape")
                why = "a payload file that the manifest does not name"
                yield Finding(shown, "nothing", "a file", why)


def disagreement(bag: Path, count: int) -> Iterator[Finding]:
    """How the inventory's payload differs from the manifest's."""
    different = False
    for part in _parts(count):
        for finding in _disagreement(bag, part):
            different = True
            yield finding
    if not different:
        why = "the inventory's payload is not in the order of the manifest"
        yield Finding(layout.INVENTORY, "the manifest's order", "another", why)


def _disagreement(bag: Path, part: _Part) -> Iterator[Finding]:
    listed = {line.name: line.sha256 for line in _manifest(bag) if part.has(line.name)}
    seen: set[str] = set()
    for record in _payloads(bag):
        name = record.payload or ""
        if not part.has(name):
            continue
        if name in seen:
            yield Finding(name, "one record", "several", "the inventory has a payload twice")
        elif name not in listed:
            why = "the inventory has a payload that the manifest does not name"
            yield Finding(name, "a line in the manifest", "none", why)
        elif listed[name] != record.sha256:
            why = "manifest and inventory give a file two digests"
            yield Finding(name, f"sha256:{listed[name]}", f"sha256:{record.sha256}", why)
        seen.add(name)
    for name in listed.keys() - seen:
        why = "a payload file that the inventory does not tell of"
        yield Finding(name, "a record", "none", why)


def sizes(bag: Path) -> Iterator[Finding]:
    """The records whose size is not the file's."""
    for record in _payloads(bag):
        name = record.payload or ""
        size = _size(bag, name)
        if size != record.size:
            why = "the size in the inventory is not the file's"
            yield Finding(name, f"{size} bytes", f"{record.size} bytes", why)


def _size(bag: Path, name: str) -> int | None:
    try:
        with reading.open_beneath(bag, name) as fd:
            status = os.fstat(fd)
    except CustodyError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
