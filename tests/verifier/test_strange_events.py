"""Events that a stranger added, of a form that no event has: both judges find them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from agreeing import FAILED, OK, both
from verify_bench import LOG, NOW, STRANGER, gather, trusting

from custody import clock
from custody.bundle import layout
from custody.collect import Destination
from custody.formats import canonical, dsse, statement
from custody.formats.dsse import Envelope, Signature

KEY = str(STRANGER.key)
DIGEST = {"sha256": "0" * 64}
TRUST = trusting(LOG)  # anybody but the stranger
STRANGE: dict[str, dict[str, Any]] = {
    "no time": {"time": ""},
    "a time that is a number": {"time": 5},
    "a fraction of a second": {"time": "2026-11-22T03:14:05.5Z"},
    "a day that is none": {"time": "2026-02-30T03:14:05Z"},
    "another zone": {"time": "2026-11-22T03:14:05+00:00"},
    "a type that is a number": {"type": 5},
    "an empty word": {"item": ""},
    "a word that is a list": {"method": ["a"]},
    "details that are a list": {"details": ["a"]},
    "details with nothing in them": {"details": {}},
    "a ledger that is a text": {"ledger": "a"},
    "an actor with a field more": {"actor": {"key": KEY, "badge": "7"}},
    "an actor with an empty name": {"actor": {"key": KEY, "name": ""}},
    "an actor whose title is a number": {"actor": {"key": KEY, "title": 7}},
}
SUBJECTS: dict[str, Any] = {
    "a second digest": {"name": "x", "digest": {**DIGEST, "sha512": "1"}},
    "a field more": {"name": "x", "digest": DIGEST, "uri": "u"},
    "a name that is a number": {"name": 3, "digest": DIGEST},
}


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bundle of one file, by a signer whom the judges are not asked about."""
    (tmp_path / "a.log").write_text("a\n")
    return gather(tmp_path / "a.log", Destination(tmp_path / "out"), LOG)


def add(bag: Path, said: dict[str, Any]) -> None:
    """Sign whatever is said as the stranger, and put it where events are."""
    payload = canonical.dump(said)
    signed = Envelope(dsse.IN_TOTO, payload, ()).signed_bytes()
    line = Signature(STRANGER.key.fingerprint(), STRANGER.sign(signed))
    data = dsse.dump(Envelope(dsse.IN_TOTO, payload, (line,)))
    folder = bag / layout.EVENTS
    folder.mkdir(exist_ok=True)
    for before in folder.iterdir():
        before.unlink()
    (folder / f"{hashlib.sha256(data).hexdigest()}.dsse.json").write_bytes(data)


def event(subject: Any = None, **words: Any) -> dict[str, Any]:
    """An event with these fields instead of its own."""
    predicate = {"type": "noted", "time": clock.rfc3339(NOW), "actor": {"key": KEY}}
    return {
        "_type": statement.STATEMENT_TYPE,
        "predicateType": statement.PREDICATE_TYPE,
        "predicate": {**predicate, **words},
        "subject": [{"name": "x", "digest": DIGEST} if subject is None else subject],
    }


def test_a_field_of_another_form_fails(bag: Path) -> None:
    """Nobody can hide something for another reader in an event that nobody trusts."""
    add(bag, event(item="a", details={"a": 1}))
    assert both(bag, TRUST) == OK
    for what, words in STRANGE.items():
        add(bag, event(**words))
        assert both(bag, TRUST) == FAILED, what


def test_a_subject_of_another_form_fails(bag: Path) -> None:
    """A subject is a name and one SHA-256, and nothing else."""
    for what, subject in SUBJECTS.items():
        add(bag, event(subject))
        assert both(bag, TRUST) == FAILED, what


def test_a_key_id_is_a_text(bag: Path) -> None:
    """A signature line whose key is called by a number is no line."""
    add(bag, event())
    (path,) = (bag / layout.EVENTS).iterdir()
    outer = json.loads(path.read_bytes())
    outer["signatures"].append({"keyid": 5, "sig": "AAAA"})
    data = canonical.dump(outer) + b"\n"
    path.unlink()
    path.with_name(f"{hashlib.sha256(data).hexdigest()}.dsse.json").write_bytes(data)
    assert both(bag, TRUST) == FAILED
