"""``custody restore``: put a watched file together again from its pieces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.terminal import console, figures
from custody.counted import counted
from custody.errors import FormatError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from custody.restoring import Content

app = Verb("Put a watched file together again from its pieces.")

CaseArgument = Annotated[Path, typer.Argument(metavar="CASE", help="The case it was watched into.")]
PathArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="The file's path on the host that was watched; a relative"
        " one is taken from here, as watch takes it.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to write it; earlier ones get .1, .2, ..."
    ),
]
AtOption = Annotated[
    str,
    typer.Option(
        "--at", metavar="TIME", help="As of then, such as 2026-11-22T03:14:05Z.", show_default=False
    ),
]


@app.command()
def restore(
    case: CaseArgument,
    path: PathArgument,
    output: OutputOption = None,
    at: AtOption = "",
) -> int:
    """Put a watched file together again from its pieces.

    Each piece must have the digest that was sealed, and follow the one before it.  A path that was
    rotated or truncated had several contents: the newest goes to FILE, the one before it to
    FILE.1, and so on.  Without -o they are only listed.  Exit 11: bundles of the watch are not
    there, so that more may have been preserved than is restored.
    """
    from custody import case as cases
    from custody import restoring

    opened = cases.open_case(case)
    moment = _moment(at)
    found = restoring.contents(opened, os.path.abspath(os.fsencode(path)), moment)
    missing = restoring.missing(opened, moment)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        console.warning(
            f"the ledger has bundles of a watch that are not there ({missing[0]}{more});"
            " what they held of this file is not restored"
        )
    left_out = sum(content.left_out for content in found)
    if left_out:
        console.warning(
            f"{counted(left_out, 'piece')} left out: by their own time sealed by then, but after"
            " some that were sealed later: the host's clock went back"
        )
    code = exit_codes.CANNOT_VERIFY if missing else exit_codes.OK
    if output is None:
        _list(found, missing)
        return code
    targets = [output, *(output.with_name(f"{output.name}.{n}") for n in range(1, len(found)))]
    taken = next((target for target in targets if os.path.lexists(target)), None)
    if taken is not None:
        why = "it exists already; nothing was written"
        raise UsageError("restore to", taken, why, hint="name another file with -o")
    pairs = zip(found, targets, strict=True)
    done = [restoring.write(content, target) for content, target in pairs]
    if console.mode().json:
        listed = [one.as_json() for one in done]
        console.result_json("restore", {"files": listed, "bundles_missing": missing})
        return code
    for one in done:
        pieces = len(one.content.parts)
        console.result(
            "restored  ",
            one.path,
            f"  {figures.amount(one.content.size)} from {counted(pieces, 'piece')}",
        )
        console.result("sha256    ", one.sha256)
    console.remark(f"whose signatures these pieces bear: custody verify {case}")
    return code


def _moment(text: str) -> datetime | None:
    from custody import clock

    if not text:
        return None
    try:
        return clock.parse_rfc3339(text)
    except FormatError as err:
        raise UsageError("read the command line", "--at", err.why) from err


def _list(found: list[Content], missing: list[str]) -> None:
    from custody import clock

    rows = [
        {
            "content": str(number or "newest"),
            "bytes": content.size,
            "pieces": len(content.parts),
            "first_sealed": clock.rfc3339(content.parts[0].bundle.time),
            "last_sealed": clock.rfc3339(content.parts[-1].bundle.time),
            "last_path": content.path.decode("utf-8", "backslashreplace"),
        }
        for number, content in enumerate(found)
    ]
    if console.mode().json:
        console.result_json("contents", {"contents": rows, "bundles_missing": missing})
        return
    console.table([list(row.values()) for row in rows], [n.replace("_", " ") for n in rows[0]])
