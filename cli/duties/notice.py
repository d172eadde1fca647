"""``custody notice``: drafts of notices, written from the incident record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import options, record_file
from custody.cli.terminal import console
from custody.errors import ExistsError, FormatError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.obligations.notices import Draft

app = Verb("Draft a notice from the incident record, and enter what was sent.")

OutOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="Write it to this new file."),
]

# The same as custody.obligations.notices.RECIPIENTS, which a test holds equal; said again here so
# that --help need not load the rules.
ABOUT = {
    "consumers": "The notice to affected residents, with its five parts.",
    "attorney-general": "Timing, distribution, content: Attorney General.",
    "credit-agencies": "Timing, distribution, content: reporting agencies.",
    "data-owner": "A holder's notice to the owner of the data.",
    "state-auditor": "The State Auditor's form and narrative, in its order.",
    "city-it": "The report to the city's IT/security office.",
    "department-head": "The report to the department head.",
    "employees": "The notice to affected employees.",
    "vendor": "A vendor's notice to its contact in the city.",
    "low-risk-memo": "The determination of low risk, to keep on file.",
    "substitute": "Substitute notice: e-mail, website and media.",
}


def _write(recipient: str, file: Path, out: Path | None, as_of: str | None) -> int:
    from custody.obligations import notices

    made = notices.draft(recipient, record_file.assessed(file, as_of))
    if out is not None:
        _save(out, made.text)
    if console.mode().json:
        console.result_json("notice", _document(made, out))
    elif out is None:
        console.result_bytes(made.text.encode())
    else:
        console.result("draft written: ", out)
    for blank in made.blanks if not console.mode().json else ():
        console.warning(f"blank: {blank.fact} ({blank.about})")
    return exit_codes.GAPS if made.blanks else exit_codes.OK


def _save(out: Path, text: str) -> None:
    from custody import durable

    try:
        durable.create(out, text.encode())
    except ExistsError as err:
        raise UsageError("write a draft", out, err.why, hint="name a new file") from err


def _document(made: Draft, out: Path | None) -> dict[str, object]:
    return {
        "recipient": made.recipient,
        "rule": made.duty.rule.id,
        "answer": made.duty.answer,
        "path": str(out) if out else None,
        "text": made.text,
        "blanks": [{"fact": blank.fact, "about": blank.about} for blank in made.blanks],
    }


def _command(recipient: str, about: str) -> Callable[..., int]:
    def draft(
        file: record_file.FileArgument,
        output: OutOption = None,
        as_of: record_file.AsOfOption = None,
    ) -> int:
        return _write(recipient, file, output, as_of)

    draft.__doc__ = f"{about}\n\nA missing fact is a marked blank, listed too; then the exit is 3."
    return draft


RecipientArgument = Annotated[
    str, typer.Argument(metavar="RECIPIENT", help="Who was told, as in the drafts.")
]
OnOption = Annotated[
    str, typer.Option(metavar="DATE", help="The day on which it was sent.", show_default=False)
]
MethodOption = Annotated[
    str | None, typer.Option(metavar="METHOD", help="written, electronic, telephone or substitute.")
]
CountOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="How many people were told.")
]
CopyOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What was sent; its digest is entered, not its text."),
]
METHODS = ("written", "electronic", "telephone", "substitute")


@app.command()
def sent(
    recipient: RecipientArgument,
    on: OnOption,
    method: MethodOption = None,
    count: CountOption = None,
    copy: CopyOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter that a notice was sent.

    It goes into the case's ledger; the answers then show it as done.
    """
    from custody import clock
    from custody.cli.given import desk, passphrase
    from custody.obligations.deeds import FACT_OF, NOTIFIED

    desk.require_word("RECIPIENT", recipient, FACT_OF)
    if method is not None:
        desk.require_word("--method", method, METHODS)
    said = {"recipient": recipient, "on": desk.day("--on", on), "method": method, "count": count}
    details = {name: value for name, value in said.items() if value is not None}
    digests = {"copy": _digest(copy)} if copy else {}
    keeper = desk.ready("notice sent", key, passphrase.source(passphrase_file, passphrase_fd))
    words = {"item": recipient, "method": method or ""}
    index = keeper.enter(NOTIFIED, clock.now(), digests=digests, words=words, details=details)
    desk.say_entered(NOTIFIED, index, details)


def _digest(path: Path) -> str:
    import hashlib

    from custody import reading

    try:
        with reading.open_regular(path.resolve()) as fd, open(fd, "rb", closefd=False) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (NotFoundError, FormatError) as err:
        raise InputError("read the copy", path, err.why) from err


for _recipient, _about in ABOUT.items():
    app.command(_recipient)(_command(_recipient, _about))
