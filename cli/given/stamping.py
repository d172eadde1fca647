"""What the commands that ask time stamp authorities share: their options, and what they show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.terminal import console
from custody.errors import CustodyError, UsageError

from . import options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from custody.identity.trust import Anchor
    from custody.stamping.ask import Answer
    from custody.stamping.token import Token

TsaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tsa",
        metavar="URL",
        help="Ask this time stamp authority (or CUSTODY_TSA_URL names some). Repeatable.",
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--tsa-timeout", metavar="SECONDS", help="How long one answer may take.", min=1, max=600
    ),
]
SECONDS = 10.0  # as custody.stamping.ask has it, which is not imported for --help


def addresses(given: list[str] | None) -> list[str]:
    """The authorities to ask: those on the command line, else those that the environment names.

    :raises UsageError: if one cannot be asked.
    """
    from custody.stamping.ask import check_address

    named = os.environ.get("CUSTODY_TSA_URL", "").split()
    if named and not given:
        console.remark(f"time stamp authority from CUSTODY_TSA_URL: {len(named)} named")
    chosen = list(dict.fromkeys(given or named))
    for url in chosen:
        check_address(url)
    return chosen


def needed(given: list[str] | None, command: str) -> list[str]:
    """The same, for a command that cannot do without one.

    :param command: what to type, for the hint.
    :raises UsageError: if none is named.
    """
    chosen = addresses(given)
    if not chosen:
        hint = f"custody {command} --tsa URL"
        raise UsageError("ask authority", None, "neither --tsa nor CUSTODY_TSA_URL names one",
                         hint=hint)  # fmt: skip
    return chosen


def anchors(trust: Path | None) -> tuple[Anchor, ...]:
    """The authorities that are pinned; none, where there is no home to look into."""
    from custody.identity import trust as store

    try:
        folder = options.trust_directory(trust)
    except UsageError:
        return ()
    return store.load(folder).anchors


def document(answer: Answer) -> dict[str, Any]:
    """One answer, for ``--json``."""
    from custody import clock

    token, found = answer.token, answer.opinion
    return {
        "authority": answer.authority,
        "outcome": answer.outcome,
        "detail": answer.detail,
        "token": None if token is None else token.sha256,
        "time": None if token is None else clock.rfc3339(token.moment),
        "pinned": None if token is None or found is None else found.standing == "good",
        "ends": None if token is None else _moment(ends_of(answer)),
    }


def ends_of(answer: Answer) -> datetime | None:
    """When the certificate of the authority that answered ends."""
    from custody.stamping import opinion

    if answer.token is None:
        return None
    known = None if answer.opinion is None else answer.opinion.ends
    return known or opinion.ends_by_itself(answer.token)


def _moment(moment: datetime | None) -> str | None:
    from custody import clock

    return None if moment is None else clock.rfc3339(moment)


def show(answers: Sequence[Answer]) -> None:
    """Say what each authority answered."""
    from custody import clock

    for answer in answers:
        if answer.token is None:
            console.result(console.NOT_CHECKED, " ", answer.authority, ": ", answer.detail)
            continue
        console.result(console.OK, f"  {clock.rfc3339(answer.token.moment)} ", answer.authority)
        ends = ends_of(answer)
        if ends is not None:
            console.result(f"    the authority's certificate ends at {clock.rfc3339(ends)}")
        if answer.opinion is not None and answer.opinion.standing != "good":
            console.remark(
                f"{answer.authority}: {answer.opinion.why}; custody trust add tsa FILE would pin it"
            )


def warn(answers: Sequence[Answer], stated: datetime | None = None) -> None:
    """Say aloud who gave no stamp, and a host's clock that ran ahead."""
    from datetime import timedelta

    failed = [answer for answer in answers if answer.token is None]
    for why in dict.fromkeys(f"{answer.authority}: {answer.detail}" for answer in failed):
        console.warning(f"no time stamp by {why}")  # once, however many signatures were to get one
    first = min((answer.token.latest for answer in answers if answer.token), default=None)
    if stated is not None and first is not None and stated - first > timedelta(seconds=1):
        seconds = int((stated - first).total_seconds())
        console.warning(f"this computer's clock is {seconds} seconds ahead of the authority's")


def kept(answers: Sequence[Answer]) -> list[tuple[Answer, Token]]:
    """The answers that hold a token."""
    return [(answer, answer.token) for answer in answers if answer.token is not None]


def said(err: CustodyError) -> str:
    """An error in one line, for a warning."""
    return err.why or str(err)
