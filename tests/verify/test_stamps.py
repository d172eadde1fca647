"""Trusted time: every order of sign, stamp, revoke and expire, and the three clocks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authority import Authority
from verify_bench import LOG, NOW, SIGNER, TRUST, check, failed, key, reseal, status, trusting

from custody.bundle import layout
from custody.formats import dsse, note
from custody.identity import notes
from custody.identity.signing import Signer
from custody.identity.trust import Anchor, Trust
from custody.ledger import proof
from custody.ledger.policy import Known, Policy
from custody.verify import verify_bundle

DAY = timedelta(days=1)
# The bundle says that it was signed at NOW.  The key's end, by what was stamped, and when.
BEFORE, AFTER, LONG_AFTER = NOW - DAY, NOW + DAY, NOW + 3 * DAY


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "a")


def believing(trust: Trust, *authorities: Authority) -> Trust:
    return replace(trust, anchors=tuple(Anchor("example", item.root) for item in authorities))


def signature(bag: Path) -> bytes:
    return dsse.load((bag / layout.STATEMENT).read_bytes()).signatures[0].sig


def put(bag: Path, token: bytes) -> str:
    folder = bag / layout.TIMESTAMPS
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(token).hexdigest()}.tsr"
    path.write_bytes(token)
    return path.relative_to(bag).as_posix()


def stamp(bag: Path, authority: Authority, at: datetime) -> str:
    return put(bag, authority.stamp(signature(bag), at))


# Statement's time NOW in each; the key's dates, the stamp, and what is to come of it.
ORDERS = {
    "no end": ({}, None, "ok"),
    "no end, stamped": ({}, AFTER, "ok"),
    "sign, stamp, revoke": ({"revoked_at": LONG_AFTER}, AFTER, "ok"),
    "sign, stamp, expire": ({"valid_until": LONG_AFTER}, AFTER, "ok"),
    "sign, stamp, expire, revoke": (
        {"valid_until": LONG_AFTER, "revoked_at": LONG_AFTER + DAY},
        AFTER,
        "ok",
    ),
    "sign, revoke, stamp": ({"revoked_at": AFTER}, LONG_AFTER, "cannot-verify"),
    "sign, expire, stamp": ({"valid_until": AFTER}, LONG_AFTER, "cannot-verify"),
    "revoke, sign, stamp": ({"revoked_at": BEFORE}, AFTER, "failed"),
    "expire, sign, stamp": ({"valid_until": BEFORE}, AFTER, "failed"),
    "sign, revoke, never stamped": ({"revoked_at": AFTER}, None, "cannot-verify"),
    "sign, expire, never stamped": ({"valid_until": AFTER}, None, "cannot-verify"),
    "revoke, sign, never stamped": ({"revoked_at": BEFORE}, None, "failed"),
    "expire, sign, never stamped": ({"valid_until": BEFORE}, None, "failed"),
    "key begins, sign, stamp": ({"valid_from": BEFORE}, AFTER, "ok"),
    "sign, stamp, key begins": ({"valid_from": LONG_AFTER}, AFTER, "failed"),
    "sign, key begins, never stamped": ({"valid_from": AFTER}, None, "failed"),
    # The host's clock is a day off: the authority's is what counts.
    "clock a day ahead, stamp, revoke": ({"revoked_at": NOW - DAY / 2}, BEFORE, "ok"),
    "clock a day behind, key begins, stamp": ({"valid_from": NOW + DAY / 2}, AFTER, "ok"),
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_a_key_is_judged_at_the_stamped_moment(order: str, bag: Path, authority: Authority) -> None:
    """What was signed and stamped before the key's end holds; what came after it does not."""
    dates, at, verdict = ORDERS[order]
    if at is not None:
        stamp(bag, authority, at)
    trust = believing(trusting(SIGNER, **dates), authority)
    found = verify_bundle(bag, trust, now=LONG_AFTER + 10 * DAY)
    assert found.verdict == verdict
    assert failed(found) == ([9] if verdict == "failed" else [])
    assert status(found)[9] == {"ok": "ok", "failed": "fail"}.get(verdict, "not-checked")
    assert status(found)[10] == ("not-checked" if at is None else "ok")
    if verdict == "cannot-verify":
        assert "before" in found.checks[8].detail or "older" in found.checks[8].detail


def test_the_earliest_of_several_stamps_binds(bag: Path, authority: Authority) -> None:
    """A later stamp takes nothing from an earlier one, and an earlier one helps."""
    trust = believing(trusting(SIGNER, revoked_at=AFTER), authority)
    stamp(bag, authority, LONG_AFTER)
    assert check(bag, trust).verdict == "cannot-verify"
    stamp(bag, authority, NOW + DAY / 2)
    found = check(bag, trust)
    assert found.verdict == "ok"
    assert len(found.clocks.authority) == 2


def test_the_accuracy_of_a_clock_speaks_for_nobody(tmp_path: Path, bag: Path) -> None:
    """A stamp within its accuracy of the key's end does not show that it is older."""
    vague = Authority(tmp_path / "vague", accuracy="secs:3600")
    stamp(bag, vague, NOW + DAY - timedelta(minutes=30))
    assert check(bag, believing(trusting(SIGNER, revoked_at=AFTER), vague)).verdict == (
        "cannot-verify"
    )
    later = trusting(SIGNER, revoked_at=AFTER + timedelta(minutes=31))
    assert check(bag, believing(later, vague)).verdict == "ok"


def test_stripping_a_stamp_never_helps(bag: Path, authority: Authority) -> None:
    """Where the verifier requires a stamp, a bundle without one is not ok."""
    path = stamp(bag, authority, AFTER)
    required = replace(TRUST, require_timestamp=True)
    ended = trusting(SIGNER, revoked_at=LONG_AFTER)
    for trust in (required, ended):
        assert check(bag, believing(trust, authority)).verdict == "ok"
        assert check(bag, trust).verdict == "cannot-verify"  # nobody pinned
    (bag / path).unlink()
    for trust in (required, ended):
        found = check(bag, believing(trust, authority))
        assert (found.verdict, found.checks[9].required) == ("cannot-verify", True)


def test_what_is_missing_is_named(bag: Path, authority: Authority) -> None:
    """A stamp, while there is time; its authority's root; or nothing, where it is too late."""
    trust = trusting(SIGNER, valid_until=AFTER)
    assert "custody timestamp " in verify_bundle(bag, trust, now=NOW).hint
    assert verify_bundle(bag, trust, now=LONG_AFTER).hint == ""
    stamp(bag, authority, NOW)
    assert "custody trust add tsa" in verify_bundle(bag, trust, now=LONG_AFTER).hint
    assert verify_bundle(bag, believing(trust, authority), now=LONG_AFTER).hint == ""


# ---- tokens that are no good


def test_a_token_over_other_bytes_fails(bag: Path, authority: Authority) -> None:
    """A token for something else in a bundle is not as it was made, whoever signed it."""
    put(bag, authority.stamp(b"other bytes", AFTER))
    for trust in (TRUST, believing(TRUST, authority)):
        found = check(bag, trust)
        assert (found.verdict, failed(found)) == ("failed", [10])
        assert "other bytes" in found.findings[0].message


def test_a_token_of_an_earlier_signature_fails(bag: Path, authority: Authority) -> None:
    """A statement that is signed anew cannot keep the stamp of the old one."""
    stamp(bag, authority, AFTER)
    reseal(bag, lambda event: replace(event, time=NOW + timedelta(seconds=1)))
    assert 10 in failed(check(bag, believing(TRUST, authority)))


def test_a_countersignature_may_be_stamped(bag: Path, authority: Authority) -> None:
    """A second signature by a key with an end counts where it was stamped before that."""
    made = dsse.load((bag / layout.STATEMENT).read_bytes())
    sig = EXAMINER.sign(made.signed_bytes())
    keyid = EXAMINER.key.fingerprint()
    folder = bag / layout.COUNTERSIGNATURES
    folder.mkdir(exist_ok=True)
    line = dsse.Signature(keyid, sig)
    (folder / f"{keyid}.dsse.json").write_bytes(dsse.dump(replace(made, signatures=(line,))))
    signers = (*TRUST.signers, *trusting(EXAMINER, revoked_at=LONG_AFTER).signers)
    trust = believing(replace(TRUST, signers=signers), authority)
    assert check(bag, trust).countersigners == ()
    put(bag, authority.stamp(sig, AFTER))
    found = check(bag, trust)
    assert [item.fingerprint for item in found.countersigners] == [keyid]
    assert (found.verdict, found.clocks.authority) == ("ok", ())  # it dates no other signature


@pytest.mark.parametrize("defect", ["HTML", "empty", "cut off", "long"])
def test_what_is_no_token_fails(defect: str, bag: Path, authority: Authority) -> None:
    """Whatever lies among the time stamps is one."""
    data = {
        "HTML": b"<html>503</html>",
        "empty": b"",
        "cut off": authority.stamp(signature(bag), AFTER)[:-1],
        "long": bytes((1 << 20) + 1),
    }[defect]
    put(bag, data)
    found = check(bag, believing(TRUST, authority))
    assert (found.verdict, 10 in failed(found)) == ("failed", True)


def test_an_unknown_authority_shows_nothing(bag: Path, tmp_path: Path) -> None:
    """A token by nobody known is told and left aside; its own root makes it no better."""
    stamp(bag, Authority(tmp_path / "stranger", "Stranger"), AFTER)
    found = check(bag)
    assert (found.verdict, status(found)[10], found.clocks.authority) == ("ok", "not-checked", ())
    assert any("Stranger" in remark.message for remark in found.remarks)
    required = check(bag, trusting(SIGNER, revoked_at=LONG_AFTER))
    assert required.verdict == "cannot-verify"


def test_a_bad_token_by_a_known_authority_fails(bag: Path, tmp_path: Path) -> None:
    """A stamp from a time at which the authority's certificate had ended is a finding."""
    over = Authority(tmp_path / "over", start=NOW - 9 * DAY, end=NOW, root_end=LONG_AFTER)
    stamp(bag, over, AFTER)
    found = check(bag, believing(TRUST, over))
    assert (found.verdict, failed(found)) == ("failed", [10])
    assert "counts from" in found.findings[0].found


def test_a_link_among_the_stamps_is_not_followed(bag: Path, authority: Authority) -> None:
    """A link in the place of a token fails and is not read."""
    path = bag / stamp(bag, authority, AFTER)
    token = path.read_bytes()
    outside = bag.parent / "outside.tsr"
    outside.write_bytes(token)
    path.unlink()
    path.symlink_to(outside)
    assert check(bag, believing(TRUST, authority)).verdict == "failed"


# ---- age


def test_a_stamp_holds_after_its_certificate_ended(bag: Path, tmp_path: Path) -> None:
    """The chain is judged when it stamped; that it has ended since is told, and that alone."""
    old = Authority(tmp_path / "old", start=NOW - DAY, end=LONG_AFTER)
    path = stamp(bag, old, AFTER)
    trust = believing(trusting(SIGNER, revoked_at=NOW + 2 * DAY), old)
    during = verify_bundle(bag, trust, now=NOW + 2 * DAY)
    after = verify_bundle(bag, trust, now=NOW + 20 * DAY)
    assert (during.verdict, after.verdict) == ("ok", "ok")
    said = [remark for remark in after.remarks if "ended at" in remark.message]
    assert [remark.path for remark in said] == [path]
    assert not any("ended at" in remark.message for remark in during.remarks)


# ---- the three clocks


def test_a_host_ahead_of_the_authority_is_told(bag: Path, authority: Authority) -> None:
    """Where the host's clock ran ahead, the difference is named; the verdict stays."""
    stamp(bag, authority, NOW - DAY - timedelta(hours=2))
    found = check(bag, believing(TRUST, authority))
    assert found.verdict == "ok"
    said = [remark.message for remark in found.remarks if "ran ahead" in remark.message]
    assert len(said) == 1
    assert "1 day, 1 h 59 min" in said[0]  # the authority is good to a second


def test_a_host_on_time_is_not_accused(bag: Path, authority: Authority) -> None:
    """Seconds that neither clock shows are no difference."""
    for at in (NOW, NOW - timedelta(seconds=1), AFTER):
        stamp(bag, authority, at)
    found = check(bag, believing(TRUST, authority))
    assert not any("ran ahead" in remark.message for remark in found.remarks)


def test_the_clocks_are_three_figures(bag: Path, authority: Authority) -> None:
    """Host and authority stand side by side, with the seconds between them."""
    stamp(bag, authority, NOW + timedelta(seconds=90))
    document = check(bag, believing(TRUST, authority)).as_json()["clocks"]
    assert document["host"] == "2026-11-22T03:14:05Z"
    (reading,) = document["authority"]
    assert (reading["name"], reading["of"]) == ("example", "signature")
    assert reading["after_host_seconds"] in (90, 91)
    assert reading["accuracy_milliseconds"] == 1000
    assert document["witness"] == []


EXAMINER = key("eve", 9)
WITNESS = Signer.generate("witness.example/w", 4)


def cosign(bag: Path, at: datetime) -> Trust:
    """Have the receipt's checkpoint signed by a witness, and require that."""
    path = next((bag / layout.RECEIPTS).iterdir())
    found = proof.load(path.read_bytes())
    signed = note.load(found.checkpoint)
    line = notes.cosign(signed.text, WITNESS, int(at.timestamp()))
    data = note.dump(replace(signed, signatures=(*signed.signatures, line)))
    path.write_bytes(proof.dump(replace(found, checkpoint=data)))
    policy = Policy((Known(LOG.key),), {"w": Known(WITNESS.key)}, {}, "w")
    return replace(TRUST, policy=policy)


def test_a_witness_dates_what_is_entered(entered: Path) -> None:
    """A key that was revoked after a witness saw the entry counted when it signed."""
    trust = cosign(entered, AFTER)
    for revoked, verdict in ((LONG_AFTER, "ok"), (AFTER, "cannot-verify"), (BEFORE, "failed")):
        signers = trusting(SIGNER, revoked_at=revoked).signers
        found = check(entered, replace(trust, signers=signers))
        assert found.verdict == verdict
        assert [item.name for item in found.clocks.witness] == ["w"]
    # But where the trust folder asks for a stamp, a witness is none.
    assert check(entered, replace(trust, require_timestamp=True)).verdict == "cannot-verify"
    assert found.clocks.witness[0].time == AFTER.astimezone(UTC)
