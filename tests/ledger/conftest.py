"""A log key, a signer of entries, and ledgers to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.formats import statement
from custody.formats.statement import Actor, Event
from custody.identity.signing import Signer, seal
from custody.ledger.check import Report, by_keys, check
from custody.ledger.log import Log

ORIGIN = "ledger.example/case-7"
WHEN = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)


def _signer(name: str, seed: int) -> Signer:
    return Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


@pytest.fixture(scope="session")
def log_key() -> Signer:
    """The key that signs checkpoints."""
    return _signer(ORIGIN, 1)


@pytest.fixture(scope="session")
def person() -> Signer:
    """The key that signs entries."""
    return _signer("ada", 2)


@pytest.fixture(scope="session")
def stranger() -> Signer:
    """A key of the log's name that nobody trusts."""
    return _signer(ORIGIN, 3)


@pytest.fixture(scope="session")
def make_entry(person: Signer) -> Callable[[object], bytes]:
    """Makes a small entry that says what it is given."""

    def make(word: object) -> bytes:
        actor = Actor(str(person.key), name="Ada")
        event = Event("noted", WHEN, actor, words={"comment": f"note {word}"})
        return seal(person, statement.dump(event))

    return make


@pytest.fixture
def log(tmp_path: Path, log_key: Signer) -> Log:
    """An empty ledger."""
    return Log.create(tmp_path / "ledger", log_key)


@pytest.fixture
def checked(log_key: Signer, person: Signer) -> Callable[[Path], Report]:
    """Checks a ledger under the trusted keys."""
    return lambda directory: check(directory, ORIGIN, [log_key.key], by_keys([person.key]))
