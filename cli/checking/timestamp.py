"""``custody timestamp``: an outside authority's word on when something existed."""

from __future__ import annotations

import os
import shlex
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import bundles, desk, ledger_where, options, passphrase, stamping
from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custody.cli.given.desk import Desk
    from custody.identity.trust import Trust
    from custody.stamping.ask import Answer
    from custody.stamping.places import Sealed
    from custody.stamping.stock import Held
    from custody.stamping.telling import Told

app = Verb("Let an outside authority say when a bundle or the ledger existed.")

_COMMAND = "timestamp"

BundleArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="BUNDLE",
        help="A bundle's directory; with --case also its id or evidence number.",
        show_default=False,
    ),
]
LedgerOption = Annotated[
    bool, typer.Option("--ledger", help="Stamp the present checkpoint of the case's ledger.")
]
RenewOption = Annotated[
    bool, typer.Option("--renew", help="Stamp it only if an older stamp is soon to end.")
]
WithinOption = Annotated[
    int, typer.Option("--within", metavar="DAYS", help="With --renew: how soon.", min=1, max=3650)
]


@app.command()
def timestamp(
    bundle: BundleArgument = None,
    ledger: LedgerOption = False,
    renew: RenewOption = False,
    within: WithinOption = 90,
    tsa: stamping.TsaOption = None,
    tsa_timeout: stamping.TimeoutOption = stamping.SECONDS,
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Let an outside authority say when a bundle or the ledger existed.

    A stamp over the ledger (--ledger) covers all that is entered by then, older stamps too; with
    --renew it is made only when the certificate behind one of them ends soon, so that it may be
    run every day.  In a case, what was stamped is entered.  Exit 3 if some authority gave none,
    11 if all did.
    """
    from custody.identity import trust as store

    if sum((bundle is not None, ledger, renew)) != 1:
        why = "name a bundle, or --ledger, or --renew: one of them"
        hint = "custody timestamp BUNDLE --tsa URL, or custody timestamp --ledger --tsa URL"
        raise UsageError("read the command line", _COMMAND, why, hint=hint)
    believed = store.load(options.trust_directory(trust))
    secret = passphrase.source(passphrase_file, passphrase_fd)
    if bundle is not None:
        bundle = bundles.located(bundle)
        urls = stamping.needed(tsa, f"{_COMMAND} {shlex.quote(str(bundle))}")
        keeper = _keeper(bundle, key, secret)
        return _bundle(bundle, urls, tsa_timeout, believed, keeper)
    command = f"{_COMMAND} {'--renew' if renew else '--ledger'}"
    urls = stamping.needed(tsa, command)
    keeper = desk.ready(command, key, secret)
    if renew:
        return _renew(keeper, urls, tsa_timeout, believed, timedelta(days=within))
    return _ledger(keeper, urls, tsa_timeout, believed, [])


def _keeper(bundle: Path, key: str | None, secret: Any) -> Desk | None:
    """Who enters the stamp; a bundle in a case is stamped with that case, and no other is."""
    from custody import case as cases

    home = Path(os.path.realpath(bundle)).parent.parent
    chosen = options.case()
    in_case = (home / cases.RECORD).is_file()
    if chosen is None and in_case:
        why = "it lies in a case, and a stamp is entered there; nothing was written"
        typed = shlex.join([str(bundle), "--case", str(home)])
        raise UsageError("stamp", bundle, why, hint=f"custody timestamp {typed}")
    if chosen is None:
        return None
    if Path(os.path.realpath(chosen.path)) != home:
        if chosen.from_environment and not in_case:
            return None
        why = f"it does not lie in the case {chosen.path}; nothing was written"
        raise UsageError("stamp", bundle, why, hint="leave out --case, or name the right one")
    return desk.ready(f"{_COMMAND} {bundle}", key, secret)


def _bundle(
    bundle: Path, urls: Sequence[str], seconds: float, believed: Trust, keeper: Desk | None
) -> int:
    """Stamp the statement's signature, and those of additions that nobody stamped yet."""
    from custody.stamping import ask, places, telling

    statement = places.statement_of(bundle)
    answers: list[Answer] = []
    entries: list[int] = []
    for sealed in (statement, *_unstamped(bundle)):
        given = ask.ask_all(urls, sealed.signature, believed.anchors, seconds=seconds)
        for answer, token in stamping.kept(given):
            places.keep(bundle, token)
            if keeper is not None:
                name = Path(os.path.realpath(bundle)).name
                told = telling.of_bundle(name, sealed, token, answer.authority)
                entries.append(_enter(keeper, told))
        answers += given
    _show(str(bundle), answers, entries)
    stamping.warn(answers, statement.event.time)
    return _code(answers)


def _unstamped(bundle: Path) -> list[Sealed]:
    """Countersignatures and events without any time stamp: their keys may end, too."""
    from custody.stamping import places, telling
    from custody.stamping.token import Token

    there = [token for _, token in places.of_bundle(bundle) if isinstance(token, Token)]
    return [
        sealed
        for sealed in places.others_of(bundle)
        if sealed.event.kind != telling.NOT_STAMPED
        and not any(token.is_over(sealed.signature) for token in there)
    ]


def _ledger(
    keeper: Desk, urls: Sequence[str], seconds: float, believed: Trust, entries: list[int]
) -> int:
    """Stamp the present checkpoint.

    :param entries: what was entered before, to be shown too.
    """
    from custody.stamping import ask, places, telling

    published = keeper.case.log.require_believed(keeper.log_key)
    message = places.message_of(published)
    answers = ask.ask_all(urls, message, believed.anchors, seconds=seconds)
    for answer, token in stamping.kept(answers):
        places.keep_for_ledger(keeper.case.directory, published, token)
        tree, text = published.checkpoint, published.note.text
        told = telling.of_ledger(keeper.case.case, tree, text, token, answer.authority)
        entries.append(_enter(keeper, told))
    _show(f"checkpoint of {counted(published.size, 'entry')}", answers, entries)
    stamping.warn(answers)
    return _code(answers)


def _renew(
    keeper: Desk, urls: Sequence[str], seconds: float, believed: Trust, within: timedelta
) -> int:
    from custody import clock
    from custody.stamping import stock

    with ledger_where.damage():
        stamps = stock.take(keeper.case, believed)
    # A stamp covers older ones by their entries; whatever lacks one gets it first.
    entries = [_enter(keeper, item.told) for item in stamps.not_entered()]
    if entries:
        stamps = stock.take(keeper.case, believed)
    now = clock.now()
    due = stamps.due(now, within)
    if not due:
        _nothing(stamps.next_end(now), entries)
        if not stamps.held:
            said = "this case has no time stamp at all; to get the first one"
            console.warning(f"{said}: custody timestamp --ledger --tsa URL --case DIR")
        return exit_codes.OK
    _say_due(due)
    return _ledger(keeper, urls, seconds, believed, entries)


def _say_due(due: Sequence[Held]) -> None:
    from custody import clock

    for item in due[:20]:
        ends = "" if item.ends is None else clock.rfc3339(item.ends)
        console.remark(f"{item.path}: the certificate of {item.authority} ends at {ends}")


def _nothing(ends: Any, entries: Sequence[int]) -> None:
    from custody import clock

    shown = None if ends is None else clock.rfc3339(ends)
    if console.mode().json:
        document = {"stamped": None, "answers": [], "entries": list(entries), "next_end": shown}
        console.result_json(_COMMAND, document)
    elif shown is None:
        console.result("nothing to renew: no stamp is here whose certificate is still to end")
    else:
        console.result(f"nothing to renew yet: the first certificate ends at {shown}")


def _enter(keeper: Desk, told: Told) -> int:
    from custody import clock
    from custody.stamping import telling

    return keeper.enter(
        telling.STAMPED, clock.now(), digests=told.digests, words=told.words, details=told.details
    )


def _show(what: str, answers: Sequence[Answer], entries: Sequence[int]) -> None:
    if console.mode().json:
        document = {
            "stamped": what,
            "answers": [stamping.document(answer) for answer in answers],
            "entries": list(entries),
        }
        console.result_json(_COMMAND, document)
        return
    console.result("stamped   " if stamping.kept(answers) else "asked for ", what)
    stamping.show(answers)
    for index in entries:
        console.result(f"ledger    entry {index}")


def _code(answers: Sequence[Answer]) -> int:
    given = len(stamping.kept(answers))
    if not given:
        return exit_codes.CANNOT_VERIFY
    return exit_codes.OK if given == len(answers) else exit_codes.GAPS
