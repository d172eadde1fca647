"""``custody correct``: what is right in place of an earlier entry, which stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import about, ledger_where, options
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.case import Case

app = Verb("Enter what is right in place of an earlier entry.")

_EVENT = "corrected"
_KEPT = ("bundle", "copy", "label", "original", "path")  # what the old entry is about

NumberArgument = Annotated[
    int,
    typer.Argument(
        metavar="N",
        help="The number of the entry that is wrong: custody ledger list.",
        parser=ledger_where.entry_number,
    ),
]
TextArgument = Annotated[
    str, typer.Argument(metavar="TEXT", help="What is right.", show_default=False)
]


@app.command()
def correct(
    number: NumberArgument,
    text: TextArgument,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter what is right in place of an earlier entry.

    The old entry stays, because nothing in a ledger can be changed; histories show the correction
    beside it.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase, said

    comment = said.word("TEXT", text, said.LONGEST_TEXT, needed=True)
    keeper = desk.ready("correct N TEXT", key, passphrase.source(passphrase_file, passphrase_fd))
    item, details = _old(keeper.case, number)
    words = {"item": item, "comment": comment}
    now = clock.now()
    index = keeper.enter(_EVENT, now, digests={}, words=words, details=details)
    about.said(index, _EVENT, now, item, words, details)


def _old(case: Case, number: int) -> tuple[str, dict[str, object]]:
    """The item of the old entry, and the details that point at it.

    :raises UsageError: if there is no such entry, or it is a correction itself.
    """
    from custody.history import docket

    reader = case.ledger
    with ledger_where.damage():
        ledger_where.require_entry(reader, number)
        old = docket.entry(number, reader.entry(number))
    details: dict[str, object] = {"entry": number, "entry_sha256": old.sha256}
    if old.event is None:
        return case.case, details
    if old.kind == _EVENT:
        first = old.event.details.get("entry")
        why = "it is a correction itself; nothing was entered"
        hint = f"custody correct {first} TEXT corrects the entry itself once more"
        raise UsageError("correct entry", number, why, hint=hint)
    kept = {name: old.event.details[name] for name in _KEPT if name in old.event.details}
    return old.event.words.get("item") or case.case, {**kept, **details}
