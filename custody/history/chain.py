"""Who had a bundle, and each numbered copy of it, and where that is not shown without a gap.

What is in the case is held by whoever keeps it, so entries of several people of the desk follow
each other without a hand-over.  A copy leaves by a release and its receipt, and comes back when
it is received again; the original stays unless it is released itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from custody import clock
from custody.errors import FormatError
from custody.formats.statement import Actor
from custody.history import gaps, persons, register, telling
from custody.history.register import Register, text
from custody.history.values import Gap, Holder, State, Step

_ORIGINAL = ""
_WRONG = ("bad", "late")
_MINUTE = 60
_SPEECH = (register.CORRECTED, "noted", "timestamped", "verified", "attached")


@dataclass(slots=True)
class _Track:
    """Where one thing is: the original, or a numbered copy.

    :ivar in_case: whoever keeps the case has it, and not only *holder* by name.
    :ivar open: releases that nobody has answered, by the number of their entry.
    """

    copy: str
    label: str
    holder: Actor | None = None
    since: Step | None = None
    time: str = ""
    how: str = ""
    in_case: bool = False
    open: dict[int, Step] = field(default_factory=dict)
    disposed: Step | None = None

    def moves_to(self, person: Actor, step: Step, how: str, *, in_case: bool) -> None:
        self.holder, self.since, self.how, self.in_case = person, step, how, in_case
        self.time = step.time if in_case else received_at(step)
        self.disposed = None


class Chain:
    """The chain of one bundle; take its steps in their order, then ask."""

    def __init__(self, bundle: str, about: Register) -> None:
        self._bundle = bundle
        self._about = about
        self._tracks: dict[str, _Track] = {}
        self._had: list[Actor] = []
        self._gaps: list[Gap] = []
        self._apart: list[Step] = []
        self.remarks: list[str] = []  # what was a gap once, and is answered

    @property
    def gaps(self) -> list[Gap]:
        """What the chain does not show, in the order of the entries."""
        unanswered = [
            gaps.not_received(step)
            for track in self._tracks.values()
            for step in track.open.values()
        ]
        apart = [gaps.kept_apart(step) for step in self._apart]
        return sorted([*self._gaps, *unanswered, *apart], key=lambda gap: gap.entries)

    @property
    def holders(self) -> list[Holder]:
        """Who has the original, then each copy."""
        return [
            _holder(self._bundle, track, track.holder, track.since)
            for track in self._tracks.values()
            if track.holder is not None and track.since is not None
        ]

    def take(self, step: Step) -> None:
        """Go on by one step."""
        if step.event is None:
            return
        if step.signature.verdict == "bad":
            why = f"entry {step.index} counts for nothing: {step.signature.why}"
            self._gaps.append(gaps.gap(gaps.BAD_SIGNATURE, step, why))
            return
        self._after_disposal(step)
        if register.is_recorded(step.event):
            self._recorded(step)
        elif step.kind == register.RECEIVED:
            self._taken_in(step)
        elif step.kind == register.SEALED:
            self._arrives(step, "sealed")
        elif step.kind == register.COPIED:
            self._copied(step)
        elif step.kind == register.RELEASED:
            self._released(step)
        elif step.kind == register.DISPOSED:
            self._disposed(step)

    # ---- arrivals

    def _arrives(self, step: Step, how: str) -> None:
        track = self._track(_ORIGINAL)
        if track.holder is None or not track.in_case:
            track.moves_to(step.actor, step, how, in_case=True)
        self._had.append(step.actor)

    def _taken_in(self, step: Step) -> None:
        giver = persons.read(step.details.get("from"))
        track = self._track(step.copy)
        known = self._had
        if known and giver != persons.NOBODY:
            self._require_holder(step, track, giver)
        if text(step.details, "verdict") == "failed":
            self._apart.append(step)
        else:
            self._answer_apart(step)
            if track.holder is None or _is_return(step, track):
                self._comes_back(step, track, giver)
        self._had += [person for person in (giver, step.actor) if person != persons.NOBODY]

    def _answer_apart(self, step: Step) -> None:
        """What was kept apart, and was verified when it came again, is no gap any more."""
        for older in [older for older in self._apart if _is_verified_now(older, step)]:
            self._apart.remove(older)
            self.remarks.append(gaps.answered(older, step))

    def _require_holder(self, step: Step, track: _Track, giver: Actor) -> None:
        away = track.holder is not None and not track.in_case
        holders = [track.holder] if away and track.holder is not None else list(self._had)
        holders += [persons.read(item.details.get("to")) for item in track.open.values()]
        if not any(persons.same(giver, person) for person in holders):
            holder, since = (track.holder, track.since) if away else (None, None)
            self._gaps.append(gaps.not_from_holder(step, giver, holder, since))

    def _comes_back(self, step: Step, track: _Track, giver: Actor) -> None:
        for index, release in list(track.open.items()):
            if persons.same(giver, persons.read(release.details.get("to"))):
                self._gaps.append(gaps.not_received(release))
                del track.open[index]
        track.moves_to(step.actor, step, "received", in_case=True)

    def _copied(self, step: Step) -> None:
        if not step.copy:
            return
        original, track = self._track(_ORIGINAL), self._track(step.copy)
        if original.disposed is not None:
            self._gaps.append(gaps.after_disposal(step, original.disposed))
        if track.holder is not None:
            self._gaps.append(gaps.made_twice(step, track.since))
        else:
            track.moves_to(step.actor, step, "copied", in_case=True)
        self._had.append(step.actor)

    # ---- hand-overs

    def _released(self, step: Step) -> None:
        track = self._track(step.copy)
        to = persons.read(step.details.get("to"))
        if track.holder is None and not self._is_in_case():
            self._gaps.append(gaps.released_by_nobody(step))
        elif track.holder is None:  # made for this release
            track.moves_to(step.actor, step, "copied", in_case=True)
        elif not track.in_case and not persons.same(track.holder, step.actor):
            self._gaps.append(gaps.two_holders(step, to, track.holder, track.since))
        for older in track.open.values():
            if not _is_over(older, step.time):
                self._gaps.append(gaps.two_releases(step, older))
        track.open[step.index] = step

    def _recorded(self, step: Step) -> None:
        track = self._track(step.copy)
        person = receiver(step)
        release = None if step.release is None else track.open.pop(step.release, None)
        if release is None:
            done = "refused" if step.kind == register.REFUSED else "received"
            self._gaps.append(gaps.no_open_release(step, done, person))
        else:
            self._gaps += _compared(step, release, person)
        self._gaps += _receipt(step)
        is_replayed = release is None and step.release is not None
        if step.kind == register.REFUSED or is_replayed:
            return
        since = track.since
        if release is not None and since is not None and release.index < since.index:
            self._both(step, track, person)
        track.moves_to(person, step, _how(step), in_case=False)
        self._had.append(person)

    def _both(self, step: Step, track: _Track, person: Actor) -> None:
        """One more receipt of what somebody else has received since it was released."""
        holder = track.holder
        if holder is not None and not track.in_case and not persons.same(holder, person):
            self._gaps.append(gaps.two_holders(step, person, holder, track.since))

    # ---- the end

    def _disposed(self, step: Step) -> None:
        track = self._track(step.copy)
        if track.holder is None:
            why = f"{step.label} was disposed of, and nobody had it by this ledger"
            self._gaps.append(gaps.gap(gaps.NEVER_HELD, step, why))
            track.holder = step.actor
        track.since, track.how, track.disposed = step, "disposed", step
        track.time = text(step.details, "disposed_at") or step.time

    def _after_disposal(self, step: Step) -> None:
        track = self._tracks.get(step.copy)
        if track is not None and track.disposed is not None and step.kind not in _SPEECH:
            self._gaps.append(gaps.after_disposal(step, track.disposed))

    def _is_in_case(self) -> bool:
        original = self._tracks.get(_ORIGINAL)
        return original is not None and original.in_case

    def _track(self, copy: str) -> _Track:
        label = self._about.label(self._bundle, copy)
        return self._tracks.setdefault(copy, _Track(copy, label))


def _is_verified_now(older: Step, step: Step) -> bool:
    """Whether *step* took in, verified, the very bundle that *older* kept apart.

    By the word of a signer who counts, or of the one who kept it apart.
    """
    statement = text(older.details, "statement")  # empty where none could be read
    if not statement or text(step.details, "statement") != statement:
        return False
    is_same = bool(step.actor.key) and step.actor.key == older.actor.key
    counts = is_same or step.signature.verdict in ("trusted", "vouched")
    return counts and text(step.details, "verdict") == "ok"


def _is_return(step: Step, track: _Track) -> bool:
    """Whether what was taken in is the very thing that was away, and not one more like it."""
    if step.copy or step.details.get("original") is True:
        return True
    return not track.in_case and step.details.get("already_held") is not True


def _compared(step: Step, release: Step, person: Actor) -> Iterator[Gap]:
    """What a receipt says against the release that it answers."""
    if not persons.same(person, persons.read(release.details.get("to"))):
        yield gaps.other_receiver(step, release, person)
    at = received_at(step)
    if _latest(step, at) < release.time:
        why = f"{step.label} was received at {at}, before it was released at {release.time}"
        yield gaps.gap(gaps.BACKWARDS, step, why, release)
    if at > step.time:
        why = f"{step.label} was received at {at}, after it was entered at {step.time}"
        yield gaps.gap(gaps.BACKWARDS, step, why)
    if step.kind == register.RECEIVED and step.after and release.before != step.after:
        was = release.before or "nothing"
        why = f"{step.label} was released as {was} and received as {step.after}"
        yield gaps.gap(gaps.DIFFERS, step, why, release)


def _receipt(step: Step) -> Iterator[Gap]:
    """What is wrong with the receiver's signature."""
    signature = step.countersignature
    if signature is not None and signature.verdict in _WRONG:
        why = f"the receipt in entry {step.index} is not countersigned: {signature.why}"
        yield gaps.gap(gaps.BAD_COUNTERSIGNATURE, step, why)
    elif signature is None and not step.on_paper:
        why = f"entry {step.index} has neither the receiver's signature nor a paper"
        yield gaps.gap(gaps.NOT_COUNTERSIGNED, step, why)


def _how(step: Step) -> str:
    """What shows that somebody received it."""
    signature = step.countersignature
    if signature is None:
        return "on paper, not countersigned" if step.on_paper else "not countersigned"
    if signature.verdict in _WRONG:
        return "not countersigned"
    good = signature.verdict in ("trusted", "vouched")
    return "countersigned" if good else "countersigned, not verified"


def _is_over(release: Step, time: str) -> bool:
    until = text(release.details, "expires")
    return bool(until) and until < time


def _holder(bundle: str, track: _Track, person: Actor, since: Step) -> Holder:
    newest = list(track.open.values())[-1:]
    to = persons.read(newest[0].details.get("to")) if newest else None
    state: State = "held" if to is None else "on-the-way"
    if track.disposed is not None:
        state = "disposed"
    said = telling.holder(
        track.label, person, track.time, track.how, to=to, is_gone=state == "disposed"
    )
    return Holder(
        bundle, track.copy, track.label, person, since.index, track.time, track.how, state, to, said
    )


def receiver(step: Step) -> Actor:
    """Who received, or refused, what an entry is about: who signed the receipt, if somebody did."""
    signature = step.countersignature
    if step.receipt is not None and signature is not None and signature.verdict != "bad":
        return step.receipt.actor
    return persons.read(step.details.get("received_by"))


def received_at(step: Step) -> str:
    """When it was received: by the receiver's own clock, else as the entry says."""
    signature = step.countersignature
    if step.receipt is not None and signature is not None and signature.verdict != "bad":
        return clock.rfc3339(step.receipt.time)
    return text(step.details, "received_at") or step.time


def _latest(step: Step, at: str) -> str:
    """The last second that *at* may mean: a time on paper may be said to the minute."""
    within = step.details.get("received_within")
    if not step.on_paper or not isinstance(within, int) or not 1 < within <= _MINUTE:
        return at
    with suppress(FormatError):
        return clock.rfc3339(clock.parse_rfc3339(at) + timedelta(seconds=within - 1))
    return at


def of(steps: Iterable[Step], bundle: str, about: Register) -> Chain:
    """The chain of a bundle, from all its steps."""
    chain = Chain(bundle, about)
    for step in steps:
        if step.bundle == bundle:
            chain.take(step)
    return chain
