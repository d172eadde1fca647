"""The gaps that a chain of custody can have: their kinds, and a sentence for each.

The kinds are in FORMAT.md, section History; each has a test that provokes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from custody.counted import counted
from custody.formats.statement import Actor
from custody.history import persons
from custody.history.register import text
from custody.history.values import Gap, Step

NOT_RECEIVED = "not-received"  # released, and neither received nor refused
NEVER_HELD = "never-held"  # received from, or released by, somebody who never had it
TWO_HOLDERS = "two-holders"  # one numbered copy, or the original, with two people at once
BACKWARDS = "time-backwards"  # later in the ledger and earlier by the clock
OTHER_RECEIVER = "other-receiver"  # received by somebody else than it was released to
DIFFERS = "differs"  # what was received is not what was released
NOT_COUNTERSIGNED = "not-countersigned"  # a receipt with neither signature nor paper
BAD_COUNTERSIGNATURE = "bad-countersignature"  # a receipt that its receiver did not sign
BAD_SIGNATURE = "bad-signature"  # an entry that its signer did not sign; it moves nothing
AFTER_DISPOSAL = "after-disposal"  # something happened to what is said to be gone
UNFOUNDED_CORRECTION = "unfounded-correction"  # it corrects an entry that is not there, or another
NOT_ENTERED = "not-entered"  # a bundle in the case of which the ledger says nothing
UNREAD = "unread"  # entries that cannot be read


def gap(kind: str, step: Step, sentence: str, *others: Step | None) -> Gap:
    """A gap at *step*, and at the *others* that it is seen by."""
    entries = {step.index, *(other.index for other in others if other is not None)}
    return Gap(kind, step.label, sentence, tuple(sorted(entries)))


def not_received(release: Step) -> Gap:
    """A release that nobody answered."""
    until = text(release.details, "expires")
    said = f" (the release is good until {until})" if until else ""
    why = f"{release.label} was released to {_to(release)} at {release.time} and never received"
    return gap(NOT_RECEIVED, release, why + said)


def kept_apart(step: Step) -> Gap:
    """What came in and was not what was sealed, or what was named."""
    why = f"what was brought as {step.label} is not what it should be; it is kept apart"
    return gap(DIFFERS, step, why)


def answered(apart: Step, step: Step) -> str:
    """The same, once the very same bundle was taken in and verified: a remark."""
    why = text(apart.details, "why")
    return (
        f"entry {apart.index}: what was brought as {apart.label} was kept apart"
        f"{f' ({why})' if why else ''}; entry {step.index}: the same bundle was received and"
        " verified"
    )


def not_from_holder(step: Step, giver: Actor, holder: Actor | None, since: Step | None) -> Gap:
    """Something came from another person than *holder*, or from one who never had any of it."""
    why = f"{step.label} was received from {persons.written(giver)}, who never had it"
    if holder is not None:
        who = persons.written(holder)
        why = f"{step.label} was received from {persons.written(giver)}, and {who} had it"
    return gap(NEVER_HELD, step, f"{why} by this ledger", since)


def released_by_nobody(step: Step) -> Gap:
    """The release of what never came into the case."""
    why = f"{step.label} was released by {persons.written(step.actor)}, who never had it"
    return gap(NEVER_HELD, step, f"{why} by this ledger")


def no_open_release(step: Step, done: str, by: Actor) -> Gap:
    """A receipt, or a refusal, that answers nothing."""
    why = f"{step.label} was {done} by {persons.written(by)}, and no release of it is open"
    return gap(NEVER_HELD, step, why)


def two_holders(step: Step, to: Actor, holder: Actor, since: Step | None) -> Gap:
    """Something went to *to* while *holder* had it."""
    why = f"{step.label} went to {persons.written(to)} while {persons.written(holder)} had it"
    return gap(TWO_HOLDERS, step, f"{why}: two holders at once", since)


def two_releases(step: Step, older: Step) -> Gap:
    """A release while another one was open."""
    why = (
        f"{step.label} was released to {_to(step)} while its release to {_to(older)} (entry"
        f" {older.index}) was open: two may hold it at once"
    )
    return gap(TWO_HOLDERS, step, why, older)


def made_twice(step: Step, older: Step | None) -> Gap:
    """Two copies under one number."""
    why = f"{step.label} was made twice: two things bear one number"
    return gap(TWO_HOLDERS, step, why, older)


def called_alike(label: str, bundles: Sequence[str]) -> Gap:
    """Two copies with one label, of different bundles."""
    listed = ", ".join(bundles)
    why = f"{label} is the label of {counted(len(bundles), 'copy')}, one of each of: {listed}"
    return Gap(TWO_HOLDERS, label, why, ())


def other_receiver(step: Step, release: Step, person: Actor) -> Gap:
    """Somebody signed for it to whom it was not released."""
    why = (
        f"{step.label} was released to {_to(release)} (entry {release.index}), and received by"
        f" {persons.written(person)}"
    )
    return gap(OTHER_RECEIVER, step, why, release)


def after_disposal(step: Step, disposal: Step) -> Gap:
    """Something happened to what is said to be gone."""
    why = f"{step.label} was disposed of in entry {disposal.index}, and then {step.kind}"
    return gap(AFTER_DISPOSAL, step, why, disposal)


def _to(release: Step) -> str:
    return persons.written(persons.read(release.details.get("to")))
