"""Signed facts: one shape for the statement of a bundle and for every custody event.

Each is an in-toto Statement v1 (in-toto/attestation, spec/v1) whose predicate is an event: a
``type``, a ``time``, an ``actor`` and what that type needs.  The statement of a bundle is the
event ``sealed``; its bytes in the envelope are also its ledger entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from custody import clock
from custody.errors import FormatError
from custody.formats import canonical

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:custody:event:v1"

# Optional words of an event, as custody forms ask for them; all are plain text.
WORDS = ("authority", "case", "comment", "item", "method", "place", "purpose")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: the key's verifier line, and what its holder is called."""

    key: str
    name: str = ""
    title: str = ""
    organization: str = ""

    def as_json(self) -> dict[str, str]:
        """The non-empty fields."""
        fields = {
            "key": self.key,
            "name": self.name,
            "organization": self.organization,
            "title": self.title,
        }
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: a name and the SHA-256 (hex) of the bytes so named."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """One custody event.

    :ivar kind: the event type, such as ``case-opened`` or ``sealed``; unknown ones are shown.
    :ivar words: the optional texts named in :data:`WORDS`.
    :ivar ledger: the newest checkpoint known when signing: ``origin``, ``size``, ``root`` (hex).
        The event is not earlier than that checkpoint.
    :ivar details: what this type alone has; plain JSON.
    """

    kind: str
    time: datetime
    actor: Actor
    subjects: tuple[Subject, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    ledger: Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def dump(event: Event) -> bytes:
    """Print *event* as a canonical in-toto statement, the payload to be signed."""
    predicate: dict[str, Any] = {
        "actor": event.actor.as_json(),
        "time": clock.rfc3339(event.time),
        "type": event.kind,
    }
    predicate |= {key: value for key, value in event.words.items() if value}
    if event.ledger is not None:
        predicate["ledger"] = dict(event.ledger)
    if event.details:
        predicate["details"] = dict(event.details)
    return canonical.dump(
        {
            "_type": STATEMENT_TYPE,
            "predicate": predicate,
            "predicateType": PREDICATE_TYPE,
            "subject": [
                {"digest": {"sha256": item.sha256}, "name": item.name} for item in event.subjects
            ],
        }
    )


def load(payload: bytes) -> Event:
    """Read a statement strictly: what it returns prints the same again.

    :raises FormatError: if it is not a canonical statement of this predicate type.
    """
    document = canonical.load_object(payload)
    if document.get("_type") != STATEMENT_TYPE:
        raise FormatError("read statement", None, "not an in-toto Statement v1")
    if document.get("predicateType") != PREDICATE_TYPE:
        raise FormatError("read statement", None, f"its predicate type is not {PREDICATE_TYPE}")
    try:
        event = _event(document["predicate"], document["subject"])
    except (KeyError, TypeError, AttributeError) as err:
        raise FormatError("read statement", None, f"a field is missing or wrong: {err}") from err
    if dump(event) != payload:
        raise FormatError("read statement", None, "unknown fields, or fields of the wrong type")
    return event


def _event(predicate: dict[str, Any], subjects: list[Any]) -> Event:
    return Event(
        kind=_text(predicate["type"]),
        time=clock.parse_rfc3339(_text(predicate["time"])),
        actor=Actor(**{key: _text(value) for key, value in predicate["actor"].items()}),
        subjects=tuple(
            Subject(_text(item["name"]), _text(item["digest"]["sha256"])) for item in subjects
        ),
        words={key: _text(predicate[key]) for key in WORDS if key in predicate},
        ledger=_object(predicate["ledger"]) if "ledger" in predicate else None,
        details=_object(predicate["details"]) if "details" in predicate else {},
    )


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value
