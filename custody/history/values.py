"""What a history is made of, as frozen values.

A :class:`Timeline` is about one item: the case, a bundle, a numbered copy of one, or a file in
one.  Texts in it are the signers' own, and nothing is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from custody import clock
from custody.formats.statement import Actor, Event, Subject
from custody.ledger.check import Report
from custody.ledger.judge import Verdict
from custody.verify.clocks import Reading

SignatureVerdict = Literal["trusted", "vouched", "untrusted", "undated", "late", "bad"]
"""As :data:`custody.ledger.check.EntryVerdict`; *vouched*: by a key that the verifier does not
know, and that an entry by a trusted key names as that person's."""
Kind = Literal["case", "bundle", "copy", "file"]
State = Literal["held", "on-the-way", "disposed"]


@dataclass(frozen=True, slots=True)
class Signature:
    """Whose signature is on an entry or a receipt, and whether it counts for this verifier.

    :ivar fingerprint: of the key that signed; empty where nothing could be read.
    :ivar name: what the verifier's trust folder calls the signer; empty for a stranger.
    :ivar why: one sentence.
    """

    verdict: SignatureVerdict
    fingerprint: str
    name: str
    why: str

    def as_json(self) -> dict[str, str]:
        """Every field."""
        return {
            "verdict": self.verdict,
            "fingerprint": self.fingerprint,
            "name": self.name,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Correction:
    """What a later entry says is right in place of an earlier one."""

    index: int
    time: str
    actor: Actor
    comment: str

    def as_json(self) -> dict[str, Any]:
        """Every field."""
        actor = self.actor.as_json()
        return {"entry": self.index, "time": self.time, "actor": actor, "comment": self.comment}


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the ledger, as history tells it.

    :ivar index: the number of the entry.
    :ivar sha256: of the entry's bytes.
    :ivar kind: the type of the event; ``unreadable`` where the bytes are none.
    :ivar event: the event itself, with words, details and subjects; None where unreadable.
    :ivar time: when, RFC 3339 in UTC, by the signer's own clock; empty where unreadable.
    :ivar bundle: the id of the bundle that it is about; empty for the case as a whole.
    :ivar copy: ``C1``, ``C2``, ... where it is about a numbered copy; else empty.
    :ivar label: what it is about, for people: evidence number or bundle id, perhaps ``/C1``.
    :ivar before: the SHA-256 (hex) of the tag manifest before bytes moved; empty where none did.
    :ivar after: the same afterwards.
    :ivar signature: of the entry.
    :ivar countersignature: of the receiver, where the entry has a receipt in it; else None.
    :ivar receipt: the event that the receiver signed; None without one.
    :ivar release: the number of the entry that a receipt or a refusal answers; else None.
    :ivar on_paper: the receipt is on paper and nobody countersigned.
    :ivar corrections: what later entries say of this one.
    :ivar summary: one sentence: who did what, to whom.
    :ivar existed: what another clock than the signer's says: it was there at that time.
    """

    index: int
    sha256: str
    kind: str
    event: Event | None
    time: str
    bundle: str
    copy: str
    label: str
    before: str
    after: str
    signature: Signature
    countersignature: Signature | None = None
    receipt: Event | None = None
    release: int | None = None
    on_paper: bool = False
    corrections: tuple[Correction, ...] = ()
    summary: str = ""
    existed: Reading | None = None

    @property
    def actor(self) -> Actor:
        """Who signed the entry, in the entry's own words."""
        return Actor("") if self.event is None else self.event.actor

    @property
    def words(self) -> Mapping[str, str]:
        """Purpose, authority, place, method, comment and the like; only those that are said."""
        return {} if self.event is None else self.event.words

    @property
    def details(self) -> Mapping[str, Any]:
        """What this type of event alone has."""
        return {} if self.event is None else self.event.details

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What the event names with its digest."""
        return () if self.event is None else self.event.subjects

    def as_json(self) -> dict[str, Any]:
        """The fields of one event of ``custody.history/v1``."""
        known = {
            "label": self.label,
            "bundle": self.bundle,
            "copy": self.copy,
            "sha256_before": self.before,
            "sha256_after": self.after,
        }
        document: dict[str, Any] = {
            "index": self.index,
            "type": self.kind,
            "time": self.time,
            "actor": self.actor.as_json(),
            "summary": self.summary,
            "entry_sha256": self.sha256,
            **{name: value for name, value in known.items() if value},
            "words": dict(self.words),
            "details": dict(self.details),
            "subjects": [{"name": item.name, "sha256": item.sha256} for item in self.subjects],
            "signature": self.signature.as_json(),
            "on_paper": self.on_paper,
            "corrections": [item.as_json() for item in self.corrections],
        }
        if self.countersignature is not None:
            document["countersignature"] = self.countersignature.as_json()
        if self.existed is not None:
            said = {"by": self.existed.name, "time": clock.rfc3339(self.existed.latest)}
            document["not_later_than"] = said
        if self.release is not None:
            document["release"] = self.release
        return document


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the original of a bundle, or a numbered copy, after all that is entered.

    :ivar label: what is held, as in :class:`Step`; *copy* is empty for the original.
    :ivar person: the last one who is shown to have it.
    :ivar since: the number of the entry that shows it.
    :ivar time: since when: by whoever signed for it, else as the entry says.
    :ivar how: what shows that the person has it: ``sealed``, ``received``, ``copied``,
        ``countersigned``, ``countersigned, not verified``, ``on paper, not countersigned``,
        ``not countersigned``; or ``disposed``.
    :ivar state: ``on-the-way``: released to *to*, and neither received nor refused so far;
        ``disposed``: gone on purpose, and *since* is the entry that says so.
    :ivar sentence: all of that for people.
    """

    bundle: str
    copy: str
    label: str
    person: Actor
    since: int
    time: str
    how: str
    state: State
    to: Actor | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Every field; ``to`` is null unless it is on the way."""
        return {
            "label": self.label,
            "bundle": self.bundle,
            "copy": self.copy,
            "person": self.person.as_json(),
            "since": {"entry": self.since, "time": self.time},
            "how": self.how,
            "state": self.state,
            "to": None if self.to is None else self.to.as_json(),
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the chain of custody does not show, or shows to be wrong.

    :ivar kind: one of the words in :mod:`custody.history.gaps`.
    :ivar entries: the numbers of the entries concerned, in order.
    """

    kind: str
    label: str
    sentence: str
    entries: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Every field."""
        return {
            "kind": self.kind,
            "label": self.label,
            "sentence": self.sentence,
            "entries": list(self.entries),
        }


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """A bundle of the case, as the ledger knows it.

    :ivar label: its evidence number, else its id.
    :ivar sha256: of its tag manifest, as it was sealed or taken in; empty where not entered.
    """

    id: str
    evidence_number: str
    label: str
    sha256: str

    def as_json(self) -> dict[str, str]:
        """Every field."""
        return {
            "id": self.id,
            "evidence_number": self.evidence_number,
            "label": self.label,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file in a bundle, as its inventory has it; *path* shows bytes that are not UTF-8 as
    ``\\xNN``, *raw* is exact.
    """

    bundle: str
    path: str
    raw: bytes
    outcome: str
    sha256: str
    size: int

    def as_json(self) -> dict[str, Any]:
        """What people ask for; ``sha256`` is empty for what has no content in the bundle."""
        return {
            "bundle": self.bundle,
            "path": self.path,
            "outcome": self.outcome,
            "sha256": self.sha256,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that the ledger says happened to one item, in its order.

    :ivar asked: the item as it was asked for; empty for the case.
    :ivar label: what it is, for people.
    :ivar case: the number of the case; empty where the ledger lies alone and has no first entry.
    :ivar bundles: the bundles concerned: one, or all of a case, or every one that has the file.
    :ivar files: of a file, where it is.
    :ivar steps: the entries about it, oldest first.
    :ivar holders: of the original and of each copy, of each bundle.
    :ivar gaps: what the chain does not show.
    :ivar ledger: what checking the whole ledger came to; its checkpoint is in ``ledger.published``.
    :ivar verdict: ``failed`` if the ledger or a countersignature is wrong; ``cannot-verify`` if
        it cannot be judged with this verifier's trust.  Gaps change no verdict.
    :ivar now: the verifier's clock.
    :ivar remarks: gaps that were answered later; what desks said of keys and is not believed.
    """

    kind: Kind
    asked: str
    label: str
    case: str
    bundles: tuple[BundleFacts, ...]
    files: tuple[FileFacts, ...]
    steps: tuple[Step, ...]
    holders: tuple[Holder, ...]
    gaps: tuple[Gap, ...]
    ledger: Report
    verdict: Verdict
    now: datetime
    remarks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The document of ``custody history --json``, without its schema."""
        report = self.ledger
        return {
            "kind": self.kind,
            "item": self.asked,
            "label": self.label,
            "case": self.case,
            "at": clock.rfc3339(self.now),
            "verdict": self.verdict,
            "holders": [item.as_json() for item in self.holders],
            "gaps": [item.as_json() for item in self.gaps],
            "bundles": [item.as_json() for item in self.bundles],
            "files": [item.as_json() for item in self.files],
            "events": [item.as_json() for item in self.steps],
            "ledger": {
                "origin": report.origin,
                "size": report.size,
                "root": None if report.root is None else report.root.hex(),
                "verdict": report.verdict,
                "findings": [item.as_json() for item in report.findings],
                "not_checked": [item.as_json() for item in report.not_checked],
            },
            "remarks": list(self.remarks),
        }
