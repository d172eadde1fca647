"""`receive` and `record`: the two sides of a hand-over, each judging by their own trust."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hands import Person, content, details, entries, kinds

from custody import handover
from custody.errors import DifferenceError, InputError
from custody.formats import dsse, statement
from custody.identity import keys, signing

TO = ["--to", "I. Vestige, Detective, Police", "--purpose", "Review", "--authority", "Order 7"]


@pytest.fixture
def copy(desk: Person, case: Path, bundle: Path, receiver: Person, tmp_path: Path) -> Path:
    """A copy that was released to the receiver's key, with its papers."""
    key = receiver.key()["vkey"]
    desk("release", bundle, *TO, "--to-key", key, "--copy-to", tmp_path / "out", "--case", case,
         exit_code=0)  # fmt: skip
    return tmp_path / "out" / bundle.name


@pytest.fixture
def trusting(receiver: Person, desk: Person) -> Person:
    """The receiver, who trusts the desk."""
    receiver.trusts(desk, "D. Esk")
    return receiver


def receipt_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.receipt.dsse.json")


def note_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.release.dsse.json")


def rewrite(paper: Path, signer_of: Person, digest: str = "", **changed: Any) -> None:
    """Let somebody sign a paper of theirs again that says something else."""
    folder = keys.KeyFolder(signer_of.home / "keys")
    signer = folder.unlock(folder.pick(None, "signer").name, lambda *_: b"").signer
    event = statement.load(dsse.load(paper.read_bytes()).payload)
    subjects = tuple(replace(one, sha256=digest or one.sha256) for one in event.subjects)
    event = replace(event, subjects=subjects, details={**event.details, **changed})
    paper.write_bytes(signing.seal(signer, statement.dump(event)))


def test_both_sides_sign(desk: Person, case: Path, copy: Path, trusting: Person) -> None:
    """The receiver signs for exactly what was released, and the desk enters that whole."""
    found = trusting.json("receive", copy, "--place", "Station")
    assert (found["schema"], found["answer"]) == ("custody.receipt/v1", "received")
    assert (found["verdict"], found["copy"]) == ("ok", "C1")
    receipt = receipt_of(copy)
    assert found["receipt"] == str(receipt)
    made = desk.json("record", receipt, "--case", case)
    assert made["type"] == "received"
    entry = entries(desk, case)[made["index"]]
    told = details(entry)
    assert told["received_by"]["name"] == "I. Vestige"
    assert told["received_by"]["key"] == trusting.key()["vkey"]
    assert told["receipt"] == json.loads(receipt.read_text())
    assert (told["copy"], told["release"]) == ("C1", found["release"])
    assert entry["statement"]["predicate"]["place"] == "Station"
    digests = {item["name"]: item["digest"]["sha256"] for item in entry["statement"]["subject"]}
    assert digests["released"] == digests["received"] == found["sha256"]
    kept = case / "transfers" / found["release"] / "receipt.dsse.json"
    assert kept.read_bytes() == receipt.read_bytes()
    desk("verify", case, exit_code=0)


def test_a_release_by_an_unknown_key(copy: Path, receiver: Person, tmp_path: Path) -> None:
    """Nothing is signed for somebody who is not trusted: exit 11, with what would change that, in
    the trust folder that is used; and then with what would let the ledger's proof be checked."""
    folder = tmp_path / "whom"
    folder.mkdir()
    done = receiver("receive", copy, "--trust", folder, exit_code=11)
    command = done.stderr.partition(": custody ")[2]
    assert f"trust add signer --trust {folder} " in command
    assert not receipt_of(copy).exists()
    receiver(*shlex.split(command), exit_code=0)
    done = receiver("receive", copy, "--trust", folder, exit_code=0)
    assert f": custody trust add ledger --trust {folder} VKEY" in done.stderr


def test_without_a_key_nobody_signs(custody: Any, copy: Path, tmp_path: Path) -> None:
    """Who has no key is told how to make one."""
    stranger = Person(custody, tmp_path / "stranger")
    done = stranger("receive", copy, exit_code=12)
    assert "custody key new" in done.stderr


def test_a_bundle_without_a_release(trusting: Person, bundle: Path, tmp_path: Path) -> None:
    """The two ways on are named."""
    alone = Path(shutil.copytree(bundle, tmp_path / "alone" / bundle.name))
    done = trusting("receive", alone, exit_code=2)
    assert "--release FILE" in done.stderr
    assert "--from" in done.stderr
    done = trusting("receive", alone, alone, exit_code=2)
    assert "one by one" in done.stderr


def test_it_is_for_another_key(custody: Any, copy: Path, desk: Person, tmp_path: Path) -> None:
    """Only the key that is named in the release signs for it: exit 14."""
    other = Person(custody, tmp_path / "other")
    other("key", "new", "other", "--no-passphrase", exit_code=0)
    other.trusts(desk, "D. Esk")
    done = other("receive", copy, exit_code=14)
    assert "--key NAME" in done.stderr
    assert not receipt_of(copy).exists()


def test_it_is_signed_once(copy: Path, trusting: Person, tmp_path: Path) -> None:
    """A second answer is refused, and the first is not overwritten; the hint is the way into a
    case for what was signed for without one."""
    trusting("receive", copy, exit_code=0)
    before = receipt_of(copy).read_bytes()
    done = trusting("receive", copy, exit_code=2)
    assert "answered already" in done.stderr
    trusting("receive", copy, "--refuse", "after all", exit_code=2)
    own = tmp_path / "own case"
    trusting("init", own, "--number", "P-1", "--no-passphrase", exit_code=0)
    done = trusting("receive", copy, "--case", own, exit_code=2)
    trusting(*shlex.split(done.stderr.partition(": custody ")[2]), exit_code=0)
    assert kinds(trusting, own) == ["case-opened", "received"]
    assert receipt_of(copy).read_bytes() == before


def test_changed_on_the_way(desk: Person, case: Path, copy: Path, trusting: Person) -> None:
    """It is not signed for: exit 10; refusing it is signed, and entered as refused."""
    next(copy.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    done = trusting("receive", copy, exit_code=10)
    assert "changed on the way" in done.stderr
    assert not receipt_of(copy).exists()
    found = trusting.json("receive", copy, "--refuse", "the seal is broken")
    assert (found["answer"], found["verdict"]) == ("refused", "failed")
    made = desk.json("record", receipt_of(copy), "--case", case)
    assert made["type"] == "refused"
    entry = entries(desk, case)[made["index"]]
    assert entry["statement"]["predicate"]["comment"] == "the seal is broken"
    desk("verify", case, exit_code=0)
    released = ["release", copy, *TO, "--copy", "C1", "--case", case]
    desk(*released, exit_code=10)  # it is back, and is not what it was


def test_a_release_of_another_bundle(
    desk: Person, case: Path, copy: Path, trusting: Person, logs: Path, tmp_path: Path
) -> None:
    """A release that lies beside a bundle that it is not for is refused."""
    other = Path(desk.json("collect", logs, "--case", case)["path"])
    desk("copy", other, tmp_path / "out", "--case", case, exit_code=0)
    beside = tmp_path / "out" / other.name
    done = trusting("receive", beside, "--release", note_of(copy), exit_code=2)
    assert "the release is for" in done.stderr
    assert not receipt_of(beside).exists()
    assert not receipt_of(copy).exists()


def test_an_expired_release(copy: Path, trusting: Person, desk: Person) -> None:
    """After its time nobody signs for it; refusing is still possible."""
    rewrite(note_of(copy), desk, expires="2020-01-01T00:00:00Z")
    done = trusting("receive", copy, exit_code=2)
    assert "expired" in done.stderr
    assert not receipt_of(copy).exists()
    trusting("receive", copy, "--refuse", "too late", exit_code=0)


def test_a_release_that_says_more_than_it_may(
    copy: Path, trusting: Person, desk: Person, tmp_path: Path
) -> None:
    """A name that leads elsewhere, or a field of another type, is refused before anything else."""
    for field, value in (
        ("bundle", "../../evil"), ("to", "somebody"), ("to", {"key": "x"}), ("copy", "../C1"),
        ("expires", "soon"), ("statement", "short"), ("label", ["E-1"]),
    ):  # fmt: skip
        before = note_of(copy).read_bytes()
        rewrite(note_of(copy), desk, **{field: value})
        trusting("receive", copy, exit_code=2)
        trusting("receive", copy, "--refuse", "odd", exit_code=2)
        note_of(copy).write_bytes(before)
    assert not list(tmp_path.rglob("*.receipt.dsse.json"))


def test_a_proof_that_is_missing_or_wrong(copy: Path, trusting: Person, desk: Person) -> None:
    """Who knows the ledger wants the proof: without it 11, with a wrong one 10."""
    opened = desk.json("key", "list")["keys"]
    log = next(key["vkey"] for key in opened if key["use"] == "log")
    trusting("trust", "add", "ledger", log, exit_code=0)
    proof = copy.with_name(f"{copy.name}.release.tlog-proof")
    whole = proof.read_bytes()
    proof.unlink()
    trusting("receive", copy, exit_code=11)
    lines = whole.split(b"\n")
    place = next(n for n, line in enumerate(lines) if len(line) == 44)
    lines[place] = base64.b64encode(bytes(32))
    proof.write_bytes(b"\n".join(lines))
    trusting("receive", copy, exit_code=10)
    assert not receipt_of(copy).exists()
    proof.write_bytes(whole)
    trusting("receive", copy, exit_code=0)
    said = json.loads(base64.b64decode(json.loads(receipt_of(copy).read_text())["payload"]))
    assert said["predicate"]["ledger"]["size"] == 4


def test_a_signer_whom_the_receiver_does_not_know(
    desk: Person, case: Path, custody: Any, receiver: Person, logs: Path, tmp_path: Path
) -> None:
    """The bundle's signer may be unknown though the desk is known: received, and not verified."""
    host = Person(custody, tmp_path / "host")
    path = Path(host.json("collect", logs, "--output", tmp_path / "stick")["path"])
    desk("receive", path, "--from", "H. Ost", "--case", case, exit_code=11)
    inside = case / "bundles" / path.name
    desk("release", inside, *TO, "--copy-to", tmp_path / "out", "--case", case, exit_code=11)
    receiver.trusts(desk, "D. Esk")
    found = receiver.json("receive", tmp_path / "out" / path.name, exit_code=11)
    assert (found["answer"], found["verdict"]) == ("received", "cannot-verify")
    receipt = receipt_of(tmp_path / "out" / path.name)
    desk.trusts(receiver, "I. Vestige", "examiner")
    assert desk.json("record", receipt, "--case", case)["type"] == "received"


def test_it_goes_into_the_receivers_own_case(
    desk: Person, case: Path, copy: Path, trusting: Person, tmp_path: Path
) -> None:
    """With a case of their own the bundle is taken in, from whoever released it."""
    own = tmp_path / "own"
    trusting("init", own, "--number", "P-1", "--no-passphrase", exit_code=0)
    found = trusting.json("receive", copy, "--case", own)
    assert found["intake"]["outcome"] == "received"
    assert content(own / "bundles" / copy.name).items() >= content(copy).items()
    entry = entries(trusting, own)[found["intake"]["entry"]]
    told = details(entry)
    assert told["from"]["name"] == "D. Esk"
    assert (told["release"], told["label"]) == (found["release"], f"{copy.name}/C1")
    assert "copy" not in told
    kept = own / "transfers" / found["release"]
    assert sorted(path.name for path in kept.iterdir()) == [
        "receipt.dsse.json", "release.dsse.json", "release.tlog-proof",
    ]  # fmt: skip
    trusting("verify", own, exit_code=0)
    desk("record", receipt_of(copy), "--case", case, exit_code=0)
    trusting("receive", copy, "--case", own, "-o", tmp_path / "again.json", exit_code=2)


def test_attachments_that_came_along_are_no_failure(
    desk: Person, case: Path, bundle: Path, trusting: Person, root: Path, tmp_path: Path
) -> None:
    """What was attached elsewhere and handed over is named by the intake, and so accounted for."""
    record = root / "sample_logs" / "incident.yaml"
    desk("obligations", record, bundle.name, "--attach", "--case", case, exit_code=0)
    desk("release", bundle, *TO, "--with-attachments", "--copy-to", tmp_path / "out", "--case",
         case, exit_code=0)  # fmt: skip
    own = tmp_path / "own"
    trusting("init", own, "--number", "P-1", "--no-passphrase", exit_code=0)
    found = trusting.json("receive", tmp_path / "out" / bundle.name, "--case", own)
    (name,) = (path.name for path in (own / "bundles" / bundle.name / "attachments").iterdir())
    assert details(entries(trusting, own)[found["intake"]["entry"]])["attachments"] == [name]
    trusting("verify", own, exit_code=0)


def test_what_was_changed_is_kept_apart_in_the_receivers_case(
    copy: Path, trusting: Person, tmp_path: Path
) -> None:
    """Into a case it goes apart, and that is entered; nothing is signed."""
    own = tmp_path / "own"
    trusting("init", own, "--number", "P-1", "--no-passphrase", exit_code=0)
    next(copy.glob("data/**/auth.log")).write_text("ONE\ntwo\n")
    found = trusting.json("receive", copy, "--case", own, exit_code=10)
    assert found["bundles"][0]["outcome"] == "differs"
    assert list((own / "bundles").iterdir()) == []
    assert not receipt_of(copy).exists()
    assert kinds(trusting, own) == ["case-opened", "received"]
    trusting("verify", own, exit_code=0)


# ---- record


def test_a_receipt_is_entered_once(desk: Person, case: Path, copy: Path, trusting: Person) -> None:
    """A replay is refused; so is a paper after it."""
    trusting("receive", copy, exit_code=0)
    desk("record", receipt_of(copy), "--case", case, exit_code=0)
    before = kinds(desk, case)
    done = desk("record", receipt_of(copy), "--case", case, exit_code=2)
    assert "answered already, by entry 4" in done.stderr
    desk("record", note_of(copy), "--paper", note_of(copy), "--received-by", "S. Else", "--at",
         "2026-01-01T10:00:00Z", "--case", case, exit_code=2)  # fmt: skip
    assert kinds(desk, case) == before


def test_a_receipt_for_another_ledger(
    desk: Person, copy: Path, trusting: Person, tmp_path: Path
) -> None:
    """It is refused where its release was never entered."""
    trusting("receive", copy, exit_code=0)
    other = tmp_path / "other-case"
    desk("init", other, "--number", "9", "--no-passphrase", exit_code=0)
    done = desk("record", receipt_of(copy), "--case", other, exit_code=2)
    assert "not in this ledger" in done.stderr
    assert kinds(desk, other) == ["case-opened"]


def test_a_receipt_by_an_unknown_key(
    desk: Person, case: Path, bundle: Path, trusting: Person, tmp_path: Path
) -> None:
    """Where the release names no key, the receiver must be trusted: else 11."""
    desk("release", bundle, *TO, "--copy-to", tmp_path / "out", "--case", case, exit_code=0)
    copy = tmp_path / "out" / bundle.name
    trusting("receive", copy, exit_code=0)
    done = desk("record", receipt_of(copy), "--case", case, exit_code=11)
    assert "custody trust add signer" in done.stderr
    assert kinds(desk, case)[-1] == "released"
    desk.trusts(trusting, "I. Vestige", "examiner")
    done = desk("record", receipt_of(copy), "--case", case, exit_code=0)
    assert "is signed by" not in done.stderr


def test_a_receipt_by_somebody_else_than_it_went_to(
    desk: Person, case: Path, bundle: Path, trusting: Person, tmp_path: Path
) -> None:
    """Somebody whom the desk trusts may sign for another; it is entered, and said."""
    other = ["--to", "S. Else", "--purpose", "Review", "--authority", "Order 7"]
    desk("release", bundle, *other, "--copy-to", tmp_path / "out", "--case", case, exit_code=0)
    copy = tmp_path / "out" / bundle.name
    trusting("receive", copy, exit_code=0)
    desk.trusts(trusting, "I. Vestige", "examiner")
    done = desk("record", receipt_of(copy), "--case", case, exit_code=0)
    assert "released to S. Else, and is signed by I. Vestige" in done.stderr


def test_a_receipt_by_a_key_that_was_revoked(
    desk: Person, case: Path, copy: Path, trusting: Person
) -> None:
    """A release may name a key that was stolen since: nothing it signed after that is entered."""
    trusting("receive", copy, exit_code=0)
    revoked = "2026-01-01T00:00:00Z"
    desk("trust", "revoke", trusting.key()["vkey"], "--at", revoked, exit_code=0)
    done = desk("record", receipt_of(copy), "--case", case, exit_code=10)
    assert f"the key was revoked at {revoked}; nothing was entered" in done.stderr
    assert kinds(desk, case)[-1] == "released"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"digest": "0" * 64}, 10),
        ({"statement": "0" * 64}, 10),
        ({"copy": "C2"}, 10),
        ({"bundle": "20260101T000000Z-other-000000"}, 2),
        ({"release": "0" * 64}, 2),
        ({"release": 7}, 2),
    ],
)
def test_a_receipt_for_something_else(
    desk: Person, case: Path, copy: Path, trusting: Person, changed: dict[str, Any], code: int
) -> None:
    """A well-signed receipt of other bytes is 10, of another bundle or release 2."""
    trusting("receive", copy, exit_code=0)
    rewrite(receipt_of(copy), trusting, **changed)
    desk("record", receipt_of(copy), "--case", case, exit_code=code)
    assert kinds(desk, case)[-1] == "released"
    assert not list((case / "transfers").glob("*/receipt*"))


def test_a_receipt_that_failed_is_a_refusal(
    desk: Person, case: Path, copy: Path, trusting: Person
) -> None:
    """Whatever it is called: with the verdict failed nothing was received."""
    trusting("receive", copy, exit_code=0)
    rewrite(receipt_of(copy), trusting, verdict="failed")
    assert desk.json("record", receipt_of(copy), "--case", case)["type"] == "refused"


def test_papers_with_one_byte_changed(copy: Path, trusting: Person) -> None:
    """No byte of a release can be another: it does not parse, or is not signed so."""
    trusting("receive", copy, exit_code=0)
    for path in (note_of(copy), receipt_of(copy)):
        data = path.read_bytes()
        for place in range(0, len(data), 7):
            flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            with pytest.raises((InputError, DifferenceError)):
                handover.parse(flipped, "flipped")


def test_on_paper(desk: Person, case: Path, copy: Path, tmp_path: Path) -> None:
    """The scan is kept and pinned; it is shown as received on paper, not countersigned."""
    scan = tmp_path / "Scan 1.PDF"
    scan.write_bytes(b"%PDF-1.4 signed")
    args = ["--paper", scan, "--received-by", "I. Vestige, Detective, Police"]
    desk("record", *args, note_of(copy), "--case", case, exit_code=2)
    desk("record", *args, "--at", "2100-01-01T10:00Z", note_of(copy), "--case", case, exit_code=2)
    done = desk("record", *args, "--at", "2020-01-02T05:00:00-06:00", "--place", "Station",
                note_of(copy), "--case", case, exit_code=0)  # fmt: skip
    assert "on paper, not countersigned" in done.stdout
    entry = entries(desk, case)[-1]
    told = details(entry)
    assert (told["paper"], told["received_at"]) == (True, "2020-01-02T11:00:00Z")
    assert "receipt" not in told
    assert "received_within" not in told
    (kept,) = (case / "transfers").glob("*/paper-*.PDF")
    assert kept.read_bytes() == scan.read_bytes()
    desk("verify", case, exit_code=0)
    kept.write_bytes(b"another")
    assert "not the paper of ledger entry 4" in desk("verify", case, exit_code=10).stdout
    kept.unlink()
    assert "the paper of ledger entry 4 is gone" in desk("verify", case, exit_code=10).stdout


def test_on_paper_to_the_minute(desk: Person, case: Path, copy: Path, tmp_path: Path) -> None:
    """A time given to the minute means that minute: the one of the release is not before it."""
    (tmp_path / "scan.png").write_bytes(b"yes")
    at = entries(desk, case)[-1]["time"][: len("2026-01-01T10:00")] + "Z"
    done = desk("record", "--paper", tmp_path / "scan.png", "--received-by", "I. Vestige", "--at",
                at, note_of(copy), "--case", case, exit_code=0)  # fmt: skip
    assert "before it was released" not in done.stderr
    assert details(entries(desk, case)[-1])["received_within"] == 60
    assert desk.json("history", "--case", case)["gaps"] == []


def test_refused_on_paper(desk: Person, case: Path, copy: Path, tmp_path: Path) -> None:
    """A paper may say no."""
    (tmp_path / "scan.png").write_bytes(b"no")
    desk("record", "--paper", tmp_path / "scan.png", "--received-by", "I. Vestige", "--at",
         "2026-01-01T10:00:00Z", "--refuse", "wet", note_of(copy), "--case", case,
         exit_code=0)  # fmt: skip
    assert kinds(desk, case)[-1] == "refused"


def test_what_is_no_receipt(desk: Person, case: Path, copy: Path, tmp_path: Path) -> None:
    """A release, junk, a link or a FIFO in place of a receipt is refused."""
    (tmp_path / "junk").write_text("{}")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(note_of(copy))
    for name in (note_of(copy), tmp_path / "junk", tmp_path / "fifo", tmp_path / "link"):
        done = desk("record", name, "--case", case, exit_code=2)
        assert "nothing was entered" in done.stderr
        assert "hint: the receipt is the file that came back" in done.stderr
    desk("record", tmp_path / "gone", "--case", case, exit_code=12)
    assert kinds(desk, case)[-1] == "released"


def test_what_is_no_paper(desk: Person, case: Path, copy: Path, tmp_path: Path) -> None:
    """An empty file, a directory, a FIFO or a huge file shows no signature, and is not entered."""
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 30)
    signed = ["--received-by", "I. Vestige", "--at", "2026-01-01T10:00Z", "--case", case]
    for name in ("empty", "fifo", "huge", "."):
        done = desk("record", "--paper", tmp_path / name, *signed, note_of(copy), exit_code=2)
        assert "nothing was entered" in done.stderr
    done = desk("record", "--paper", note_of(copy), *signed, tmp_path / "empty", exit_code=2)
    assert "hint: name the release that the paper answers" in done.stderr
    assert kinds(desk, case)[-1] == "released"


def test_papers_in_the_case_that_were_changed(
    desk: Person, case: Path, copy: Path, trusting: Person
) -> None:
    """Verifying the case finds a release or a receipt that is not the one that was entered."""
    trusting("receive", copy, exit_code=0)
    desk("record", receipt_of(copy), "--case", case, exit_code=0)
    (folder,) = (case / "transfers").iterdir()
    for name, why in (("release", "not the release"), ("receipt", "not the receipt")):
        path = folder / f"{name}.dsse.json"
        data = path.read_bytes()
        path.write_bytes(data + b" ")
        assert why in desk("verify", case, exit_code=10).stdout
        path.write_bytes(data)
    (folder / "receipt.dsse.json").unlink()
    shutil.copy(folder / "release.dsse.json", folder / "extra")
    (case / "transfers" / "junk").write_text("x")
    desk("verify", case, exit_code=0)
