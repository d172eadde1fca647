"""A history as Markdown: for a file, a mail, a page; nothing in it can act."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from custody.cli.terminal import console
from custody.counted import counted

if TYPE_CHECKING:
    from custody.history import Signature, Step, Timeline
    from custody.obligations.blocks import Block

_FIELDS = ("purpose", "authority", "place", "method", "comment")
_VERDICTS = {"ok": "ok", "failed": "FAILED", "cannot-verify": "could not be verified"}
_HEADERS = ("entry", "time (UTC)", "who", "what", "why, where, how", "SHA-256", "signatures")


def page(found: Timeline) -> str:
    """The whole history as one document."""
    from custody.obligations import blocks

    return blocks.markdown(_blocks(found))


def _blocks(found: Timeline) -> Iterator[Block]:
    from custody.obligations.blocks import Bullets, Fields, Heading, Paragraph, Table

    yield Heading(1, _safe(f"History of {found.kind} {found.label}"))
    yield Fields(tuple((name, _safe(value)) for name, value in _facts(found)))
    troubles = [*found.ledger.findings, *found.ledger.not_checked]
    if troubles:
        yield Bullets(tuple(_safe(f"{item.path}: {item.message}") for item in troubles))
    yield Heading(2, "Who has it")
    yield Bullets(tuple(_safe(item.sentence) for item in found.holders) or ("nobody is shown",))
    yield Heading(2, "Gaps")
    yield Bullets(
        tuple(
            _safe(f"{item.sentence} (entries {', '.join(map(str, item.entries)) or 'none'})")
            for item in found.gaps
        )
        or ("none",)
    )
    if found.remarks:
        yield Bullets(tuple(_safe(f"remark: {remark}") for remark in found.remarks))
    yield Heading(2, "What happened")
    yield Paragraph("Times are by each signer's own clock.")
    yield Table(_HEADERS, tuple(tuple(map(_safe, _row(step))) for step in found.steps))


def _facts(found: Timeline) -> Iterator[tuple[str, str]]:
    report = found.ledger
    yield "Verdict", _VERDICTS[found.verdict]
    yield "Case", found.case
    yield (
        "Ledger",
        f"{report.origin}, {counted(report.size or 0, 'entry')}, {_VERDICTS[report.verdict]}",
    )
    if report.root is not None:
        yield "Root", report.root.hex()
    for bundle in found.bundles:
        yield "Bundle", f"{bundle.id} {bundle.evidence_number}".strip()
    for file in found.files:
        yield "File", f"{file.path} in {file.bundle}: {file.outcome} {file.sha256}".strip()


def _row(step: Step) -> tuple[str, ...]:
    from custody.history import persons

    why = [f"{name}: {step.words[name]}" for name in _FIELDS if step.words.get(name)]
    fixed = [
        f"corrected by entry {item.index}, {item.time}, {persons.written(item.actor)}:"
        f" {item.comment}"
        for item in step.corrections
    ]
    signed = [_signature("entry", step.signature)]
    if step.countersignature is not None:
        signed.append(_signature("receiver", step.countersignature))
    return (
        str(step.index),
        step.time,
        persons.written(step.actor),
        "; ".join([step.summary, *fixed]),
        "; ".join(why),
        _digests(step),
        "; ".join(signed),
    )


def _digests(step: Step) -> str:
    if step.before == step.after or not step.before:
        return step.after
    return f"before {step.before}" + (f", after {step.after}" if step.after else "")


def _signature(whose: str, signature: Signature) -> str:
    return f"{whose}: {signature.verdict}, {signature.name or signature.fingerprint[:16]}"


def _safe(text: str) -> str:
    return console.safe(text)
