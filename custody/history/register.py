"""What the ledger of a case is about: its bundles, their evidence numbers and their copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from custody.formats import bagit
from custody.formats.statement import Event
from custody.history.docket import Entry
from custody.history.values import BundleFacts

SEALED, RECEIVED, COPIED, RELEASED = "sealed", "received", "copied", "released"
REFUSED, CORRECTED, DISPOSED, OPENED = "refused", "corrected", "disposed", "case-opened"


@dataclass(slots=True)
class Register:
    """The bundles of a case, and which entry is about which.

    :ivar case: the number of the case, as its first entry has it; else empty.
    :ivar bundles: by id, in the order in which the ledger first speaks of them.
    :ivar numbers: every evidence number that a bundle was given; the last is its own.
    :ivar copies: the copies of each bundle: ``C1`` and the label that its entry gives it.
    :ivar about: the bundle that each entry is about, by the entry's number; empty for the case.
    :ivar there: the names of the bundles that lie in the case's directory.
    """

    case: str = ""
    bundles: dict[str, BundleFacts] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    copies: dict[str, dict[str, str]] = field(default_factory=dict)
    about: dict[int, str] = field(default_factory=dict)
    there: frozenset[str] = frozenset()

    def label(self, bundle: str, copy: str = "") -> str:
        """What a bundle or a copy of it is called.

        A copy is called what its entry says is written on it, if that is a name of its own.
        """
        facts = self.bundles.get(bundle)
        name = facts.label if facts is not None else bundle
        if not copy:
            return name or self.case
        written = self.copies.get(bundle, {}).get(copy, "")
        own = {f"{each}/{copy}" for each in (bundle, *self.numbers.get(bundle, ()))}
        return written if written in own else f"{name}/{copy}"


def read(entries: Iterable[Entry], lying_there: Iterable[str] = ()) -> Register:
    """Read the register from the entries.

    :param lying_there: the names of the bundles in the case's directory.
    """
    register = Register(there=frozenset(lying_there))
    listed = list(entries)
    for entry in listed:
        event = entry.event
        if event is None:
            continue
        if event.kind == OPENED and not register.case:
            register.case = event.words.get("case", "")
        _bundle(register, event)
    for name in sorted(register.there):
        register.bundles.setdefault(name, BundleFacts(name, "", name, ""))
    for entry in listed:
        register.about[entry.index] = _about(register, entry.event)
    for entry in listed:  # a correction is about what the entry is about that it corrects
        old = corrected(entry.event)
        if old is not None:
            register.about[entry.index] = register.about.get(old) or register.about[entry.index]
    return register


def _bundle(register: Register, event: Event) -> None:
    name = _name(event)
    if not name:
        return
    known = register.bundles.get(name, BundleFacts(name, "", name, ""))
    number, sha256 = known.evidence_number, known.sha256
    if is_arrival(event):
        said = text(event.details, "evidence_number")
        number = said or number
        if said and said not in register.numbers.setdefault(name, []):
            register.numbers[name].append(said)
        sha256 = sha256 or pinned(event)
    register.bundles[name] = BundleFacts(name, number, number or name, sha256)
    copy = copy_of(event)
    if copy:
        label = text(event.details, "label")
        register.copies.setdefault(name, {}).setdefault(copy, label)


def _name(event: Event) -> str:
    """The bundle that an event speaks of by itself; empty where it is about the case."""
    named = text(event.details, "bundle")
    return named or (event.words.get("item", "") if event.kind == SEALED else "")


def _about(register: Register, event: Event | None) -> str:
    if event is None:
        return ""
    item = event.words.get("item", "")
    return _name(event) or (item if item in register.bundles else "")


def is_arrival(event: Event) -> bool:
    """Whether a bundle came into the case by this event, sealed into it or taken in."""
    if event.kind == SEALED:
        return True
    if event.kind != RECEIVED or is_recorded(event) or copy_of(event):
        return False
    return text(event.details, "verdict") != "failed"


def is_recorded(event: Event) -> bool:
    """Whether a receipt, or a refusal, is of somebody else who was given something."""
    return event.kind in (RECEIVED, REFUSED) and "received_by" in event.details


def corrected(event: Event | None) -> int | None:
    """The number of the entry that an event corrects, if it corrects one."""
    if event is None or event.kind != CORRECTED:
        return None
    index = event.details.get("entry")
    return index if type(index) is int else None


def copy_of(event: Event) -> str:
    """The numbered copy that an event is about, such as ``C1``; else empty."""
    return text(event.details, "copy")


def pinned(event: Event) -> str:
    """The digest of the tag manifest under which a bundle came into the case."""
    wanted = (bagit.TAG_MANIFEST_NAME, "received")
    return next((item.sha256 for item in event.subjects if item.name in wanted), "")


def digest(event: Event, *names: str) -> str:
    """The SHA-256 of the first subject that has one of these names; else empty."""
    return next((item.sha256 for item in event.subjects if item.name in names), "")


def text(details: Mapping[str, Any], name: str) -> str:
    """A detail that is a text; empty where it is none."""
    said = details.get(name)
    return said if isinstance(said, str) else ""
