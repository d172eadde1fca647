"""A bundle as one side of a comparison: its inventory's records, in their order.

Paths are the raw ones of the inventory; the payload name of each comes from its record.  The
bundle may be hostile: a name that leads out of it is refused, and every digest that the
inventory promises is held against the bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from custody import durable, reading
from custody.acquire import outcomes
from custody.bundle import content, layout
from custody.compare.entries import (
    DIRECTORY,
    EVERYTHING,
    FILE,
    LEFT_OUT,
    LINK,
    SPECIAL,
    Entry,
    Share,
    directory_key,
    left_out,
    open_quietly,
    other_key,
)
from custody.compare.sides import described
from custody.errors import CustodyError, DifferenceError, FormatError, NotFoundError, UsageError
from custody.formats import bagit, canonical, inventory, names
from custody.formats.inventory import Brief

_KINDS = {
    outcomes.DIRECTORY: DIRECTORY,
    outcomes.SYMLINK: LINK,
    outcomes.SPECIAL: SPECIAL,
}
_PIECE = 4_096
_VERIFY = "custody verify says all that is wrong with it"


class Bundle:
    """A bundle's content.

    :param base: the raw path that entries are relative to, without a slash at its end; records
        that are not beneath it are passed over.
    :param only: the one raw path that is wanted, if it is one.
    :param label: the path under which that one is matched.
    :param facts: compare facts about the host too, which nothing but another bundle has.
    """

    kind = "bundle"
    records = True

    def __init__(
        self,
        path: Path,
        base: bytes = b"",
        only: bytes | None = None,
        label: bytes = b"",
        *,
        facts: bool = False,
    ) -> None:
        self.path = path
        self.name = str(path)
        self.pin = pin(path)
        if only is not None:
            refuse_pieces(path)
        self._base = base
        self._prefix = base + b"/"
        self._only = only
        self._label = label
        self._facts = facts
        self._payload = _Payload(path)

    def entries(self, share: Share = EVERYTHING) -> Iterator[Entry]:
        """Every record that is not merely on the way to a source.

        :raises DifferenceError: at the end, if these were not the lines that are pinned.
        """
        offset, hashed = 0, hashlib.sha256()
        for line in lines(self.path, hashed):
            brief = parse(self.path, line)
            entry = self._entry(brief, line, offset)
            if entry is not None and (entry.kind is LEFT_OUT or share.takes(entry.raw)):
                yield entry
            offset += len(line)
        if hashed.hexdigest() != self.pin.inventory:
            why = "its inventory is not what its tag manifest says"
            raise DifferenceError("compare bundle", self.path, why, hint=_VERIFY)

    def _entry(self, brief: Brief, line: bytes, offset: int) -> Entry | None:
        raw = self._relative(brief.raw)
        if raw is None or brief.outcome in (outcomes.MISSING, outcomes.VANISHED):
            return None
        if brief.payload is not None:
            entry = _Kept(other_key(raw), raw, FILE)
            entry.brief, entry.payload = brief, self._payload
            if brief.outcome in outcomes.GAPS:
                entry.note = f"it was collected as {brief.outcome}"
        elif brief.outcome in _KINDS:
            if b'"ancestor":true' in line:
                return None
            kind = _KINDS[brief.outcome]
            key = directory_key(raw) if kind is DIRECTORY else other_key(raw)
            entry = _Kept(key, raw, kind)
        elif brief.outcome == outcomes.EXCLUDED:
            return left_out(other_key(raw), raw, "")
        else:
            return left_out(other_key(raw), raw, f"the bundle has it as {brief.outcome}")
        entry.line, entry.offset = line, offset
        return entry

    def _relative(self, raw: bytes) -> bytes | None:
        if names.is_fact(raw) or names.is_export(raw):
            return raw if self._facts else None
        if self._only is not None:
            return self._label if raw == self._only else None
        if raw.startswith(self._prefix):
            return raw[len(self._prefix) :]
        return b"" if raw in (self._base, b"/") and raw == (self._base or b"/") else None

    def again(self, raw: bytes, where: str) -> Entry:
        """An entry by what :meth:`Entry.where` said: where its line is, and the line's digest."""
        offset, _, sha256 = where.partition(":")
        try:
            with reading.open_beneath(self.path, layout.INVENTORY) as fd:
                line = _line_at(fd, int(offset))
            if hashlib.sha256(line).hexdigest() != sha256:
                raise FileNotFoundError(errno.ENOENT, "the inventory was changed meanwhile")
            found = self._entry(inventory.brief(line), line, int(offset))
        except CustodyError as err:
            raise OSError(err.why or str(err)) from err
        if found is None or found.raw != raw:
            raise FileNotFoundError(errno.ENOENT, "the inventory has it elsewhere")
        return found

    def holds(self, path: bytes) -> bool:
        """Whether a real path lies in the bundle."""
        real = os.fsencode(os.path.realpath(self.path))
        return path == real or path.startswith(real + b"/")

    def close(self) -> None:
        """Let go of the payload directory that was used last."""
        self._payload.close()


class _Payload:
    """Opens payload files; the directory of the last one stays open for the next."""

    def __init__(self, bag: Path) -> None:
        self._bag = bag
        self._parent: str | None = None
        self._fd = -1

    def open(self, name: str) -> int:
        parent, _, last = name.rpartition("/")
        if not name.startswith("data/") or last in ("", ".", ".."):
            raise OSError(f"the payload name {name[:200]!r} does not lie in the bundle")
        if parent != self._parent:
            self.close()
            try:
                with reading.open_directory(self._bag, parent) as fd:
                    self._fd = os.dup(fd)
            except CustodyError as err:
                raise OSError(f"payload {name[:200]}: {err.why or err}") from err
            self._parent = parent
        return open_quietly(last, self._fd)

    def close(self) -> None:
        if self._parent is not None:
            os.close(self._fd)
            self._parent = None


class _Kept(Entry):
    """A record, and its payload if it has one."""

    line: bytes
    offset: int
    brief: Brief
    payload: _Payload

    def _described(self) -> dict[str, Any]:
        return dict(json.loads(self.line))  # it is strict already: the brief is made from it

    def open(self) -> int:
        return self.payload.open(self.brief.payload or "")

    def size(self) -> int:
        return self.brief.size if self.kind is FILE else 0

    def sealed(self) -> str:
        return self.brief.sha256 if self.kind is FILE else ""

    def target(self) -> bytes:
        record = self._described()
        return inventory.raw_path(record, "link_target") if "link_target" in record else b""

    def facts(self, fd: int | None) -> dict[str, Any]:  # noqa: ARG002 - an entry's signature
        return described(self._described(), directory=self.kind is DIRECTORY)

    def stamp(self) -> str:
        text = hashlib.sha256(self.line).hexdigest()[:32]
        if self.kind is not FILE:
            return text
        fd = self.open()
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return f"{text}.{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}"

    def where(self) -> str:
        return f"{self.offset}:{hashlib.sha256(self.line).hexdigest()}"


def _line_at(fd: int, offset: int) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < layout.LONGEST_RECORD:
        piece = os.pread(fd, _PIECE, offset + len(line))
        if not piece:
            break
        line += piece[: piece.find(b"\n") + 1 or len(piece)]
    return line


def lines(bag: Path, hashed: content.Hash | None = None) -> Iterator[bytes]:
    """The lines of a bundle's inventory.

    :param hashed: takes in the very bytes that are given.
    :raises DifferenceError: if there is none that can be read as one.
    """
    try:
        yield from content.bounded_lines(bag, layout.INVENTORY, layout.LONGEST_RECORD, hashed)
    except FormatError as err:
        raise _damaged(bag, "inventory", err.why) from err


def parse(bag: Path, line: bytes) -> Brief:
    """One record, strictly.

    :raises DifferenceError: if it is not one.
    """
    try:
        return inventory.brief(line)
    except FormatError as err:
        raise _damaged(bag, "inventory", err.why) from err


def _damaged(bag: Path, what: str, reason: str) -> DifferenceError:
    why = f"its {what} cannot be read: {reason}"
    return DifferenceError("compare bundle", bag, why, hint=_VERIFY)


def is_bundle(path: Path) -> bool:
    """Whether there is a bundle at *path*, by its own files.

    :raises StorageError: if that cannot be found out.
    """
    try:
        return (path / layout.INVENTORY).is_file() and (path / bagit.DECLARATION_NAME).is_file()
    except OSError as err:
        raise durable.storage_error("compare", path, err) from err


class Pin(NamedTuple):
    """The digest of a bundle's tag manifest, and of the inventory as that promises it."""

    sha256: str
    inventory: str


def pin(bag: Path) -> Pin:
    """What the whole of a bundle hangs on, read once.

    :raises DifferenceError: if there is no such tag manifest.
    :raises StorageError: if the system cannot read it.
    """
    try:
        data = reading.read_beneath(bag, bagit.TAG_MANIFEST_NAME, layout.LARGEST_TAG_FILE)
        promised = {
            name: sha256
            for sha256, name in map(bagit.parse_manifest_line, data.splitlines(keepends=True))
        }
        return Pin(hashlib.sha256(data).hexdigest(), promised[layout.INVENTORY])
    except KeyError as err:
        raise _damaged(bag, "tag manifest", "it does not name the inventory") from err
    except (FormatError, NotFoundError) as err:
        raise _damaged(bag, "tag manifest", err.why) from err


def acquisition(bag: Path) -> dict[str, Any]:
    """The acquisition record.

    :raises DifferenceError: if it is malformed.
    """
    try:
        data = reading.read_beneath(bag, layout.ACQUISITION, layout.LARGEST_ACQUISITION)
        return canonical.load_object(data.removesuffix(b"\n"))
    except (FormatError, NotFoundError) as err:
        raise _damaged(bag, "acquisition record", err.why) from err


def refuse_pieces(bag: Path) -> None:
    """Pieces of files cannot be held against whole ones.

    :raises UsageError: if the bundle is of a watch.
    """
    if "watch" in acquisition(bag):
        why = "it is of a watch: it holds pieces of files, and no whole ones"
        hint = "custody restore CASE PATH puts a watched file together"
        raise UsageError("compare bundle", bag, why, hint=hint)


def source_paths(bag: Path) -> list[bytes]:
    """The real paths that were asked for, there or not.

    From the acquisition record, or, where it had no room for all of them, from the inventory:
    what stands in a directory that only leads to it was asked for.

    :raises DifferenceError: if neither can be read.
    :raises UsageError: if the bundle is of a watch.
    """
    refuse_pieces(bag)
    try:
        asked = acquisition(bag).get("sources", [])
        if not any("paths_omitted" in one for one in asked):
            return [inventory.raw_path(path) for one in asked for path in one["paths"]]
    except (KeyError, TypeError, FormatError, AttributeError) as err:
        why = "its acquisition record does not say the sources as it should"
        raise DifferenceError("compare bundle", bag, why, hint=_VERIFY) from err
    ancestors, found = {b""}, []
    for line in lines(bag):
        raw = parse(bag, line).raw
        if b'"ancestor":true' in line:
            ancestors.add(raw)
        elif raw.rpartition(b"/")[0] in ancestors:
            found.append(raw)
    return found


def host_of(bag: Path) -> str:
    """The name of the host that a bundle was collected on; empty if it does not say."""
    host = acquisition(bag).get("host", {})
    return str(host.get("hostname", "")) if isinstance(host, dict) else ""
