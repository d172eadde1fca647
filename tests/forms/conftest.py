"""A case with a sealed bundle, made by the program, and events entered as its desk enters them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from custody import case as cases
from custody import clock
from custody.bundle import layout
from custody.formats import dsse, statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.keys import FixedPassphrase, KeyFolder
from custody.identity.signing import Signer
from custody.keeping import Keeper

LAB = {"name": "Grace Sample", "title": "Examiner", "organization": "Example State Laboratory"}


class Office:
    """The desk of a case: enters events about its one bundle."""

    def __init__(self, custody: Any, directory: Path, bundle: Path) -> None:
        self.directory, self.bundle = directory, bundle
        folder = KeyFolder(custody.home / "keys")
        case = cases.open_case(directory)
        keys = {stored.use: stored for stored in folder.list()}
        signer = folder.unlock(keys["signer"].name, FixedPassphrase(b"")).signer
        log = folder.unlock(keys["log"].name, FixedPassphrase(b"")).signer
        self.keeper = Keeper(case, signer, keys["signer"].actor(), log)
        sealed = dsse.load((bundle / layout.STATEMENT).read_bytes()).payload
        self.pinned = statement.load(sealed).subjects[0].sha256
        self.copies = 0

    def enter(
        self,
        kind: str,
        details: Mapping[str, object] | None = None,
        digests: Mapping[str, str] | None = None,
        **words: str,
    ) -> tuple[int, bytes]:
        """Enter one event about the bundle; its number, and its envelope."""
        said = {"bundle": self.bundle.name, **(details or {})}
        about = {"item": self.bundle.name, **words}
        with self.keeper.writing() as writing:
            envelope = writing.sign(
                kind, clock.now(), digests=digests or {}, words=about, details=said
            )
            return writing.append([envelope]), envelope

    @property
    def copy(self) -> dict[str, str]:
        """The newest copy."""
        return {"copy": f"C{self.copies}", "label": f"E-003/C{self.copies}"}

    def release(self, to: Mapping[str, str], **words: str) -> tuple[int, str]:
        """Hand a numbered copy to somebody; the entry's number and the release's digest."""
        self.copies += 1
        details = {**self.copy, "to": dict(to), "verdict": "ok", "tracking": "EX 123 456 789"}
        digests = {"original": self.pinned, "released": self.pinned}
        index, envelope = self.enter("released", details, digests, **words)
        return index, hashlib.sha256(envelope).hexdigest()

    def receipt(self, release: str, by: Signer, person: Mapping[str, str], comment: str = "",
                kind: str = "received") -> int:  # fmt: skip
        """Enter the receipt that the receiver signed."""
        at = clock.now()
        answered = {"bundle": self.bundle.name, **self.copy}
        event = Event(
            kind,
            at,
            Actor(str(by.key), **person),
            (Subject("received", self.pinned),),
            {"item": self.bundle.name},
            None,
            {**answered, "release": release, "verdict": "ok"},
        )
        envelope = json.loads(signing.seal(by, statement.dump(event)))
        details = {**answered, "release": release, "receipt": envelope,
                   "received_by": {**person, "key": str(by.key)},
                   "received_at": clock.rfc3339(at)}  # fmt: skip
        return self.enter(kind, details, {"received": self.pinned}, comment=comment)[0]


@dataclass(frozen=True)
class Receiver:
    """Somebody elsewhere with a key of their own."""

    signer: Signer
    person: Mapping[str, str]

    @property
    def named(self) -> dict[str, str]:
        """As a release names them."""
        return {**self.person, "key": str(self.signer.key)}


@pytest.fixture
def lab() -> Receiver:
    """The laboratory that copies are handed to."""
    return Receiver(Signer.generate("grace"), LAB)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """What is collected: two files, and a third that is not there."""
    directory = tmp_path / "logs"
    directory.mkdir()
    (directory / "auth.log").write_text("one\ntwo\n")
    (directory / "empty.log").touch()
    return directory


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Path:
    """A case that the program opened."""
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--number", "STL-2026-014", "--title",
            "Permit server, March 2026", "--person", "Ada Example", "--organization",
            "City of Example", exit_code=0)  # fmt: skip
    return directory


@pytest.fixture
def bundle(custody: Any, case: Path, logs: Path) -> Path:
    """A bundle in the case, E-003, with one gap."""
    done = custody("collect", logs, logs / "gone.log", "--case", case, "--json",
                   "--evidence-number", "E-003", "--note", "Logs of the permit server",
                   "--authority", "Order 7 of 22 November 2026", exit_code=3)  # fmt: skip
    return Path(json.loads(done.stdout)["path"])


@pytest.fixture
def office(custody: Any, case: Path, bundle: Path) -> Office:
    """Whoever keeps the case."""
    return Office(custody, case, bundle)


@pytest.fixture
def alone(custody: Any, logs: Path, tmp_path: Path) -> Path:
    """A bundle outside any case, sealed with a key for this one collection."""
    done = custody("collect", logs, "--output", tmp_path / "stick", "--json", "--collector",
                   "Ada Example, Responder, City of Example", exit_code=0)  # fmt: skip
    return Path(json.loads(done.stdout)["path"])
