"""The rows of the form: each change of hands once, with both sides; what else happened; the end.

A release and the receipt that answers it are one row, as on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from custody.formats.statement import Actor
from custody.history import persons
from custody.history.values import Signature, Step, Timeline

_VERDICTS: Mapping[str, str] = {
    "trusted": "good",
    "vouched": "good; the release names the key",
    "untrusted": "good, by a key that is not trusted here",
    "undated": "not judged: the key has an end, and no trusted time shows it is older",
    "late": "BAD: the key did not count at that time",
    "bad": "BAD",
}
_ANSWERS = ("received", "refused")
_HANDS = ("sealed", "released", *_ANSWERS)
ON_PAPER = "on paper, not countersigned"
NOT_RECEIVED = "no receipt is entered"


class Keys:
    """The keys that signed, numbered as they come: ``K1``, ``K2``."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, str]] = {}

    def name(self, signature: Signature, person: Actor) -> str:
        """The short name of the key of *signature*; empty where there is none."""
        fingerprint = signature.fingerprint
        if not fingerprint:
            return ""
        fields = {
            "key": f"K{len(self._seen) + 1}",
            "fingerprint": fingerprint,
            "holder": persons.written(person),
            "trusted_as": signature.name,
        }
        return self._seen.setdefault(fingerprint, fields)["key"]

    def listed(self) -> list[dict[str, str]]:
        """Every key: short name, fingerprint, who uses it by their own word, and ours."""
        return list(self._seen.values())


def transfers(timeline: Timeline, keys: Keys) -> list[dict[str, Any]]:
    """The changes of hands, in the order of the ledger."""
    answers: dict[int | None, list[Step]] = {}
    known = {step.index for step in timeline.steps if step.kind == "released"}
    for step in timeline.steps:
        if _is_answer(step) and step.release in known:
            answers.setdefault(step.release, []).append(step)
    rows = []
    for step in timeline.steps:
        if step.kind == "sealed":
            rows.append(_sealed(step, keys))
        elif step.kind == "released":
            rows.append(_released(step, answers.get(step.index, []), keys))
        elif step.kind in _ANSWERS and not (_is_answer(step) and step.release in known):
            rows.append(_taken(step, keys))
    return [{"number": number, **row} for number, row in enumerate(rows, 1)]


def _is_answer(step: Step) -> bool:
    """Whether an entry answers a release of this ledger: a receipt came back, or a paper.

    What the desk itself took in names who gave it, and is a row of its own.
    """
    return step.kind in _ANSWERS and step.release is not None and "from" not in step.details


def _row(step: Step, keys: Keys) -> dict[str, Any]:
    details = step.details
    return {
        "entry": step.index,
        "type": step.kind,
        "time": step.time,
        "what": step.label,
        "original": not step.copy,
        **{word: step.words.get(word, "") for word in
           ("purpose", "authority", "place", "method", "comment")},
        "tracking": _text(details, "tracking"),
        "expires": _text(details, "expires"),
        "verdict": _text(details, "verdict"),
        "kept": _text(details, "kept"),
        "before": step.before,
        "after": step.after,
        "signatures": [_signature(step.signature, step.actor, f"entry {step.index}", keys)],
        "corrections": corrections([step]),
    }  # fmt: skip


def _sealed(step: Step, keys: Keys) -> dict[str, Any]:
    return {
        **_row(step, keys),
        "released_by": collected_from(_text(step.details, "host")),
        "received_by": person(step.actor),
        "received_at": step.time,
        "receipt": "sealed",
    }


def _released(step: Step, answers: list[Step], keys: Keys) -> dict[str, Any]:
    row = {
        **_row(step, keys),
        "released_by": person(step.actor),
        "received_by": person(persons.read(step.details.get("to"))),
        "received_at": "",
        "receipt": NOT_RECEIVED,
    }
    for answer in answers:
        row |= _answer(answer)
        row["signatures"] += _signatures(answer, keys)
        row["after"] = answer.after or row["after"]
    row["corrections"] = corrections([step, *answers])
    return row


def _taken(step: Step, keys: Keys) -> dict[str, Any]:
    """What was taken in from a host or a person who has no part in this ledger."""
    row = _row(step, keys)
    row["released_by"] = person(persons.read(step.details.get("from")))
    row |= _answer(step)
    row["signatures"] = _signatures(step, keys)
    return row


def _answer(step: Step) -> dict[str, Any]:
    receipt, details = step.receipt, step.details
    by = step.actor
    if receipt is not None:
        by = receipt.actor
    elif "received_by" in details:
        by = persons.read(details["received_by"])
    comment = step.words.get("comment", "")
    word = "REFUSED" if step.kind == "refused" else "received"
    if step.on_paper:
        word = f"{word} {ON_PAPER}"
    elif step.countersignature is not None:
        word = f"{word}, countersigned"
    return {
        "received_by": person(by),
        "received_at": _text(details, "received_at") or step.time,
        "receipt": word,
        "answer": {"entry": step.index, "type": step.kind, "comment": comment,
                   "place": step.words.get("place", ""), "method": step.words.get("method", "")},
    }  # fmt: skip


def _signatures(step: Step, keys: Keys) -> list[dict[str, str]]:
    found = [_signature(step.signature, step.actor, f"entry {step.index}", keys)]
    if step.countersignature is not None:
        by = step.actor if step.receipt is None else step.receipt.actor
        found.append(_signature(step.countersignature, by, "receipt", keys))
    return found


def _signature(signature: Signature, by: Actor, of: str, keys: Keys) -> dict[str, str]:
    return {
        "of": of,
        "key": keys.name(signature, by),
        "fingerprint": signature.fingerprint,
        "verdict": signature.verdict,
        "words": _VERDICTS[signature.verdict],
    }


def corrections(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """What later entries say is right in place of these."""
    return [
        {
            "corrects": step.index,
            "entry": item.index,
            "time": item.time,
            "by": persons.written(item.actor),
            "comment": item.comment,
        }
        for step in steps
        for item in step.corrections
    ]


def events(timeline: Timeline, keys: Keys) -> list[dict[str, Any]]:
    """What happened beside the changes of hands."""
    return [
        {
            "entry": step.index,
            "type": step.kind,
            "time": step.time,
            "by": person(step.actor),
            "what": step.label,
            "summary": step.summary,
            "words": {name: text for name, text in step.words.items() if name not in _SAID},
            "signatures": _signatures(step, keys),
            "corrections": corrections([step]),
        }
        for step in timeline.steps
        if step.kind not in _HANDS
    ]


_SAID = ("item", "case")


def disposals(timeline: Timeline) -> list[dict[str, Any]]:
    """What the ledger says became of the original and the copies in the end."""
    return [
        {
            "entry": step.index,
            "time": step.time,
            "what": step.label,
            "original": not step.copy,
            "by": person(step.actor),
            "to": person(persons.read(step.details.get("to"))),
            "witness": person(persons.read(step.details.get("witness"))),
            "disposed_at": _text(step.details, "disposed_at") or step.time,
            **{word: step.words.get(word, "") for word in
               ("authority", "method", "place", "comment")},
        }
        for step in timeline.steps
        if step.kind == "disposed"
    ]  # fmt: skip


def person(actor: Actor) -> dict[str, str]:
    """The words for a person; all empty where nobody is named."""
    return {
        "name": actor.name or actor.key.partition("+")[0],
        "title": actor.title,
        "organization": actor.organization,
    }


def collected_from(host: str) -> dict[str, str]:
    """What stands where a giver would, of what was taken from a machine."""
    words = f"Collected from the host {host}" if host else "Collected"
    return {"name": words, "title": "", "organization": ""}


def _text(details: Mapping[str, Any], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""
