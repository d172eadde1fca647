"""``custody note``: an observation about an item, entered in the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import about, event_options, options

app = Verb("Enter a note about an item.")

_EVENT = "noted"

TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help="What was seen or said.", show_default=False)
]


@app.command()
def note(
    item: about.ItemArgument,
    text: TextArgument,
    place: event_options.PlaceOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter a note about an item.

    It stays for ever, and everybody who gets the ledger reads it: no personal data of victims.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase, said

    words = {
        "comment": said.word("TEXT", text, said.LONGEST_TEXT, needed=True),
        "place": said.word("--place", place),
    }
    keeper = desk.ready("note ITEM TEXT", key, passphrase.source(passphrase_file, passphrase_fd))
    thing = about.find(keeper.case, item)
    words["item"] = thing.item
    now = clock.now()
    index = keeper.enter(_EVENT, now, digests=thing.digests, words=words, details=thing.details)
    about.said(index, _EVENT, now, thing.label, words, thing.details)
