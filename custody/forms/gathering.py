"""Everything that a form is made of: the bundle read and verified, and its history.

1. What the bundle says is read.
2. It is verified, and what was read must be what was verified.
3. Its history is folded from the ledger of the case, which is derived again on the way.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody import history
from custody.case import Case
from custody.errors import (
    CustodyError,
    DifferenceError,
    FormatError,
    NotFoundError,
    UsageError,
)
from custody.formats import dsse, statement
from custody.forms import item as items
from custody.forms import standing
from custody.forms.item import Item
from custody.forms.standing import Standing
from custody.history import items as named
from custody.history import register
from custody.history.values import Timeline
from custody.identity.trust import Trust
from custody.ledger.memory import Memory
from custody.ledger.reader import LedgerReader, Published
from custody.verify import kind_of, verify_bundle
from custody.verify.bundle import silent
from custody.verify.result import Progress

_NO_ITEM = "find item"  # what history was doing when it found none of that name
Source = Case | LedgerReader
"""Where history is read: a case, or a ledger that lies alone."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who asks: what they believe, what they have seen, and when.

    :ivar expect: the SHA-256 (hex) that the bundle's statement must have.
    :ivar named: the fingerprints of signers one of whom must have signed the statement.
    :ivar memory: what was seen of ledgers before.
    :ivar given: checkpoints from paper, mail or another office.
    """

    trust: Trust
    now: datetime
    expect: str | None = None
    named: Collection[str] = ()
    memory: Memory | None = None
    given: Sequence[Published] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a form is made of.

    :ivar bag: where the bundle is; None where only the ledger is left of it.
    :ivar timeline: None where no ledger was consulted, or where it is damaged beyond reading.
    :ivar damage: why the ledger could not be read; empty where it could, or none was consulted.
    :ivar title: what the case is called, by the entry that opened it.
    """

    item: Item
    bag: Path | None
    standing: Standing
    timeline: Timeline | None
    damage: str
    title: str


def gather(
    asked: Path, source: Source | None, verifier: Verifier, progress: Progress = silent
) -> Gathered:
    """Read and verify the bundle that is *asked* for, and read its history.

    :param asked: a bundle's directory; or, with a ledger, its id or its evidence number there.
    :param source: the case whose ledger is consulted, or a ledger that lies alone.
    :raises NotFoundError: if there is no such bundle, or the ledger knows none of that name.
    :raises UsageError: if several bundles bear the evidence number.
    :raises DifferenceError: if it changed while it was read, or if the bundle is to be looked up
        in a ledger that is damaged.
    """
    if asked.is_dir() or source is None:
        return _lying_there(asked, source, verifier, progress)
    timeline = _looked_up(source, str(asked), verifier)
    ids = [bundle.id for bundle in timeline.bundles]
    if timeline.kind != "bundle" or len(ids) != 1:
        why = f"it is not one bundle, but {_what(timeline)}"
        hint = f"name one bundle: {', '.join(ids[:8])}"
        raise UsageError("make the form", asked, why, hint=hint)
    if isinstance(source, Case) and named.is_name(ids[0]) and (source.bundles / ids[0]).is_dir():
        return _lying_there(source.bundles / ids[0], source, verifier, progress)
    gone = _gone(_ledger(source), ids[0], timeline)
    judged = standing.judge(gone, None, timeline)
    return Gathered(gone, None, judged, timeline, "", _title(_ledger(source)))


def _what(timeline: Timeline) -> str:
    if timeline.kind == "bundle":
        return f"{len(timeline.bundles)} that bear this number"
    return {"copy": "a copy of one", "file": "a file in one"}.get(timeline.kind, "the case")


def _ledger(source: Source) -> LedgerReader:
    return source.ledger if isinstance(source, Case) else source


def _lying_there(
    bag: Path, source: Source | None, verifier: Verifier, progress: Progress
) -> Gathered:
    if not bag.is_dir():
        hint = "name a bundle's directory; --case DIR lets you name its id"
        raise NotFoundError("make the form", bag, "there is no such bundle", hint=hint)
    if kind_of(bag) == "case":
        hint = f"name one of those in {bag / 'bundles'}"
        raise UsageError("make the form", bag, "it is a case; a form is of one bundle", hint=hint)
    found = items.read(bag)
    verified = verify_bundle(
        bag,
        verifier.trust,
        expect=verifier.expect,
        named=verifier.named,
        now=verifier.now,
        progress=progress,
    )
    items.require_same(found, verified)
    name = _name(bag, source, found)
    timeline, damage = _history(source, name, verifier)
    judged = standing.judge(found, verified, timeline, name=name, damage=damage)
    title = "" if source is None else _title(_ledger(source))
    return Gathered(found, bag, judged, timeline, damage, title)


def _name(bag: Path, source: Source | None, found: Item) -> str:
    """By which name the ledger is asked: in the case its place there, elsewhere its own word."""
    real = Path(os.path.realpath(bag))
    if isinstance(source, Case) and real.parent == Path(os.path.realpath(source.bundles)):
        return real.name
    return found.bundle


def _history(source: Source | None, name: str, verifier: Verifier) -> tuple[Timeline | None, str]:
    """The history of a bundle; or why the ledger cannot be read, which is a finding."""
    if source is None:
        return None, ""
    try:
        return _timeline(source, name, verifier), ""
    except (FormatError, NotFoundError) as err:
        if err.what == _NO_ITEM:
            raise
        return None, str(err)


def _looked_up(source: Source, name: str, verifier: Verifier) -> Timeline:
    try:
        return _timeline(source, name, verifier)
    except (FormatError, NotFoundError) as err:
        if err.what == _NO_ITEM:
            raise
        hint = "name the bundle's directory: its form says what is wrong with the ledger"
        raise DifferenceError("read ledger", None, str(err), hint=hint) from err


def _timeline(source: Source, name: str, verifier: Verifier) -> Timeline:
    return history.timeline(
        source, name, verifier.trust, verifier.now, memory=verifier.memory, given=verifier.given
    )


def _gone(ledger: LedgerReader, name: str, timeline: Timeline) -> Item:
    """What the ledger alone still says of a bundle: its statement, where that is an entry; or
    what the desk entered when it took it in.
    """
    for step in timeline.steps:
        if step.kind == register.SEALED:
            return items.of_statement(name, ledger.entry(step.index))
        if standing.pinned_by(step):
            return Item(name, intake={**step.details, "tag_manifest": step.after})
    return Item(name)


def _title(ledger: LedgerReader) -> str:
    """What the case is called, by its first entry; case.json is not signed."""
    try:
        event = statement.load(dsse.load(ledger.entry(0)).payload)
    except (FormatError, CustodyError):
        return ""
    return event.words.get("comment", "") if event.kind == "case-opened" else ""
