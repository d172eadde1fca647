"""``custody access``: somebody opened an item, entered in the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import about, event_options, options
from custody.errors import UsageError

app = Verb("Enter that somebody opened an item, and why.")

_EVENT = "accessed"

PurposeOption = Annotated[
    str, typer.Option(metavar="TEXT", help="What it was opened for.", show_default=False)
]
MethodOption = Annotated[
    str, typer.Option(metavar="TEXT", help="How: a read-only mount, a copy of it, a viewer.")
]
PersonOption = Annotated[
    str,
    typer.Option(metavar='"NAME, TITLE, ORG"', help="Who opened it, if it was not you."),
]
FromOption = Annotated[
    str, typer.Option("--from", metavar="TIME", help="When it began: 2026-11-21T21:14:05-06:00.")
]
UntilOption = Annotated[str, typer.Option("--until", metavar="TIME", help="When it ended.")]


@app.command()
def access(
    item: about.ItemArgument,
    purpose: PurposeOption,
    authority: event_options.AuthorityOption = "",
    method: MethodOption = "",
    person: PersonOption = "",
    began: FromOption = "",
    ended: UntilOption = "",
    place: event_options.PlaceOption = "",
    comment: event_options.CommentOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter that somebody opened an item, and why.

    Access moves nothing: who holds the item stays as it is.  A hand-over is custody release.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase, said

    now = clock.now()
    words = {
        "purpose": said.word("--purpose", purpose, needed=True),
        "authority": said.word("--authority", authority),
        "method": said.word("--method", method),
        "place": said.word("--place", place),
        "comment": said.word("--comment", comment, said.LONGEST_TEXT),
    }
    details: dict[str, object] = {}
    if who := said.person("--person", person):
        details["person"] = who
    times = {
        name: said.moment(option, text, now)
        for name, option, text in (("began", "--from", began), ("ended", "--until", ended))
        if text
    }
    if len(times) == 2 and times["ended"] < times["began"]:
        why = "it is before --from; nothing was entered"
        raise UsageError("read the command line", "--until", why)
    details |= {name: clock.rfc3339(when) for name, when in times.items()}
    command = "access ITEM --purpose TEXT"
    keeper = desk.ready(command, key, passphrase.source(passphrase_file, passphrase_fd))
    thing = about.find(keeper.case, item)
    words["item"] = thing.item
    details = {**thing.details, **details}
    index = keeper.enter(_EVENT, now, digests=thing.digests, words=words, details=details)
    about.said(index, _EVENT, now, thing.label, words, details)
