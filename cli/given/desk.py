"""Whoever keeps a case: its ledger's key, their own key, and entries made with the two."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from custody.cli.terminal import console
from custody.errors import NotFoundError, UsageError
from custody.keeping import WAIT_SECONDS, Keeper

from . import ledger_where, options, record_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from custody.case import Case
    from custody.identity.keys import KeyFolder
    from custody.identity.passphrases import Passphrase
    from custody.identity.signing import Signer

_PATIENCE_SECONDS = 5.0
_FARTHEST_EAST = timedelta(hours=14)  # where a day begins first: UTC+14


class Desk(Keeper):
    """A case that is ready to be written to, and who writes."""

    __slots__ = ()

    def enter_attachments(self) -> None:
        """Enter what was attached, and whatever a stopped run of this signer left pending."""
        from custody import entering

        _, refused = entering.enter_pending(
            self.case, self.log_key, [self.signer.key], options.wait_seconds(WAIT_SECONDS)
        )
        for name, why in refused.items():
            console.warning(f"{name} in this case was not entered: {why}")
        ledger_where.tell_troubles(self.case.memory)

    def enter(
        self,
        kind: str,
        now: datetime,
        *,
        digests: Mapping[str, str],
        words: Mapping[str, str],
        details: Mapping[str, object],
        require: Callable[[Case], None] | None = None,
    ) -> int:
        """Sign one event and enter it; returns the number of its entry.

        :param require: asked under the lock, so that nothing is entered in between; it may raise.
        """
        with self.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
            if require is not None:
                require(self.case)
            entry = writing.sign(kind, now, digests=digests, words=words, details=details)
            index = writing.append([entry])
        ledger_where.tell_troubles(self.case.memory)
        return index


def events(case: Case, kinds: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kind and details of the entries of these kinds, oldest first, as their signers wrote them.

    An entry that is not rightly signed by the key it names says nothing here; ``verify`` says why.
    """
    from custody.errors import FormatError
    from custody.formats import dsse, statement, vkey
    from custody.identity import signing

    with ledger_where.damage():
        entries = list(case.ledger.entries())
    for data in entries:
        try:
            envelope = dsse.load(data)
            event = statement.load(envelope.payload)
            key = vkey.parse(event.actor.key)
        except FormatError:
            continue
        signed = envelope.signed_bytes()
        good = any(signing.is_signed(key, line.sig, signed) for line in envelope.signatures)
        if event.kind in kinds and good:
            yield event.kind, event.details


def require_word(option: str, word: str, allowed: Collection[str]) -> None:
    """Make sure that *word* is one of those allowed.

    :raises UsageError: if it is not.
    """
    if word not in allowed:
        why = f"{word} is none of {', '.join(allowed)}"
        raise UsageError("read the command line", option, why)


def day(option: str, text: str) -> str:
    """The day of something that was done, as it is entered.

    :raises UsageError: if *text* is not a day, or one that has begun nowhere yet.
    """
    from custody import clock

    when = record_file.date_of(option, text, "; nothing was entered")
    if when > (clock.now() + _FARTHEST_EAST).date():
        why = f"{when} is in the future, in every time zone; nothing was entered"
        hint = "enter it on the day on which it is done"
        raise UsageError("read the command line", option, why, hint=hint)
    return when.isoformat()


def say_entered(kind: str, index: int, details: Mapping[str, object]) -> None:
    """Show what was entered."""
    if console.mode().json:
        console.result_json("entry", {"index": index, "type": kind, "details": dict(details)})
    else:
        words = ", ".join(f"{name} {value}" for name, value in details.items())
        console.result(f"entry {index}: {kind}: {words}")


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
    with case.locked(options.wait_seconds(_PATIENCE_SECONDS)):  # a long writer is said now
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
            hint="only whoever keeps the case enters something in it: bring it to them",
        )
    return passphrase.unlock(folder, stored.name, secret)
