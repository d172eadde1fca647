"""Whoever keeps a case: its ledger's key, their own key, and entries made with the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from custody.errors import NotFoundError

from . import ledger_where, options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from custody.case import Case
    from custody.formats.statement import Actor
    from custody.identity.keys import KeyFolder, Passphrase
    from custody.identity.signing import Signer

_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Desk:
    """A case that is ready to be written to, and who writes."""

    case: Case
    signer: Signer
    actor: Actor
    log_key: Signer

    def enter_attachments(self) -> None:
        """Enter what was attached, and whatever a stopped run of this signer left pending."""
        from custody import entering

        entering.enter_pending(self.case, self.log_key, [self.signer.key], _WAIT_SECONDS)
        ledger_where.tell_troubles(self.case.memory)

    def enter(
        self,
        kind: str,
        now: datetime,
        *,
        digests: Mapping[str, str],
        words: Mapping[str, str],
        details: Mapping[str, object],
    ) -> int:
        """Sign one event and enter it; returns the number of its entry."""
        from custody.formats import statement
        from custody.formats.statement import Event, Subject
        from custody.identity import signing

        subjects = tuple(Subject(name, sha256) for name, sha256 in digests.items())
        with self.case.locked(_WAIT_SECONDS):
            tree = self.case.log.require_believed(self.log_key).checkpoint
            newest = {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}
            said = {"case": self.case.case, **words}
            event = Event(kind, now, self.actor, subjects, said, newest, details)
            entry = signing.seal(self.signer, statement.dump(event))
            index = self.case.log.append([entry], self.log_key).first_index
        ledger_where.tell_troubles(self.case.memory)
        return index


def ready(command: str, key: str | None, secret: Passphrase) -> Desk:
    """Open the case that is named, unlock both keys, and try them.

    :param command: what the user typed, for a hint.
    :raises UsageError: if no case is named.
    """
    from custody import case as cases
    from custody.identity import keys

    from . import passphrase

    case = cases.open_case(options.needed_case(command), ledger_where.memory())
    folder = keys.KeyFolder(options.home() / "keys")
    stored = folder.pick(key, "signer")
    signer = passphrase.unlock(folder, stored.name, secret)
    ledger_key = log_key(folder, case, secret)
    with case.locked(0):  # another writer is said now, not after the work
        case.log.require_believed(ledger_key)
    return Desk(case, signer, stored.actor(), ledger_key)


def log_key(folder: KeyFolder, case: Case, secret: Passphrase) -> Signer:
    """Unlock the key of the case's ledger.

    :raises NotFoundError: if it is not among the user's own.
    """
    from . import passphrase

    stored = next(
        (item for item in folder.list() if item.use == "log" and item.key.name == case.origin),
        None,
    )
    if stored is None:
        raise NotFoundError(
            "find the ledger key",
            case.origin,
            f"it is not in {folder.directory}; nothing was written",
            hint="collect with --output DIR, and let whoever keeps the case take the bundle in",
        )
    return passphrase.unlock(folder, stored.name, secret)
