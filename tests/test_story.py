"""One bundle's whole way, through the command line: host, desk, investigator, and back.

The story is told once; each stop is kept, and the tests that tamper go on from a copy of one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from story_bench import HOST, NUMBER, SECOND, Story

from custody import clock
from custody.formats import dsse, statement
from custody.formats.statement import Actor
from custody.identity import signing
from custody.identity.signing import Signer

_STOPS: dict[str, Story] = {}
_WRITTEN: list[str] = []  # on the paper form: the statement's digest, the key's fingerprint


@pytest.fixture
def stops(custody: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """The story up to each of its stops, told once."""
    if not _STOPS:
        base = tmp_path_factory.mktemp("story")
        (base / "live").mkdir()
        _tell(Story(custody, base / "live"), base)
    return _STOPS


def _tell(story: Story, base: Path) -> None:
    def stop(name: str) -> None:
        _STOPS[name] = story.copied_to(base / name)

    _WRITTEN[:] = story.collect()
    story.open_case()
    stop("collected")
    story.take_in(_WRITTEN[1])
    stop("taken in")
    story.release("1")
    stop("released")
    story.receive("1")
    stop("received")
    story.record("1")
    story.release("2")
    story.receive("2", "--refuse", "the box was open")
    story.record("2")
    story.release("3", SECOND)
    story.record_paper("3", clock.rfc3339(clock.now()))
    stop("on paper")


@pytest.fixture
def at(stops: dict[str, Story], tmp_path: Path) -> Callable[[str], Story]:
    """A copy of the story at one of its stops."""
    return lambda name: stops[name].copied_to(tmp_path / "again")


# ---- the story


def test_the_host_keeps_no_key(at: Callable[[str], Story]) -> None:
    """What the host needs to remember are two numbers on paper; by them alone it is verified."""
    story = at("collected")
    assert not list(story.host.home.rglob("*.pem"))
    expect, fingerprint = _WRITTEN
    bundle = story.stick / story.bundle
    story.desk("verify", bundle, "--expect", expect, "--signer", fingerprint)
    story.desk("verify", bundle, exit_code=11)


def test_the_desk_takes_it_in_by_the_paper_form(at: Callable[[str], Story]) -> None:
    """After intake the case is whole, the desk vouches for the key, and holds the original."""
    story = at("taken in")
    story.desk("verify", story.case)
    story.desk("verify", story.original, "--expect", _WRITTEN[0])
    found = story.history(NUMBER)
    assert [event["type"] for event in found["events"]] == ["key-added", "received"]
    assert found["events"][1]["summary"] == f"{NUMBER} received from {HOST}"
    assert found["holders"][0]["person"]["name"] == "Ada Clerk"
    assert found["gaps"] == []


def test_a_release_that_nobody_answered(at: Callable[[str], Story]) -> None:
    """Until the receipt is back the copy is on its way, and that is a gap: exit 3."""
    story = at("received")
    found = story.history(f"{NUMBER}/C1", exit_code=3)
    assert [gap["kind"] for gap in found["gaps"]] == ["not-received"]
    assert (found["holders"][0]["state"], found["holders"][0]["to"]["name"]) == (
        "on-the-way", "Rita Reader",
    )  # fmt: skip


def test_the_investigator_checks_for_herself(at: Callable[[str], Story]) -> None:
    """What she holds is what the desk has, as it was sealed, by the digest on the paper form."""
    story = at("received")
    copy = story.handed_over("1")
    done = story.reader("compare", copy, story.original)
    assert "identical" in done.stdout
    story.reader("verify", copy, "--expect", _WRITTEN[0])
    signed = statement.load(dsse.load(story.paper("1", "receipt").read_bytes()).payload)
    assert (signed.kind, signed.actor.name) == ("received", "Rita Reader")


def test_the_whole_story(at: Callable[[str], Story]) -> None:
    """From collection to disposal: no gap, every hand-over signed or on paper, and still ok."""
    story = at("on paper")
    desk, case = story.desk, ("--case", story.case)
    desk("note", f"{NUMBER}/C1", "the disk is labelled 26-7 C1", *case)
    note = int(story.history()["ledger"]["size"]) - 1
    desk("correct", str(note), "the label says 26-7/C1", *case)
    desk("access", NUMBER, "--purpose", "count of lines", "--method", "read-only", *case)
    found = story.history()
    assert found["gaps"] == []
    assert found["verdict"] == "ok"
    holders = {item["label"]: (item["person"]["name"], item["how"]) for item in found["holders"]}
    assert holders == {
        NUMBER: ("Ada Clerk", "received"),
        f"{NUMBER}/C1": ("Rita Reader", "countersigned"),
        f"{NUMBER}/C2": ("Ada Clerk", "copied"),
        f"{NUMBER}/C3": ("Sam Second", "on paper, not countersigned"),
    }
    copy = story.history(f"{NUMBER}/C1")
    assert [event["type"] for event in copy["events"]] == [
        "received", "copied", "released", "received", "noted", "corrected",
    ]  # fmt: skip
    assert copy["events"][4]["corrections"][0]["comment"] == "the label says 26-7/C1"
    _dispose(story)


def _dispose(story: Story) -> None:
    desk, case = story.desk, ("--case", story.case)
    back = ("--from", "Rita Reader, Detective, Example Police", "--copy", "C1")
    desk("receive", story.handed_over("1"), *back, *case)
    gone = ("--authority", "order 9", "--method", "erased", "--witness", "W. Nes, Clerk, City")
    for label in ("C1", "C2"):
        desk("dispose", f"{NUMBER}/{label}", *gone, *case)
    desk("dispose", NUMBER, *gone, *case)
    shutil.rmtree(story.original)
    shutil.rmtree(story.handed_over("1"))
    found = story.history()
    assert found["gaps"] == []
    states = {item["label"]: item["state"] for item in found["holders"]}
    assert states == {
        NUMBER: "disposed",
        f"{NUMBER}/C1": "disposed",
        f"{NUMBER}/C2": "disposed",
        f"{NUMBER}/C3": "held",
    }
    desk("verify", story.case)
    desk("ledger", "verify", *case)


def test_the_investigator_reads_the_same_history(at: Callable[[str], Story]) -> None:
    """With a copy of the ledger and her own trust folder she is told what the desk is told."""
    story = at("on paper")
    ledger = shutil.copytree(story.case / "ledger", story.base / "given")
    done = story.reader("history", NUMBER, "--ledger", ledger, "--json")
    alone, desk = json.loads(done.stdout), story.history(NUMBER)
    same = ("index", "type", "time", "summary", "sha256_before", "sha256_after", "on_paper")
    for one, other in zip(alone["events"], desk["events"], strict=True):
        assert {name: one.get(name) for name in same} == {name: other.get(name) for name in same}
    assert (alone["gaps"], alone["verdict"], alone["holders"]) == ([], "ok", desk["holders"])
    verdicts = [event.get("countersignature", {}).get("verdict") for event in alone["events"]]
    assert verdicts.count("trusted") + verdicts.count("vouched") == 2
    on_paper = [event["summary"] for event in alone["events"] if event["on_paper"]]
    assert len(on_paper) == 1
    assert "received on paper, not countersigned" in on_paper[0]


def test_the_investigator_keeps_a_case_of_her_own(at: Callable[[str], Story]) -> None:
    """Taken into another case, the copy goes on there: each ledger has its half, and no gap."""
    story = at("released")
    other = ("--case", story.base / "hers")
    story.reader("init", story.base / "hers", "--number", "EP-9", "--no-passphrase")
    story.reader("receive", story.handed_over("1"), *other, "--evidence-number", "EP-1")
    story.record("1")
    theirs = story.history(f"{NUMBER}/C1")
    assert theirs["gaps"] == []
    assert theirs["holders"][0]["person"]["name"] == "Rita Reader"
    hers = story.reader.said("history", "EP-1", *other)
    assert hers["gaps"] == []
    assert hers["holders"][0]["person"]["name"] == "Rita Reader"
    assert f"released as {NUMBER}/C1" in hers["events"][-1]["summary"]
    story.reader("verify", story.base / "hers")


# ---- tampering, at each stop


def _payload(bundle: Path) -> Path:
    return max(bundle.glob("data/**/auth.log"))


def test_tampered_on_the_stick(at: Callable[[str], Story]) -> None:
    """A bit that changed between host and desk is found at intake, and kept apart: exit 10."""
    story = at("collected")
    story.flip(_payload(story.stick / story.bundle))
    (one,) = story.take_in(_WRITTEN[1], exit_code=10)["bundles"]
    assert one["outcome"] == "differs"
    assert not story.original.exists()
    found = story.history(exit_code=3)
    assert [gap["kind"] for gap in found["gaps"]] == ["differs"]
    assert found["holders"] == []


def test_sealed_again_by_another_key(at: Callable[[str], Story]) -> None:
    """Who seals other logs on the way cannot have the key of the paper form: not exit 0."""
    story = at("collected")
    eve = Signer.generate("one-time")
    _seal_again(story.stick / story.bundle, eve)
    done = story.desk(
        "receive", story.stick / story.bundle, "--case", story.case, "--from", HOST,
        "--fingerprint", _WRITTEN[1], "--json", exit_code=10,
    )  # fmt: skip
    assert json.loads(done.stdout)["bundles"][0]["outcome"] == "differs"
    assert not story.original.exists()


def _seal_again(bundle: Path, signer: Signer) -> None:
    path = bundle / "seal" / "statement.dsse.json"
    event = statement.load(dsse.load(path.read_bytes()).payload)
    actor = Actor(str(signer.key), event.actor.name, event.actor.title, event.actor.organization)
    changed = statement.Event(
        event.kind, event.time, actor, event.subjects, event.words, event.ledger, event.details
    )
    path.chmod(0o600)
    path.write_bytes(signing.seal(signer, statement.dump(changed)))


def test_tampered_at_the_desk(at: Callable[[str], Story]) -> None:
    """A bit that changed in the case is found by verify, and by release before it goes: exit 10."""
    story = at("taken in")
    story.flip(_payload(story.original))
    story.desk("verify", story.case, exit_code=10)
    story.release("1", exit_code=10)
    assert not list(story.handed.rglob("*.release.dsse.json"))
    assert "released" not in [event["type"] for event in story.history()["events"]]


@pytest.mark.parametrize("what", ["payload", "release", "swapped"])
def test_tampered_on_the_way_to_the_investigator(at: Callable[[str], Story], what: str) -> None:
    """A changed copy, or a changed release, is not signed for: exit 10, and no receipt."""
    story = at("released")
    if what == "payload":
        story.flip(_payload(story.handed_over("1")))
    elif what == "release":
        _reworded(story.paper("1", "release"))
    else:
        _seal_again(story.handed_over("1"), Signer.generate("one-time"))
    story.receive("1", exit_code=10)
    assert not story.paper("1", "receipt").exists()


def _reworded(path: Path) -> None:
    """The same signature over other words."""
    envelope = dsse.load(path.read_bytes())
    payload = envelope.payload.replace(b"Room 4", b"Room 5").replace(b"analysis", b"analysiS")
    path.chmod(0o600)
    path.write_bytes(dsse.dump(dsse.Envelope(envelope.payload_type, payload, envelope.signatures)))


def test_tampered_on_the_way_back(at: Callable[[str], Story]) -> None:
    """A receipt that was changed on its way is not entered: exit 10, and the release stays open."""
    story = at("received")
    path = story.paper("1", "receipt")
    envelope = dsse.load(path.read_bytes())
    payload = envelope.payload.replace(b"Rita Reader", b"Vera Reader")
    path.chmod(0o600)
    path.write_bytes(dsse.dump(dsse.Envelope(envelope.payload_type, payload, envelope.signatures)))
    story.record("1", exit_code=10)
    found = story.history(f"{NUMBER}/C1", exit_code=3)
    assert [gap["kind"] for gap in found["gaps"]] == ["not-received"]


def test_a_receipt_is_entered_once(at: Callable[[str], Story]) -> None:
    """A receipt that is brought again is refused, and the history has no second one."""
    story = at("on paper")
    before = story.history()["ledger"]["size"]
    story.record("1", exit_code=2)
    assert story.history()["ledger"]["size"] == before


@pytest.mark.parametrize("defect", ["entry", "cut"])
def test_tampered_in_the_ledger(at: Callable[[str], Story], defect: str) -> None:
    """A rewritten or shortened ledger is found by verify and said first in a history: exit 10."""
    story = at("on paper")
    story.history()  # it is remembered
    if defect == "entry":
        entries = (story.case / "ledger" / "tile" / "entries").rglob("*")
        story.flip(max(entries, key=lambda path: path.is_file() * path.stat().st_size), 4_000)
    else:
        shutil.rmtree(story.case / "ledger")
        shutil.copytree(_STOPS["released"].case / "ledger", story.case / "ledger")
    done = story.desk("history", NUMBER, "--case", story.case, exit_code=10)
    assert done.stdout.startswith("ledger    FAIL")
    story.desk("ledger", "verify", "--case", story.case, exit_code=10)
    story.desk("verify", story.case, exit_code=10)
    story.desk("note", NUMBER, "x", "--case", story.case, exit_code=10)


def test_tampered_papers_of_the_case(at: Callable[[str], Story]) -> None:
    """A changed receipt in the case changes no history, which has it in the entry: verify fails."""
    story = at("on paper")
    before = story.history()
    for path in (story.case / "transfers").rglob("receipt.dsse.json"):
        story.flip(path, 50)
    assert story.history()["events"] == before["events"]
    story.desk("verify", story.case, exit_code=10)
