"""``custody trust revoke``: believe a key no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.given import ledger_where, options
from custody.cli.terminal import console, moments
from custody.errors import UsageError

from . import enter

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from custody.cli.given.desk import Desk
    from custody.identity.trust import Trust

KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="A verifier key, a fingerprint, or the name of a listed signer."
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="From when on nothing counts: 2026-11-22T03:14:05Z.",
        show_default=False,
    ),
]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")]


def revoke(
    key: KeyArgument,
    at: AtOption = None,
    reason: ReasonOption = "",
    trust: options.TrustOption = None,
    signing_key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Let nothing count that a key signed from a moment on.

    What it signed before still counts where a time stamp shows that it was before.  With --case,
    the revocation is entered there too, signed with your own key: whoever trusts you as a desk
    then judges the key so.
    """
    from custody import clock
    from custody.identity import trust as store
    from custody.identity import trusting

    now = clock.now()
    moment = _moment(at, now)
    options.plain_text("--reason", reason)
    folder = options.trust_directory(trust, must_exist=False)
    listed = store.read_signers(folder / store.SIGNERS)
    fingerprint = trusting.find_signer(listed, key, folder / store.SIGNERS)
    _refuse_ledgers(store.load(folder), fingerprint, folder / store.POLICY)
    desk = _desk(folder, fingerprint, signing_key, passphrase_file, passphrase_fd)
    is_new = trusting.revoke(folder, fingerprint, moment, reason)
    entry = None
    if desk is not None:
        entry = _enter(desk, store.load(folder), fingerprint, moment, reason, now)
    is_listed = any(item.fingerprint == fingerprint for item in listed.signers)
    if console.mode().json:
        document = {
            "path": str(folder),
            "fingerprint": fingerprint,
            "revoked_at": clock.rfc3339(moment),
            "reason": reason,
            "listed": is_listed,
            "changed": is_new,
            "entry": entry,
        }
        console.result_json("trust-revoked", document)
        return
    if not is_new:
        console.remark(f"nothing to do: {folder} says so already")
    elif not is_listed:
        console.remark("nobody trusted this key here; no desk can vouch for it from now on")
    _say_if_own(fingerprint)
    console.result("revoked     ", fingerprint)
    console.result("from        ", clock.rfc3339(moment))
    if entry is not None:
        console.result(f"ledger      entry {entry}")


def _say_if_own(fingerprint: str) -> None:
    """Who revokes a key of their own has to know who can say so to others now."""
    from custody.identity.keys import KeyFolder

    own = KeyFolder(options.home() / "keys").list()
    name = next((item.name for item in own if item.key.fingerprint() == fingerprint), None)
    if name is not None:
        console.warning(
            f'"{name}" is a key of your own: it signs nothing more here; in a case, another'
            " desk's key says that it is revoked: custody trust revoke KEY --at TIME --case DIR"
            " --key NAME"
        )


def _moment(text: str | None, now: datetime) -> datetime:
    from custody import clock

    moment = moments.moment("--at", text)
    if moment is None:
        why = "say from when on the key no longer counts: when it was lost, or may have been stolen"
        hint = f"--at {clock.rfc3339(now)} is this moment"
        raise UsageError("revoke key", "--at", why, hint=hint)
    if moment > now:
        why = f"{clock.rfc3339(moment)} is in the future; nothing was written"
        hint = "a planned end is valid_until in signers.toml"
        raise UsageError("revoke key", "--at", why, hint=hint)
    return moment


def _refuse_ledgers(known: Trust, fingerprint: str, policy: Path) -> None:
    """A ledger's or a witness's key is not among the signers, and is not revoked as one."""
    keys = {key.fingerprint(): key.name for key in known.logs}
    keys |= {item.key.fingerprint(): name for name, item in known.policy.witnesses.items()}
    if fingerprint in keys:
        why = "it is the key of a ledger or of a witness; nothing was written"
        hint = f"take its line out of {policy}: then nothing that it signs is believed"
        raise UsageError("revoke key", keys[fingerprint], why, hint=hint)


def _desk(
    folder: Path, fingerprint: str, key: str | None, file: Path | None, fd: int | None
) -> Desk | None:
    """Who enters it, where a case is named; a key does not revoke itself."""
    from custody import certifying
    from custody.cli.given import desk, passphrase
    from custody.identity import trust as store

    if options.case() is None:
        return None
    ready = desk.ready("trust revoke KEY", key, passphrase.source(file, fd))
    if ready.signer.key.fingerprint() == fingerprint:
        why = "a key that is revoked cannot sign that it is; nothing was written"
        hint = "sign with another desk's key (--key NAME), or revoke it without --case"
        raise UsageError("revoke key", fingerprint, why, hint=hint)
    certifying.require_desk(store.load(folder), ready.signer.key.fingerprint(), folder)
    return ready


def _enter(
    desk: Desk, believed: Trust, fingerprint: str, moment: datetime, reason: str, now: datetime
) -> int:
    from custody import certifying
    from custody.keeping import WAIT_SECONDS

    mine = desk.signer.key.fingerprint()
    with desk.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
        for number, event in certifying.entered(desk.case.ledger):
            said = event.fingerprint, event.revoked_at, event.by.fingerprint()
            if said == (fingerprint, moment, mine):
                return number
        data = certifying.revocation(
            desk.signer,
            desk.actor,
            fingerprint=fingerprint,
            revoked_at=moment,
            now=now,
            ledger=writing.newest,
            case=desk.case.case,
            comment=reason,
        )
        index = writing.append([data])
    ledger_where.tell_troubles(desk.case.memory)
    enter.tell(desk.case, believed, index)
    return index
