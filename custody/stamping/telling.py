"""The events about time stamps: one was given, or all who were asked gave none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable
from custody.bundle import layout
from custody.formats import statement
from custody.formats.statement import Actor, Event
from custody.identity import signing
from custody.identity.signing import Signer
from custody.ledger.checkpoint import Checkpoint
from custody.stamping.places import Sealed
from custody.stamping.token import Token

STAMPED = "timestamped"
NOT_STAMPED = "not-timestamped"


@dataclass(frozen=True, slots=True)
class Told:
    """What an event ``timestamped`` says: its subjects by name, its words and its details."""

    digests: Mapping[str, str]
    words: Mapping[str, str]
    details: Mapping[str, object]


def of_bundle(bundle: str, sealed: Sealed, token: Token, authority: str) -> Told:
    """That the signature of a bundle's statement was stamped."""
    details = {
        **_of_token(token, authority),
        "bundle": bundle,
        "statement": hashlib.sha256(sealed.data).hexdigest(),
    }
    digests = {"signature": hashlib.sha256(sealed.signature).hexdigest()}
    return Told(digests, {"item": bundle, "method": authority}, details)


def of_ledger(case: str, tree: Checkpoint, text: str, token: Token, authority: str) -> Told:
    """That a checkpoint of the case's ledger was stamped; *text* is its note's."""
    named = {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}
    details = {**_of_token(token, authority), "checkpoint": named}
    digests = {"checkpoint": hashlib.sha256(text.encode()).hexdigest()}
    return Told(digests, {"item": case, "method": authority}, details)


def _of_token(token: Token, authority: str) -> dict[str, Any]:
    return {
        "authority": authority,
        "time": clock.rfc3339(token.moment),
        "token": token.sha256,
    }


def keep_refusals(
    bundle: Path,
    refusals: Sequence[tuple[str, str]],
    *,
    signer: Signer,
    actor: Actor,
    words: Mapping[str, str],
    now: datetime,
) -> Path:
    """Put into a bundle, signed, which authorities were asked in vain and what they answered.

    :param refusals: address and answer of each.
    :raises StorageError: if it could not be written.
    """
    asked = [{"authority": authority, "answer": answer} for authority, answer in refusals]
    event = Event(NOT_STAMPED, now, actor, (), words, None, {"asked": asked})
    data = signing.seal(signer, statement.dump(event))
    path = bundle / layout.EVENTS / f"{hashlib.sha256(data).hexdigest()}.dsse.json"
    durable.ensure_directory(path.parent)
    durable.create_or_equal(path, data)
    return path
