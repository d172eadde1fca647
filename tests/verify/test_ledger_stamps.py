"""Stamps over a ledger's checkpoints: they date entries and bundles, and renew older stamps."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from authority import Authority
from test_stamps import believing, signature
from verify_bench import ACTOR, LOG, NOW, SIGNER, TRUST, check_case, failed, status, trusting

from custody import case as cases
from custody.formats import statement, vkey
from custody.formats.statement import Event, Subject
from custody.identity import notes, signing
from custody.identity.signing import Signer
from custody.identity.trust import Anchor
from custody.ledger import checkpoint as checkpoints
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.policy import Group, Known, Policy
from custody.stamping import places, telling, token
from custody.verify import Verification, verify_case

DAY = timedelta(days=1)
YEAR = 365 * DAY


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "a")


def enter(case: Path, event: Event) -> None:
    opened = cases.open_case(case)
    data = signing.seal(SIGNER, statement.dump(event))
    with opened.locked(0):
        opened.log.append([data], LOG)


def told(case: Path, said: telling.Told) -> None:
    subjects = tuple(Subject(name, digest) for name, digest in said.digests.items())
    enter(case, Event("timestamped", NOW, ACTOR, subjects, said.words, None, said.details))


def stamp_ledger(case: Path, authority: Authority, at: datetime, *, entered: bool = True) -> Path:
    """As `timestamp --ledger` does it."""
    published = cases.open_case(case).ledger.checkpoint()
    read = token.read(authority.stamp(places.message_of(published), at))
    path = places.keep_for_ledger(case, published, read)
    if entered:
        tree, text = published.checkpoint, published.note.text
        told(case, telling.of_ledger("7", tree, text, read, "http://tsa.example/"))
    return path


def stamp_bundle(case: Path, authority: Authority, at: datetime) -> Path:
    bundle = min((case / "bundles").iterdir())
    read = token.read(authority.stamp(signature(bundle), at))
    path = places.keep(bundle, read)
    sealed = places.statement_of(bundle)
    told(case, telling.of_bundle(bundle.name, sealed, read, "http://tsa.example/"))
    return path


def test_a_stamp_over_the_ledger_dates_what_is_below(case: Path, authority: Authority) -> None:
    """A key that was revoked after the stamp counted for every entry and bundle before it."""
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    for revoked, verdict in ((NOW + 2 * DAY, "ok"), (NOW + DAY, "cannot-verify")):
        found = check_case(case, believing(trusting(SIGNER, revoked_at=revoked), authority))
        assert found.verdict == verdict
        assert status(found)[8] == "ok"
    assert found.clocks.authority[0].of == "checkpoint"


def test_a_bundle_that_was_taken_in_is_dated_by_its_intake(
    bag: Path, case: Path, authority: Authority
) -> None:
    """The intake's entry pins the statement, so a stamp above that entry dates its signature."""
    sealed = places.statement_of(bag)
    name = sealed.event.words["item"]
    shutil.copytree(bag, case / "bundles" / name)
    pinned = hashlib.sha256(sealed.data).hexdigest()
    details = {"from": {"name": "A host"}, "bundle": name, "statement": pinned}
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    enter(case, Event("received", NOW, ACTOR, (), {"item": name}, None, details))
    trust = believing(trusting(SIGNER, revoked_at=NOW + 2 * DAY), authority)
    assert check_case(case, trust).verdict == "cannot-verify"  # stamped before it came
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    assert check_case(case, trust).verdict == "ok"


def test_entries_after_the_stamp_are_not_dated(case: Path, authority: Authority) -> None:
    """What was entered later than the checkpoint that was stamped needs a later stamp."""
    stamp_ledger(case, authority, NOW + DAY)  # the entry that tells of it comes after it
    trust = believing(trusting(SIGNER, revoked_at=NOW + 3 * DAY), authority)
    assert (check_case(case, trust).verdict, failed(check_case(case, trust))) == (
        "cannot-verify", [],
    )  # fmt: skip
    stamp_ledger(case, authority, NOW + 2 * DAY, entered=False)
    assert check_case(case, trust).verdict == "ok"


def test_a_stamp_by_nobody_known_dates_nothing(case: Path, authority: Authority) -> None:
    """Check 8 says so and is not required; what needs a time stays open."""
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    (case / "timestamps/readme.txt").write_bytes(b"")
    found = check_case(case)
    assert (found.verdict, status(found)[8]) == ("ok", "not-checked")
    assert any(remark.path == "timestamps/readme.txt" for remark in found.remarks)
    assert check_case(case, trusting(SIGNER, revoked_at=NOW + 2 * DAY)).verdict == "cannot-verify"


def test_a_ledger_behind_its_stamp_was_rolled_back(
    made: object, case: Path, authority: Authority
) -> None:
    """A checkpoint that was stamped stays true, also if the ledger is put back to an older one."""
    before = shutil.copytree(case / "ledger", case.parent / "old-ledger")
    enter(case, Event("noted", NOW, ACTOR))
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    shutil.rmtree(case / "ledger")
    before.rename(case / "ledger")
    for trust in (TRUST, believing(TRUST, authority)):
        found = check_case(case, trust)
        assert (found.verdict, failed(found)) == ("failed", [8])
        assert "rolled back" in found.findings[0].message


def test_a_ledger_with_another_past_fails(case: Path, authority: Authority) -> None:
    """The keeper of the log key cannot stamp one past and show another."""
    opened = cases.open_case(case)
    tree = opened.ledger.checkpoint().checkpoint
    other = Checkpoint(tree.origin, tree.size, bytes(32))
    data = notes.sign(checkpoints.dump(other), LOG)
    read = token.read(authority.stamp(checkpoints.dump(other).encode(), NOW + DAY))
    (case / "timestamps").mkdir()
    stem = case / "timestamps" / f"{tree.size}-{read.sha256}"
    stem.with_suffix(".tsr").write_bytes(read.data)
    stem.with_suffix(".checkpoint").write_bytes(data)
    found = check_case(case, believing(TRUST, authority))
    assert (found.verdict, failed(found)) == ("failed", [8])
    assert "past was changed" in found.findings[0].message


@pytest.mark.parametrize("harm", ["garbage", "other bytes", "renamed", "alone", "gone", "linked"])
def test_harm_to_a_stamp_over_the_ledger_is_found(
    harm: str, case: Path, authority: Authority
) -> None:
    """Each file in timestamps/ is what its name says, and what was entered is there."""
    path = stamp_ledger(case, authority, NOW + DAY)
    if harm == "garbage":
        path.write_bytes(b"<html>")
    elif harm == "other bytes":
        read = token.read(authority.stamp(b"other bytes", NOW + DAY))
        size = path.name.partition("-")[0]
        for ending in (".checkpoint", ".tsr"):
            shutil.copy(
                path.with_suffix(".checkpoint"), path.parent / f"{size}-{read.sha256}{ending}"
            )
        (path.parent / f"{size}-{read.sha256}.tsr").write_bytes(read.data)
    elif harm == "renamed":
        path.rename(path.with_name("1" + path.name))
    elif harm == "alone":
        path.with_suffix(".checkpoint").unlink()
    elif harm == "gone":
        path.unlink()
    else:
        path.rename(case / "elsewhere.tsr")
        path.symlink_to(case / "elsewhere.tsr")
    found = check_case(case, believing(TRUST, authority))
    assert (found.verdict, failed(found)) == ("failed", [8])


def test_a_stamp_that_was_entered_is_missed(case: Path, authority: Authority) -> None:
    """A token that the ledger names and that is gone from its bundle was stripped."""
    path = stamp_bundle(case, authority, NOW + DAY)
    trust = believing(TRUST, authority)
    assert check_case(case, trust).verdict == "ok"
    path.unlink()
    found = check_case(case, trust)
    assert (found.verdict, failed(found)) == ("failed", [8])
    assert found.findings[0].path.endswith(path.name)


# ---- renewal


def ended_remarks(found: Verification) -> list[str]:
    return [remark.path for remark in found.remarks if "ended at" in remark.message]


def test_a_chain_of_stamps_keeps_the_first_one_good(case: Path, tmp_path: Path) -> None:
    """Each stamp is covered by one that was made before its authority's certificate ended."""
    spans = ((NOW, 2 * YEAR), (NOW + YEAR, 3 * YEAR), (NOW + 3 * YEAR, 9 * YEAR))
    first, second, third = (
        Authority(tmp_path / str(n), f"No {n}", start=start, end=start + span)
        for n, (start, span) in enumerate(spans)
    )
    anchors = tuple(Anchor(item.name, item.root) for item in (first, second, third))
    trust = replace(TRUST, anchors=anchors)
    years_later = NOW + 5 * YEAR
    in_bundle = stamp_bundle(case, first, NOW + DAY)

    def remarked() -> list[str]:
        found = verify_case(case, trust, now=years_later)
        assert (found.verdict, failed(found)) == ("ok", [])
        return ended_remarks(found)

    assert remarked() == [in_bundle.relative_to(case).as_posix()]
    renewal = stamp_ledger(case, second, NOW + YEAR + DAY)
    # The second has ended too, and nothing covers it.
    assert set(remarked()) == {
        in_bundle.relative_to(case).as_posix(), renewal.relative_to(case).as_posix(),
    }  # fmt: skip
    stamp_ledger(case, third, NOW + 3 * YEAR + DAY)
    assert remarked() == []


def test_a_renewal_that_came_too_late_covers_nothing(case: Path, tmp_path: Path) -> None:
    """A stamp made after the older one's certificate ended shows nothing about before."""
    old = Authority(tmp_path / "old", "Old", start=NOW, end=NOW + YEAR)
    new = Authority(tmp_path / "new", "New", start=NOW, end=NOW + 9 * YEAR)
    trust = replace(TRUST, anchors=(Anchor("old", old.root), Anchor("new", new.root)))
    path = stamp_bundle(case, old, NOW + DAY)
    stamp_ledger(case, new, NOW + YEAR + DAY)
    found = verify_case(case, trust, now=NOW + 2 * YEAR)
    assert found.verdict == "ok"
    assert ended_remarks(found) == [path.relative_to(case).as_posix()]


def test_a_token_that_was_never_entered_is_not_covered(case: Path, tmp_path: Path) -> None:
    """Only what a stamped tree names was there before the stamp."""
    old = Authority(tmp_path / "old", "Old", start=NOW, end=NOW + YEAR)
    new = Authority(tmp_path / "new", "New", start=NOW, end=NOW + 9 * YEAR)
    trust = replace(TRUST, anchors=(Anchor("old", old.root), Anchor("new", new.root)))
    bundle = min((case / "bundles").iterdir())
    path = places.keep(bundle, token.read(old.stamp(signature(bundle), NOW + DAY)))
    stamp_ledger(case, new, NOW + 2 * DAY)
    found = verify_case(case, trust, now=NOW + 2 * YEAR)
    assert ended_remarks(found) == [path.relative_to(case).as_posix()]


# ---- witnesses


def cosigned(case: Path, *seen: tuple[Signer, datetime]) -> None:
    opened = cases.open_case(case)
    published = opened.ledger.checkpoint()
    lines = [notes.cosign(published.note.text, who, int(at.timestamp())) for who, at in seen]
    with opened.locked(0):
        opened.log.add_cosignatures(published.note.text, lines)


def test_witnesses_date_entries_when_the_quorum_is_met(case: Path) -> None:
    """One of two who are asked for, who says an early time, dates nothing by itself."""
    one, two = (Signer.generate(f"w{n}.example/w", vkey.COSIGNATURE) for n in (1, 2))
    cosigned(case, (one, NOW - 9 * DAY), (two, NOW + 2 * DAY))
    known = {"one": Known(one.key), "two": Known(two.key)}
    both = Policy((Known(LOG.key),), known, {"both": Group(2, ("one", "two"))}, "both")
    for revoked, standing in ((NOW + DAY, "not-checked"), (NOW + 3 * DAY, "ok")):
        found = check_case(case, replace(trusting(SIGNER, revoked_at=revoked), policy=both))
        assert status(found)[4] == standing  # entries
        assert {status(bundle)[9] for bundle in found.bundles} == {standing}
    # Where the policy asks for none, the last of those who signed counts.
    nobody = replace(both, quorum="none")
    trust = replace(trusting(SIGNER, revoked_at=NOW + DAY), policy=nobody)
    found = check_case(case, trust)
    assert found.verdict == "cannot-verify"
    assert [item.name for item in found.clocks.witness] == ["one", "two"]
    document = found.as_json()["clocks"]["witness"]
    assert document[0]["after_host_seconds"] == -9 * 86_400
    assert document[0]["accuracy_milliseconds"] is None


def test_a_clock_that_ran_ahead_at_the_desk_is_told(case: Path, authority: Authority) -> None:
    """Each stamp over a checkpoint is held against the last entry under it, and no later one."""
    stamp_ledger(case, authority, NOW + DAY)
    enter(case, Event("noted", NOW + 5 * DAY, ACTOR))
    trust = believing(TRUST, authority)
    found = verify_case(case, trust, now=NOW + 9 * DAY)
    (reading,) = found.as_json()["clocks"]["authority"]
    assert reading["after_host_seconds"] == 86_400
    assert not any("ran ahead" in remark.message for remark in found.remarks)
    stamp_ledger(case, authority, NOW + 2 * DAY, entered=False)
    found = verify_case(case, trust, now=NOW + 9 * DAY)
    (said,) = [remark.message for remark in found.remarks if "ran ahead" in remark.message]
    assert "2 days, 23 h 59 min" in said
