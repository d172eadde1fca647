"""Who must have signed a bundle, and what a second signature is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from verify_bench import NOW, SIGNER, check, failed, key, status

from custody.bundle import layout
from custody.formats import dsse, statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signers import TrustedSigner
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.verify import Verification, verify_bundle
from custody.verify.roles import missing

DAY = timedelta(days=1)
EXAMINER, CLERK = key("kim", 21), key("clerk", 22)


def person(signer: Signer, role: str, **dates: datetime) -> TrustedSigner:
    return TrustedSigner(signer.key.fingerprint(), signer.key, signer.key.name, role, **dates)


def trust(*signers: TrustedSigner, roles: tuple[str, ...] = ("collector", "examiner")) -> Trust:
    return Trust(signers, require_roles=roles)


BOTH = trust(person(SIGNER, "collector"), person(EXAMINER, "examiner"))


def countersign(bag: Path, signer: Signer = EXAMINER) -> Path:
    """The same statement, signed by another."""
    made = dsse.load((bag / layout.STATEMENT).read_bytes())
    line = dsse.Signature(signer.key.fingerprint(), signer.sign(made.signed_bytes()))
    folder = bag / layout.COUNTERSIGNATURES
    folder.mkdir(exist_ok=True)
    path = folder / f"{signer.key.fingerprint()}.dsse.json"
    path.write_bytes(dsse.dump(replace(made, signatures=(line,))))
    return path


def said(found: Verification) -> str:
    return "\n".join(remark.message for remark in found.remarks)


def test_a_bundle_is_complete_when_everybody_asked_for_has_signed(bag: Path) -> None:
    """A missing signature leaves it open, says whose, and names the command; never a failure."""
    found = check(bag, BOTH)
    assert (found.verdict, status(found)[8], found.findings) == ("cannot-verify", "not-checked", ())
    assert "lacks: examiner" in found.checks[7].detail
    assert f"custody countersign {bag}" in found.hint
    path = countersign(bag)
    found = check(bag, BOTH)
    assert (found.verdict, status(found)[8]) == ("ok", "ok")
    assert [item.name for item in found.countersigners] == ["kim"]
    assert found.as_json()["countersigners"][0]["role"] == "examiner"
    path.unlink()
    assert check(bag, BOTH).verdict == "cannot-verify"  # taking it out never helps


def test_an_unknown_second_signature_completes_nothing(bag: Path) -> None:
    """Whom the verifier does not trust has no role there, whatever they call themselves."""
    countersign(bag, CLERK)
    assert check(bag, BOTH).verdict == "cannot-verify"
    assert check(bag, trust(*BOTH.signers, person(CLERK, "auditor"))).verdict == "cannot-verify"


def test_nobody_signs_in_two_roles(bag: Path) -> None:
    """Each role needs a key of its own; two of one role need two keys."""
    two = trust(person(SIGNER, "examiner"), roles=("examiner", "examiner"))
    assert check(bag, two).verdict == "cannot-verify"
    countersign(bag)
    assert check(bag, trust(*two.signers, person(EXAMINER, "examiner"),
                            roles=("examiner", "examiner"))).verdict == "ok"  # fmt: skip


@pytest.mark.parametrize(
    ("required", "roles", "left"),
    [
        ((), (), ()),
        (("collector",), (), ("collector",)),
        (("collector",), ("desk",), ()),
        (("collector", "desk"), ("desk",), ("collector",)),
        (("desk", "collector"), ("desk",), ("collector",)),
        (("collector", "desk"), ("desk", "desk"), ()),
        (("collector", "collector"), ("collector", "desk"), ()),
        (("examiner",), ("desk", "collector"), ("examiner",)),
        (("desk",), ("collector",), ("desk",)),
        (("collector", "examiner"), ("examiner", "", "auditor"), ("collector",)),
    ],
)
def test_which_roles_are_missing(
    required: tuple[str, ...], roles: tuple[str, ...], left: tuple[str, ...]
) -> None:
    """A desk stands in for a collector, and nobody else for anybody."""
    signed = [person(key("x", 50 + place), role) for place, role in enumerate(roles)]
    assert missing(required, signed) == left


def test_a_countersignature_by_a_key_that_had_ended_fails(bag: Path) -> None:
    """It cannot be older than the statement, so a key that had ended by then never signed it."""
    countersign(bag)
    for dates in ({"revoked_at": NOW}, {"valid_until": NOW - DAY}):
        bad = trust(person(SIGNER, "collector"), person(EXAMINER, "examiner", **dates))
        found = check(bag, bad)
        assert failed(found) == [8]
        assert "a key that did not count then" in found.findings[0].message


def test_a_countersignature_by_a_key_with_an_end_needs_a_trusted_time(bag: Path) -> None:
    """Without one it does not count: said, and no failure."""
    countersign(bag)
    for dates in ({"revoked_at": NOW + DAY}, {"valid_until": NOW + DAY}):
        signers = (person(SIGNER, "collector"), person(EXAMINER, "examiner", **dates))
        found = check(bag, trust(*signers))
        assert (found.verdict, status(found)[8]) == ("cannot-verify", "not-checked")
        assert "kim signed, by a key with an end" in found.checks[7].detail
        assert "the signature by kim does not count" in said(found)
        assert check(bag, trust(*signers, roles=())).verdict == "ok"  # nobody asked for it
        named = verify_bundle(
            bag, trust(*signers, roles=()), named=[EXAMINER.key.fingerprint()], now=NOW
        )
        assert named.verdict == "cannot-verify"  # the one who was named, and it cannot be told


def test_a_countersignature_may_be_younger_than_the_statement(bag: Path) -> None:
    """An examiner whose key began later signs later; that is no failure."""
    countersign(bag)
    later = person(EXAMINER, "examiner", valid_from=NOW + DAY)
    assert check(bag, trust(person(SIGNER, "collector"), later)).verdict == "ok"


def test_a_countersigner_known_by_the_fingerprint_alone(bag: Path) -> None:
    """A countersignature names no key, so the fingerprint is not enough; that is said."""
    countersign(bag)
    by_paper = TrustedSigner(EXAMINER.key.fingerprint(), None, "Kim", "examiner")
    found = check(bag, trust(person(SIGNER, "collector"), by_paper))
    assert found.verdict == "cannot-verify"
    assert "needs the whole key" in said(found)


# ---- events and attachments by keys with an end


def attach(bag: Path, signer: Signer, time: datetime) -> None:
    """An attachment without files, and an event, both signed at *time*."""
    import hashlib

    pinned = statement.load(dsse.load((bag / layout.STATEMENT).read_bytes()).payload).subjects[0]
    about = Subject(f"bundle/x/{pinned.name}", pinned.sha256)
    event = Event("attached", time, Actor(str(signer.key)), (about,), details={"kind": "x"})
    data = signing.seal(signer, statement.dump(event))
    folder = bag / layout.ATTACHMENTS / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True)
    (folder / "statement.dsse.json").write_bytes(data)
    noted = signing.seal(signer, statement.dump(replace(event, kind="noted")))
    (bag / layout.EVENTS).mkdir(exist_ok=True)
    (bag / layout.EVENTS / f"{hashlib.sha256(noted).hexdigest()}.dsse.json").write_bytes(noted)


def test_what_is_added_is_judged_by_the_key_s_dates_too(bag: Path) -> None:
    """After its key was revoked it fails; before, without a trusted time, it is not checked."""
    attach(bag, CLERK, NOW)
    me = person(SIGNER, "collector")
    assert status(check(bag, trust(me, person(CLERK, "examiner"), roles=())))[13] == "ok"
    found = check(bag, trust(me, person(CLERK, "examiner", revoked_at=NOW), roles=()))
    assert (failed(found), len(found.findings)) == ([13], 2)
    found = check(bag, trust(me, person(CLERK, "examiner", revoked_at=NOW + DAY), roles=()))
    assert (found.verdict, status(found)[13]) == ("ok", "not-checked")
    assert "2 of them by keys with an end" in found.checks[12].detail


def test_an_event_by_a_signer_known_by_the_fingerprint_counts(bag: Path) -> None:
    """An event names its key, and the key hashes to what stands on the paper form."""
    attach(bag, CLERK, NOW)
    by_paper = TrustedSigner(CLERK.key.fingerprint(), None, "Clerk", "examiner")
    found = check(bag, trust(person(SIGNER, "collector"), by_paper, roles=()))
    assert (found.verdict, status(found)[13]) == ("ok", "ok")


@pytest.mark.parametrize("as_fingerprint", [False, True])
def test_who_is_named_for_once_has_no_role(bag: Path, *, as_fingerprint: bool) -> None:
    """`--signer` makes a signature count and fills no role: the row says why, the hint what to do;
    the same signer with a role in the folder completes the bundle."""
    countersign(bag)
    text = SIGNER.key.fingerprint() if as_fingerprint else str(SIGNER.key)
    folder = trust(person(EXAMINER, "examiner"))
    found = verify_bundle(bag, folder.with_signer(text), named=[SIGNER.key.fingerprint()], now=NOW)
    assert (found.verdict, status(found)[8]) == ("cannot-verify", "not-checked")
    assert "lacks: collector" in found.checks[7].detail
    assert "named for this once, which gives no role" in found.checks[7].detail
    assert f"custody trust add signer {text}" in found.hint
    assert "--role collector" in found.hint
    listed = replace(folder, signers=(*folder.signers, person(SIGNER, "collector")))
    found = verify_bundle(bag, listed.with_signer(text), named=[SIGNER.key.fingerprint()], now=NOW)
    assert found.verdict == "ok"
