"""A case whose ledger is written by hand, so that every gap can be provoked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody import case as cases
from custody import clock
from custody.formats import canonical, statement
from custody.formats.statement import Actor, Event, Subject
from custody.history import Timeline, timeline
from custody.identity import signing
from custody.identity.signers import TrustedSigner
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.ledger.policy import Known, Policy

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BUNDLE = "20261122T085900Z-web01-7f3a9c"
NUMBER = "E-003"
DIGEST = "ab" * 32
OTHER_DIGEST = "cd" * 32
ORIGIN = "ledger.example/history"


def key(name: str, seed: int) -> Signer:
    """A key that is the same in every run."""
    return Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG, DESK, EVE = key(ORIGIN, 1), key("desk", 2), key("eve", 3)
READER, SECOND = key("reader", 4), key("second", 5)


def actor(signer: Signer, name: str, organization: str = "") -> Actor:
    """The person who has a key."""
    return Actor(str(signer.key), name, "", organization)


CLERK = actor(DESK, "Ada Clerk", "City of Example")
RITA = actor(READER, "Rita Reader", "Example Police")
SAM = actor(SECOND, "Sam Second", "Example Insurance")
HOST = Actor("", "Hal Host", "Administrator", "City of Example")
TRUST = Trust(
    tuple(
        TrustedSigner(item.key.fingerprint(), item.key, item.key.name) for item in (DESK, READER)
    ),
    Policy((Known(LOG.key),)),
)


def at(minutes: float) -> datetime:
    """A moment of the story."""
    return START + timedelta(minutes=minutes)


def sha256(data: bytes) -> str:
    """The digest of some bytes, hex."""
    return hashlib.sha256(data).hexdigest()


class Bench:
    """A case, and hands that write its ledger."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        cases.create(directory, "26-7", "A test", log_key=LOG, signer=DESK, actor=CLERK, now=START)
        self.minute = 0.0

    @property
    def case(self) -> cases.Case:
        """The case as it is now."""
        return cases.open_case(self.directory)

    def enter(
        self,
        kind: str,
        details: dict[str, Any] | None = None,
        *,
        when: float | None = None,
        digests: dict[str, str] | None = None,
        words: dict[str, str] | None = None,
        signer: Signer = DESK,
        who: Actor = CLERK,
        item: str = BUNDLE,
        ledger: dict[str, Any] | None = None,
    ) -> bytes:
        """Append one event; without *when* it is a minute after the last."""
        self.minute = self.minute + 1 if when is None else when
        said = details or {}, at(self.minute), digests or {}
        data = sealed(kind, *said, words, signer, who, item, ledger)
        self.append(data)
        return data

    def append(self, data: bytes) -> None:
        """Append the bytes of an entry."""
        case = self.case
        with case.locked(0):
            case.log.append([data], LOG)

    def seal(self, **more: Any) -> bytes:
        """The bundle is collected into the case."""
        details = {"bundle": BUNDLE, "evidence_number": NUMBER, "host": "web01"}
        return self.enter("sealed", details, digests={"tagmanifest-sha256.txt": DIGEST}, **more)

    def take_in(self, giver: Actor = HOST, **more: Any) -> bytes:
        """A bundle is taken in from somebody."""
        details = {
            "bundle": BUNDLE,
            "evidence_number": NUMBER,
            "verdict": "ok",
            "statement": DIGEST,
        }
        details |= {"from": giver.as_json()} | more.pop("details", {})
        return self.enter("received", details, digests={"received": DIGEST}, **more)

    def copy(self, number: str = "C1", **more: Any) -> bytes:
        """A numbered copy is made."""
        details = {"bundle": BUNDLE, "copy": number, "label": f"{NUMBER}/{number}"}
        return self.enter("copied", details, digests={"original": DIGEST, "copy": DIGEST}, **more)

    def release(self, to: Actor = RITA, number: str = "C1", **more: Any) -> bytes:
        """Something is released; without a number it is the original."""
        what: dict[str, Any] = (
            {"copy": number, "label": f"{NUMBER}/{number}"} if number else {"original": True}
        )
        details = {"bundle": BUNDLE, "statement": DIGEST, "to": to.as_json(), **what}
        details |= more.pop("details", {})
        return self.enter("released", details, digests={"released": DIGEST}, **more)

    def record(
        self,
        release: bytes,
        receipt: bytes | None,
        by: Actor = RITA,
        number: str = "C1",
        **more: Any,
    ) -> bytes:
        """A receipt, or a refusal, has come back and is entered."""
        details: dict[str, Any] = {"bundle": BUNDLE, "release": sha256(release)}
        details["received_by"] = by.as_json()
        details |= {"copy": number, "label": f"{NUMBER}/{number}"} if number else {"original": True}
        if receipt is not None:
            details["receipt"] = canonical.load_object(receipt[:-1])
        details |= more.pop("details", {})
        kind = more.pop("kind", "received")
        return self.enter(kind, details, **more)

    def hand_over(self, to: Actor = RITA, signer: Signer = READER, number: str = "C1") -> None:
        """A release, and the receipt that answers it."""
        release = self.release(to, number)
        self.record(release, receipt(release, signer, to, when=self.minute + 0.5), to, number)

    def told(self, item: str = NUMBER, trust: Trust = TRUST) -> Timeline:
        """The history of an item."""
        return timeline(self.case, item, trust, at(1_000_000))

    def gaps(self, item: str = NUMBER, trust: Trust = TRUST) -> list[tuple[str, tuple[int, ...]]]:
        """The gaps in it: kinds, and the entries concerned."""
        return [(gap.kind, gap.entries) for gap in self.told(item, trust).gaps]


def sealed(
    kind: str,
    details: dict[str, Any],
    when: datetime,
    digests: dict[str, str],
    words: dict[str, str] | None,
    signer: Signer,
    who: Actor,
    item: str = BUNDLE,
    ledger: dict[str, Any] | None = None,
) -> bytes:
    """A signed event."""
    subjects = tuple(Subject(name, value) for name, value in digests.items())
    event = Event(kind, when, who, subjects, {"item": item, **(words or {})}, ledger, details)
    return signing.seal(signer, statement.dump(event))


def receipt(
    release: bytes,
    signer: Signer = READER,
    by: Actor = RITA,
    *,
    when: float = 0,
    digest: str = DIGEST,
    kind: str = "received",
    verdict: str = "ok",
    key: Signer | None = None,
) -> bytes:
    """What the receiver signs; *key* signs in the name of *signer* where they differ."""
    details = {"release": sha256(release), "bundle": BUNDLE, "from": CLERK.as_json()}
    details["verdict"] = verdict
    who = replace(by, key=str(signer.key))
    return sealed(kind, details, at(when), {"received": digest}, None, key or signer, who)


def moment(minutes: float) -> str:
    """A moment of the story as entries write it."""
    return clock.rfc3339(at(minutes))
