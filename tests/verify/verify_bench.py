"""Making evidence, spoiling it, signing it again, and looking at what verify says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody import collect
from custody.bundle import layout
from custody.collect import Destination, Request
from custody.formats import bagit, canonical, dsse, statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signers import TrustedSigner
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.ledger.policy import Known, Policy
from custody.verify import Verification, verify_bundle, verify_case

NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)
ORIGIN = "ledger.example/case-7"


def key(name: str, seed: int) -> Signer:
    """A key that is the same in every run."""
    return Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


SIGNER, LOG, STRANGER = key("ada", 2), key(ORIGIN, 1), key("eve", 3)
ACTOR = Actor(str(SIGNER.key), "Ada Example", "Custodian", "City of Example")


def trusting(*keys: Signer, log: bool = True, **dates: datetime) -> Trust:
    """A trust folder's content: these signers, and the log."""
    signers = tuple(
        TrustedSigner(item.key.fingerprint(), item.key, item.key.name, "collector", **dates)
        for item in keys
    )
    return Trust(signers, Policy((Known(LOG.key),) if log else ()))


TRUST = trusting(SIGNER)


def gather(source: Path, destination: Destination, signer: Signer = SIGNER) -> Path:
    """Collect *source*, as the command would."""
    actor = replace(ACTOR, key=str(signer.key))
    plan = collect.prepare(Request((str(source),)), destination)
    return collect.run(plan, signer, actor, now=lambda: NOW).path


def reseal(bag: Path, change: Callable[[Event], Event] = lambda event: event) -> None:
    """Pin the tag files as they are now and sign again: a collector that lies."""
    lines = []
    for name in layout.TAG_FILES:
        digest = hashlib.sha256((bag / name).read_bytes()).hexdigest()
        lines.append(bagit.manifest_line(digest, name))
    data = b"".join(lines)
    (bag / bagit.TAG_MANIFEST_NAME).write_bytes(data)
    event = statement.load(dsse.load((bag / layout.STATEMENT).read_bytes()).payload)
    pinned = Subject(bagit.TAG_MANIFEST_NAME, hashlib.sha256(data).hexdigest())
    event = change(replace(event, subjects=(pinned,)))
    (bag / layout.STATEMENT).write_bytes(signing.seal(SIGNER, statement.dump(event)))


def records(bag: Path) -> list[dict[str, object]]:
    """The inventory's records."""
    lines = (bag / layout.INVENTORY).read_bytes().splitlines()
    return [canonical.load_object(line) for line in lines]


def write_records(bag: Path, listed: list[dict[str, object]]) -> None:
    """Replace the inventory."""
    data = b"".join(canonical.dump(record) + b"\n" for record in listed)
    (bag / layout.INVENTORY).write_bytes(data)


def status(found: Verification) -> dict[int, str]:
    """The status of each check, by number."""
    return {check.number: check.status for check in found.checks}


def failed(found: Verification) -> list[int]:
    """The numbers of the checks that failed."""
    return [check.number for check in found.checks if check.status == "fail"]


def check(bag: Path, trust: Trust = TRUST, expect: str | None = None) -> Verification:
    """Verify a bundle."""
    return verify_bundle(bag, trust, expect=expect, now=NOW)


def check_case(case: Path, trust: Trust = TRUST) -> Verification:
    """Verify a case."""
    return verify_case(case, trust, now=NOW)
