"""What ``custody collect`` says of the journals among what it collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.terminal import console

if TYPE_CHECKING:
    from custody.collect import Collected, Request

_SHOWN = 20
_ENDINGS = (".journal", ".journal~")

NoVerifyOption = Annotated[
    bool,
    typer.Option(
        "--no-journal-verify",
        help="Do not let this host's journalctl verify the copies of systemd's journals.",
    ),
]
ExportOption = Annotated[
    bool,
    typer.Option(
        "--journal-export",
        help="Add what journalctl exports of each journal: every field, readable as text.",
    ),
]


def tell(collected: Collected) -> str:
    """Warn of what is wrong with journals.

    :returns: a line about them all; empty where there are none.
    """
    journals = collected.journals
    if journals is None or not journals.found:
        return ""
    damaged = journals.damaged
    for one in damaged[:_SHOWN]:
        state = one.header.state if one.header else "without a whole header"
        console.warning(
            f"{console.safe(one.path)}: journalctl finds this journal ({state}) damaged; it is"
            " preserved as it was found"
        )
    if len(damaged) > _SHOWN:
        console.warning(f"{len(damaged) - _SHOWN} more journals are damaged")
    if journals.why:
        console.warning(f"no journal was verified or exported: {journals.why}")
    counts = ", ".join(
        f"{count} {name}" for name, count in sorted(journals.counts.items(), reverse=True)
    )
    return f"{len(journals.found)}, verified by journalctl: {counts}"


def document(collected: Collected) -> dict[str, Any] | None:
    """The same for machines; None where there are none."""
    journals = collected.journals
    if journals is None or not journals.found:
        return None
    return {
        "files": len(journals.found),
        "verified": dict(journals.counts),
        "damaged": [one.path for one in journals.damaged],
        "exports": sum(bool(one.export) for one in journals.found),
        "why": journals.why or None,
    }


def planned(request: Request, items: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What would be run for the journals among *items*; None where none has such a name."""
    from custody.acquire import program

    named = sum(item["path"].endswith(_ENDINGS) for item in items)
    if not named or not (request.journal_verify or request.journal_export):
        return None
    found = program.find(request.journalctl)
    modes = [
        words
        for words, wanted in (
            ("--verify", request.journal_verify),
            ("--output=export", request.journal_export),
        )
        if wanted
    ]
    if isinstance(found, str):
        return {"files": named, "program": None, "why": found}
    return {"files": named, "program": found.path, "sha256": found.sha256, "with": modes}


def show_planned(plan: Mapping[str, Any]) -> None:
    """Say in words what :func:`planned` found."""
    if plan["program"] is None:
        console.result(f"journals {plan['files']}, not verified: journalctl: {plan['why']}")
        return
    console.result(
        f"journals {plan['files']}, each copy handed to {plan['program']}"
        f" {', then '.join(plan['with'])}"
    )
