"""``custody compare``: hold a copy against its original, and say what differs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import options
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import Progress
from custody.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from custody.cli.given.desk import Desk
    from custody.compare import Chosen, Comparison, Result

app = Verb("Hold a copy against its original, and say what differs.")

_SHOWN = 1_000
_UNREAD_SHOWN = 50
_EVENT = "verified"

CopyArgument = Annotated[
    Path,
    typer.Argument(metavar="COPY", help="A file, a directory or a bundle.", readable=False),
]
OriginalArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="ORIGINAL",
        help="What it is a copy of; not with --live.",
        readable=False,
        show_default=False,
    ),
]
LiveOption = Annotated[
    bool, typer.Option("--live", help="The original is the paths that the bundle came from.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit 10 if anything differs, also what grew or moved.")
]
ResumeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Keep what was found here, and go on from it.", show_default=False
    ),
]
RecordOption = Annotated[
    bool, typer.Option("--record", help="Enter the result in the ledger of the case.")
]
PurposeOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the ledger.")]


@app.command()
def compare(
    copy: CopyArgument,
    original: OriginalArgument = None,
    live: LiveOption = False,
    strict: StrictOption = False,
    resume: ResumeOption = None,
    record: RecordOption = False,
    purpose: PurposeOption = "",
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Hold a copy against its original, and say what differs.

    Exit 0 also when the original only went on (grown), or names and metadata differ, unless
    --strict; 10 when content differs or something is missing or extra; 3 when something could
    not be read.
    """
    from custody import clock
    from custody import compare as workflow

    if live == (original is not None):
        why = "name either ORIGINAL or --live"
        hint = f"custody compare {shlex.quote(str(copy))} ORIGINAL"
        raise UsageError("compare", copy, why, hint=hint)
    if purpose and not record:
        raise UsageError("read the command line", "--purpose", "it goes with --record")
    options.plain_text("--purpose", purpose)
    chosen = workflow.live(copy) if original is None else workflow.choose(copy, original)
    keeper = None
    if record:
        from custody.cli.given import desk, passphrase

        secret = passphrase.source(passphrase_file, passphrase_fd)
        keeper = desk.ready("compare COPY ORIGINAL --record", key, secret)
    for text in chosen.remarks:
        (console.warning if live else console.remark)(text)
    found, now = workflow.Comparison(), clock.now()
    with Progress("comparing") as progress:
        results = workflow.run(
            chosen, found, now=now, digests=record, every=console.mode().json, resume=resume,
            progress=progress,
        )  # fmt: skip
        _show(chosen, found, results)
    if keeper is not None:
        _enter(keeper, chosen, found, now, purpose)
    return _code(found, strict=strict)


def _code(found: Comparison, *, strict: bool) -> int:
    if found.differs or (strict and set(found.totals) - {"identical"}):
        return exit_codes.DIFFERS
    return exit_codes.GAPS if found.unread_count else exit_codes.OK


def _show(chosen: Chosen, found: Comparison, results: Iterable[Result]) -> None:
    if console.mode().json:
        with console.result_json_items(
            "comparison", "items", lambda: _document(chosen, found)
        ) as item:
            for result in results:
                item(_item(result))
        return
    console.result("copy      ", chosen.copy.name, f"  ({chosen.copy.kind})")
    console.result("original  ", chosen.original.name, f"  ({chosen.original.kind})")
    rows: list[tuple[object, ...]] = []
    hidden = 0
    for result in results:
        if result.status == "identical" and not result.detail:
            continue
        if len(rows) < _SHOWN:
            rows.append((_word(result.status), result.status, _path(result), result.detail))
        else:
            hidden += 1
    if rows:
        rows.sort(key=lambda row: str(row[2]))
        console.table(rows, ("", "status", "path", "detail"))
    if hidden:
        console.result(f"... and {hidden} more; --json lists all")
    for raw, why in found.unread[:_UNREAD_SHOWN]:
        console.result(console.NOT_CHECKED, "  ", os.fsdecode(raw) or ".", ": ", why)
    if found.unread_count > _UNREAD_SHOWN:
        console.result(f"... and {found.unread_count - _UNREAD_SHOWN} more that were not compared")
    _end(chosen, found)


def _end(chosen: Chosen, found: Comparison) -> None:
    from custody.compare import STATUSES

    counts = [f"{found.totals[status]:,} {status}" for status in STATUSES if found.totals[status]]
    if found.unread_count:
        counts.append(f"{found.unread_count:,} not compared")
    console.result("totals    ", ", ".join(counts) or "nothing to compare",
                   f"; {figures.amount(found.bytes)}")  # fmt: skip
    if found.taken_over:
        text = f"{found.taken_over:,} results are those of an earlier run, begun at {found.began}"
        console.result("resumed   ", text)
    console.result("result    ", _sentence(found))
    if found.not_sought:
        text = f"{found.not_sought:,} things were too many to look for them under other names"
        console.warning(text)
    if found.perhaps_cut:
        console.warning(
            f"{found.perhaps_cut:,} grown files of the original were last written to no later than"
            " the copy: was it made to its end?"
        )
    if found.looks_swapped:
        console.warning(
            "the copy continues past the original; were they named the wrong way round?"
            f" then: custody compare {chosen.original.name} {chosen.copy.name}"
        )
    if "bundle" in (chosen.copy.kind, chosen.original.kind):
        console.remark("that the bundle is as it was sealed is for custody verify to say")


def _sentence(found: Comparison) -> str:
    if found.differs:
        return "the copy is not what the original is now"
    if found.unread_count:
        return "nothing was found to differ, but not everything could be compared"
    if found.identical:
        return "identical"
    parts = []
    if found.totals["grown"]:
        parts.append("what was copied is intact, and the original went on")
    if found.totals["moved"]:
        parts.append("some names differ")
    if found.totals["metadata"]:
        parts.append("some metadata differ")
    return "no content differs; " + "; ".join(parts)


def _word(status: str) -> console.Word:
    from custody.compare import DIFFERENT

    return console.FAIL if status in DIFFERENT else console.OK


def _path(result: Result) -> str:
    return os.fsdecode(result.raw) or "."


def _item(result: Result) -> dict[str, Any]:
    from custody.acquire.metadata import path_fields

    item = {**path_fields(result.raw or b"."), "status": result.status, "detail": result.detail}
    if result.status == "moved":
        item |= path_fields(os.fsencode(result.original_at), "original_path")
    return item


def _document(chosen: Chosen, found: Comparison) -> dict[str, Any]:
    from custody.acquire.metadata import path_fields
    from custody.compare import STATUSES

    return {
        "identical": found.identical,
        "totals": {status: found.totals[status] for status in STATUSES},
        "copy": _side(chosen.copy.name, chosen.copy.kind, found.copy_sha256),
        "original": _side(chosen.original.name, chosen.original.kind, found.original_sha256),
        "bytes": found.bytes,
        "not_compared": [{**path_fields(raw or b"."), "why": why} for raw, why in found.unread],
        "not_compared_count": found.unread_count,
        "looks_swapped": found.looks_swapped,
        "perhaps_incomplete": found.perhaps_cut,
        "not_sought": found.not_sought,
        "resumed": {"results": found.taken_over, "began": found.began} if found.began else None,
    }


def _side(name: str, kind: str, sha256: str) -> dict[str, str]:
    side = {"path": name, "kind": kind}
    return {**side, "sha256": sha256} if sha256 else side


def _enter(keeper: Desk, chosen: Chosen, found: Comparison, now: datetime, purpose: str) -> None:
    result = "differs" if found.differs else "intact"
    if found.identical:
        result = "identical"
    elif found.unread_count and not found.differs:
        result = "not all compared"
    details: dict[str, object] = {
        "result": result,
        "totals": {status: count for status, count in sorted(found.totals.items()) if count},
        "copy": chosen.copy.kind,
        "original": chosen.original.kind,
    }
    if found.unread_count:
        details["not_compared"] = found.unread_count
    name = Path(chosen.copy.name).name
    index = keeper.enter(
        _EVENT,
        now,
        digests={"copy": found.copy_sha256, "original": found.original_sha256},
        words={"item": name, "purpose": purpose, "method": "compared byte by byte"},
        details=details,
    )
    console.remark(f"entered as {_EVENT}: entry {index}, {result}")
