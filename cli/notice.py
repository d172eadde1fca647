"""``custody notice``: drafts of notices, written from the incident record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.errors import ExistsError, UsageError

from . import console, exit_codes, record_file
from .frame import Verb

if TYPE_CHECKING:
    from custody.obligations.notices import Draft

app = Verb("Draft a notice from the incident record.")

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


for _recipient, _about in ABOUT.items():
    app.command(_recipient)(_command(_recipient, _about))
