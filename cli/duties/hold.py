"""``custody hold``: a law-enforcement agency's request to wait, entered in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import event_options, options

if TYPE_CHECKING:
    from custody.case import Case

app = Verb("Enter a law-enforcement hold on notices, and its end.")

AgencyOption = Annotated[
    str, typer.Option(metavar="TEXT", help="The agency that asks.", show_default=False)
]
ReasonOption = Annotated[
    str,
    typer.Option(
        metavar="REASON",
        help="criminal_investigation, national_security or homeland_security.",
        show_default=False,
    ),
]
FormOption = Annotated[
    str,
    typer.Option(
        metavar="FORM", help="written, contemporaneous_record or oral.", show_default=False
    ),
]
OnOption = Annotated[
    str, typer.Option(metavar="DATE", help="The day of the request.", show_default=False)
]
EndOption = Annotated[
    str, typer.Option("--on", metavar="DATE", help="The day it ended.", show_default=False)
]
OfficerOption = Annotated[str, typer.Option(metavar="TEXT", help="The officer who asks.")]


@app.command()
def place(
    agency: AgencyOption,
    reason: ReasonOption,
    form: FormOption,
    on: OnOption,
    officer: OfficerOption = "",
    comment: event_options.CommentOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter that an agency asked for delay.

    Whether it permits delay, custody obligations says.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase
    from custody.obligations.deeds import HOLD_PLACED
    from custody.obligations.kinds import Choice
    from custody.obligations.table import type_of

    for option, word, fact in (
        ("--reason", reason, "hold.reason"),
        ("--form", form, "hold.form"),
    ):
        kind = type_of(fact)
        desk.require_word(option, word, kind.values if isinstance(kind, Choice) else ())
    said = {
        "agency": options.plain_text("--agency", agency),
        "officer": options.plain_text("--officer", officer),
        "reason": reason,
        "form": form,
        "requested_on": desk.day("--on", on),
    }
    details = {name: value for name, value in said.items() if value}
    keeper = desk.ready("hold place", key, passphrase.source(passphrase_file, passphrase_fd))
    words = {"item": "hold", "comment": options.plain_text("--comment", comment)}
    index = keeper.enter(HOLD_PLACED, clock.now(), digests={}, words=words, details=details)
    desk.say_entered(HOLD_PLACED, index, details)


@app.command()
def lift(
    on: EndOption,
    comment: event_options.CommentOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter that the agency ended its hold.

    The last hold placed must stand, and have begun on that day or before.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase
    from custody.obligations import deeds
    from custody.obligations.deeds import HOLD_LIFTED

    day = desk.day("--on", on)
    details = {"on": day}

    def require(case: Case) -> None:
        deeds.require_open_hold(desk.events(case, deeds.HOLDS), day)

    keeper = desk.ready("hold lift", key, passphrase.source(passphrase_file, passphrase_fd))
    words = {"item": "hold", "comment": options.plain_text("--comment", comment)}
    index = keeper.enter(
        HOLD_LIFTED, clock.now(), digests={}, words=words, details=details, require=require
    )
    desk.say_entered(HOLD_LIFTED, index, details)
