"""Who knows the passphrases of keys: what a key folder asks, and the plainest answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Passphrase(Protocol):
    """Who knows the passphrases: a file, a descriptor, or a person at a terminal."""

    def __call__(self, label: str, new: bool) -> bytes:
        """The passphrase for the key *label*; a *new* one is asked for twice."""

    def another(self, label: str) -> bytes | None:
        """Another try, after the first did not fit; None if there is nobody to ask."""

    def pin(self, label: str) -> bytes:
        """The PIN of the token that the key *label* is in; asked for once, and for nothing else."""


@dataclass(frozen=True, slots=True)
class FixedPassphrase:
    """A passphrase that is already known."""

    secret: bytes

    def __call__(self, label: str, new: bool) -> bytes:  # noqa: ARG002 - the protocol's
        """The same for every key."""
        return self.secret

    def another(self, label: str) -> bytes | None:  # noqa: ARG002 - the protocol's
        """There is no other."""
        return None

    def pin(self, label: str) -> bytes:  # noqa: ARG002 - the protocol's
        """The same."""
        return self.secret
