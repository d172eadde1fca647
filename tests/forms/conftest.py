"""A case with a sealed bundle, made by the program, and events entered as its desk enters them."""

from __future__ import annotations

import hashlib
import json
import shutil
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
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase
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


@pytest.fixture(scope="session")
def masters() -> dict[str, Path]:
    """What the first test made; each test works on a copy of it."""
    return {}


@pytest.fixture
def master(custody: Any, masters: dict[str, Path], tmp_path_factory: Any) -> Path:
    """A home, a case with a bundle, E-003, with one gap, and the logs that it was made from."""
    if "case" not in masters:
        base = tmp_path_factory.mktemp("master")
        (base / "logs").mkdir()
        (base / "logs" / "auth.log").write_text("one\ntwo\n")
        (base / "logs" / "empty.log").touch()
        run = type(custody)(base)
        run("init", base / "case", "--no-passphrase", "--number", "STL-2026-014", "--title",
            "Permit server, March 2026", "--person", "Ada Example", "--organization",
            "City of Example", exit_code=0)  # fmt: skip
        run("collect", base / "logs", base / "logs" / "gone.log", "--case", base / "case",
            "--evidence-number", "E-003", "--note", "Logs of the permit server",
            "--authority", "Order 7 of 22 November 2026", exit_code=3)  # fmt: skip
        run("collect", base / "logs", "--output", base / "stick", "--collector",
            "Ada Example, Responder, City of Example", exit_code=0)  # fmt: skip
        masters["case"] = base
    return masters["case"]


@pytest.fixture
def logs(master: Path) -> Path:
    """What was collected: two files; a third was asked for and not there."""
    return master / "logs"


@pytest.fixture
def case(custody: Any, master: Path, tmp_path: Path) -> Path:
    """The case, with the keys of its desk."""
    shutil.copytree(master / "custody-home", custody.home)
    return Path(shutil.copytree(master / "case", tmp_path / "case"))


@pytest.fixture
def bundle(case: Path) -> Path:
    """The bundle in the case."""
    (found,) = (case / "bundles").iterdir()
    return found


@pytest.fixture
def alone(master: Path, tmp_path: Path) -> Path:
    """A bundle outside any case, sealed with a key for this one collection."""
    (found,) = (path for path in (master / "stick").iterdir() if path.name != "incoming")
    return Path(shutil.copytree(found, tmp_path / "stick" / found.name))


@pytest.fixture
def office(custody: Any, case: Path, bundle: Path) -> Office:
    """Whoever keeps the case."""
    return Office(custody, case, bundle)
