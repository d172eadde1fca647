"""``custody key certify``: a desk vouches for a host's key."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.given import ledger_where, options
from custody.cli.terminal import console, moments
from custody.errors import FormatError, InputError, NotFoundError, TrustError, UsageError

from . import enter

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from custody.cli.given.desk import Desk
    from custody.formats.statement import Actor
    from custody.formats.vkey import VerifierKey
    from custody.identity.key_record import StoredKey
    from custody.identity.signing import Signer
    from custody.identity.trust import Trust
    from custody.keeping import Keeper

KeyArgument = Annotated[
    str, typer.Argument(metavar="VKEY|FINGERPRINT", help="The key of the host.")
]
BundleOption = Annotated[
    str,
    typer.Option(
        "--bundle", metavar="BUNDLE", help="For this bundle alone: its directory, or its id.",
        show_default=False,
    ),
]  # fmt: skip
ValidOption = Annotated[
    str | None,
    typer.Option(
        "--valid", metavar="SPAN", help="Until when, from now on: 90m, 8h, 3d.",
        show_default=False,
    ),
]  # fmt: skip
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="Until when: 2026-11-22T03:14:05Z.", show_default=False
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--valid-from", metavar="TIME", help="From when on: 2026-11-22T03:14:05Z.",
        show_default=False,
    ),
]  # fmt: skip
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="The certificate, for the host.",
        show_default=False,
    ),
]  # fmt: skip
CommentOption = Annotated[str, typer.Option(metavar="TEXT", help="Whose host it is, and why.")]


@dataclass(frozen=True, slots=True)
class _Scope:
    """For which bundle a certificate is, and where that lies; both may be empty."""

    bundle: str = ""
    directory: Path | None = None


def say_next(home: Path, stored: StoredKey, span: str) -> None:
    """What to do with a host's new key."""
    from custody.certifying.held import FOLDER

    key = shlex.quote(str(stored.key))
    console.remark(f"at the desk: custody key certify {key} --valid {span} -o {stored.name}.json")
    console.remark(f"then put that file into {home / FOLDER}, and collect with --key {stored.name}")


def certify(
    key: KeyArgument,
    bundle: BundleOption = "",
    valid: ValidOption = None,
    until: UntilOption = None,
    valid_from: FromOption = None,
    output: OutputOption = None,
    comment: CommentOption = "",
    signing_key: options.KeyOption = None,
    trust: options.TrustOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Vouch for a host's key, as a desk.

    Whoever trusts you as a desk then believes what that key signs: until the end that you name,
    or in the one bundle that you name.  The certificate goes to the host with -o, into the
    bundle with --bundle, and into the ledger with --case.
    """
    from functools import partial

    from custody import certifying, clock
    from custody.identity import trust as store

    options.plain_text("--comment", comment)
    now = clock.now()
    public, fingerprint = _whose(key)
    ends, begins = _end(now, valid, until), moments.moment("--valid-from", valid_from)
    if ends is not None and ends <= max(now, begins or now):
        why = "the validity ends before it begins, or has ended already; nothing was signed"
        raise UsageError("certify key", clock.rfc3339(ends), why)
    if ends is None and not bundle:
        why = "say until when it counts, or for which bundle; nothing was signed"
        hint = "--valid 8h, or --bundle BUNDLE; for ever: custody trust add signer VKEY"
        raise UsageError("certify key", fingerprint, why, hint=hint)
    folder = options.trust_directory(trust)
    desk, signer, actor = _desk(folder, signing_key, passphrase_file, passphrase_fd)
    _refuse_strange(store.load(folder), fingerprint, signer)
    scope = _scope(bundle, fingerprint, desk)
    if output is None and desk is None and scope.directory is None:
        hint = f"custody key certify {shlex.quote(key)} -o FILE"
        raise UsageError("certify key", fingerprint, "say where the certificate goes", hint=hint)
    if output is not None and os.path.lexists(output):
        why = "it exists already; nothing was overwritten, and nothing signed"
        raise UsageError("certify key", output, why)
    make = partial(
        certifying.certificate,
        signer,
        actor,
        fingerprint=fingerprint,
        key="" if public is None else str(public),
        now=now,
        bundle=scope.bundle,
        valid_from=begins,
        valid_until=ends,
        comment=comment,
    )
    data, entry = _sign(desk, scope, make)
    if desk is not None and entry is not None:
        enter.tell(desk.case, store.load(folder), entry)
    if output is not None:
        from custody import durable

        durable.create(output, data)
    _say(data, fingerprint, scope, ends, output, entry)


def _whose(text: str) -> tuple[VerifierKey | None, str]:
    from custody.formats.vkey import COSIGNATURE
    from custody.identity.trust import read_fingerprint

    if "+" not in text:
        return None, read_fingerprint(text)
    public = options.verifier_key(text)
    if public.kind == COSIGNATURE:
        raise UsageError("certify key", public.name, "the key is a witness's")
    return public, public.fingerprint()


def _end(now: datetime, valid: str | None, until: str | None) -> datetime | None:
    if valid is not None and until is not None:
        raise UsageError("read the command line", "--valid and --until", "choose one of them")
    return (
        moments.moment("--until", until) if valid is None else now + moments.span("--valid", valid)
    )


def _desk(
    folder: Path, key: str | None, file: Path | None, fd: int | None
) -> tuple[Desk | None, Signer, Actor]:
    """Who vouches: must be a desk in their own eyes, with a key that counts now."""
    from custody import certifying, clock
    from custody.cli.given import desk, passphrase
    from custody.identity import trust as store
    from custody.identity.keys import KeyFolder

    secret = passphrase.source(file, fd)
    ready = None
    if options.case() is not None:
        ready = desk.ready("key certify KEY", key, secret)
        signer, actor = ready.signer, ready.actor
    else:
        keys = KeyFolder(options.home() / "keys")
        stored = keys.pick(key, "signer")
        signer, actor = passphrase.unlock(keys, stored.name, secret), stored.actor()
    believed, fingerprint = store.load(folder), signer.key.fingerprint()
    certifying.require_desk(believed, fingerprint, folder)
    mine = believed.signer_for(fingerprint)
    why = "" if mine is None else mine.why_not_valid_at(clock.now())
    if why:
        raise UsageError("vouch for keys with", signer.key.name, f"{why}; nothing was signed")
    return ready, signer, actor


def _refuse_strange(believed: Trust, fingerprint: str, signer: Signer) -> None:
    """A key that was revoked, or one's own, is not vouched for."""
    from custody import clock

    gone = believed.revoked.get(fingerprint)
    if gone is not None:
        why = f"it was revoked at {clock.rfc3339(gone)}; nothing was signed"
        raise UsageError("certify key", fingerprint, why)
    if fingerprint == signer.key.fingerprint():
        raise UsageError("certify key", fingerprint, "nobody vouches for their own key")


def _scope(text: str, fingerprint: str, desk: Keeper | None) -> _Scope:
    """The bundle that is meant: one that is there must be signed by that very key."""
    if not text:
        return _Scope()
    path = Path(text)
    if not path.is_dir() and desk is not None:
        path = desk.case.bundles / text
    if not path.is_dir():
        if "/" in text:
            raise NotFoundError("certify key for", text, "there is no such bundle")
        return _Scope(options.plain_text("--bundle", text))
    _require_in_case(path, desk)
    name, signed_by = _signed_by(path)
    if signed_by != fingerprint:
        why = f"it is signed by the key {signed_by}; nothing was signed"
        hint = "compare the fingerprint on the paper form"
        raise TrustError("certify key for", path, why, hint=hint)
    return _Scope(name, path)


def _require_in_case(path: Path, desk: Keeper | None) -> None:
    from custody import case as cases

    home = Path(os.path.realpath(path)).parent.parent
    is_in_case = (home / cases.RECORD).is_file()
    if desk is None and is_in_case:
        why = "it lies in a case, and a certificate is entered there; nothing was signed"
        raise UsageError("certify key for", path, why, hint=f"--case {shlex.quote(str(home))}")
    if desk is not None and Path(os.path.realpath(desk.case.directory)) != home:
        why = f"it does not lie in the case {desk.case.directory}; nothing was signed"
        raise UsageError("certify key for", path, why)


def _signed_by(bundle: Path) -> tuple[str, str]:
    """A bundle's id, and the fingerprint of the key that signed its statement.

    What the bundle holds is not verified here.
    """
    from custody import reading
    from custody.bundle import layout
    from custody.formats import dsse, statement, vkey
    from custody.identity.signing import is_signed

    try:
        data = reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
        envelope = dsse.load(data)
        event = statement.load(envelope.payload)
        key = vkey.parse(event.actor.key)
    except FormatError as err:
        raise InputError("read bundle", bundle, err.why) from err
    good = any(
        line.keyid == key.fingerprint() and is_signed(key, line.sig, envelope.signed_bytes())
        for line in envelope.signatures
    )
    if not good or not event.words.get("item"):
        why = "its statement is not signed by the key that it names"
        raise TrustError(
            "certify key for", bundle, why, hint=f"custody verify {shlex.quote(str(bundle))}"
        )
    return event.words["item"], key.fingerprint()


def _sign(desk: Desk | None, scope: _Scope, make: Callable[..., bytes]) -> tuple[bytes, int | None]:
    """Sign, lay into the bundle, and enter; the certificate, and the number of its entry."""
    from custody.certifying import held
    from custody.keeping import WAIT_SECONDS

    if desk is None:
        data = make()
        if scope.directory is not None:
            held.lay(scope.directory, data)
        return data, None
    with desk.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
        data = make(ledger=writing.newest, case=desk.case.case)
        if scope.directory is not None:
            held.lay(scope.directory, data)
        entry = writing.append([data])
    ledger_where.tell_troubles(desk.case.memory)
    return data, entry


def _say(
    data: bytes,
    fingerprint: str,
    scope: _Scope,
    ends: datetime | None,
    output: Path | None,
    entry: int | None,
) -> None:
    import hashlib

    from custody import clock

    until = None if ends is None else clock.rfc3339(ends)
    if console.mode().json:
        document = {
            "fingerprint": fingerprint,
            "bundle": scope.bundle or None,
            "valid_until": until,
            "sha256": hashlib.sha256(data).hexdigest(),
            "path": None if output is None else str(output),
            "laid_into": None if scope.directory is None else str(scope.directory),
            "entry": entry,
        }
        console.result_json("key-certified", document)
        return
    console.result("certified     ", fingerprint)
    if scope.bundle:
        console.result("for bundle    ", scope.bundle)
    if until is not None:
        console.result("until         ", until)
    if output is not None:
        console.result("certificate   ", output)
        console.remark("on the host it goes into the folder certificates/ beside keys/")
    if entry is not None:
        console.result(f"ledger        entry {entry}")
