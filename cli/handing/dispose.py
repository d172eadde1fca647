"""``custody dispose``: that an item is gone, on whose authority; nothing is deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import about, event_options, ledger_where, options
from custody.cli.terminal import console
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.case import Case

app = Verb("Enter that an item was destroyed or returned.")

_EVENT = "disposed"

AuthorityOption = Annotated[
    str,
    typer.Option(
        metavar="TEXT", help="Who authorized it: a name, an order, a rule.", show_default=False
    ),
]
MethodOption = Annotated[
    str,
    typer.Option(
        metavar="TEXT", help="How: erased, destroyed, returned to its owner.", show_default=False
    ),
]
WitnessOption = Annotated[
    str, typer.Option(metavar='"NAME, TITLE, ORG"', help="Who saw it done.", show_default=False)
]
ToOption = Annotated[
    str,
    typer.Option("--to", metavar='"NAME, TITLE, ORG"', help="Whom it was returned to."),
]
AtOption = Annotated[
    str, typer.Option("--at", metavar="TIME", help="When it was done, if not now.")
]


@app.command()
def dispose(
    item: about.ItemArgument,
    authority: AuthorityOption,
    method: MethodOption,
    witness: WitnessOption = "",
    to: ToOption = "",
    at: AtOption = "",
    place: event_options.PlaceOption = "",
    comment: event_options.CommentOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter that an item was destroyed or returned.

    ITEM is a bundle, which means its original, or a numbered copy.  Nothing is deleted by this:
    it is entered what somebody did.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase, said

    now = clock.now()
    words = {
        "authority": said.word("--authority", authority, needed=True),
        "method": said.word("--method", method, needed=True),
        "place": said.word("--place", place),
        "comment": said.word("--comment", comment, said.LONGEST_TEXT),
    }
    people = {"witness": said.person("--witness", witness), "to": said.person("--to", to)}
    details: dict[str, object] = {name: who for name, who in people.items() if who}
    if at:
        details["disposed_at"] = clock.rfc3339(said.moment("--at", at, now))
    command = "dispose ITEM --authority TEXT --method TEXT"
    keeper = desk.ready(command, key, passphrase.source(passphrase_file, passphrase_fd))
    thing = about.find(keeper.case, item)
    _require_whole(item, thing)
    words["item"] = thing.item
    details = {**thing.details, **details}
    if "copy" not in details:
        details["original"] = True

    def require(case: Case) -> None:
        _require_not_gone(case, thing)

    index = keeper.enter(_EVENT, now, digests={}, words=words, details=details, require=require)
    about.said(index, _EVENT, now, thing.label, words, details)
    console.remark("nothing was deleted; what is to be destroyed is destroyed by hand")


def _require_whole(asked: str, thing: about.About) -> None:
    if thing.kind not in ("bundle", "copy"):
        why = f"it is a {thing.kind}: only a bundle or a numbered copy is disposed of"
        raise UsageError("dispose", asked, f"{why}; nothing was entered")


def _require_not_gone(case: Case, thing: about.About) -> None:
    """Make sure that no entry says so already.

    :raises UsageError: if one does.
    """
    from custody.history import docket, register

    with ledger_where.damage():
        entries, _ = docket.read(case.ledger)
    for entry in entries:
        event = entry.event
        if event is None or event.kind != _EVENT or event.words.get("item") != thing.item:
            continue
        if register.copy_of(event) == thing.details.get("copy", ""):
            why = f"entry {entry.index} says so already; nothing was entered"
            raise UsageError("dispose", thing.label, why)
