"""A rule pack as values: one jurisdiction's rules, each with its source, force and dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

from custody.obligations.conditions import Condition

NOT_SPECIFIED = "not specified"

KINDS = (
    "duty", "permission", "advice", "confirm", "definition", "exemption", "flag", "information",
)  # fmt: skip
FORCES = ("statute", "form", "guide")
CONFIDENCES = ("primary", "secondary", "unverified")


class Pace(Enum):
    """How soon, in the only words that the sources use."""

    IMMEDIATELY = "immediately"
    PROMPTLY = "promptly"
    WITHOUT_UNREASONABLE_DELAY = "without_unreasonable_delay"
    BY_DATE = "by_date"
    NOT_SPECIFIED = "not_specified"


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the pack, and the place in it."""

    source: str
    at: str

    def __str__(self) -> str:
        return f"{self.source}, {self.at}"


@dataclass(frozen=True, slots=True)
class ByWhen:
    """When a duty is due.

    :ivar since: the facts from whose earliest day the elapsed days are counted.
    :ivar date_from: the fact that a date is counted from, and *years* the figure added to it.
    """

    pace: Pace
    words: str
    since: tuple[str, ...] = ()
    date_from: str = ""
    years: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """One thing that a notice must say, and the facts that it is written from."""

    item: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A remark, shown always or where its condition holds."""

    text: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The fact that shows a duty as done: an event, a list of batches, or a list of reports."""

    fact: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    id: str
    kind: str
    title: str
    who: str
    recipient: str
    force: str
    confidence: str
    in_force_from: date | None
    in_force_until: date | None
    sources: tuple[Citation, ...]
    when: Condition
    by_when: ByWhen
    content: tuple[Content, ...] = ()
    method: str = NOT_SPECIFIED
    notes: tuple[Note, ...] = ()
    done: Done | None = None

    def in_force_on(self, day: date) -> bool:
        """Whether the rule's dates cover *day*; a date that no source gives does not bound it."""
        return (self.in_force_from is None or self.in_force_from <= day) and (
            self.in_force_until is None or day <= self.in_force_until
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A reading that was chosen where the sources leave two.

    :ivar instead: the conditions that the other reading puts in the place of a rule's own.
    """

    id: str
    question: str
    reading: str
    other: str
    sources: tuple[Citation, ...]
    shown_when: Condition
    instead: Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A regime that the facts may touch and that no pack covers."""

    id: str
    title: str
    why: str
    when: Condition
    states_of: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A document that the pack rests on."""

    id: str
    title: str
    dated: str
    remark: str


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack, and the digest of the file that it was read from."""

    id: str
    title: str
    version: str
    checked_on: date
    sha256: str
    sources: tuple[Source, ...]
    rules: tuple[Rule, ...]
    choices: tuple[Choice, ...]
    not_evaluated: tuple[NotEvaluated, ...]
