"""Walking the inventory as the collector walked the host, to compute every payload name again.

The records stand in the order of the walk: a directory, what else is in it, then each directory
in it, names ascending as bytes.  So the directories that are open at a time form a stack, and
what must be remembered is their names alone.  Only when a directory is left are all its names
known, and with them which of them a disk that ignores case cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Callable

from custody.acquire import outcomes
from custody.acquire.rules import DEEPEST
from custody.formats import names
from custody.formats.inventory import Brief, Piece

Found = Callable[[str, str, str, str], None]
"""Told path, expected, found and message of what is wrong."""

_MOST_OPEN = 4 * DEEPEST
_LONG = f"{names.PAYLOAD}/=~long/"


class _Frame:
    """A directory that is open: its names so far, by what is known of their payload names.

    *plain* are written as they are, *marked* as colliding; of *others* nothing tells.
    """

    __slots__ = (
        "component", "in_directories", "last", "lead", "marked", "name", "others", "parent_end",
        "plain",
    )  # fmt: skip

    def __init__(self, name: bytes, parent_end: int) -> None:
        self.name = name
        self.parent_end = parent_end
        self.component: str | None = None
        self.lead: str | None = None
        self.last: bytes | None = None
        self.in_directories = False
        self.plain: list[bytes] = []
        self.marked: list[bytes] = []
        self.others: list[bytes] = []

    @property
    def is_new(self) -> bool:
        return not (self.plain or self.marked or self.others or self.last)


class Retrace:
    """The walk made again; give it every record, then :meth:`finish` it."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._path = b""
        root = _Frame(b"", 0)
        root.component, root.lead = names.PAYLOAD, names.PAYLOAD + "/"
        self._frames = [root]
        self._begun = False
        self._fact: bytes | None = b""  # the last one; None when something else came
        self._export = b""

    def take(self, record: Brief) -> None:
        """The next record of the inventory."""
        if names.is_fact(record.raw):
            self._take_fact(record)
            return
        self._fact = None
        if names.is_export(record.raw):
            self._take_export(record)
        elif self._export:
            self._wrong(record, "exports of journals last", "something after an export")
        else:
            self._take_path(record)

    def _take_path(self, record: Brief) -> None:
        """What became of a path of the host."""
        if record.outcome == outcomes.MISSING:
            if self._begun:
                self._wrong(record, "before all others", "a missing source after the walk began")
            return
        self._begun = True
        raw = record.raw
        if raw in (self._path, b"/") and record.payload is None:
            self._itself(record)
            return
        parent, _, name = raw.rpartition(b"/")
        if not raw.startswith(b"/") or name in (b"", b".", b"..") or b"\0" in raw:
            self._wrong(record, "an absolute path", "no path that a walk comes by")
            return
        while len(self._path) > len(parent):
            self._leave()
        if self._path != parent:
            self._wrong(record, "a directory before what is in it", "the order is not a walk's")
            return
        self._enter(self._frames[-1], record, name)

    def _take_fact(self, record: Brief) -> None:
        """Facts about the host come first, in the order of their names."""
        plain = record.moved_from is None and record.piece is None
        if not (plain and names.is_fact_name(record.raw) and record.outcome in _MADE):
            self._wrong(record, "a fact", "no fact that is taken from a host")
            return
        if self._fact is None or record.raw <= self._fact:
            self._wrong(record, "facts first, names ascending", "a fact out of its order")
            return
        self._fact = record.raw
        self._made(record, "the payload's name is not that of the fact")

    def _take_export(self, record: Brief) -> None:
        """Exports of journals come last, in the order of their names."""
        plain = record.moved_from is None and record.piece is None
        if not (plain and names.is_export_name(record.raw) and record.outcome in _MADE):
            self._wrong(record, "an export", "no export that is made of a journal")
            return
        if record.raw <= self._export:
            self._wrong(record, "names ascending", "an export out of its order")
            return
        self._export = record.raw
        self._made(record, "the payload's name is not that of the export")

    def _made(self, record: Brief, why: str) -> None:
        """The payload's name of what custody itself made, and of which no path was asked for."""
        expected = f"{names.PAYLOAD}/{record.raw.decode('ascii')}"
        if record.payload not in (None, expected):
            self._found(record.payload or "", expected, record.payload or "", why)

    def finish(self) -> None:
        """The inventory has ended."""
        while len(self._frames) > 1:
            self._leave()
        self._settle(self._frames[0])

    def _itself(self, record: Brief) -> None:
        """A directory's own second record, or the root's first."""
        top = self._frames[-1]
        at_root = record.raw == b"/" and len(self._frames) == 1
        unreadable = record.outcome == outcomes.UNREADABLE
        if not top.is_new or not (unreadable or (at_root and record.outcome == "directory")):
            self._wrong(record, "each path once", "a directory is recorded twice")

    def _enter(self, top: _Frame, record: Brief, name: bytes) -> None:
        listed = name
        if record.piece is not None:  # one path may have pieces of several files
            if name != top.last:
                self._order(top, record, name)
        elif record.moved_from is not None:
            before, _, listed = record.moved_from.rpartition(b"/")
            if before != self._path:
                self._wrong(record, "a name beside it", "it was moved from another directory")
        elif not _is_late(record):
            self._order(top, record, name)
        if record.piece is not None and record.payload is not None:
            top.others.append(name)
            self._piece(record, record.piece)
        elif record.payload is not None:
            self._payload(top, record, name, listed)
        elif record.outcome != outcomes.DIRECTORY:
            top.others.append(listed)
        elif len(self._frames) > _MOST_OPEN:
            self._wrong(record, f"at most {_MOST_OPEN} levels", "too deep a tree")
        else:
            self._frames.append(_Frame(name, len(self._path)))
            self._path = record.raw

    def _order(self, top: _Frame, record: Brief, name: bytes) -> None:
        is_directory = record.outcome == outcomes.DIRECTORY
        if top.last is not None and name <= top.last:
            if top.in_directories:
                self._wrong(record, "names ascending, each once", "the order is not a walk's")
                return
            top.in_directories = True
        elif is_directory:
            top.in_directories = True
        top.last = name

    # ---- payload names

    def _payload(self, top: _Frame, record: Brief, name: bytes, listed: bytes) -> None:
        payload = record.payload or ""
        late = record.moved_from is not None
        if payload.startswith(_LONG):
            top.others.append(listed)
            self._long(record, name, late=late)
            return
        base = self._base(top, payload)
        plain = names.component_name(name)
        if base == plain and not late and len(payload) <= names.LONGEST_NAME:
            # Over 200 bytes the two spellings are one, and nothing tells which it is.
            (top.plain if len(plain) <= names.LONGEST_COMPONENT else top.others).append(listed)
            return
        marked = names.component_name(name, marked=True)
        if base == marked and len(payload) <= names.LONGEST_NAME:
            (top.others if late else top.marked).append(listed)
            return
        top.others.append(listed)
        self._found(
            payload,
            f"{top.lead or ''}{marked if late else plain}",
            payload,
            "the payload's name is not the one that its path makes",
        )

    def _piece(self, record: Brief, piece: Piece) -> None:
        expected = names.piece_name(record.raw, piece.generation)
        if record.payload != expected:
            why = "the payload's name is not the one that its path and generation make"
            self._found(record.payload or "", expected, record.payload or "", why)

    def _base(self, top: _Frame, payload: str) -> str | None:
        """The last component, if those before it are those of the open directories."""
        if top.lead is None and not self._learn(payload):
            return None
        lead = top.lead or ""
        base = payload[len(lead) :]
        return base if payload.startswith(lead) and "/" not in base else None

    def _learn(self, payload: str) -> bool:
        """Learn how the open directories are written from the first payload below them."""
        parts = payload.split("/")
        if len(parts) != len(self._frames) + 1 or parts[0] != names.PAYLOAD:
            return False
        lead = names.PAYLOAD + "/"
        for frame, part in zip(self._frames[1:], parts[1:], strict=False):
            if frame.component is None:
                if part not in _spellings(frame.name):
                    return False
                frame.component = part
            elif frame.component != part:
                return False
            lead += part + "/"
            frame.lead = lead
        return True

    def _long(self, record: Brief, name: bytes, *, late: bool) -> None:
        expected = names.long_name(record.raw)
        if record.payload != expected:
            why = "the payload's name is not the digest of its path"
            self._found(record.payload or "", expected, record.payload or "", why)
        # How an open directory is written may not be known yet; then the longer way is taken.
        spelled = [_spellings(name)[1 if late else 0 :]]
        spelled += [
            (frame.component,) if frame.component else _spellings(frame.name)
            for frame in self._frames[1:]
        ]
        longest = len(names.PAYLOAD) + sum(1 + max(map(len, each)) for each in spelled)
        if longest <= names.LONGEST_NAME:
            why = "a path that is short enough is written as a digest"
            self._found(record.payload or "", "a readable name", "a digest", why)

    # ---- leaving a directory

    def _leave(self) -> None:
        frame = self._frames.pop()
        self._settle(frame)
        above = self._frames[-1]
        plain, marked = _spellings(frame.name)
        if frame.component is None or plain == marked:
            above.others.append(frame.name)
        else:
            (above.plain if frame.component == plain else above.marked).append(frame.name)
        self._path = self._path[: frame.parent_end]

    def _settle(self, frame: _Frame) -> None:
        """All names of a directory are known: are the marked ones those that collide?"""
        if not (frame.plain or frame.marked):
            return
        colliding = names.colliding(frame.plain + frame.marked + frame.others)
        place = names.encode(self._path)
        for name in frame.marked:
            if name not in colliding:
                why = "a name is marked as colliding and collides with nothing"
                self._found(f"{place}: {names.encode(name)}", "no mark", "a mark", why)
        if colliding:
            for name in frame.plain:
                if name in colliding:
                    why = "a name collides with another on disks that ignore case, and is unmarked"
                    self._found(f"{place}: {names.encode(name)}", "a mark", "no mark", why)

    def _wrong(self, record: Brief, expected: str, message: str) -> None:
        shown = record.raw.decode("utf-8", "backslashreplace")
        self._found(shown, expected, record.outcome, f"the inventory is not in order: {message}")


def _spellings(name: bytes) -> tuple[str, str]:
    """The payload name of a component, without and with the mark."""
    return names.component_name(name), names.component_name(name, marked=True)


def _is_late(record: Brief) -> bool:
    """Whether a record may stand after its directory's others: it was settled at the end."""
    if record.outcome == outcomes.ROTATED:
        return record.payload is None
    return record.outcome in (outcomes.VANISHED, outcomes.ROTATED_UNFINISHED)


def size_problem(record: Brief) -> str:
    """Why the sizes in a record cannot lead to its outcome; empty if they can."""
    size, before, after = record.size, record.before, record.after
    if record.payload is None:
        return "" if record.outcome not in _ALWAYS_PAYLOAD else "an outcome that has a payload"
    if record.outcome not in _WITH_PAYLOAD:
        return "an outcome that has no payload"
    if before is None or after is None:
        return "no size before or after reading"
    if record.piece is not None:
        return _piece_problem(record, record.piece)
    if record.outcome == outcomes.COLLECTED and size == before == after and size:
        return ""  # as nearly all of them are
    endless = before == 0 and after == 0
    good = {
        outcomes.COLLECTED: size > 0 and (size == before == after or endless),
        outcomes.EMPTY: size == before == after == 0,
        outcomes.GREW: size == before < after,
        outcomes.CHANGED: size == before == after,
        outcomes.TRUNCATED: size < before or after < before,
        outcomes.ROTATED: size == before <= after or endless,
        outcomes.LIMIT_SKIPPED: endless,
        outcomes.UNREADABLE: True,
    }[record.outcome]
    return "" if good else f"{size} bytes of {before}, then {after}"


def _piece_problem(record: Brief, piece: Piece) -> str:
    """The same for a piece of a watched file: it ends where the file did when it was read."""
    end, after = piece.offset + piece.length, record.after or 0
    good = {
        outcomes.COLLECTED: after == end and record.size > 0,
        outcomes.EMPTY: after == end == 0,
        outcomes.GREW: after > end and record.size > 0,
        outcomes.TRUNCATED: after < end,
        outcomes.ROTATED: after >= end,
    }.get(record.outcome, False)
    if good and record.before == end:
        return ""
    return f"{record.size} bytes from {piece.offset}, of {record.before}, then {record.after}"


_MADE = frozenset((outcomes.COLLECTED, outcomes.EMPTY, outcomes.UNREADABLE, outcomes.LIMIT_SKIPPED))
_ALWAYS_PAYLOAD = frozenset((outcomes.COLLECTED, outcomes.GREW, outcomes.EMPTY, outcomes.TRUNCATED))
_WITH_PAYLOAD = _ALWAYS_PAYLOAD | {
    outcomes.CHANGED, outcomes.ROTATED, outcomes.LIMIT_SKIPPED, outcomes.UNREADABLE,
}  # fmt: skip
