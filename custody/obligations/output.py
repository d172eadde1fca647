"""An assessment as ``custody.obligations/v1``: the same bytes for the same record and day."""

from __future__ import annotations

import json
from typing import Any

from custody.obligations.assess import EVALUATOR, Assessment, Change, ChoiceMade, Duty
from custody.obligations.pack import NOT_SPECIFIED, Citation, Pack

SCHEMA = "custody.obligations/v1"
DISCLAIMER = (
    "An interpretation of the cited sources for people who decide; not the law, not legal advice."
)


def dump(assessment: Assessment) -> bytes:
    """The document as ASCII, indented, with a final newline: what ``--json`` prints too."""
    return (json.dumps(as_json(assessment), indent=2) + "\n").encode()


def as_json(assessment: Assessment) -> dict[str, Any]:
    """The document as a value."""
    packs = {pack.id: pack for pack in assessment.packs}
    return {
        "schema": SCHEMA,
        "disclaimer": DISCLAIMER,
        "evaluator": EVALUATOR,
        "packs": [_pack(pack) for pack in assessment.packs],
        "incident_sha256": assessment.record.sha256,
        "as_of": assessment.as_of.isoformat(),
        "entered": list(assessment.entered),
        "what_if": list(assessment.what_if),
        "changes": [_change(change) for change in assessment.changes],
        "duties": [duty_json(duty, packs[duty.pack]) for duty in assessment.duties],
        "choices": [_choice(made) for made in assessment.choices],
        "not_evaluated": [
            {
                "id": entry.id,
                "title": entry.title,
                "why": entry.why,
                "status": entry.status,
                "needs": list(entry.needs),
            }
            for entry in assessment.not_evaluated
        ],
        "contradictions": [
            {"text": entry.text, "facts": list(entry.facts)} for entry in assessment.contradictions
        ],
    }


def _pack(pack: Pack) -> dict[str, str]:
    return {
        "id": pack.id,
        "version": pack.version,
        "sha256": pack.sha256,
        "checked_on": pack.checked_on.isoformat(),
    }


def duty_json(duty: Duty, pack: Pack, *, expand: bool = False) -> dict[str, Any]:
    """One duty; *expand* also shows the trees of the rules that it asks for."""
    rule, done_on = duty.rule, duty.progress.done_on
    titles = {source.id: source.title for source in pack.sources}
    return {
        "id": rule.id,
        "pack": duty.pack,
        "kind": rule.kind,
        "title": rule.title,
        "who": rule.who,
        "recipient": rule.recipient,
        "answer": duty.answer,
        "holds": duty.holds,
        "needs": list(duty.needs),
        "by_when": _by_when(duty),
        "content": [content.item for content in rule.content],
        "missing_content": [
            {"item": missing.item, "needs": list(missing.facts)}
            for missing in duty.progress.missing
        ],
        "method": rule.method,
        "force": rule.force,
        "confidence": rule.confidence,
        "in_force": {
            "from": rule.in_force_from.isoformat() if rule.in_force_from else NOT_SPECIFIED,
            "until": rule.in_force_until.isoformat() if rule.in_force_until else NOT_SPECIFIED,
        },
        "sources": [
            {"id": place.source, "at": place.at, "title": titles[place.source]}
            for place in rule.sources
        ],
        "because": duty.because.as_json(expand=expand),
        "done_on": done_on.isoformat() if done_on else None,
        "notes": list(duty.notes),
    }


def _by_when(duty: Duty) -> dict[str, Any]:
    due = duty.by_when
    shown: dict[str, Any] = {"words": due.words, "date": due.day}
    if due.since is not None and due.elapsed is not None:
        shown["since"] = due.since.isoformat()
        shown["days_elapsed"] = due.elapsed
    if due.needs:
        shown["needs"] = list(due.needs)
    return shown


def _choice(made: ChoiceMade) -> dict[str, Any]:
    choice = made.choice
    return {
        "id": choice.id,
        "question": choice.question,
        "reading": choice.reading,
        "other": choice.other,
        "sources": [_citation(place) for place in choice.sources],
        "changes": [_change(change) for change in made.changes],
    }


def _change(change: Change) -> dict[str, str]:
    return {"id": change.rule, "answer": change.answer, "other_answer": change.other}


def _citation(place: Citation) -> dict[str, str]:
    return {"id": place.source, "at": place.at}
