"""One sentence for each event: who did what to which item, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from custody.counted import counted
from custody.formats.statement import Actor, Event
from custody.history import persons, register
from custody.history.register import text


def sentence(event: Event, label: str, *, on_paper: bool = False) -> str:
    """What an event says, for people; of a type that is not known here, its name."""
    if register.is_recorded(event):
        return _recorded(event, label, on_paper=on_paper)
    tell = _TELLERS.get(event.kind)
    return tell(event.details, label) if tell is not None else f"{event.kind}: {label}"


def _recorded(event: Event, label: str, *, on_paper: bool) -> str:
    who = persons.written(persons.read(event.details.get("received_by")))
    when = text(event.details, "received_at")
    at = f" at {when}" if when else ""
    if event.kind == register.REFUSED:
        return f"{label} refused by {who}{at}"
    how = "received on paper, not countersigned" if on_paper else "received"
    return f"{label} {how}: by {who}{at}"


def _received(details: Mapping[str, Any], label: str) -> str:
    giver = persons.read(details.get("from"))
    by = f" from {persons.written(giver)}" if giver != persons.NOBODY else ""
    if text(details, "verdict") == "failed":
        why = text(details, "why")
        return f"{label} brought{by}, and kept apart{f': {why}' if why else ''}"
    again = "; it was held already" if details.get("already_held") is True else ""
    if text(details, "copy"):
        return f"{label} came back{by}"
    there = text(details, "label") if text(details, "release") else ""
    name = f", released as {there}" if there else ""
    return f"{label} received{by}{name}{again}"


def _refused(details: Mapping[str, Any], label: str) -> str:
    giver = persons.read(details.get("from"))
    by = f" from {persons.written(giver)}" if giver != persons.NOBODY else ""
    return f"{label} refused{by}"


def _released(details: Mapping[str, Any], label: str) -> str:
    what = "the original of " if details.get("original") is True else ""
    return f"{what}{label} released to {persons.written(persons.read(details.get('to')))}"


def _copied(details: Mapping[str, Any], label: str) -> str:
    return f"copy made: {label}" if text(details, "copy") else f"{label} copied"


def _accessed(details: Mapping[str, Any], label: str) -> str:
    who = persons.read(details.get("person"))
    by = f" by {persons.written(who)}" if who != persons.NOBODY else ""
    began, ended = text(details, "began"), text(details, "ended")
    when = f", from {began}" if began else ""
    return f"{label} accessed{by}{when}{f' until {ended}' if ended else ''}"


def _noted(details: Mapping[str, Any], label: str) -> str:
    path = text(details, "path")
    return f"note on {path} in {label}" if path else f"note on {label}"


def _corrected(details: Mapping[str, Any], _label: str) -> str:
    return f"entry {details.get('entry')} corrected"


def _disposed(details: Mapping[str, Any], label: str) -> str:
    witness = persons.read(details.get("witness"))
    seen = f", witnessed by {persons.written(witness)}" if witness != persons.NOBODY else ""
    owner = persons.read(details.get("to"))
    to = f", returned to {persons.written(owner)}" if owner != persons.NOBODY else ""
    at = f" at {text(details, 'disposed_at')}" if text(details, "disposed_at") else ""
    what = "the original of " if details.get("original") is True else ""
    return f"{what}{label} disposed of{at}{to}{seen}"


def _is_count(value: object) -> TypeGuard[int]:
    """Whether what somebody else signed is a number of things."""
    return isinstance(value, int) and not isinstance(value, bool)


def _stamped(details: Mapping[str, Any], label: str) -> str:
    tree = details.get("checkpoint")
    if isinstance(tree, dict):
        size = tree.get("size")
        label = f"the ledger's checkpoint of {counted(size, 'entry') if _is_count(size) else size}"
    return f"{label} time-stamped by {text(details, 'authority')}: {text(details, 'time')}"


def _key_added(details: Mapping[str, Any], label: str) -> str:
    scope = f", for {label} only" if text(details, "bundle") else ""
    role = text(details, "role")
    return (
        f"key {text(details, 'fingerprint')[:16]} certified{f' as {role}' if role else ''}{scope}"
    )


def _key_revoked(details: Mapping[str, Any], _label: str) -> str:
    at = text(details, "revoked_at")
    return f"key {text(details, 'fingerprint')[:16]} revoked{f' from {at}' if at else ''}"


def _verified(details: Mapping[str, Any], label: str) -> str:
    result = text(details, "result") or text(details, "verdict")
    return f"{label} compared or verified{f': {result}' if result else ''}"


_TELLERS: Mapping[str, Callable[[Mapping[str, Any], str], str]] = {
    "case-opened": lambda _details, label: f"case {label} opened",
    "sealed": lambda _details, label: f"{label} collected and sealed",
    "attached": lambda details, label: f"{text(details, 'kind') or 'analysis'} attached to {label}",
    "received": _received,
    "refused": _refused,
    "released": _released,
    "copied": _copied,
    "accessed": _accessed,
    "noted": _noted,
    "corrected": _corrected,
    "disposed": _disposed,
    "timestamped": _stamped,
    "key-added": _key_added,
    "key-revoked": _key_revoked,
    "verified": _verified,
}


def holder(
    label: str, person: Actor, time: str, how: str, *, to: Actor | None, is_gone: bool
) -> str:
    """Who has something now, in one sentence."""
    if is_gone:
        return f"{label}: disposed of at {time}"
    said = f"{label}: {persons.written(person)}, since {time} ({how})"
    if to is not None:
        return f"{said}; released to {persons.written(to)}, who has not received it so far"
    return said
