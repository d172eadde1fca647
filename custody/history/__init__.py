"""What happened to an item of a case, folded from its ledger: events, holders, gaps.

The ledger is derived again and judged on the way, by the verifier's own trust; what cannot be
judged, or is wrong, is shown all the same and said.  Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from custody import certifying
from custody.case import Case
from custody.errors import CustodyError
from custody.history import chain, clocks, docket, gaps, items, register, steps
from custody.history.dating import Dating
from custody.history.docket import Entry, Unread
from custody.history.items import Item
from custody.history.register import Register
from custody.history.signatures import Judge
from custody.history.values import (
    BundleFacts,
    Correction,
    FileFacts,
    Gap,
    Holder,
    Signature,
    Step,
    Timeline,
)
from custody.identity.trust import Trust
from custody.ledger.check import Progress, Report, check
from custody.ledger.judge import Verdict
from custody.ledger.memory import Memory
from custody.ledger.reader import LedgerReader, Published

__all__ = [
    "BundleFacts",
    "Correction",
    "FileFacts",
    "Gap",
    "Holder",
    "Item",
    "Signature",
    "Step",
    "Timeline",
    "find",
    "timeline",
]

_WRONG = ("bad", "late")
_OPEN = ("untrusted", "undated")


def timeline(
    source: Case | LedgerReader,
    item: str,
    trust: Trust,
    now: datetime,
    *,
    memory: Memory | None = None,
    given: Iterable[Published] = (),
    progress: Progress | None = None,
) -> Timeline:
    """Everything that happened to *item*, by the ledger of a case or by a ledger that lies alone.

    :param item: a bundle's id, an evidence number, the label of a copy, the path or the SHA-256
        of a file in a bundle, or the case's number; empty is the case.
    :param memory: what this verifier has seen of ledgers before.
    :param given: checkpoints of the ledger from paper, mail or another office.
    :raises NotFoundError: if there is no such item (the hint names the nearest), or no ledger.
    :raises FormatError: if the ledger's checkpoint is malformed: then nothing can be shown.
    :raises StorageError: if the system cannot read it.
    """
    case = source if isinstance(source, Case) else None
    ledger = source.ledger if isinstance(source, Case) else source
    # Of whatever origin it is: what lies there is shown, and that it is another's is a finding.
    entries, unread = docket.read(LedgerReader(ledger.directory))
    about = register.read(entries, () if case is None else _lying_there(case))
    about.case = about.case or ("" if case is None else case.case)
    found = items.find(item, about, None if case is None else case.bundles)
    dating = Dating(case, LedgerReader(ledger.directory), trust)
    # Desks are judged at the same trusted times as where the case is verified.
    believed = certifying.believe_ledger(trust, LedgerReader(ledger.directory), dating.latest)
    trust = believed.trust
    judge = Judge(trust, dating.latest)
    report = check(ledger.directory, ledger.origin, (), judge.verify_entry, progress,
                   memory=memory, given=given, policy=trust.policy)  # fmt: skip
    report = replace(report, findings=(*report.findings, *dating.bounds.findings))
    made = _fold(found, item, entries, unread, about, report, judge, dating, now)
    said = (f"{each.where}: {each.text}" for each in believed.said)
    return replace(made, remarks=(*made.remarks, *said))


def find(case: Case, item: str) -> Item:
    """The item of a case that somebody means, for an event about it.

    :raises NotFoundError: if there is none; the hint names the nearest.
    :raises FormatError: if the ledger's checkpoint is malformed.
    """
    entries, _ = docket.read(case.ledger)
    return items.find(item, register.read(entries, _lying_there(case)), case.bundles)


def _lying_there(case: Case) -> list[str]:
    try:
        return [name for name in case.bundle_names() if (case.bundles / name).is_dir()]
    except CustodyError:  # the ledger is shown all the same; verify says that they are gone
        return []


def _fold(
    found: Item,
    asked: str,
    entries: Sequence[Entry],
    unread: Sequence[Unread],
    about: Register,
    report: Report,
    judge: Judge,
    dating: Dating,
    now: datetime,
) -> Timeline:
    wanted = set(found.bundles) | ({""} if found.kind == "case" else set())
    concerned = (entry for entry in entries if about.about.get(entry.index, "") in wanted)
    told, wrong = steps.make(concerned, about, judge, dating)
    chains = [chain.of(told, bundle, about) for bundle in found.bundles]
    every = [gap for each in chains for gap in each.gaps] + wrong
    every += clocks.backwards(told, entries, now)
    every += _not_entered(found, told, about)
    every += [_unread(item, found.label) for item in unread]
    every += _called_alike(found, about)
    shown = [step for step in told if _is_about(step, found)]
    return Timeline(
        kind=found.kind,
        asked=asked,
        label=found.label,
        case=about.case,
        bundles=tuple(about.bundles[name] for name in found.bundles),
        files=found.files,
        steps=tuple(shown),
        holders=tuple(
            holder
            for each in chains
            for holder in each.holders
            if not found.copy or holder.copy == found.copy
        ),
        gaps=tuple(sorted(_of_item(every, shown, found), key=lambda gap: gap.entries)),
        ledger=report,
        verdict=_verdict(report, shown),
        now=now,
        remarks=tuple(remark for each in chains for remark in each.remarks),
    )


def _is_about(step: Step, found: Item) -> bool:
    """Whether a step belongs to the item, and not only to its bundle."""
    if found.kind == "copy":
        arrived = step.event is not None and register.is_arrival(step.event)
        return arrived or step.copy == found.copy
    if found.kind == "file":
        path = register.text(step.details, "path")
        return not path or any(path == file.path for file in found.files)
    return True


def _of_item(every: Iterable[Gap], shown: Sequence[Step], found: Item) -> list[Gap]:
    """The gaps of a copy are those that concern an entry about it."""
    if found.kind != "copy":
        return list(every)
    numbers = {step.index for step in shown}
    return [gap for gap in every if not gap.entries or numbers.intersection(gap.entries)]


def _not_entered(found: Item, told: Sequence[Step], about: Register) -> list[Gap]:
    arrived = {step.bundle for step in told if step.event and register.is_arrival(step.event)}
    missing = [name for name in found.bundles if name in about.there and name not in arrived]
    return [
        Gap(gaps.NOT_ENTERED, about.label(name), f"no entry says how {name} came into the case", ())
        for name in missing
    ]


def _called_alike(found: Item, about: Register) -> list[Gap]:
    """Copies of different bundles with one label: nobody can tell which of them a paper means."""
    bearers: dict[str, list[str]] = {}
    for bundle, copies in about.copies.items():
        for copy in copies:
            if not found.copy or copy == found.copy:
                bearers.setdefault(about.label(bundle, copy), []).append(bundle)
    return [
        gaps.called_alike(label, bundles)
        for label, bundles in bearers.items()
        if len(bundles) > 1 and not set(bundles).isdisjoint(found.bundles)
    ]


def _unread(item: Unread, label: str) -> Gap:
    why = f"entries {item.first} to {item.last} cannot be read: {item.why}"
    return Gap(gaps.UNREAD, label, why, (item.first, item.last))


def _verdict(report: Report, shown: Sequence[Step]) -> Verdict:
    signatures = [step.countersignature for step in shown if step.countersignature is not None]
    signatures += [step.signature for step in shown if step.signature.verdict == "bad"]
    if report.verdict == "failed" or any(item.verdict in _WRONG for item in signatures):
        return "failed"
    if report.verdict != "ok" or any(item.verdict in _OPEN for item in signatures):
        return "cannot-verify"
    return "ok"
