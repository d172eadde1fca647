"""Keys that a desk vouched for: believed within what it said, and never because it lies there."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from verify_bench import (
    ACTOR,
    LOG,
    NOW,
    SIGNER,
    STRANGER,
    check,
    check_case,
    failed,
    key,
    status,
    trusting,
)

from custody import case as cases
from custody import certifying
from custody.bundle import layout
from custody.cli.keys import enter as told
from custody.errors import FormatError, UsageError
from custody.formats import dsse, statement, vkey
from custody.formats.statement import Actor, Event
from custody.history import timeline
from custody.identity import notes, signing
from custody.identity.signers import TrustedSigner
from custody.identity.signing import Signer
from custody.identity.trust import Anchor, Trust
from custody.ledger.policy import Known, Policy
from custody.transfer import intake
from custody.verify import Verification
from custody.verify.bundle import silent

DAY = timedelta(days=1)
DESK, SECOND = key("desk", 11), key("deputy", 12)
HOST = SIGNER  # who collected, and is in nobody's folder here
LEDGER_ONLY = Policy((Known(LOG.key),))


def folder(*desks: Signer, role: str = "desk", **more: Any) -> Trust:
    """A trust folder that knows desks alone, and the log."""
    dates = {word: more.pop(word) for word in list(more) if word.startswith(("valid", "revoked_"))}
    signers = tuple(
        TrustedSigner(each.key.fingerprint(), each.key, each.key.name, role, **dates)
        for each in desks
    )
    return Trust(signers, LEDGER_ONLY, **more)


def vouch(desk: Signer = DESK, **more: Any) -> bytes:
    """A certificate for the host's key."""
    more = {"fingerprint": HOST.key.fingerprint(), "now": NOW, **more}
    return certifying.certificate(desk, Actor(str(desk.key), desk.key.name), **more)


def revoke(desk: Signer = DESK, *, at: datetime, of: Signer = HOST) -> bytes:
    actor = Actor(str(desk.key), desk.key.name)
    fingerprint = of.key.fingerprint()
    return certifying.revocation(desk, actor, fingerprint=fingerprint, revoked_at=at, now=NOW)


def put(bag: Path, *envelopes: bytes) -> list[Path]:
    """Lay events into a bundle, as anybody can."""
    directory = bag / layout.EVENTS
    directory.mkdir(exist_ok=True)
    paths = [directory / f"{hashlib.sha256(data).hexdigest()}.dsse.json" for data in envelopes]
    for path, data in zip(paths, envelopes, strict=True):
        path.write_bytes(data)
    return paths


def said(found: Verification) -> str:
    return "\n".join(remark.message for remark in found.remarks)


def test_a_key_counts_on_the_word_of_a_trusted_desk(bag: Path) -> None:
    """A signer whom only a certificate names is trusted as a collector, and who vouched is said."""
    put(bag, vouch())
    found = check(bag, folder(DESK))
    assert (found.verdict, status(found)[8]) == ("ok", "ok")
    assert found.signer is not None
    assert (found.signer.role, found.signer.vouched_by) == ("collector", "desk")
    assert "vouched for by desk" in found.checks[7].detail
    assert "trusted on the word of desk" in said(found)
    assert found.as_json()["signer"]["vouched_by"] == "desk"


def test_taking_the_certificate_out_never_helps(bag: Path) -> None:
    """Without it the bundle is by a key that nobody trusts."""
    (path,) = put(bag, vouch())
    path.unlink()
    assert check(bag, folder(DESK)).verdict == "cannot-verify"


def test_a_certificate_for_one_bundle_counts_for_no_other(bag: Path) -> None:
    """The scope is the bundle's own id."""
    put(bag, vouch(bundle=bag_id(bag)))
    assert check(bag, folder(DESK)).verdict == "ok"
    for path in (bag / layout.EVENTS).iterdir():
        path.unlink()
    put(bag, vouch(bundle="20260101T000000Z-x-000000"))
    found = check(bag, folder(DESK))
    assert (found.verdict, status(found)[8]) == ("cannot-verify", "not-checked")
    assert "for the bundle 20260101T000000Z-x-000000 alone" in said(found)


def bag_id(bag: Path) -> str:
    return str(
        statement.load(dsse.load((bag / layout.STATEMENT).read_bytes()).payload).words["item"]
    )


NOT_BELIEVED: dict[str, tuple[Trust, Callable[[], bytes], str]] = {
    "by nobody": (folder(SECOND), vouch, "nobody here trusts the key"),
    "by a collector": (folder(DESK, role="collector"), vouch, "trusted as collector, not as desk"),
    "by an auditor": (folder(DESK, role="auditor"), vouch, "trusted as auditor, not as desk"),
    "by the host itself": (folder(DESK), lambda: vouch(HOST), "nobody here trusts the key"),
    "by a desk that was revoked": (
        folder(DESK, revoked_at=NOW - DAY), vouch, "the key was revoked at",
    ),
    "by a desk that was revoked later": (
        folder(DESK, revoked_at=NOW + DAY), vouch, "no trusted time shows",
    ),
    "by a desk whose key ends": (
        folder(DESK, valid_until=NOW + DAY), vouch, "no trusted time shows",
    ),
    "by a desk before its time": (
        folder(DESK, valid_from=NOW + DAY), vouch, "the key is valid only from",
    ),
    "for an examiner": (folder(DESK), lambda: vouch(role="examiner"), "for collectors only"),
    "for a desk": (folder(DESK), lambda: vouch(role="desk"), "for collectors only"),
    "for another key": (
        folder(DESK), lambda: vouch(fingerprint=STRANGER.key.fingerprint()), "",
    ),
    "one desk of the two": (folder(DESK, SECOND, key_quorum=2), vouch, "by 1 of the 2 desks"),
}  # fmt: skip


# These are wrong in themselves, too: their key did not count when it signed them (check 13).
OUT_OF_DATES = {"by a desk that was revoked", "by a desk before its time"}


@pytest.mark.parametrize("name", NOT_BELIEVED)
def test_a_certificate_is_not_believed(bag: Path, name: str) -> None:
    """Only a desk of the verifier's own folder, whose key counted, vouches; why not is said."""
    trust, make, words = NOT_BELIEVED[name]
    put(bag, make())
    found = check(bag, trust)
    assert status(found)[8] == "not-checked"
    assert found.verdict == ("failed" if name in OUT_OF_DATES else "cannot-verify")
    assert words in said(found)


def test_a_certificate_that_was_changed_fails(bag: Path) -> None:
    """It is an event like the others: what its key has not signed is a finding, and no trust."""
    made = dsse.load(vouch())
    payload = made.payload.replace(HOST.key.fingerprint().encode(), b"0" * 64)
    put(bag, dsse.dump(replace(made, payload=payload)))
    found = check(bag, folder(DESK))
    assert (found.verdict, failed(found)) == ("failed", [13])
    assert status(found)[8] == "not-checked"


def _event(**details: Any) -> bytes:
    """A key event as somebody else might write it, signed by the desk."""
    subjects = (statement.Subject("public-key", str(details.get("fingerprint", "0" * 64))),)
    event = Event("key-added", NOW, Actor(str(DESK.key)), subjects, details=details)
    return signing.seal(DESK, statement.dump(event))


ODD: dict[str, dict[str, Any]] = {
    "no fingerprint": {"role": "collector"},
    "a fingerprint that is a number": {"fingerprint": 7},
    "another key's fingerprint": {
        "fingerprint": HOST.key.fingerprint(), "key": str(STRANGER.key), "role": "collector",
    },
    "no time": {"fingerprint": HOST.key.fingerprint(), "role": "collector", "valid_until": "x"},
    "no role": {"fingerprint": HOST.key.fingerprint()},
    "an end before its beginning": {
        "fingerprint": HOST.key.fingerprint(), "role": "collector",
        "valid_from": "2026-11-23T00:00:00Z", "valid_until": "2026-11-01T00:00:00Z",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_certificate_is_not_believed(bag: Path, name: str) -> None:
    """A well-signed event in another form makes nobody trusted, and stops nothing."""
    put(bag, _event(**ODD[name]))
    found = check(bag, folder(DESK))
    assert (found.verdict, status(found)[8]) == ("cannot-verify", "not-checked")
    assert "not believed" in said(found)


def test_no_bit_of_a_certificate_is_without_meaning() -> None:
    """Whatever single bit is turned, nobody is believed on its word any more."""
    trust, made = folder(DESK), vouch(bundle="x", valid_until=NOW + DAY)
    assert len(certifying.believe(trust, [("", dsse.load(made))]).trust.vouched) == 1
    believed = 0
    for place in range(len(made) * 8):
        turned = bytearray(made)
        turned[place // 8] ^= 1 << place % 8
        with suppress(FormatError):
            envelope = dsse.load(bytes(turned))
            believed += len(certifying.believe(trust, [("", envelope)]).trust.vouched)
    assert believed == 0


def test_the_certificate_s_dates_are_the_key_s(bag: Path) -> None:
    """Signed outside them it fails; within an end it needs a trusted time."""
    put(bag, vouch(valid_until=NOW))
    assert failed(check(bag, folder(DESK))) == [9]
    for path in (bag / layout.EVENTS).iterdir():
        path.unlink()
    put(bag, vouch(valid_from=NOW, valid_until=NOW + DAY))
    found = check(bag, folder(DESK))
    assert (found.verdict, failed(found)) == ("cannot-verify", [])
    put(bag, vouch(bundle=bag_id(bag), now=NOW + DAY))  # at intake, for this bundle, without end
    assert check(bag, folder(DESK)).verdict == "ok"


def test_a_desk_s_certificate_outlives_its_key_by_a_time_stamp(bag: Path, tmp_path: Path) -> None:
    """Stamped while the desk's key counted, it is believed; stamped later, it is not."""
    authority = Authority(tmp_path / "authority")
    anchors = (Anchor("example", authority.root),)
    (path,) = put(bag, vouch())
    signature = dsse.load(path.read_bytes()).signatures[0].sig
    for at, verdict in ((NOW + 3 * DAY, "cannot-verify"), (NOW + DAY / 2, "ok")):
        token = authority.stamp(signature, at)
        (bag / layout.TIMESTAMPS).mkdir(exist_ok=True)
        name = f"{hashlib.sha256(token).hexdigest()}.tsr"
        (bag / layout.TIMESTAMPS / name).write_bytes(token)
        for dates in ({"revoked_at": NOW + DAY}, {"valid_until": NOW + DAY}):
            trust = replace(folder(DESK, **dates), anchors=anchors)
            assert check(bag, trust).verdict == verdict


def test_a_certificate_changes_nothing_about_a_listed_key(bag: Path) -> None:
    """What the verifier's own folder says of a key comes first."""
    put(bag, vouch())
    own = TrustedSigner(HOST.key.fingerprint(), HOST.key, "ada", "collector", valid_until=NOW)
    trust = folder(DESK)
    assert failed(check(bag, replace(trust, signers=(*trust.signers, own)))) == [9]


def test_a_revocation_takes_trust_away(bag: Path) -> None:
    """A desk's word against a key counts also against one in the verifier's folder."""
    put(bag, vouch(), revoke(at=NOW - DAY))
    found = check(bag, folder(DESK))
    assert failed(found) == [9]
    assert "was revoked at 2026-11-21T03:14:05Z, says desk" in said(found)
    trust = folder(DESK)
    both = replace(trust, signers=(*trust.signers, *trusting(SIGNER).signers))
    assert failed(check(bag, both)) == [9]
    assert check(bag, trusting(SIGNER)).verdict == "ok"  # nobody's word is no revocation


def test_two_desks_are_needed_where_the_verifier_asks_for_two(bag: Path) -> None:
    """Different keys, the same key certified; the dates are those that both allow."""
    trust = folder(DESK, SECOND, key_quorum=2)
    put(bag, vouch(), vouch(now=NOW + DAY))
    assert check(bag, trust).verdict == "cannot-verify"
    put(bag, vouch(SECOND, valid_from=NOW))
    found = check(bag, trust)
    assert found.verdict == "ok"
    assert found.signer is not None
    assert found.signer.vouched_by in ("desk, deputy", "deputy, desk")
    put(bag, revoke(at=NOW - DAY))  # one alone revokes nothing either
    assert check(bag, trust).verdict == "ok"
    put(bag, revoke(SECOND, at=NOW))
    assert failed(check(bag, trust)) == [9]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fingerprint": "x"},
        {"role": "boss"},
        {"key": str(STRANGER.key)},
        {"key": "x"},
        {"valid_from": NOW, "valid_until": NOW},
    ],
)
def test_a_certificate_that_makes_no_sense_is_not_made(wrong: dict[str, Any]) -> None:
    """Another key's fingerprint, no role, or an end before the beginning is refused."""
    with pytest.raises(UsageError):
        vouch(**wrong)


# ---- in a case


def enter(case: Path, *envelopes: bytes) -> None:
    """Append entries to a case's ledger."""
    opened = cases.open_case(case)
    with opened.locked(0):
        opened.log.append(list(envelopes), LOG)


def by_host(item: str) -> bytes:
    """A note by the host's key about a bundle."""
    event = Event("noted", NOW, ACTOR, words={"item": item, "comment": "x"})
    return signing.seal(HOST, statement.dump(event))


def test_a_key_certified_in_the_ledger_counts_there(case: Path) -> None:
    """Entries by a key that a desk entered count, also those before that."""
    trust = folder(DESK)
    assert status(check_case(case, trust))[4] == "not-checked"
    enter(case, vouch())
    found = check_case(case, trust)
    assert (found.verdict, status(found)[4], status(found)[5]) == ("ok", "ok", "ok")


def test_a_key_certified_for_one_bundle_signs_entries_about_that_one(case: Path) -> None:
    """Its entries about anything else are by an unknown key."""
    trust = folder(DESK)
    name = min(path.name for path in (case / "bundles").iterdir())
    guest = key("guest", 40)
    enter(
        case,
        certifying.certificate(
            DESK, Actor(str(DESK.key)), fingerprint=guest.key.fingerprint(), now=NOW, bundle=name
        ),
        vouch(),
    )
    about = Event("noted", NOW, Actor(str(guest.key)), words={"item": name, "comment": "x"})
    enter(case, signing.seal(guest, statement.dump(about)))
    assert check_case(case, trust).verdict == "ok"
    other = replace(about, words={"item": "7", "comment": "x"})
    enter(case, signing.seal(guest, statement.dump(other)))
    assert status(check_case(case, trust))[4] == "not-checked"


def test_a_key_revoked_in_the_ledger_counts_no_longer(case: Path) -> None:
    """What it signed from that moment on is a finding, in entries and in bundles."""
    trust = folder(DESK)
    trust = replace(trust, signers=(*trust.signers, *trusting(SIGNER).signers))
    enter(case, revoke(at=NOW))
    found = check_case(case, trust)
    assert failed(found) == [4, 5]
    assert "was revoked at 2026-11-22T03:14:05Z, says desk" in said(found)
    assert check_case(case, trusting(SIGNER)).verdict == "cannot-verify"  # the desk is unknown
    assert failed(check_case(case, trusting(SIGNER))) == []


def test_a_desk_that_another_revoked_vouches_no_more(case: Path) -> None:
    """Also for what it vouched for before, unless the ledger dates that; in any order."""
    enter(case, vouch())
    both = folder(DESK, SECOND)
    assert check_case(case, both).verdict == "ok"
    enter(case, revoke(SECOND, at=NOW + DAY, of=DESK))
    found = check_case(case, both)
    assert (found.verdict, failed(found)) == ("cannot-verify", [])
    assert "no trusted time shows that it was signed before" in said(found)
    reader = cases.open_case(case).ledger
    dated = certifying.believe_ledger(both, reader, lambda _: NOW)
    assert [item.vouched_by for item in dated.trust.vouched] == ["desk"]
    assert status(check_case(case, folder(DESK)))[5] == "ok"  # a stranger's revocation is nobody's


def test_desks_that_revoke_each_other_are_both_revoked(case: Path) -> None:
    """Each is judged as the verifier's folder has it: neither can save itself by being first."""
    enter(case, revoke(SECOND, at=NOW, of=DESK), revoke(DESK, at=NOW, of=SECOND))
    trust = certifying.believe_ledger(folder(DESK, SECOND), cases.open_case(case).ledger).trust
    assert [item.revoked_at for item in trust.signers] == [NOW, NOW]


def test_a_case_may_ask_for_two_desks(tmp_path: Path) -> None:
    """The event that opens a case says how many desks a change of keys needs."""
    directory = tmp_path / "two"
    trust = folder(DESK, SECOND)
    case = cases.create(
        directory, "8", "Two", log_key=LOG, signer=DESK, actor=Actor(str(DESK.key)), now=NOW,
        key_quorum=2,
    )  # fmt: skip
    enter(directory, by_host("8"), vouch())
    found = check_case(directory, trust)
    assert status(found)[4] == "not-checked"
    assert "is by 1 of the 2 desks that are needed" in said(found)
    enter(directory, vouch(SECOND))
    assert check_case(directory, trust).verdict == "ok"
    assert case.ledger.checkpoint().size == 4


def test_two_desks_that_speak_of_different_bundles_are_not_two() -> None:
    """A quorum is of desks that said the same: each of these bundles has the word of one."""
    two = folder(DESK, SECOND, key_quorum=2)
    words = [("", dsse.load(vouch(desk, bundle=f"20260101T000000Z-x-00000{number}")))
             for number, desk in enumerate((DESK, SECOND))]  # fmt: skip
    found = certifying.believe(two, words)
    assert found.trust.vouched == ()
    assert [said.text.partition(" is by ")[2] for said in found.said] == [
        "1 of the 2 desks that are needed"
    ]


def test_an_entry_by_a_desk_s_old_key_counts_where_the_ledger_dates_it(case: Path) -> None:
    """A trusted time of the entry stands in for a stamp over the certificate itself."""
    enter(case, vouch())
    reader = cases.open_case(case).ledger
    ended = folder(DESK, valid_until=NOW + DAY)
    assert certifying.believe_ledger(ended, reader).trust.vouched == ()
    late = certifying.believe_ledger(ended, reader, lambda _: NOW + DAY)
    assert late.trust.vouched == ()
    dated = certifying.believe_ledger(ended, reader, lambda index: NOW if index == 3 else None)
    assert [item.fingerprint for item in dated.trust.vouched] == [HOST.key.fingerprint()]


@pytest.mark.parametrize("seen", [True, False])
def test_a_desk_is_judged_at_one_moment_everywhere(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, seen: bool
) -> None:
    """By a witness who saw a certificate before its desk's key ended, or not, every verb says the
    same of the key: a verification, a history, an intake of what the case holds already."""
    enter(case, vouch())
    witness = Signer.generate("w.example/w", vkey.COSIGNATURE)
    opened = cases.open_case(case)
    if seen:
        note = opened.ledger.checkpoint().note.text
        with opened.locked(0):
            opened.log.add_cosignatures(note, [notes.cosign(note, witness, int(NOW.timestamp()))])
    policy = Policy((Known(LOG.key),), {"w": Known(witness.key)}, {}, "none")
    trust = replace(folder(DESK, valid_until=NOW + DAY), policy=policy)
    verdict = "ok" if seen else "cannot-verify"
    assert check_case(case, trust).verdict == verdict
    assert timeline(opened, "", trust, NOW).verdict == verdict
    told.tell(opened, trust, 3)  # what the certificate comes to, as `key enter` says it
    assert ("no trusted time shows" in capsys.readouterr().err) is not seen
    held = min((case / "bundles").iterdir())
    again = Path(shutil.copytree(held, tmp_path / "again" / held.name))
    came = intake.look(opened, again, trust, intake.Terms({}, {}), NOW, silent)
    assert came.found is not None
    assert came.found.verdict == verdict


def test_a_ledger_alone_is_judged_by_what_desks_entered(case: Path, custody: Any) -> None:
    """`ledger verify` and `ledger show` believe a certified key as `verify` does."""
    from custody.identity import trusting

    home = custody.home / "trust"
    trusting.add_log(home, LOG.key)
    for signer in folder(DESK).signers:
        trusting.add_signer(home, signer)
    custody("ledger", "verify", "--case", case, exit_code=11)
    custody("ledger", "show", "1", "--case", case, exit_code=0)
    enter(case, vouch())
    custody("ledger", "verify", "--case", case, exit_code=0)
    assert "OK" in custody("ledger", "show", "1", "--case", case, exit_code=0).stdout
    enter(case, revoke(at=NOW - DAY))
    done = custody("ledger", "verify", "--case", case)
    assert done.returncode in (10, 11)
    assert "was revoked at" in done.stderr
