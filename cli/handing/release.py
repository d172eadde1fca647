"""``custody release``: give a copy, or the original, to somebody who signs for it."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import believing, bundles, dated, event_options, options, said
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import Progress
from custody.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.cli.given.desk import Desk
    from custody.identity.trust import Trust
    from custody.transfer.release import Released, Terms
    from custody.verify import Verification

app = Verb("Hand a copy, or the original, to somebody who signs for it.")

_CODES = {"ok": exit_codes.OK, "cannot-verify": exit_codes.CANNOT_VERIFY}
_PERSON = '"NAME, TITLE, ORGANISATION"'

BundleArgument = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE",
        help="The bundle in the case, or its id or evidence number; with --copy, the copy where it"
        " lies.",
    ),
]
ToOption = Annotated[
    str, typer.Option("--to", metavar=_PERSON, help="Who gets it.", show_default=False)
]
PurposeOption = Annotated[str, typer.Option(metavar="TEXT", help="What for.", show_default=False)]
AuthorityOption = Annotated[
    str, typer.Option(metavar="TEXT", help="On whose authority.", show_default=False)
]
CopyToOption = Annotated[
    Path | None,
    typer.Option("--copy-to", metavar="DEST", help="Make a copy in this directory; it goes."),
]
CopyOption = Annotated[
    str, typer.Option("--copy", metavar="C1", help="This copy, made earlier, goes.")
]
OriginalOption = Annotated[bool, typer.Option("--original", help="The original itself goes.")]
ToKeyOption = Annotated[
    str, typer.Option("--to-key", metavar="VKEY", help="The key that is to sign for it.")
]
TrackingOption = Annotated[str, typer.Option(metavar="TEXT", help="The carrier's number.")]
ExpiresOption = Annotated[
    str, typer.Option(metavar="TIME", help="Nobody is to sign for it after this.")
]


@app.command()
def release(
    bundle: BundleArgument,
    to: ToOption,
    purpose: PurposeOption,
    authority: AuthorityOption,
    copy_to: CopyToOption = None,
    copy: CopyOption = "",
    original: OriginalOption = False,
    to_key: ToKeyOption = "",
    via: event_options.ViaOption = "",
    tracking: TrackingOption = "",
    place: event_options.HandedPlaceOption = "",
    comment: event_options.CommentOption = "",
    expires: ExpiresOption = "",
    with_attachments: options.AttachmentsOption = False,
    signer: options.BelievedOption = None,
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Hand over a copy, or the original.

    It is hashed and verified once more, entered in the ledger, and a signed release is laid
    beside it, for whoever receives it to sign for (custody receive).
    """
    from custody.cli.given import desk, passphrase
    from custody.transfer.release import Terms

    person = said.person("--to", to)
    if not person:
        raise UsageError("read the command line", "--to", f"nobody is named; write {_PERSON}")
    if to_key:
        person["key"] = str(options.verifier_key(to_key, "--to-key"))
    words = {
        "purpose": said.word("--purpose", purpose, needed=True),
        "authority": said.word("--authority", authority, needed=True),
        "method": said.word("--via", via),
        "place": said.word("--place", place),
        "comment": said.word("--comment", comment),
    }
    tracked = said.word("--tracking", tracking)
    terms = Terms(person, words, tracked, _until(expires), with_attachments)
    why = ["--to", to, "--purpose", purpose, "--authority", authority]
    _require_choice(bundle, copy_to, copy, why, original=original)
    believed = believing.believed(trust, signer)
    keeper = desk.ready("release BUNDLE", key, passphrase.source(passphrase_file, passphrase_fd))
    if not copy:
        bundle = bundles.located(bundle)
    if copy_to is not None:
        return _made(keeper, bundle, copy_to, believed, terms)
    return _existing(keeper, bundle, copy or "original", believed, terms)


def _require_choice(
    bundle: Path, copy_to: Path | None, copy: str, words: list[str], *, original: bool
) -> None:
    """Exactly one thing goes; who names none is told what to type.

    :param words: what was typed beside that.
    :raises UsageError: otherwise.
    """
    from custody import handover

    if copy and not handover.is_copy_name(copy):
        raise UsageError("read the command line", "--copy", f"{copy} is not C1, C2, ...")
    chosen = [copy_to is not None, bool(copy), original]
    if chosen.count(True) == 1:
        return
    why = "it is not said what goes: a copy or the original; nothing was written"
    if any(chosen):
        why = "--copy-to, --copy and --original: choose one of them; nothing was written"
    chosen_case = options.case()
    case = [] if chosen_case is None else ["--case", str(chosen_case.path)]
    typed = shlex.join([str(bundle), *words, *case])
    hint = (
        f"a numbered copy, made now: custody release {typed} --copy-to DEST;"
        f" a copy that was made earlier: custody release {shlex.join(['COPY', *words, *case])}"
        f" --copy C1; the original: custody release {typed} --original"
    )
    raise UsageError("release", bundle, why, hint=hint)


def _until(text: str) -> datetime | None:
    """The moment after which nobody is to sign; of a date, its end in UTC."""
    from custody import clock

    if not text:
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        if when.tzinfo is None and len(text.strip()) == len("2026-11-22"):
            when = when.replace(tzinfo=UTC) + timedelta(hours=23, minutes=59, seconds=59)
        if when.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - told in one place
        utc = when.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as err:
        why = f"{text} is neither a date nor a time with its zone, such as 2026-11-22T18:00-06:00"
        raise UsageError("read the command line", "--expires", why) from err
    if utc <= clock.now():
        raise UsageError("read the command line", "--expires", f"{text} is over already")
    return utc


def _made(keeper: Desk, bundle: Path, dest: Path, believed: Trust, terms: Terms) -> int:
    """Make a numbered copy, and release that."""
    from custody import clock
    from custody.cli.given import ledger_where
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import copying
    from custody.transfer import release as workflow

    _require_in_case(keeper, bundle)
    dated.receipts(bundle, keeper.case, believed)
    plan = copying.prepare(bundle, dest, attachments=terms.with_attachments)
    if plan.same_device:
        console.warning("the copy is on the same device as the original; one failure takes both")
    with copying.held(plan):
        workflow.unfinished(keeper.case, plan, terms)
        with Progress("copying") as progress:
            copied = copying.make(plan, progress)
        found = _verified(plan.staged, believed)
        if found.verdict == "failed":
            return _not_released(plan.staged, found)
        made = workflow.made_copy(
            keeper, plan, copied, found, terms, clock.now(), options.wait_seconds(WAIT_SECONDS)
        )
    ledger_where.tell_troubles(keeper.case.memory)
    _show(made, found)
    return _CODES[found.verdict]


def _existing(keeper: Desk, path: Path, what: str, believed: Trust, terms: Terms) -> int:
    """Release what is there: a copy where it lies, or the original in the case."""
    from custody import clock, handover
    from custody.cli.given import ledger_where
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import release as workflow

    is_original = what == handover.ORIGINAL
    if is_original:
        _require_in_case(keeper, path)
        dated.receipts(path, keeper.case, believed)
    else:
        _require_copy(keeper, path)
    path = Path(os.path.abspath(path))
    found = _verified(path, believed)
    if found.verdict == "failed":
        return _not_released(path, found)
    if found.attachments and not terms.with_attachments:
        why = "it holds what counsel attached, which would go along; nothing was released"
        hint = "say --with-attachments, or release a copy without: --copy-to DEST"
        raise UsageError("release", path, why, hint=hint)
    made = workflow.existing(
        keeper, path, what, found, terms, clock.now(), options.wait_seconds(WAIT_SECONDS)
    )
    ledger_where.tell_troubles(keeper.case.memory)
    _show(made, found)
    return _CODES[found.verdict]


def _require_in_case(keeper: Desk, bundle: Path) -> None:
    there = Path(os.path.realpath(bundle))
    if there.parent == Path(os.path.realpath(keeper.case.bundles)):
        return
    if not os.path.lexists(bundle):
        raise NotFoundError("release", bundle, "it is not there; nothing was written")
    why = f"it does not lie in {keeper.case.bundles}; nothing was written"
    hint = f"custody release {keeper.case.bundles}/BUNDLE --copy-to DEST, or --copy C1 for a copy"
    raise UsageError("release", bundle, why, hint=hint)


def _require_copy(keeper: Desk, path: Path) -> None:
    """A copy is a bundle that lies elsewhere: never the original, which is as equal to what was
    sealed as its copies are, and not the directory around a copy, which only seems damaged.
    """
    from custody.verify import kind_of

    if Path(os.path.realpath(path)).parent == Path(os.path.realpath(keeper.case.bundles)):
        why = "it is the original, and --copy names a copy; nothing was released"
        hint = "name the directory of the copy, or say --original, or --copy-to DEST for a new copy"
        raise UsageError("release", path, why, hint=hint)
    hint = "name the directory of the copy itself, such as DEST/BUNDLE"
    try:
        kind = kind_of(path)
    except NotFoundError as err:
        why = f"{err.why}; nothing was released"
        raise NotFoundError("release", path, why, hint=hint) from err
    if kind == "case":
        raise UsageError("release", path, "it is a case; nothing was released", hint=hint)


def _verified(path: Path, believed: Trust) -> Verification:
    from custody import clock
    from custody.verify import verify_bundle

    with Progress("verifying") as progress:
        return verify_bundle(path, believed, expect=None, now=clock.now(), progress=progress)


def _not_released(path: Path, found: Verification) -> int:
    if console.mode().json:
        findings = [finding.as_json() for finding in found.findings]
        document = {"path": str(path), "released": False, "verdict": found.verdict}
        console.result_json("release", {**document, "findings": findings})
        return exit_codes.DIFFERS
    for finding in found.findings[:20]:
        console.result("finding   ", finding.path or ".", ": ", finding.message)
    console.warning("it is not as it was sealed; nothing was released and nothing entered")
    return exit_codes.DIFFERS


def _show(made: Released, found: Verification) -> None:
    from custody import handover

    release = made.release
    if console.mode().json:
        console.result_json("release", _document(made, found))
        return
    console.result("released  ", release.label or f"{release.bundle}, the original")
    console.result("to        ", handover.written(release.to))
    console.result("goes      ", made.path)
    console.result("with      ", made.note)
    console.result(f"files     {found.files:,}, {figures.amount(found.bytes)}")
    console.result("sha256    ", release.digest, " of the tag manifest")
    console.result("release   ", release.paper.sha256)
    console.result("verdict   ", found.verdict)
    if found.hint:
        console.result("hint      ", found.hint_at(made.path))
    console.result(f"ledger    entry {made.entry}")
    if made.is_finished_now:
        console.remark("an earlier run entered this release; it is finished now, not entered again")
    path = shlex.quote(str(made.path))
    chosen = options.case()
    case = "DIR" if chosen is None else shlex.quote(str(chosen.path))
    console.remark(
        f"there: custody receive {path}; back here: custody record RECEIPT --case {case}"
    )


def _document(made: Released, found: Verification) -> dict[str, Any]:
    release = made.release
    return {
        "released": True,
        "path": str(made.path),
        "bundle": release.bundle,
        **release.what,
        "to": dict(release.to),
        "note": str(made.note),
        "proof": str(made.proof),
        "release": release.paper.sha256,
        "sha256": release.digest,
        "statement": release.statement,
        "files": found.files,
        "bytes": found.bytes,
        "verdict": found.verdict,
        "hint": found.hint_at(made.path),
        "entry": made.entry,
        "finished": made.is_finished_now,
    }
