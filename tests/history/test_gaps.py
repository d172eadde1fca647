"""Every gap of a chain of custody, provoked and named; and chains that have none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from history_bench import (
    BUNDLE,
    CLERK,
    DESK,
    DIGEST,
    EVE,
    HOST,
    LOG,
    NUMBER,
    ORIGIN,
    OTHER_DIGEST,
    READER,
    RITA,
    SAM,
    SECOND,
    START,
    TRUST,
    Bench,
    actor,
    at,
    moment,
    receipt,
    sealed,
    sha256,
)

from custody import clock
from custody.errors import NotFoundError
from custody.formats import canonical
from custody.formats.statement import Actor
from custody.history import gaps, persons
from custody.identity.trust import Trust

# ---- without a gap


def test_a_whole_chain_has_no_gap(bench: Bench) -> None:
    """Taken in, copied, released, countersigned, brought back, disposed of: nothing is missing."""
    bench.take_in()
    bench.copy()
    bench.hand_over()
    bench.take_in(RITA, details={"already_held": True, "copy": "C1"})
    bench.enter("disposed", {"bundle": BUNDLE, "copy": "C1"})
    found = bench.told()
    assert found.gaps == ()
    assert found.verdict == "ok"
    assert [(item.label, item.state) for item in found.holders] == [
        (NUMBER, "held"),
        (f"{NUMBER}/C1", "disposed"),
    ]


def test_who_countersigned_holds_it(bench: Bench) -> None:
    """After release and receipt the receiver holds the copy, and the case still the original."""
    bench.seal()
    bench.copy()
    bench.hand_over()
    original, copy = bench.told().holders
    assert (original.person.name, original.how) == ("Ada Clerk", "sealed")
    assert (copy.person.name, copy.how, copy.state) == ("Rita Reader", "countersigned", "held")
    assert (copy.since, copy.time) == (4, moment(3.5))
    (alone,) = bench.told(f"{NUMBER}/C1").holders
    assert alone == copy


def test_two_clerks_of_the_desk_leave_no_gap(bench: Bench) -> None:
    """What lies in the case may be released by another person than the one who copied it."""
    bench.seal()
    bench.copy()
    other = replace(RITA, name="Bo Clerk")
    release = bench.release(SAM, signer=READER, who=replace(other, key=str(READER.key)))
    bench.record(release, receipt(release, SECOND, SAM, when=4), SAM)
    assert bench.gaps(trust=_trusting_all()) == []


def _trusting_all() -> Trust:
    return TRUST.with_signer(str(SECOND.key)).with_signer(str(EVE.key))


def test_a_refusal_leaves_the_holder(bench: Bench) -> None:
    """What was refused stays where it was, without a gap."""
    bench.seal()
    bench.copy()
    release = bench.release()
    refusal = receipt(release, kind="refused", when=3.5)
    bench.record(release, refusal, kind="refused", words={"comment": "the seal is broken"})
    found = bench.told()
    assert found.gaps == ()
    assert found.holders[1].person.name == "Ada Clerk"
    assert found.steps[-1].summary == f"{NUMBER}/C1 refused by Rita Reader, Example Police"


def test_the_original_moves_its_holder(bench: Bench) -> None:
    """A release of the original, received, and taken in again: the holder goes and comes back."""
    bench.seal()
    bench.hand_over(number="")
    assert bench.told().holders[0].person.name == "Rita Reader"
    bench.take_in(RITA, details={"already_held": True, "original": True})
    found = bench.told()
    assert (found.holders[0].person.name, found.gaps) == ("Ada Clerk", ())


def test_the_same_bundle_brought_twice_is_no_gap(bench: Bench) -> None:
    """A bundle that is held already may come again from whoever brought it."""
    bench.take_in()
    bench.take_in(details={"already_held": True})
    assert bench.gaps() == []


# ---- released and never received


def test_released_and_never_received(bench: Bench) -> None:
    """An unanswered release is a gap, and the holder is shown with whom it is on the way to."""
    bench.seal()
    bench.copy()
    bench.release(details={"expires": moment(60)})
    found = bench.told()
    assert [gap.kind for gap in found.gaps] == [gaps.NOT_RECEIVED]
    assert found.gaps[0].entries == (3,)
    assert moment(60) in found.gaps[0].sentence
    holder = found.holders[1]
    assert holder.state == "on-the-way"
    assert holder.to is not None
    assert holder.to.name == "Rita Reader"


def test_one_that_came_back_without_a_receipt(bench: Bench) -> None:
    """A copy that its receiver brings back closes the release, and the lacking receipt stays."""
    bench.seal()
    bench.copy()
    bench.release()
    bench.take_in(RITA, details={"already_held": True, "copy": "C1"})
    found = bench.told()
    assert [(gap.kind, gap.entries) for gap in found.gaps] == [(gaps.NOT_RECEIVED, (3,))]
    assert found.holders[1].state == "held"


# ---- from somebody who never had it


def test_received_from_somebody_who_never_had_it(bench: Bench) -> None:
    """A copy that another person brings than the one who has it is a gap."""
    bench.seal()
    bench.copy()
    bench.hand_over()
    bench.take_in(SAM, details={"already_held": True, "copy": "C1"})
    (gap,) = bench.told().gaps
    assert (gap.kind, gap.entries) == (gaps.NEVER_HELD, (4, 5))
    assert "Sam Second" in gap.sentence


def test_a_stranger_brings_what_is_held(bench: Bench) -> None:
    """A bundle that is known, from a person who never had any of it, is a gap."""
    bench.take_in()
    bench.take_in(SAM, details={"already_held": True})
    assert bench.gaps() == [(gaps.NEVER_HELD, (2,))]


def test_a_receipt_without_a_release(bench: Bench) -> None:
    """A receipt that answers no release of the ledger is a gap, and so is one given twice."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, receipt(release, when=4))
    bench.record(release, receipt(release, when=4))
    assert bench.gaps() == [(gaps.NEVER_HELD, (5,))]


def test_released_by_who_never_had_it(bench: Bench) -> None:
    """The release of a bundle that never came into the case is a gap."""
    bench.release(number="")
    bench.release(number="C1")
    kinds = [(kind, entries) for kind, entries in bench.gaps("") if kind == gaps.NEVER_HELD]
    assert kinds == [(gaps.NEVER_HELD, (1,)), (gaps.NEVER_HELD, (2,))]


# ---- two holders


def test_two_copies_with_one_label(bench: Bench) -> None:
    """Where two bundles bear one evidence number, their first copies are both called E-003/C1."""
    other = f"{BUNDLE}x"
    bench.seal()
    bench.copy()
    details = {"bundle": other, "evidence_number": NUMBER}
    bench.enter("sealed", details, digests={"tagmanifest-sha256.txt": DIGEST}, item=other)
    assert bench.gaps("") == []
    copied = {"bundle": other, "copy": "C1", "label": f"{NUMBER}/C1"}
    bench.enter("copied", copied, digests={"original": DIGEST, "copy": DIGEST}, item=other)
    for item in ("", BUNDLE, other, f"{BUNDLE}/C1"):
        (gap,) = bench.told(item).gaps
        assert (gap.kind, gap.label) == (gaps.TWO_HOLDERS, f"{NUMBER}/C1")
        assert gap.sentence.endswith(f": {BUNDLE}, {other}")
    bench.copy("C2")
    assert bench.gaps(f"{BUNDLE}/C2") == []


def test_two_holders_of_one_copy(bench: Bench) -> None:
    """A copy that is released while somebody else has it has two holders at once."""
    bench.seal()
    bench.copy()
    bench.hand_over()
    bench.hand_over(SAM, SECOND)
    found = bench.gaps(trust=_trusting_all())
    assert found == [(gaps.TWO_HOLDERS, (4, 5))]


def test_two_open_releases_of_one_copy(bench: Bench) -> None:
    """Two releases of one copy that are open together may give it two holders."""
    bench.seal()
    bench.copy()
    bench.release()
    bench.release(SAM)
    kinds = [kind for kind, _ in bench.gaps()]
    assert sorted(kinds) == [gaps.NOT_RECEIVED, gaps.NOT_RECEIVED, gaps.TWO_HOLDERS]


def test_a_release_after_the_first_expired_is_no_second_holder(bench: Bench) -> None:
    """A release that is over gives nobody anything, so another may follow it."""
    bench.seal()
    bench.copy()
    bench.release(details={"expires": moment(10)})
    bench.minute = 20
    bench.hand_over(SAM, SECOND)
    assert bench.gaps(trust=_trusting_all()) == [(gaps.NOT_RECEIVED, (3,))]


def test_both_releases_are_received(bench: Bench) -> None:
    """One copy that two people signed for has two holders, also if the first release was over."""
    bench.seal()
    bench.copy()
    first = bench.release(details={"expires": moment(10)})
    bench.minute = 20
    second = bench.release(SAM)
    bench.record(second, receipt(second, SECOND, SAM, when=22), SAM)
    bench.record(first, receipt(first, when=23))
    assert (gaps.TWO_HOLDERS, (5, 6)) in bench.gaps(trust=_trusting_all())


def test_two_copies_under_one_number(bench: Bench) -> None:
    """A number that two copies bear stands for two things, with two holders."""
    bench.seal()
    bench.copy()
    bench.copy()
    assert bench.gaps() == [(gaps.TWO_HOLDERS, (2, 3))]


def test_a_receipt_brought_again_moves_nothing(bench: Bench) -> None:
    """A copy that came back stays, although its old receipt is entered once more."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, receipt(release, when=4))
    bench.take_in(RITA, details={"already_held": True, "copy": "C1"})
    bench.record(release, receipt(release, when=4))
    assert bench.gaps() == [(gaps.NEVER_HELD, (6,))]
    assert bench.told().holders[1].person.name == "Ada Clerk"


# ---- time


def test_a_time_that_runs_backwards(bench: Bench) -> None:
    """An entry that says an earlier time than the one before it is a gap, once."""
    bench.seal(when=10)
    bench.enter("noted", {"bundle": BUNDLE}, when=5)
    bench.enter("noted", {"bundle": BUNDLE}, when=11)
    assert bench.gaps() == [(gaps.BACKWARDS, (1, 2))]


def test_earlier_than_what_the_signer_had_seen(bench: Bench) -> None:
    """An entry that names a checkpoint is later than the newest entry under it, of any bundle."""
    bench.seal(when=10)
    tree = {"origin": ORIGIN, "root": DIGEST, "size": 2}
    other = "20261122T085900Z-db01-000000"
    bench.enter("noted", {"bundle": other}, when=5, ledger=tree, item=other)
    assert (gaps.BACKWARDS, (1, 2)) in bench.gaps("")


def test_entered_before_it_was_received(bench: Bench) -> None:
    """A receipt whose signer says a later time than the entry about it is a gap."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, receipt(release, when=9), when=5)
    assert bench.gaps() == [(gaps.BACKWARDS, (4,))]


def test_what_differs_is_kept_apart(bench: Bench) -> None:
    """A bundle that comes in and is not what was sealed is a gap, and nobody holds it by that."""
    bench.take_in()
    why = "signed by H. Ost, and not by the signer you named"
    bench.take_in(details={"already_held": True, "verdict": "failed", "why": why})
    assert bench.gaps() == [(gaps.DIFFERS, (2,))]
    assert bench.told().steps[-1].summary.endswith(f", and kept apart: {why}")


def test_what_was_kept_apart_and_verified_later(bench: Bench) -> None:
    """A gap is answered once the very same bundle was verified: a remark, by whose word counts."""
    wrong = {"verdict": "failed", "why": "not by the signer you named"}
    bench.take_in(details=wrong)
    bench.take_in(details={"statement": OTHER_DIGEST})
    bench.take_in(details={"verdict": "cannot-verify"})
    bench.take_in(signer=EVE, who=actor(EVE, "Eve"))
    assert bench.gaps() == [(gaps.DIFFERS, (1,))]
    bench.take_in(details={"already_held": True})
    bench.take_in(details={**wrong, "statement": ""})
    bench.take_in(details={"statement": ""})
    found = bench.told()
    assert [(gap.kind, gap.entries) for gap in found.gaps] == [(gaps.DIFFERS, (6,))]
    (said,) = found.remarks
    assert said.startswith("entry 1: ")
    assert "entry 5: the same bundle was received and verified" in said


def test_what_was_kept_apart_is_not_found_by_any_name(bench: Bench) -> None:
    """A bundle of which the ledger has no digest is not what an unknown name means."""
    bench.take_in(details={"verdict": "failed"})
    with pytest.raises(NotFoundError):
        bench.told("nonsense")


def test_received_before_it_was_released(bench: Bench) -> None:
    """A receipt that is earlier than its release is a gap, on paper too."""
    bench.seal()
    bench.copy()
    release = bench.release(when=30)
    bench.record(release, None, details={"paper": True, "received_at": moment(20)})
    (gap,) = bench.told().gaps
    assert (gap.kind, gap.entries) == (gaps.BACKWARDS, (3, 4))
    assert moment(20) in gap.sentence


@pytest.mark.parametrize(
    ("within", "is_gap"), [(60, False), (None, True), (61, True), (-9, True), ("60", True)]
)
def test_a_minute_on_paper_is_that_minute(bench: Bench, within: object, is_gap: bool) -> None:
    """A paper signed in the minute of its release is no gap; nothing beyond a minute counts."""
    bench.seal()
    bench.copy()
    release = bench.release(when=30)
    late = {} if within is None else {"received_within": within}
    start = clock.rfc3339(clock.parse_rfc3339(moment(30)) - timedelta(seconds=59))
    bench.record(release, None, details={"paper": True, "received_at": start, **late})
    assert [kind for kind, _ in bench.gaps()] == ([gaps.BACKWARDS] if is_gap else [])


def test_the_receivers_own_time_counts(bench: Bench) -> None:
    """The time that the receiver signed is compared, whatever the entry about it says."""
    bench.seal()
    bench.copy()
    release = bench.release(when=30)
    bench.record(release, receipt(release, when=20))
    assert bench.gaps() == [(gaps.BACKWARDS, (3, 4))]


def test_an_entry_of_tomorrow(bench: Bench) -> None:
    """An entry that is later than the verifier's own clock is a gap."""
    bench.seal(when=2_000_000)
    assert bench.gaps() == [(gaps.BACKWARDS, (1,))]


# ---- receipts


def test_on_paper_is_shown_and_no_gap(bench: Bench) -> None:
    """A receipt on paper is shown as such ever after, and is no gap."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, None, details={"paper": True, "received_at": moment(4)})
    found = bench.told()
    assert found.gaps == ()
    assert found.steps[-1].on_paper
    assert "received on paper, not countersigned" in found.steps[-1].summary
    assert found.holders[1].how == "on paper, not countersigned"


def test_a_receipt_that_nobody_signed(bench: Bench) -> None:
    """A receipt with neither signature nor paper is the desk's word alone."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, None)
    assert bench.gaps() == [(gaps.NOT_COUNTERSIGNED, (4,))]
    assert bench.told().holders[1].how == "not countersigned"


def test_received_by_somebody_else(bench: Bench) -> None:
    """A copy that another person signs for than it was released to is a gap."""
    bench.seal()
    bench.copy()
    release = bench.release(RITA)
    bench.record(release, receipt(release, SECOND, SAM, when=4), SAM)
    assert bench.gaps(trust=_trusting_all()) == [(gaps.OTHER_RECEIVER, (3, 4))]


def test_the_signer_of_the_receipt_counts(bench: Bench) -> None:
    """Whoever signed the receipt received it, whatever the entry about it says."""
    bench.seal()
    bench.copy()
    release = bench.release(RITA)
    bench.record(release, receipt(release, SECOND, SAM, when=4), RITA)
    assert bench.gaps(trust=_trusting_all()) == [(gaps.OTHER_RECEIVER, (3, 4))]
    assert bench.told().holders[1].person.name == "Sam Second"


def test_something_else_was_received(bench: Bench) -> None:
    """A receipt for another content than was released is a gap, with both digests."""
    bench.seal()
    bench.copy()
    release = bench.release()
    bench.record(release, receipt(release, when=4, digest=OTHER_DIGEST))
    (gap,) = bench.told().gaps
    assert (gap.kind, gap.entries) == (gaps.DIFFERS, (3, 4))
    assert DIGEST in gap.sentence
    assert OTHER_DIGEST in gap.sentence


@pytest.mark.parametrize("defect", ["forged", "replayed", "not-an-envelope", "of-another-type"])
def test_a_receipt_that_its_receiver_did_not_sign(bench: Bench, defect: str) -> None:
    """A forged, replayed or broken receipt is a gap, and the verdict is failed."""
    bench.seal()
    bench.copy()
    older = bench.release()
    release = bench.release(details={"tracking": "2"})
    made = {
        "forged": receipt(release, when=4, key=EVE),
        "replayed": receipt(older, when=4),
        "not-an-envelope": canonical.dump({"payload": "eA=="}) + b"\n",
        "of-another-type": receipt(release, when=4, kind="refused"),
    }
    bench.record(release, made[defect])
    found = bench.told()
    assert gaps.BAD_COUNTERSIGNATURE in [gap.kind for gap in found.gaps]
    assert found.verdict == "failed"
    assert found.ledger.verdict == "ok"
    assert found.holders[1].how == "not countersigned"


# ---- signatures


def test_an_unknown_countersigner_cannot_be_judged(bench: Bench) -> None:
    """A receipt by a key that nobody vouches for is not proof: the verdict is cannot-verify."""
    bench.seal()
    bench.copy()
    sam = replace(SAM, key="")
    release = bench.release(sam)
    bench.record(release, receipt(release, SECOND, SAM, when=4), SAM)
    found = bench.told()
    assert found.steps[-1].countersignature is not None
    assert found.steps[-1].countersignature.verdict == "untrusted"
    assert found.holders[1].how == "countersigned, not verified"
    assert (found.verdict, found.ledger.verdict) == ("cannot-verify", "ok")


def test_the_release_vouches_for_the_receivers_key(bench: Bench) -> None:
    """A key that a trusted release names as the receiver's counts for that receipt."""
    bench.seal()
    bench.copy()
    bench.hand_over(SAM, SECOND)
    found = bench.told()
    assert found.steps[-1].countersignature is not None
    assert found.steps[-1].countersignature.verdict == "vouched"
    assert found.verdict == "ok"


def test_a_strangers_release_vouches_for_nobody(bench: Bench) -> None:
    """A release by a key that is not trusted makes no other key trusted."""
    bench.seal()
    bench.copy()
    release = bench.release(SAM, signer=EVE, who=replace(CLERK, key=str(EVE.key)))
    bench.record(release, receipt(release, SECOND, SAM, when=4), SAM)
    found = bench.told()
    assert found.steps[-1].countersignature is not None
    assert found.steps[-1].countersignature.verdict == "untrusted"
    assert found.verdict == "cannot-verify"


@pytest.mark.parametrize(
    ("dates", "signature", "verdict"),
    [
        ({"valid_until": at(60)}, "undated", "cannot-verify"),
        ({"revoked_at": at(0)}, "late", "failed"),
        ({"valid_from": at(60)}, "late", "failed"),
        ({"valid_from": at(-60)}, "trusted", "ok"),
    ],
    ids=["ends", "revoked", "not-yet", "since"],
)
def test_a_receivers_key_counts_in_its_time(
    bench: Bench, dates: dict[str, datetime], signature: str, verdict: str
) -> None:
    """A receipt by a key that had ended is no receipt, and one that nobody dated is open."""
    bench.seal()
    bench.copy()
    bench.hand_over()
    desk, reader = TRUST.signers
    found = bench.told(trust=replace(TRUST, signers=(desk, replace(reader, **dates))))
    assert found.steps[-1].countersignature is not None
    assert (found.steps[-1].countersignature.verdict, found.verdict) == (signature, verdict)
    named = [gap.kind for gap in found.gaps]
    assert named == ([gaps.BAD_COUNTERSIGNATURE] if signature == "late" else [])


def test_an_entry_that_its_signer_did_not_sign_moves_nothing(bench: Bench) -> None:
    """A forged release is shown, named, and changes no holder."""
    bench.seal()
    bench.copy()
    details = {"bundle": BUNDLE, "copy": "C1", "to": SAM.as_json()}
    bench.enter("released", details, signer=EVE, who=CLERK)
    found = bench.told()
    assert [(gap.kind, gap.entries) for gap in found.gaps] == [(gaps.BAD_SIGNATURE, (3,))]
    assert found.steps[-1].signature.verdict == "bad"
    assert found.holders[1].state == "held"
    assert found.verdict == "failed"


# ---- disposal, corrections, what is not there


def test_something_happens_to_what_is_gone(bench: Bench) -> None:
    """A hand-over after the disposal is a gap; a note about it is none."""
    bench.seal()
    bench.enter("disposed", {"bundle": BUNDLE, "original": True})
    bench.enter("noted", {"bundle": BUNDLE}, words={"comment": "the certificate came"})
    bench.enter("accessed", {"bundle": BUNDLE}, words={"purpose": "a look"})
    assert bench.gaps() == [(gaps.AFTER_DISPOSAL, (2, 4))]


def test_a_copy_of_what_is_gone(bench: Bench) -> None:
    """A copy that is made after the original was disposed of was made of something else."""
    bench.seal()
    bench.enter("disposed", {"bundle": BUNDLE, "original": True})
    bench.copy()
    assert bench.gaps() == [(gaps.AFTER_DISPOSAL, (2, 3))]


def test_a_disposal_of_what_nobody_had(bench: Bench) -> None:
    """A copy that no entry made cannot be disposed of without a gap."""
    bench.seal()
    bench.enter("disposed", {"bundle": BUNDLE, "copy": "C9"})
    assert bench.gaps() == [(gaps.NEVER_HELD, (2,))]


def test_a_correction_stands_at_what_it_corrects(bench: Bench) -> None:
    """The old entry stays as it is, and shows who corrected it, when and how."""
    bench.seal()
    wrong = bench.enter("noted", {"bundle": BUNDLE}, words={"comment": "shelf 3"})
    details = {"bundle": BUNDLE, "entry": 2, "entry_sha256": sha256(wrong)}
    bench.enter("corrected", details, words={"comment": "shelf 4"})
    found = bench.told()
    assert found.gaps == ()
    (correction,) = found.steps[1].corrections
    assert (correction.index, correction.comment) == (3, "shelf 4")
    assert found.steps[1].words["comment"] == "shelf 3"
    assert found.steps[2].summary == "entry 2 corrected"


@pytest.mark.parametrize(
    ("entry", "digest"), [(9, None), (3, None), (2, OTHER_DIGEST)], ids=["none", "itself", "other"]
)
def test_a_correction_of_nothing(bench: Bench, entry: int, digest: str | None) -> None:
    """A correction of an entry that is not there before it, or is another, corrects nothing."""
    bench.seal()
    wrong = bench.enter("noted", {"bundle": BUNDLE}, words={"comment": "shelf 3"})
    details = {"bundle": BUNDLE, "entry": entry, "entry_sha256": digest or sha256(wrong)}
    bench.enter("corrected", details, words={"comment": "shelf 4"})
    assert bench.gaps() == [(gaps.UNFOUNDED_CORRECTION, (3,))]
    assert all(not step.corrections for step in bench.told().steps)


def test_a_bundle_of_which_the_ledger_says_nothing(bench: Bench) -> None:
    """A bundle that lies in the case and was never entered is a gap."""
    (bench.directory / "bundles" / "20261122T080000Z-db01-aaaaaa").mkdir()
    assert bench.gaps("") == [(gaps.NOT_ENTERED, ())]


def test_a_bundle_that_was_refused_at_the_door(bench: Bench) -> None:
    """What was not taken in is shown as refused, and its absence is no gap."""
    details = {"bundle": BUNDLE, "from": HOST.as_json()}
    bench.enter("refused", details, words={"comment": "the box was open"})
    found = bench.told(BUNDLE)
    assert (found.gaps, found.holders) == ((), ())
    assert (
        found.steps[0].summary == f"{BUNDLE} refused from Hal Host, Administrator, City of Example"
    )


def test_a_receipt_for_something_else_is_a_refusal(bench: Bench) -> None:
    """Who signs that it was changed on the way has not received it: the desk keeps it."""
    bench.seal()
    bench.copy()
    release = bench.release()
    signed = receipt(release, when=4, digest=OTHER_DIGEST, verdict="failed")
    bench.record(release, signed, kind="refused")
    found = bench.told()
    assert (found.gaps, found.verdict) == ((), "ok")
    assert found.holders[1].person.name == "Ada Clerk"


def test_entries_that_cannot_be_read(bench: Bench) -> None:
    """A lost bundle of entries is a gap, the verdict is failed, and the rest is shown."""
    data = sealed("noted", {}, START, {}, None, DESK, CLERK, "26-7")
    case = bench.case
    with case.locked(0):
        case.log.append([data] * 300, LOG)
    (bench.directory / "ledger" / "tile" / "entries" / "000").unlink()
    found = bench.told("")
    assert [(gap.kind, gap.entries) for gap in found.gaps] == [(gaps.UNREAD, (0, 255))]
    assert found.verdict == "failed"
    assert [step.index for step in found.steps] == list(range(256, 301))


# ---- on the command line


def test_gaps_are_told_in_every_form(custody: Any, bench: Bench) -> None:
    """Each gap stands above the entries in the table, in Markdown and in JSON: exit 3."""
    for what, signer in (("signer", DESK), ("signer", READER), ("ledger", LOG)):
        custody("trust", "add", what, str(signer.key), exit_code=0)
    bench.seal(when=0)
    bench.copy()
    bench.hand_over()
    bench.release(SAM)
    bench.take_in(HOST, details={"already_held": True, "copy": "C1"})
    bench.enter("noted", {"bundle": BUNDLE}, when=2)
    wanted = {
        gaps.TWO_HOLDERS: "went to Sam Second, Example Insurance while Rita Reader",
        gaps.NOT_RECEIVED: "was released to Sam Second, Example Insurance at",
        gaps.NEVER_HELD: "was received from Hal Host, Administrator, City of Example",
        gaps.BACKWARDS: "a clock ran backwards, or an entry was made up later",
    }
    assert {kind for kind, _ in bench.gaps()} == set(wanted)
    ask = ("history", NUMBER, "--case", bench.directory)
    table = custody(*ask, exit_code=3).stdout
    top = " ".join(table[: table.index("what happened")].split())
    page = " ".join(custody(*ask, "--markdown", exit_code=3).stdout.split())
    document = json.loads(custody(*ask, "--json", exit_code=3).stdout)
    told = {gap["kind"]: gap["sentence"] for gap in document["gaps"]}
    for kind, words in wanted.items():
        assert f"[{kind}]" in top
        for text in (top, page, told[kind]):
            assert words in text
    assert max(map(len, table.splitlines())) <= 80


# ---- persons


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (RITA, replace(RITA, key="", title="Sergeant"), True),
        (RITA, replace(RITA, key="", name="rita  READER"), True),
        (RITA, replace(RITA, key="", organization="Another Police"), False),
        (RITA, replace(RITA, name="R. Reader"), True),
        (RITA, replace(RITA, key=str(SECOND.key)), False),
        (HOST, SAM, False),
    ],
    ids=["title", "spelling", "office", "key", "another-key", "others"],
)
def test_who_is_the_same_person(one: Actor, other: Actor, same: bool) -> None:
    """The key decides where both have one, else the name and the organization."""
    assert persons.same(one, other) is same
