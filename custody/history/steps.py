"""From the entries of a ledger to the steps of a history, each judged and put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from custody import clock
from custody.errors import FormatError
from custody.formats.statement import Event
from custody.history import gaps, persons, register, signatures, telling
from custody.history.dating import Dating
from custody.history.docket import Entry
from custody.history.register import Register, text
from custody.history.signatures import Judge
from custody.history.values import Correction, Gap, Signature, Step

_COUNTS = ("trusted", "vouched")
_NO_RECEIPT = "what the entry embeds is not a receipt"
_ANOTHER = "it is a receipt for something else"


def make(
    entries: Iterable[Entry], about: Register, judge: Judge, dating: Dating
) -> tuple[list[Step], list[Gap]]:
    """Tell every entry as a step, oldest first.

    :param entries: all that may concern each other: a release and the receipt that answers it, an
        entry and its correction.
    :param dating: the trusted times of entries.
    :returns: the steps, and what is wrong with corrections among them.
    """
    steps: dict[int, Step] = {}
    releases: dict[str, Step] = {}
    for entry in entries:
        step = _step(entry, about, judge, releases)
        step = replace(step, existed=dating.of(entry.index))
        steps[entry.index] = step
        if entry.kind == register.RELEASED:
            releases.setdefault(entry.sha256, step)
    found = _apply_corrections(steps)
    return list(steps.values()), found


def _step(entry: Entry, about: Register, judge: Judge, releases: Mapping[str, Step]) -> Step:
    bundle = about.about.get(entry.index, "")
    signature = judge.entry(entry)
    event = entry.event
    if event is None:
        summary = f"an entry of a form that is not known here: {entry.why}"
        return Step(entry.index, entry.sha256, entry.kind, None, "", bundle, "",
                    about.label(bundle), "", "", signature, summary=summary)  # fmt: skip
    copy = register.copy_of(event)
    label = about.label(bundle, copy)
    release = releases.get(text(event.details, "release"))
    on_paper = event.details.get("paper") is True
    step = Step(
        index=entry.index,
        sha256=entry.sha256,
        kind=event.kind,
        event=event,
        time=clock.rfc3339(event.time),
        bundle=bundle,
        copy=copy,
        label=label,
        before=register.digest(event, "original", "released"),
        after=register.digest(event, "copy", "received") or register.pinned(event),
        signature=signature,
        release=None if release is None else release.index,
        on_paper=on_paper,
        summary=telling.sentence(event, label, on_paper=on_paper),
    )
    return _with_receipt(step, event, release, judge)


def _with_receipt(step: Step, event: Event, release: Step | None, judge: Judge) -> Step:
    """The same, with the receiver's own signature judged, where the entry embeds it."""
    if not register.is_recorded(event):
        return step
    before = step.before or ("" if release is None else release.before)
    step = replace(step, before=before)
    if "receipt" not in event.details:
        return step
    try:
        envelope, receipt = signatures.receipt_in(event.details)
    except FormatError as err:
        wrong = Signature("bad", "", "", f"{_NO_RECEIPT}: {err}")
        return replace(step, countersignature=wrong)
    signature = judge.receipt(step.index, envelope, receipt, _named_in(release))
    if not _answers(receipt, event):
        signature = replace(signature, verdict="bad", why=_ANOTHER)
    after = register.digest(receipt, "received") or step.after
    return replace(step, countersignature=signature, receipt=receipt, after=after)


def _answers(receipt: Event, event: Event) -> bool:
    """Whether a receipt is for the release that the entry names, and says the same of it."""
    if text(receipt.details, "release") != text(event.details, "release"):
        return False
    said = receipt.kind
    if said == register.RECEIVED and text(receipt.details, "verdict") == "failed":
        said = register.REFUSED  # it was signed for as something else than was released
    return said == event.kind


def _named_in(release: Step | None) -> frozenset[str]:
    """The receiver's key, as a release by a trusted key names it."""
    if release is None or release.signature.verdict not in _COUNTS:
        return frozenset()
    fingerprint = persons.fingerprint(persons.read(release.details.get("to")))
    return frozenset((fingerprint,) if fingerprint else ())


def _apply_corrections(steps: dict[int, Step]) -> list[Gap]:
    found = []
    for step in list(steps.values()):
        old = register.corrected(step.event)
        if step.event is None or old is None:
            continue
        why = _unfounded(step, steps.get(old))
        if why:
            sentence = f"entry {step.index} corrects entry {old}: {why}"
            found.append(Gap(gaps.UNFOUNDED_CORRECTION, step.label, sentence, (step.index,)))
            continue
        comment = step.event.words.get("comment", "")
        said = Correction(step.index, step.time, step.actor, comment)
        kept = steps[old].corrections
        steps[old] = replace(steps[old], corrections=(*kept, said))
    return found


def _unfounded(step: Step, old: Step | None) -> str:
    """Why a correction corrects nothing; empty where it does."""
    if old is None or old.index >= step.index:
        return "there is no such entry before it"
    if text(step.details, "entry_sha256") != old.sha256:
        return "it names that entry with another digest"
    if step.signature.verdict == "bad":
        return step.signature.why
    return ""
