"""``custody copy``: a verified copy of a bundle, entered in the ledger."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import believing, bundles, dated, event_options, options
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import Progress
from custody.counted import counted
from custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custody.cli.given.desk import Desk
    from custody.transfer.copying import Copied, Plan
    from custody.transfer.numbering import Numbered
    from custody.verify import Verification

app = Verb("Make a verified copy of a bundle.")

_CODES = {"ok": exit_codes.OK, "cannot-verify": exit_codes.CANNOT_VERIFY}

DestArgument = Annotated[
    Path, typer.Argument(metavar="DEST", help="The directory to put the copy in.")
]
PurposeOption = Annotated[str, typer.Option(metavar="TEXT", help="What the copy is for.")]
PlaceOption = Annotated[str, typer.Option(metavar="TEXT", help="Where it is made.")]


@app.command()
def copy(
    bundle: bundles.BundleArgument,
    dest: DestArgument,
    purpose: PurposeOption = "",
    authority: event_options.AuthorityOption = "",
    place: PlaceOption = "",
    with_attachments: options.AttachmentsOption = False,
    signer: options.BelievedOption = None,
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Make a verified copy of a bundle.

    The copy is synced, read back from the device and verified before it gets its name in DEST;
    an interrupted copy is taken up again by the same command.  With --case, it is entered in
    that ledger and numbered: C1, C2, and so on.
    """
    from custody import clock
    from custody.transfer import copying
    from custody.verify import verify_bundle

    words = {
        "purpose": options.plain_text("--purpose", purpose),
        "authority": options.plain_text("--authority", authority),
        "place": options.plain_text("--place", place),
    }
    believed = believing.believed(trust, signer)
    bundle = bundles.located(bundle)
    keeper = _keeper(bundle, dest, key, passphrase_file, passphrase_fd)
    if keeper is not None:
        dated.receipts(bundle, keeper.case, believed)
    plan = copying.prepare(bundle, dest, attachments=with_attachments)
    if plan.same_device:
        console.warning("the copy is on the same device as the original; one failure takes both")
    with copying.held(plan):
        with Progress("copying") as progress:
            copied = copying.make(plan, progress)
        with Progress("verifying") as progress:
            found = verify_bundle(plan.staged, believed, expect=None, now=clock.now(),
                                  progress=progress)  # fmt: skip
        if found.verdict == "failed":
            _show(plan, copied, found, None)
            return exit_codes.DIFFERS
        entered = None
        if keeper is not None:
            entered = _enter(keeper, plan, copied, found, words)
        copying.publish(plan)
    _show(plan, copied, found, entered)
    return _CODES[found.verdict]


def _enter(
    keeper: Desk, plan: Plan, copied: Copied, found: Verification, words: Mapping[str, str]
) -> tuple[int, Numbered]:
    """Give the copy its number and enter it."""
    from custody import clock
    from custody.cli.given import ledger_where
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import numbering, standing

    with keeper.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
        known = standing.of(keeper.case, plan.bundle.name)
        made = numbering.sign(writing, known, plan, copied, found.verdict, words, clock.now())
        index = writing.append([made.envelope])
    ledger_where.tell_troubles(keeper.case.memory)
    return index, made


def _keeper(
    bundle: Path, dest: Path, key: str | None, file: Path | None, fd: int | None
) -> Desk | None:
    """Who enters the copy; a bundle that lies in a case is not copied behind its back."""
    from custody import case as cases
    from custody.cli.given import desk, passphrase

    if options.case() is not None:
        return desk.ready("copy BUNDLE DEST", key, passphrase.source(file, fd))
    home = Path(os.path.realpath(bundle)).parent.parent
    if (home / cases.RECORD).is_file():
        why = "it lies in a case, and a copy is entered there; nothing was written"
        hint = f"custody copy {shlex.join([str(bundle), str(dest), '--case', str(home)])}"
        raise UsageError("copy", bundle, why, hint=hint)
    return None


def _show(
    plan: Plan, copied: Copied, found: Verification, entered: tuple[int, Numbered] | None
) -> None:
    published = found.verdict != "failed"
    where = plan.final if published else plan.staged
    if console.mode().json:
        document = {
            "path": str(where),
            "published": published,
            "files": plan.files,
            "bytes": plan.bytes,
            "sha256": copied.pinned,
            "read_back": copied.how,
            "taken_over": copied.taken_over,
            "same_device": plan.same_device,
            "verdict": found.verdict,
            "findings": [finding.as_json() for finding in found.findings],
            "copy": None if entered is None else entered[1].copy,
            "label": None if entered is None else entered[1].label,
            "entry": None if entered is None else entered[0],
        }
        console.result_json("copy", document)
        return
    console.result("copy      " if published else "unfinished ", where)
    console.result(f"files     {plan.files:,}, {figures.amount(plan.bytes)}; {copied.how}")
    if copied.taken_over:
        console.result(
            f"resumed   {counted(copied.taken_over, 'file')} were there from an earlier run"
        )
    console.result("sha256    ", copied.pinned, " of the tag manifest")
    console.result("verdict   ", found.verdict)
    for finding in found.findings[:20]:
        console.result("finding   ", finding.path or ".", ": ", finding.message)
    if found.hint:
        console.result("hint      ", found.hint_at(where))
    if entered is not None:
        console.result("label     ", entered[1].label)
        console.result(f"ledger    entry {entered[0]}")
    elif published:
        console.remark("it was not entered in a ledger; --case DIR would do that")
    if not published:
        console.warning("the copy is not as it was sealed; it was not published and not entered")
