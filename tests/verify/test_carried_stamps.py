"""A bundle that travels alone: receipts under stamped checkpoints give it the ledger's time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from authority import Authority
from test_ledger_stamps import enter, stamp_bundle, stamp_ledger
from test_stamps import believing
from verify_bench import ACTOR, NOW, SIGNER, TRUST, check_case, failed, status, trusting

from custody import case as cases
from custody import receipting
from custody.bundle import layout
from custody.errors import DifferenceError
from custody.formats.statement import Event
from custody.identity.trust import Anchor, Trust
from custody.ledger import proof
from custody.ledger.policy import Policy
from custody.verify import Verification, verify_bundle

DAY = timedelta(days=1)
YEAR = 365 * DAY
NOBODY = Policy(())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("carried") / "a")


def give(case: Path, *authorities: Authority) -> Path:
    """What `copy` does before it copies; the bundle."""
    bundle = min((case / "bundles").iterdir())
    anchors = [Anchor(each.name, each.root) for each in authorities]
    opened = cases.open_case(case)
    receipting.give_dated(bundle, opened, anchors, opened.incoming)
    return bundle


def alone(case: Path) -> Path:
    """A copy of the bundle, far from its case."""
    bundle = min((case / "bundles").iterdir())
    return Path(shutil.copytree(bundle, case.parent / "far" / bundle.name, dirs_exist_ok=True))


def look(bag: Path, trust: Trust, now: datetime = NOW) -> Verification:
    return verify_bundle(bag, trust, now=now)


def test_a_bundle_takes_the_ledger_s_stamp_along(case: Path, authority: Authority) -> None:
    """Its key ended since, and a copy without its case still verifies, by the receipt's stamp."""
    enter(case, Event("noted", NOW, ACTOR))
    stamp_ledger(case, authority, NOW + DAY)
    trust = believing(trusting(SIGNER, revoked_at=NOW + 2 * DAY), authority)
    assert look(alone(case), trust).verdict == "cannot-verify"
    bundle = give(case, authority)
    found = look(alone(case), trust)
    assert (found.verdict, status(found)[10]) == ("ok", "ok")
    (shown,) = found.as_json()["clocks"]["authority"]
    assert (shown["of"], shown["name"]) == ("checkpoint", "example")
    no_log = replace(trust, policy=NOBODY)  # the sum and the stamp suffice, whoever keeps the log
    assert look(alone(case), no_log).verdict == "ok"
    assert look(alone(case), trusting(SIGNER, revoked_at=NOW + 2 * DAY)).verdict == "cannot-verify"
    late = believing(trusting(SIGNER, revoked_at=NOW + DAY / 2), authority)
    assert look(alone(case), late).verdict == "cannot-verify"
    assert check_case(case, believing(TRUST, authority)).verdict == "ok"
    before = sorted(path.name for path in (bundle / layout.RECEIPTS).iterdir())
    give(case, authority)
    assert sorted(path.name for path in (bundle / layout.RECEIPTS).iterdir()) == before


def test_a_receipt_of_that_very_tree_gets_the_stamp(case: Path, authority: Authority) -> None:
    """It is not written twice, and a later receipt without a stamp does not take it away."""
    opened = cases.open_case(case)
    bundle = max((case / "bundles").iterdir())
    receipting.give(bundle, opened.ledger, TRUST.policy, opened.incoming)
    names = sorted(path.name for path in (bundle / layout.RECEIPTS).iterdir())
    stamp_ledger(case, authority, NOW + DAY, entered=False)
    anchors = [Anchor(authority.name, authority.root)]
    (path,) = receipting.give_dated(bundle, opened, anchors, opened.incoming)
    assert sorted(each.name for each in (bundle / layout.RECEIPTS).iterdir()) == names
    held = path.read_bytes()
    assert proof.load(held).extra
    assert not receipting.give(bundle, opened.ledger, TRUST.policy, opened.incoming).is_new
    assert path.read_bytes() == held


def test_a_renewal_keeps_a_lone_bundle_s_time(case: Path, tmp_path: Path) -> None:
    """When the first authority's certificate has ended, a later one over the ledger is there."""
    old = Authority(tmp_path / "old", "Old", start=NOW, end=NOW + YEAR)
    new = Authority(tmp_path / "new", "New", start=NOW, end=NOW + 9 * YEAR)
    trust = replace(TRUST, anchors=(Anchor("Old", old.root), Anchor("New", new.root)))
    stamp_bundle(case, old, NOW + DAY)
    stamp_ledger(case, old, NOW + 2 * DAY)
    stamp_ledger(case, new, NOW + YEAR / 2)

    def remarks() -> list[str]:
        found = look(alone(case), trust, NOW + 2 * YEAR)
        assert found.verdict == "ok"
        return [each.message for each in found.remarks if "ended at" in each.message]

    assert all("no later stamp" in each for each in remarks())
    give(case, old, new)
    said = remarks()
    assert len(said) == 2  # the bundle's own token, and the earliest over the ledger
    assert all("a stamp of New that still holds shows 2027-05-2" in each for each in said)


@pytest.mark.parametrize("harm", ["other bytes", "garbage", "moved", "stripped", "receipt gone"])
def test_harm_to_a_carried_stamp_is_found_or_helps_nobody(
    case: Path, authority: Authority, harm: str
) -> None:
    """A stamp over another checkpoint, or none at all, fails; taking it out is never ok."""
    enter(case, Event("noted", NOW, ACTOR))
    stamp_ledger(case, authority, NOW + DAY)
    bag = (give(case, authority), alone(case))[1]
    trust = believing(trusting(SIGNER, revoked_at=NOW + 2 * DAY), authority)
    folder = bag / layout.RECEIPTS
    (path,) = [each for each in folder.iterdir() if proof.load(each.read_bytes()).extra]
    (plain,) = [each for each in folder.iterdir() if each != path]
    carried = proof.load(path.read_bytes())
    if harm == "other bytes":
        path.write_bytes(proof.dump(replace(carried, extra=authority.stamp(b"x", NOW + DAY))))
    elif harm == "garbage":
        path.write_bytes(proof.dump(replace(carried, extra=b"<html>")))
    elif harm == "moved":  # to the receipt of another tree
        other = proof.load(plain.read_bytes())
        plain.write_bytes(proof.dump(replace(other, extra=carried.extra)))
        path.unlink()
    elif harm == "stripped":
        path.write_bytes(proof.dump(replace(carried, extra=b"")))
    else:
        path.unlink()
    found = look(bag, trust)
    stripped = harm in ("stripped", "receipt gone")
    assert (found.verdict, failed(found)) == (
        ("cannot-verify", []) if stripped else ("failed", [10])
    )


def test_a_stamp_in_a_receipt_of_something_else_dates_nothing(
    case: Path, authority: Authority
) -> None:
    """Where the proof does not lead from this statement, the stamp over its tree says nothing."""
    enter(case, Event("noted", NOW, ACTOR))
    stamp_ledger(case, authority, NOW + DAY)
    bag = (give(case, authority), alone(case))[1]
    other = max((case / "bundles").iterdir())
    opened, anchors = cases.open_case(case), [Anchor(authority.name, authority.root)]
    receipting.give_dated(other, opened, anchors, opened.incoming)
    shutil.rmtree(bag / layout.RECEIPTS)
    shutil.copytree(other / layout.RECEIPTS, bag / layout.RECEIPTS)
    trust = believing(trusting(SIGNER, revoked_at=NOW + 2 * DAY), authority)
    found = look(bag, trust)
    assert failed(found) == [11]
    assert status(found)[9] == "not-checked"
    assert found.clocks.authority == ()


def test_no_receipt_is_written_through_a_link(case: Path, authority: Authority) -> None:
    """A bundle whose directory of receipts leads elsewhere gets none."""
    stamp_ledger(case, authority, NOW + DAY)
    bundle = min((case / "bundles").iterdir())
    (bundle / layout.RECEIPTS).rename(case.parent / "elsewhere")
    (bundle / layout.RECEIPTS).symlink_to(case.parent / "elsewhere")
    before = sorted((case.parent / "elsewhere").iterdir())
    with pytest.raises(DifferenceError, match="a link"):
        give(case, authority)
    assert sorted((case.parent / "elsewhere").iterdir()) == before
