"""Whoever keeps a case, and how events of theirs come into its ledger: signed under its lock.

What an event says may depend on what the ledger has (a copy's number, whether something was
answered already), so looking, signing and entering are one piece of work that nobody else's
comes between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody.case import Case
from custody.formats import statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signing import Signer

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Keeper:
    """A case that is ready to be written to, and who writes."""

    case: Case
    signer: Signer
    actor: Actor
    log_key: Signer

    @contextmanager
    def writing(self, wait_seconds: float = WAIT_SECONDS) -> Iterator[Writing]:
        """Hold the case's lock, for one piece of work.

        :raises LockedError: if another process keeps it longer than *wait_seconds*.
        :raises DifferenceError: if the ledger is not what its key last signed.
        """
        with self.case.locked(wait_seconds):
            tree = self.case.log.require_believed(self.log_key).checkpoint
            newest = {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}
            yield Writing(self, newest)


@dataclass(frozen=True, slots=True)
class Writing:
    """The case while it is locked.

    :ivar newest: the ledger's checkpoint: what is signed now is not earlier than that.
    """

    keeper: Keeper
    newest: Mapping[str, Any]

    def sign(
        self,
        kind: str,
        now: datetime,
        *,
        digests: Mapping[str, str],
        words: Mapping[str, str],
        details: Mapping[str, object],
    ) -> bytes:
        """One event of this keeper's, in its envelope; nothing is entered yet.

        :param digests: the subjects: SHA-256 (hex) by name.
        """
        subjects = tuple(Subject(name, sha256) for name, sha256 in digests.items())
        said = {"case": self.keeper.case.case, **words}
        event = Event(kind, now, self.keeper.actor, subjects, said, self.newest, details)
        return signing.seal(self.keeper.signer, statement.dump(event))

    def append(self, entries: Sequence[bytes]) -> int:
        """Enter envelopes under one checkpoint; returns the number of the first.

        :raises UsageError: if one of them is too long for an entry.
        :raises StorageError: if they could not be made durable.
        """
        return self.keeper.case.log.append(entries, self.keeper.log_key).first_index
