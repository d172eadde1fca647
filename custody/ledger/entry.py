"""An entry of the ledger: one signed envelope, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from custody.errors import FormatError, UsageError
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.ledger.tiles import LARGEST_ENTRY

UNREADABLE = "unreadable"
_SUMMARY_CHARACTERS = 200
_HANDED = ("copied", "received", "refused", "released")
_VERDICTS = {"ok": "verified", "cannot-verify": "not verified", "failed": "differs"}


@dataclass(frozen=True, slots=True)
class EntryView:
    """One line of ``ledger list``.  Texts are the signer's own and not escaped for a terminal.

    :ivar type: the event type, also of a type unknown here; ``unreadable`` if there is none.
    :ivar time: the time that the signer wrote, RFC 3339, or empty.
    :ivar actor: who acted: name, else the key's name, else empty.
    :ivar item: what it is about: the item, else the first subject's name, else empty.
    :ivar summary: one line made of what became of a thing that was handed over, and of the event's
        free words; of an unreadable entry, why.
    """

    index: int
    type: str
    time: str
    actor: str
    item: str
    summary: str

    def as_json(self) -> dict[str, str | int]:
        """The fields, for ``--json``."""
        return {
            "index": self.index,
            "type": self.type,
            "time": self.time,
            "actor": self.actor,
            "item": self.item,
            "summary": self.summary,
        }


def require(data: bytes) -> Envelope:
    """Return the envelope that may be entered in a ledger.

    :raises UsageError: if it is over 65,535 bytes; its size is named.
    :raises FormatError: if it is not a canonical envelope around an in-toto statement.
    """
    if len(data) > LARGEST_ENTRY:
        raise UsageError(
            "append entry", None, f"it has {len(data)} bytes, at most {LARGEST_ENTRY} fit"
        )
    envelope = dsse.load(data)
    if envelope.payload_type != dsse.IN_TOTO:
        raise FormatError("append entry", None, f"its payload type is not {dsse.IN_TOTO}")
    return envelope


def view(index: int, data: bytes) -> EntryView:
    """Look at an entry in order to show it.  Never raises, and believes nothing: no signature is
    checked here.
    """
    try:
        statement = json.loads(dsse.load(data).payload)
        predicate = _object(_object(statement).get("predicate"))
    except (ValueError, RecursionError) as err:
        return EntryView(index, UNREADABLE, "", "", "", _one_line(str(err)))
    kind = _text(predicate.get("type")) or _text(_object(statement).get("predicateType"))
    return EntryView(
        index,
        _one_line(kind) or UNREADABLE,
        _one_line(_text(predicate.get("time"))),
        _one_line(_actor(_object(predicate.get("actor")))),
        _one_line(_item(predicate, _object(statement))),
        _summary(predicate),
    )


def _actor(actor: dict[str, Any]) -> str:
    return _text(actor.get("name")) or _text(actor.get("key")).split("+")[0]


def _item(predicate: dict[str, Any], statement: dict[str, Any]) -> str:
    subjects = statement.get("subject")
    first = subjects[0] if isinstance(subjects, list) and subjects else None
    return _text(predicate.get("item")) or _text(_object(first).get("name"))


def _summary(predicate: dict[str, Any]) -> str:
    words = (_text(predicate.get(key)) for key in ("purpose", "method", "place", "comment"))
    return _one_line("; ".join(word for word in (*_outcome(predicate), *words) if word))


def _outcome(predicate: dict[str, Any]) -> Iterator[str]:
    """What became of a thing that changed hands, which its type alone does not say."""
    if predicate.get("type") not in _HANDED:
        return
    details = _object(predicate.get("details"))
    if details.get("paper") is True:
        yield "on paper, not countersigned"
    if details.get("already_held") is True:
        yield "held already"
    verdict = _text(details.get("verdict"))
    is_apart = verdict == "failed" and _text(details.get("kept"))
    yield "differs, kept apart" if is_apart else _VERDICTS.get(verdict, "")
    yield _text(details.get("why"))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SUMMARY_CHARACTERS else line[: _SUMMARY_CHARACTERS - 3] + "..."


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
