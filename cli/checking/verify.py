"""``custody verify``: check a bundle or a whole case, and say what was found."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import believing, bundles, ledger_where, options
from custody.cli.terminal import clocks, console, figures
from custody.cli.terminal.progress import Progress
from custody.counted import counted
from custody.errors import UsageError

from . import verify_proof

if TYPE_CHECKING:
    from custody.verify import Check, Verification

app = Verb("Check a bundle or a whole case, and say what was found.")

_FINDINGS_SHOWN = 100
_REMARKS_SHOWN = 50
_GAPS_SHOWN = 20
_CODES = {
    "ok": exit_codes.OK,
    "failed": exit_codes.DIFFERS,
    "cannot-verify": exit_codes.CANNOT_VERIFY,
}
_STATUS_WORDS = {"ok": console.OK, "fail": console.FAIL, "not-checked": console.NOT_CHECKED}
_VERDICT_WORDS = {
    "ok": console.OK,
    "failed": console.FAIL,
    "cannot-verify": console.NOT_CHECKED,
}

PathArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        help="A bundle, a case, or a proof in a file.",
        show_default=False,
        readable=False,  # what may not be read is a matter of the verdict, not of the usage
    ),
]
EntryOption = Annotated[
    Path | None,
    typer.Option(
        "--entry",
        metavar="FILE",
        help="The entry that a receipt proves: custody ledger show N --raw.",
        show_default=False,
    ),
]


@app.command()
def verify(
    path: PathArgument = None,
    expect: options.ExpectOption = None,
    signer: options.SealedByOption = None,
    log: options.LogOption = None,
    entry: EntryOption = None,
    checkpoint: ledger_where.CheckpointOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Check a bundle, a whole case or a proof, and say what was found.

    Without PATH, the case that --case or CUSTODY_CASE names.  Reads only; whom to believe comes
    from your own trust folder and from this command line, never from what is checked.
    """
    from custody import clock
    from custody.identity.trust import read_fingerprint
    from custody.verify import verify as workflow
    from custody.verify.docket import FORBIDDEN, is_forbidden

    what = _what(path)
    digest = None if expect is None else read_fingerprint(expect)
    believed = believing.believed(trust, signer, log)
    if os.path.isfile(what):  # False, and told later, for what may not be looked at
        if digest is not None:
            raise UsageError("read the command line", "--expect", "a proof has no statement")
        return verify_proof.run(what, entry, checkpoint or [], believed)
    if entry is not None:
        raise UsageError("read the command line", "--entry", "it goes with a receipt in a file")
    given = [ledger_where.given_checkpoint(file) for file in checkpoint or []]
    memory = ledger_where.memory()
    try:
        with Progress("verifying") as progress:
            found = workflow(
                what,
                believed,
                expect=digest,
                named=believing.fingerprints(signer),
                memory=memory,
                given=given,
                now=clock.now(),
                progress=progress,
            )
    except OSError as err:
        if not is_forbidden(err):
            raise
        why, _, hint = FORBIDDEN.partition(": ")
        console.error("verify", str(what), why, hint, exit_codes.CANNOT_VERIFY)
        return exit_codes.CANNOT_VERIFY
    ledger_where.tell_troubles(memory)
    found = _hinted(found)
    if console.mode().json:
        console.result_json("verification", found.as_json())
    else:
        _show(found)
    return _CODES[found.verdict]


def _hinted(found: Verification) -> Verification:
    """The same, with hints that name the trust folder it was judged by."""
    return replace(
        found, hint=options.hinted(found.hint), bundles=tuple(map(_hinted, found.bundles))
    )


def _what(path: Path | None) -> Path:
    if path is None:
        return options.needed_case("verify")
    chosen = options.case()
    found = bundles.located(path)
    if found == path and chosen is not None and not chosen.from_environment:
        hint = f"custody verify {shlex.quote(str(path))}"
        raise UsageError("verify", None, "both PATH and --case are named", hint=hint)
    return found


def _show(found: Verification) -> None:
    console.result(f"{found.kind:<8} ", found.path)
    _show_stated(found)
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        console.sentence(*_word(check), f"{check.number:>2}  {check.name:<{width}}  ", check.detail)
    clocks.show(found.clocks)
    for bundle in found.bundles:
        _show_bundle(bundle)
    for finding in found.findings[:_FINDINGS_SHOWN]:
        console.result("finding: ", finding.path or ".", ": ", finding.message)
        console.result("  expected  ", finding.expected)
        console.result("  found     ", finding.found)
    hidden = len(found.findings) + found.unlisted - _FINDINGS_SHOWN
    if hidden > 0:
        console.result(f"... and {counted(hidden, 'more finding')}")
    for remark in found.remarks[:_REMARKS_SHOWN]:
        console.remark(f"{console.safe(remark.path)}: {console.safe(remark.message)}")
    _show_gaps(found)
    console.sentence("shown    ", _sentence(found))
    console.result("verdict  ", found.verdict)
    if found.hint:
        console.result("hint     ", found.hint)


def _show_stated(found: Verification) -> None:
    """What the statement says it is, so that nobody takes one bundle for another."""
    from custody import clock

    said = [f"{what} {found.stated[what]}" for what in ("bundle", "host", "case")
            if what in found.stated]  # fmt: skip
    if found.sealed_at is not None:
        console.result("states   ", ", ".join([*said, f"sealed {clock.rfc3339(found.sealed_at)}"]))


def _show_bundle(bundle: Verification) -> None:
    size = f"{counted(bundle.files, 'file')}, {figures.amount(bundle.bytes)}"
    console.result(*_padded(_VERDICT_WORDS[bundle.verdict]), bundle.path.name, f"  {size}")
    for check in bundle.checks:
        if check.status == "fail" or (check.required and check.status != "ok"):
            console.sentence(
                "    ", *_word(check), f"{check.number:>2}  {check.name}  ", check.detail
            )


def _word(check: Check) -> tuple[console.Word, str]:
    return _padded(_STATUS_WORDS[check.status])


def _padded(word: console.Word) -> tuple[console.Word, str]:
    return word, " " * (len(console.NOT_CHECKED) - len(word) + 2)


def _show_gaps(found: Verification) -> None:
    from custody.acquire.outcomes import GAPS

    gaps = {name: count for name, count in found.outcomes.items() if name in GAPS}
    if gaps:
        listed = ", ".join(f"{count} {name}" for name, count in gaps.items())
        paths = counted(found.gaps, "path")
        console.result(f"gaps     {paths} could not be collected whole: ", listed)
        shown = found.gap_list if console.mode().verbose else found.gap_list[:_GAPS_SHOWN]
        for gap in shown:
            where = f"  (bundle {gap.bundle})" if gap.bundle else ""
            console.result(f"  {gap.outcome:<18} ", gap.shown, where)
        if found.gaps > len(shown):
            more = "" if console.mode().verbose else ": -v or --json lists them"
            console.result(f"  ... and {found.gaps - len(shown)} more{more}")


def _sentence(found: Verification) -> str:
    """What the verdict means, in one sentence for people who did not write the program."""
    if found.verdict == "failed":
        things = counted(len(found.findings) + found.unlisted, "finding")
        return (
            f"{things}: this is not as it was sealed, entered or expected; do not rely on this copy"
        )
    if found.verdict == "cannot-verify":
        return (
            "nothing was found wrong, but something needed to be sure is missing; this is no"
            " proof of tampering"
        )
    if found.kind == "case":
        return (
            f"{counted(len(found.bundles), 'bundle')}: byte for byte what trusted signers sealed,"
            f" and the ledger agrees: {_extent(found)}; not that the logs were true before they"
            " were collected"
        )
    return (
        f"this copy is, byte for byte, what {_signer(found)} sealed; not that the logs were true"
        " before they were collected"
    )


def _extent(found: Verification) -> str:
    """How far the ledger of a case goes, and what does not follow from that."""
    ledger = found.ledger or {}
    size = ledger.get("size") or 0
    if not size:  # cannot be: a case without an entry is not ok
        return "no entries"
    entries = counted(size, "entry")
    extent = f"{entries} up to entry {size - 1} of {ledger.get('last_time') or 'an unknown time'}"
    if ledger.get("held_elsewhere"):
        return extent
    return (
        f"{extent}; cannot show that nothing came after it: compare with a checkpoint from"
        " elsewhere (--checkpoint)"
    )


def _signer(found: Verification) -> str:
    signer = found.signer
    if signer is None:  # cannot be: without a trusted signer the verdict is another
        return "its signer"
    return signer.name or f"the holder of key {signer.fingerprint}"
