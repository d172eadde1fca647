"""A whole case: its record, its ledger, its bundles, and whether they agree."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from verify_bench import (
    ACTOR,
    LOG,
    NOW,
    SIGNER,
    STRANGER,
    TRUST,
    check_case,
    failed,
    gather,
    reseal,
    status,
    trusting,
)

from custody import case as cases
from custody import entering
from custody.collect import Destination
from custody.errors import DifferenceError, UnknownFormatError, UsageError
from custody.formats import statement
from custody.formats.statement import Event, Subject
from custody.identity import signing
from custody.identity.signing import Signer
from custody.ledger.memory import Memory
from custody.verify import verify, verify_case


def bundles(case: Path) -> list[Path]:
    return sorted((case / "bundles").iterdir())


def entry_of(case: Path, bundle: Path) -> int:
    """The ledger entry of a bundle as it is."""
    index = cases.open_case(case).ledger.find(
        (bundle / "seal" / "statement.dsse.json").read_bytes()
    )
    assert index is not None
    return index


def enter(case: Path, event: Event, signer: Signer = SIGNER) -> bytes:
    """Append an entry to the case's ledger."""
    data = signing.seal(signer, statement.dump(event))
    opened = cases.open_case(case)
    with opened.locked(0):
        opened.log.append([data], LOG)
    return data


def test_a_whole_case_is_ok(case: Path) -> None:
    """What init and collect made passes every check of the case and of its bundles."""
    found = check_case(case)
    assert (found.verdict, found.findings, set(status(found).values())) == ("ok", (), {"ok"})
    assert [bundle.verdict for bundle in found.bundles] == ["ok", "ok"]
    assert found.ledger is not None
    assert found.ledger["size"] == 3
    assert found.files == sum(bundle.files for bundle in found.bundles)


def _unentered(case: Path) -> None:
    gather(case / "bundles" / bundles(case)[0].name / "data", Destination(case.parent / "out"))
    made = next(path for path in (case.parent / "out").iterdir() if path.name != "incoming")
    made.rename(case / "bundles" / made.name)


def _misnamed(case: Path) -> None:
    first = bundles(case)[0]
    first.rename(first.with_name("20260101T000000Z-x-000000"))


def _swapped(case: Path) -> None:
    first, second = bundles(case)
    aside = case / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def _sealed_again(case: Path) -> None:
    """The signer of a bundle replaces it, after it was entered."""
    path = bundles(case)[0]
    shutil.rmtree(path / "seal" / "receipts")
    reseal(path, lambda event: replace(event, words={**event.words, "place": "elsewhere"}))


def _payload(case: Path) -> None:
    path = next(path for path in (bundles(case)[0] / "data").rglob("x.log"))
    path.write_bytes(b"Deep\n")


def _record(case: Path) -> None:
    path = case / "case.json"
    path.write_bytes(path.read_bytes().replace(b"A test", b"A tost"))


def _format(case: Path) -> None:
    path = case / "case.json"
    path.write_bytes(path.read_bytes().replace(b"custody.case/1", b"custody.case/2"))


def _link_for_ledger(case: Path) -> None:
    (case / "ledger").rename(case.parent / "elsewhere")
    (case / "ledger").symlink_to(case.parent / "elsewhere")


def _link_for_bundle(case: Path) -> None:
    path = bundles(case)[0]
    path.rename(case.parent / "elsewhere")
    path.symlink_to(case.parent / "elsewhere")


def _checkpoint_leftovers(case: Path) -> None:
    path = case / "ledger" / "checkpoint"
    path.write_bytes(path.read_bytes() + b"more\n")


def _without_bundle(case: Path) -> None:
    shutil.rmtree(bundles(case)[0])


def _wrong_key(case: Path) -> None:
    event = Event("noted", NOW, ACTOR)
    enter(case, event, STRANGER)


DAMAGE: dict[str, tuple[Callable[[Path], object], set[int]]] = {
    "an entry whose bundle is gone": (_without_bundle, {7}),
    "a bundle that nobody entered": (_unentered, {7}),
    "a bundle under another name": (_misnamed, {5, 7}),
    "bundles that changed their names": (_swapped, {5, 7}),
    "a bundle sealed again": (_sealed_again, {7}),
    "a changed payload file": (_payload, {5}),
    "a changed record": (_record, {1}),
    "a record of another format": (_format, {1}),
    "no record": (lambda case: (case / "case.json").unlink(), {1}),
    "no ledger": (lambda case: shutil.rmtree(case / "ledger"), {1, 2, 3}),
    "a link for the ledger": (_link_for_ledger, {1, 2, 3}),
    "a link for a bundle": (_link_for_bundle, {5}),
    "no bundles": (lambda case: shutil.rmtree(case / "bundles"), {2, 5, 7}),
    "a directory among the bundles": (lambda case: (case / "bundles" / "x").mkdir(), {5, 7}),
    "no checkpoint": (lambda case: (case / "ledger" / "checkpoint").unlink(), {1, 3}),
    "a checkpoint with leftovers": (_checkpoint_leftovers, {1, 3}),
    "an entry that its actor did not sign": (_wrong_key, {4}),
    "a strange file in the ledger": (lambda case: (case / "ledger" / "x").write_bytes(b""), {3}),
    "a FIFO for the record": (
        lambda case: ((case / "case.json").unlink(), os.mkfifo(case / "case.json")), {1}),
}  # fmt: skip


def test_a_replaced_bundle_is_found_before_and_after_a_collection(case: Path) -> None:
    """Whoever can sign cannot have the next collection vouch for another bundle under the name."""
    path = bundles(case)[0]
    index = entry_of(case, path)
    _sealed_again(case)
    before = check_case(case)
    (finding,) = before.findings
    assert (failed(before), finding.path) == ([7], f"bundles/{path.name}/seal")
    assert f"the bundle of ledger entry {index} was replaced" in finding.message
    opened = cases.open_case(case)
    entered, refused = entering.enter_pending(opened, LOG, [SIGNER.key], 0)
    assert (entered, set(refused)) == ({}, {path.name})
    assert f"ledger entry {index} sealed another bundle under this name" in refused[path.name]
    source = case.parent / "log"
    source.mkdir()
    (source / "a.log").write_bytes(b"a")
    gather(source, Destination(case, opened, LOG, [SIGNER.key]))
    assert check_case(case).findings == before.findings
    assert not (path / "seal" / "receipts").exists()


def test_two_bundles_of_one_name_are_found(case: Path) -> None:
    """A ledger that has a second bundle under a name does not make the first one's loss right."""
    path = bundles(case)[0]
    index = entry_of(case, path)
    first = (path / "seal" / "statement.dsse.json").read_bytes()
    _sealed_again(case)
    opened = cases.open_case(case)
    with opened.locked(0):
        opened.log.append([(path / "seal" / "statement.dsse.json").read_bytes()], LOG)
    found = check_case(case)
    assert failed(found) == [7]
    said = [finding.message for finding in found.findings]
    assert any("different bundles under one name" in text for text in said)
    assert any(f"the bundle of ledger entry {index} was replaced" in text for text in said)
    (path / "seal" / "statement.dsse.json").write_bytes(first)
    assert any("entry 3 was replaced" in item.message for item in check_case(case).findings)
    shutil.rmtree(path)
    said = [finding.message for finding in check_case(case).findings]
    assert {f"the bundle of ledger entry {number} is gone" for number in (index, 3)} <= set(said)


def test_a_bundle_entered_twice_is_ok(case: Path) -> None:
    """The very same statement in two entries is one bundle."""
    path = bundles(case)[0]
    index = entry_of(case, path)
    data = (path / "seal" / "statement.dsse.json").read_bytes()
    opened = cases.open_case(case)
    with opened.locked(0):
        opened.log.append([data], LOG)
    assert check_case(case).verdict == "ok"
    shutil.rmtree(path / "seal" / "receipts")
    entered, refused = entering.enter_pending(opened, LOG, [SIGNER.key], 0)
    assert ([item.index for item in entered.values()], refused) == ([index], {})
    assert check_case(case).verdict == "ok"


UNFIT: dict[str, tuple[Callable[[Event], Event], str]] = {
    "another type": (lambda event: replace(event, kind="noted"), "of the type noted"),
    "another item": (
        lambda event: replace(event, words={**event.words, "item": "x"}), "of another bundle"),
    "another's key": (
        lambda event: replace(event, actor=replace(event.actor, key=str(STRANGER.key))),
        "not signed by the key that it names"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_what_verify_would_not_take_is_not_entered(case: Path, name: str) -> None:
    """An entry cannot be taken back, so a statement that spoils the ledger stays out of it."""
    change, why = UNFIT[name]
    path = bundles(case)[0]
    shutil.rmtree(path / "seal" / "receipts")
    reseal(path, change)
    opened = cases.open_case(case)
    entered, refused = entering.enter_pending(opened, LOG, [SIGNER.key], 0)
    assert (entered, opened.ledger.checkpoint().size) == ({}, 3)
    assert why in refused[path.name]


def test_nothing_new_is_entered_where_the_entries_cannot_be_read(case: Path) -> None:
    """Without its entries nobody can tell whether a name is taken."""
    _sealed_again(case)
    shutil.rmtree(case / "ledger" / "tile" / "entries")
    with pytest.raises(DifferenceError):
        entering.enter_pending(cases.open_case(case), LOG, [SIGNER.key], 0)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(case: Path, name: str) -> None:
    """Each damage fails exactly the checks that it touches; nothing raises or blocks."""
    damage, expected = DAMAGE[name]
    damage(case)
    found = check_case(case)
    assert (found.verdict, set(failed(found))) == ("failed", expected)


def test_findings_in_a_bundle_name_the_bundle(case: Path) -> None:
    """A finding's path leads from the case to the file."""
    _payload(case)
    (finding,) = check_case(case).findings
    assert (case / finding.path).is_file()


def test_a_case_of_a_newer_format_is_not_judged(tmp_path: Path) -> None:
    """A record of another format that the ledger confirms is an error of its own."""
    directory = tmp_path / "case"
    real = cases.FORMAT
    cases.FORMAT = "custody.case/2"
    try:
        cases.create(directory, "7", "", log_key=LOG, signer=SIGNER, actor=ACTOR, now=NOW)
    finally:
        cases.FORMAT = real
    with pytest.raises(UnknownFormatError):
        check_case(directory)


def test_a_bundle_of_a_newer_format_leaves_the_case_open(case: Path) -> None:
    """One bundle that this program does not know is no failure, and no success of the case."""
    path = bundles(case)[0] / "bag-info.txt"
    path.write_bytes(path.read_bytes().replace(b"Format: 1", b"Format: 2"))
    reseal(bundles(case)[0])
    found = check_case(case)
    assert (found.verdict, failed(found)) == ("cannot-verify", [])


def test_an_unknown_ledger_cannot_be_verified(case: Path) -> None:
    """Without a trusted key for its origin the ledger proves nothing, and is no failure."""
    found = check_case(case, trusting(SIGNER, log=False))
    assert (found.verdict, failed(found)) == ("cannot-verify", [])
    assert status(found)[3] == "not-checked"
    assert "custody trust add ledger" in found.hint


def test_unknown_signers_of_entries_cannot_be_verified(case: Path) -> None:
    """An entry by nobody known leaves check 4 open, and the hint names the key."""
    enter(case, Event("noted", NOW, replace(ACTOR, key=str(STRANGER.key))), STRANGER)
    found = check_case(case)
    assert (found.verdict, failed(found), status(found)[4]) == ("cannot-verify", [], "not-checked")
    assert str(STRANGER.key) in found.hint


def test_entries_are_judged_by_the_dates_of_their_keys(case: Path) -> None:
    """A key that ended before an entry's time fails; one that ends at all needs a time stamp."""
    day = timedelta(days=1)
    assert 4 in failed(check_case(case, trusting(SIGNER, valid_until=NOW)))
    found = check_case(case, trusting(SIGNER, valid_until=NOW + day))
    assert (found.verdict, status(found)[4]) == ("cannot-verify", "not-checked")


def test_unknown_event_types_are_no_failure(case: Path) -> None:
    """An event type of a later version is shown, never failed."""
    enter(case, Event("teleported", NOW, ACTOR))
    assert check_case(case).verdict == "ok"


def test_a_disposed_bundle_is_not_missed(case: Path) -> None:
    """Where an entry says that a bundle was disposed of, its absence is a remark."""
    gone = bundles(case)[0]
    shutil.rmtree(gone)
    enter(case, Event("disposed", NOW, ACTOR, words={"item": gone.name}))
    found = check_case(case)
    assert found.verdict == "ok"
    assert any("disposed" in remark.message for remark in found.remarks)


def test_attachments_of_a_case_are_checked_and_entered(case: Path) -> None:
    """What is attached to the case is in its ledger, and what is in its ledger is there."""
    data = enter(
        case,
        Event("attached", NOW, ACTOR, (Subject("a.md", hashlib.sha256(b"a").hexdigest()),)),
    )
    assert failed(check_case(case)) == [7]
    folder = case / "attachments" / hashlib.sha256(data).hexdigest()
    folder.mkdir()
    (folder / "statement.dsse.json").write_bytes(data)
    (folder / "a.md").write_bytes(b"a")
    assert check_case(case).verdict == "ok"
    (folder / "a.md").write_bytes(b"b")
    assert failed(check_case(case)) == [6]


def test_a_ledger_that_was_rolled_back_is_found(case: Path, tmp_path: Path) -> None:
    """A receipt ahead of the ledger shows that the ledger was put back; so does memory."""
    memory = Memory(tmp_path / "memory")
    assert verify_case(case, TRUST, memory=memory, now=NOW).verdict == "ok"
    old = tmp_path / "old"
    shutil.copytree(case / "ledger", old)
    enter(case, Event("noted", NOW, ACTOR))
    assert verify_case(case, TRUST, memory=memory, now=NOW).verdict == "ok"
    shutil.rmtree(case / "ledger")
    old.rename(case / "ledger")
    assert check_case(case).verdict == "ok"  # nothing in the case tells
    found = verify_case(case, TRUST, memory=memory, now=NOW)
    assert (found.verdict, failed(found)) == ("failed", [3])


def test_a_ledger_behind_a_receipt_is_found(made: object, tmp_path: Path) -> None:
    """The receipts in the bundles pin the ledger, also for who never saw it before."""
    directory = tmp_path / "case"
    case = cases.create(directory, "7", "", log_key=LOG, signer=SIGNER, actor=ACTOR, now=NOW)
    source = tmp_path / "log"
    source.mkdir()
    (source / "a.log").write_bytes(b"a")
    shutil.copytree(directory / "ledger", tmp_path / "old")
    gather(source, Destination(directory, case, LOG, [SIGNER.key]))
    shutil.rmtree(directory / "ledger")
    (tmp_path / "old").rename(directory / "ledger")
    found = check_case(directory)
    assert failed(found) == [7]
    assert any("rolled back" in finding.message for finding in found.findings)


def test_a_ledger_with_another_past_is_found(case: Path, tmp_path: Path) -> None:
    """A ledger made anew by whoever holds the log key contradicts the receipts."""
    entries = list(cases.open_case(case).ledger.entries())
    shutil.rmtree(case / "ledger")
    from custody.ledger.log import Log

    other = signing.seal(SIGNER, statement.dump(Event("noted", NOW, ACTOR)))
    log = Log.create(case / "ledger", LOG)
    log.append([entries[0], other, *entries[1:]], LOG)
    found = check_case(case)
    assert failed(found) == [7]
    assert any("past was changed" in finding.message for finding in found.findings)


def test_leftovers_and_open_modes_are_remarks(case: Path) -> None:
    """Unfinished work, unknown names and modes that let others in are told, and fail nothing."""
    (case / "incoming" / "half").mkdir()
    (case / "notes.txt").write_text("mine")
    (case / "notes.txt").chmod(0o644)
    case.chmod(0o755)
    found = check_case(case)
    assert found.verdict == "ok"
    said = {remark.path: remark.message for remark in found.remarks}
    assert "incoming/half" in said
    assert "mode 0755" in said["."]
    assert "mode 0644" in said["notes.txt"]


def test_a_stray_file_among_the_bundles_is_a_remark(case: Path) -> None:
    """A file that somebody laid beside the bundles is told, and is nobody's evidence."""
    (case / "bundles" / "payload.json").write_bytes(b"{}")
    found = check_case(case)
    assert found.verdict == "ok"
    assert "bundles/payload.json" in {remark.path for remark in found.remarks}


def test_where_an_unentered_bundle_belongs(case: Path, tmp_path: Path) -> None:
    """Only a bundle whose statement names this ledger is entered by the next collection."""
    source = tmp_path / "log"
    source.mkdir()
    (source / "a.log").write_bytes(b"a")
    shutil.copytree(case / "ledger", tmp_path / "old")
    gather(source, Destination(case, cases.open_case(case), LOG, [SIGNER.key]))
    shutil.rmtree(case / "ledger")
    (tmp_path / "old").rename(case / "ledger")
    (cut,) = [item for item in check_case(case).findings if "nobody entered" in item.message]
    assert "the next custody collect into the case enters it" in cut.message
    shutil.rmtree(case / cut.path)
    _unentered(case)
    (stray,) = [item for item in check_case(case).findings if "nobody entered" in item.message]
    assert "its statement names no ledger" in stray.message
    assert "keep it outside bundles/" in stray.message


def test_a_case_without_the_named_signer_fails(case: Path) -> None:
    """A case in which the signer who was named signed nothing is not the expected one."""
    named = [STRANGER.key.fingerprint()]
    for trust in (TRUST, trusting(STRANGER)):
        found = verify_case(case, trust, named=named, now=NOW)
        assert (found.verdict, failed(found), found.hint) == ("failed", [4], "")
    mine = [SIGNER.key.fingerprint()]
    assert verify_case(case, TRUST, named=[*named, *mine], now=NOW).verdict == "ok"


def test_a_digest_is_expected_of_a_bundle(case: Path) -> None:
    """--expect names one statement, so it makes no sense for a case."""
    with pytest.raises(UsageError):
        verify(case, TRUST, expect="0" * 64, now=NOW)


def test_a_case_without_its_record_is_still_a_case(case: Path) -> None:
    """A case is known by its parts, so that removing case.json does not make it vanish."""
    (case / "case.json").unlink()
    assert verify(case, TRUST, now=NOW).kind == "case"
