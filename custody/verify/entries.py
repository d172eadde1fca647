"""Judging the entries of a case's ledger, one by one as they are read."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from custody import intaken
from custody.counted import counted
from custody.errors import FormatError
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.formats.vkey import is_fingerprint
from custody.identity.trust import Trust
from custody.ledger.believed import Bound, by_trust, unbound
from custody.ledger.check import EntryVerdict, VerifyEntry
from custody.verify import signed
from custody.verify.docket import Docket
from custody.verify.handovers import HAND_OVERS, HandOvers

_MOST_PROBLEMS = 10_000


@dataclass(slots=True)
class Entries:
    """What the entries came to, and what they say of the bundles of their case.

    :ivar bound: by when each entry existed, as stamps and witnesses say.
    :ivar dated: the entries whose own time is to be kept, by number; and those times.
    :ivar named: the fingerprints of the signers that the verifier named for this once.
    :ivar is_by_named: one of them has signed an entry.
    :ivar opened: the event ``case-opened``.
    :ivar sealed: for each bundle, the digests of the statements that were entered, and where.
    :ivar attached: the digests of the attachments' statements that were entered, where, and
        what they are beside: a bundle's name, or the case's number.
    :ivar tokens: the time stamps that were entered, by digest: where, and what they are over: a
        bundle's name, or the size of a checkpoint.
    :ivar handovers: what was taken in, given away, answered and kept apart.
    :ivar disposed: bundles that are said to be gone, on purpose.
    :ivar unknown: how many entries are signed by which untrusted key; and its verifier key.
    :ivar last_time: the time that the last entry says, if it can be read.
    :ivar undated: how many would need a trusted time, because their key has an end.
    :ivar remarks: what is odd and no failure, by entry.
    :ivar problems: expected, found and message, by entry.
    """

    trust: Trust
    named: frozenset[str] = frozenset()
    bound: Bound = unbound
    dated: frozenset[int] = frozenset()
    times: dict[int, datetime] = field(default_factory=dict)
    is_by_named: bool = False
    opened: Event | None = None
    sealed: dict[str, dict[str, int]] = field(default_factory=dict)
    attached: dict[str, tuple[int, str]] = field(default_factory=dict)
    tokens: dict[str, tuple[int, str | int]] = field(default_factory=dict)
    handovers: HandOvers = field(default_factory=HandOvers)
    disposed: set[str] = field(default_factory=set)
    unknown: Counter[str] = field(default_factory=Counter)
    first_unknown: Event | None = None
    last_time: datetime | None = None
    count: int = 0
    undated: int = 0
    problems: list[tuple[int, str, str, str]] = field(default_factory=list)
    remarks: dict[int, str] = field(default_factory=dict)
    _last: int = -1
    _by_trust: VerifyEntry = field(init=False)

    def __post_init__(self) -> None:
        self._by_trust = by_trust(self.trust, self.bound)

    def verify_entry(self, index: int, envelope: Envelope) -> EntryVerdict:
        """Judge one entry; for :func:`custody.ledger.check.check`, which may begin again.

        It always answers ``trusted``: what is wrong is kept here, with its reason.
        """
        if index <= self._last:
            self._begin_again()
        self._last = index
        self.count += 1
        self.last_time = None
        event = self._event(index, envelope)
        self._judge(index, envelope, event)
        if event is not None:
            self.last_time = event.time
            if index in self.dated:
                self.times[index] = event.time
            self._note(index, envelope, event)
        return "trusted"

    def _begin_again(self) -> None:
        self.opened, self.first_unknown = None, None
        for each in (
            self.sealed,
            self.attached,
            self.tokens,
            self.times,
            self.disposed,
            self.unknown,
            self.problems,
            self.remarks,
        ):
            each.clear()
        self.handovers.begin_again()
        self.count = self.undated = 0
        self.is_by_named = False

    def _event(self, index: int, envelope: Envelope) -> Event | None:
        try:
            return signed.event_in(envelope)
        except FormatError as err:  # of a later version, or somebody else's: shown, never failed
            self.remarks.setdefault(index, f"an entry of a form that is not known here: {err.why}")
            return None

    # (4) by the key that it names; that key is trusted; it counted then
    def _judge(self, index: int, envelope: Envelope, event: Event | None) -> None:
        if event is not None and not self._is_own(index, envelope, event):
            return
        verdict = self._by_trust(index, envelope)
        keyid = envelope.signatures[0].keyid
        self.is_by_named = self.is_by_named or keyid in self.named
        if verdict == "bad":
            why = "a signature of a trusted key is not by that key"
            self._problem(index, "the key's signature", "another", why)
        elif verdict == "late":
            why = "its key did not count at the time that it says"
            self._problem(index, "a key that counted then", keyid, why)
        elif verdict == "undated":
            self.undated += 1
        elif verdict == "untrusted":
            self.unknown[keyid] += 1
            self.first_unknown = self.first_unknown or event

    def _is_own(self, index: int, envelope: Envelope, event: Event) -> bool:
        try:
            key = signed.key_of(event)
        except FormatError as err:
            self._problem(index, "a verifier key", err.why, "the entry names no key")
            return False
        if signed.is_by(key, envelope):
            return True
        why = "the key that the entry names has not signed it"
        self._problem(index, key.fingerprint(), "no good signature", why)
        return False

    def _note(self, index: int, envelope: Envelope, event: Event) -> None:
        if event.kind == "case-opened" and self.opened is None:
            self.opened = event
        item = event.words.get("item", "")
        if event.kind == "attached":
            self.attached.setdefault(_digest(envelope), (index, item))
        elif event.kind == "timestamped":
            self._note_token(index, event)
        elif event.kind == "sealed" and item:
            digest = _digest(envelope)
            self.sealed.setdefault(item, {}).setdefault(digest, index)
        elif event.kind in HAND_OVERS:
            self.handovers.note(index, _digest(envelope), event)
            if intaken.pins(event):  # it is here again, and may not go without another word
                self.disposed.discard(item)
        elif event.kind == "disposed" and item and not event.details.get("copy"):
            self.disposed.add(item)

    def _note_token(self, index: int, event: Event) -> None:
        token, bundle = event.details.get("token"), event.details.get("bundle")
        tree = event.details.get("checkpoint")
        size = tree.get("size") if isinstance(tree, dict) else None
        about = size if type(size) is int else bundle
        if isinstance(token, str) and is_fingerprint(token) and isinstance(about, int | str):
            self.tokens.setdefault(token, (index, about))

    def _problem(self, index: int, expected: str, found: str, message: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append((index, expected, found, message))

    def report(self, number: int, docket: Docket) -> None:
        """Check 4, once every entry has been judged."""
        for index, expected, found, message in self.problems:
            docket.found(number, f"ledger: entry {index}", expected, found, message)
        for index, said in list(self.remarks.items())[:100]:
            docket.remark(f"ledger: entry {index}", said)
        for fingerprint, count in list(self.unknown.items())[:100]:
            docket.left(
                number, f"{counted(count, 'entry')} signed by an untrusted key: {fingerprint}"
            )
            docket.remark(
                "ledger", f"{counted(count, 'entry')} signed by the untrusted key {fingerprint}"
            )
        if self.named and not self.is_by_named:
            why = "no entry is signed by the signer you named"
            found = ", ".join(list(self.unknown)[:4]) or "other keys that you trust"
            docket.found(number, "ledger", ", ".join(sorted(self.named)), found, why)
        if self.undated:
            why = "their key has an end, and no stamp or witness shows that they are older"
            docket.left(
                number, f"{counted(self.undated, 'entry')} without the trusted time needed: {why}"
            )
        docket.shown(number, f"{counted(self.count, 'entry')}, each signed by a trusted key")


def _digest(envelope: Envelope) -> str:
    """Of the entry's bytes: what it was read from is canonical, so it prints the same again."""
    return hashlib.sha256(dsse.dump(envelope)).hexdigest()
