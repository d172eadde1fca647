"""The rows of the form: each change of hands with both sides, and what was said of it later."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from custody.identity.signing import Signer


def form(custody: Any, bundle: Path, exit_code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        custody("form", bundle, "--json", exit_code=exit_code).stdout
    )
    return found


def test_a_release_and_its_receipt_are_one_row(
    custody: Any, office: Any, lab: Any, bundle: Path
) -> None:
    """Both sides, both times, carrier, tracking, hash and three signatures stand in one row."""
    index, release = office.release(
        lab.named, purpose="Examination", authority="Order 7", place="Room 12", method="Courier"
    )
    answer = office.receipt(release, lab.signer, lab.person, comment="seal intact")
    found = form(custody, bundle)
    collected, row = found["transfers"]
    assert (collected["type"], collected["number"], row["number"]) == ("sealed", 1, 2)
    assert row["released_by"]["name"] == "Ada Example"
    assert row["received_by"] == dict(lab.person)
    assert (row["entry"], row["answer"]["entry"]) == (index, answer)
    for word in ("Examination", "Order 7", "Room 12", "Courier", "EX 123 456 789"):
        assert word in row.values()
    assert row["answer"]["comment"] == "seal intact"
    assert row["receipt"] == "received, countersigned"
    assert row["before"] == row["after"] == office.pinned
    assert [one["verdict"] for one in row["signatures"]] == ["trusted", "trusted", "vouched"]
    named = {key["fingerprint"]: key["holder"] for key in found["keys"]}
    assert "Grace Sample" in named[lab.signer.key.fingerprint()]
    assert found["chain_gaps"] == []


def test_a_release_that_nobody_answered_says_so(
    custody: Any, office: Any, lab: Any, bundle: Path
) -> None:
    """Released and not received: the row has no time of receipt, and the gap is named."""
    office.release(lab.named, purpose="Examination")
    found = form(custody, bundle)
    row = found["transfers"][1]
    assert (row["received_at"], row["receipt"]) == ("", "no receipt is entered")
    assert "never received" in found["chain_gaps"][0]["sentence"]
    assert "never received" in custody("form", bundle, exit_code=0).stdout


def test_a_paper_receipt_is_never_taken_for_a_signed_one(
    custody: Any, office: Any, bundle: Path
) -> None:
    """What was received on paper is shown as not countersigned."""
    person = {"name": "Hal Sample"}
    _, release = office.release(person)
    details = {**office.copy, "release": release, "received_by": person, "paper": True,
               "received_at": "2026-03-14T09:30:00Z"}  # fmt: skip
    office.enter("received", details, {"paper": "0" * 64}, comment="signed at the counter")
    row = form(custody, bundle)["transfers"][1]
    assert row["receipt"] == "received on paper, not countersigned"
    assert row["received_at"] == "2026-03-14T09:30:00Z"
    assert "on paper, not countersigned" in custody("form", bundle, exit_code=0).stdout


def test_a_refusal_is_shown_with_its_reason(
    custody: Any, office: Any, lab: Any, bundle: Path
) -> None:
    """Who refused, and why, stands in the row of the release."""
    _, release = office.release(lab.named)
    office.receipt(release, lab.signer, lab.person, comment="the seal was broken", kind="refused")
    row = form(custody, bundle)["transfers"][1]
    assert row["receipt"] == "REFUSED, countersigned"
    assert row["answer"]["comment"] == "the seal was broken"


def test_a_receipt_by_a_stranger_is_no_verdict(
    custody: Any, office: Any, lab: Any, bundle: Path
) -> None:
    """A countersignature by a key that nobody vouches for leaves the form unverified, exit 11."""
    _, release = office.release(dict(lab.person))
    office.receipt(release, Signer.generate("mallory"), lab.person)
    found = form(custody, bundle, exit_code=11)
    assert found["transfers"][1]["signatures"][-1]["verdict"] == "untrusted"


def test_a_forged_receipt_fails(custody: Any, office: Any, lab: Any, bundle: Path) -> None:
    """A receipt that the key in it did not sign makes a failed form, exit 10."""
    _, release = office.release(lab.named)
    forger = replace(Signer.generate("mallory"), key=lab.signer.key)
    office.receipt(release, forger, lab.person)
    found = form(custody, bundle, exit_code=10)
    assert found["transfers"][1]["signatures"][-1]["verdict"] == "bad"
    assert found["verification"]["findings"]


def test_a_correction_stands_beside_what_it_corrects(
    custody: Any, office: Any, lab: Any, bundle: Path
) -> None:
    """The old words stay, and the correction is shown in the same row and names its entry."""
    index, release = office.release(lab.named, place="Room 21")
    entry = office.keeper.case.ledger.entry(index)
    details = {"entry": index, "entry_sha256": hashlib.sha256(entry).hexdigest()}
    corrected, _ = office.enter("corrected", details, comment="it was room 12")
    office.receipt(release, lab.signer, lab.person)
    row = form(custody, bundle)["transfers"][1]
    assert row["place"] == "Room 21"
    (said,) = row["corrections"]
    assert (said["corrects"], said["entry"], said["comment"]) == (
        index,
        corrected,
        "it was room 12",
    )
    page = custody("form", bundle, exit_code=0).stdout
    assert page.index("Room 21") < page.index("it was room 12")


def test_a_bundle_from_a_host_begins_with_its_own_statement(
    custody: Any, case: Path, office: Any, alone: Path
) -> None:
    """Taken in from a host: the collector's row is the statement's, the next is the intake."""
    taken = Path(shutil.copytree(alone, case / "bundles" / alone.name))
    sealed = (alone / "seal" / "statement.dsse.json").read_bytes()
    pinned = hashlib.sha256((alone / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    signed = json.loads(sealed)["signatures"][0]["keyid"]
    details = {
        "bundle": alone.name, "from": {"name": "Rae Sample", "title": "Technician"},
        "statement": hashlib.sha256(sealed).hexdigest(), "signer": signed,
        "evidence_number": "E-004", "verdict": "ok",
    }  # fmt: skip
    words = {"item": alone.name, "place": "Front desk", "method": "in person"}
    office.enter("received", details, {"received": pinned}, **words)
    done = custody("form", "E-004", "--case", case, "--signer", signed, "--json", exit_code=0)
    found = json.loads(done.stdout)
    first, second = found["transfers"]
    assert (first["type"], first["entry"]) == ("sealed", None)
    assert first["received_by"]["name"] == "Ada Example"
    assert second["released_by"]["name"] == "Rae Sample"
    assert second["received_by"]["name"] == "Ada Example"
    assert (second["place"], second["method"]) == ("Front desk", "in person")
    assert found["item"]["evidence_number"] == "E-004"
    shutil.rmtree(taken)
    gone = custody("form", "E-004", "--case", case, "--signer", signed, "--json", exit_code=11)
    hashes = json.loads(gone.stdout)["hashes"]
    assert hashes["tag_manifest_sealed"] == pinned
    assert (hashes["statement"], hashes["fingerprint"]) == (details["statement"], signed)


def test_other_events_are_listed_apart(custody: Any, office: Any, bundle: Path) -> None:
    """A note and an access are no change of hands: they stand in the list of what else happened."""
    office.enter("noted", comment="label renewed")
    office.enter("accessed", {"person": {"name": "Grace Sample"}}, purpose="Examination")
    found = form(custody, bundle)
    assert [row["type"] for row in found["transfers"]] == ["sealed"]
    assert [one["type"] for one in found["events"]] == ["noted", "accessed"]
    assert found["events"][0]["words"]["comment"] == "label renewed"
