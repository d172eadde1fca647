"""``custody collect --output -``: the sealed bundle as a stream on stdout, all words on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli import exit_codes
from custody.cli.given import certificates
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import Progress
from custody.counted import counted
from custody.errors import UsageError

from . import collect_journals, collect_shown

if TYPE_CHECKING:
    from custody.collect import Collected, Destination, Request
    from custody.formats.statement import Actor
    from custody.identity.signing import Signer

STDOUT = Path("-")
_GAPS_SHOWN = 50


def descriptor(needs_a_bundle: Mapping[str, bool]) -> int:
    """The descriptor that the stream goes to.

    :param needs_a_bundle: options that add to a bundle once it lies somewhere, and whether they
        are given.
    :raises UsageError: if one is, or nobody can take the stream.
    """
    for option, given in needs_a_bundle.items():
        if given:
            why = "it adds to a bundle that lies somewhere, and a stream does not; nothing was read"
            hint = "do that at the desk, when the bundle is received"
            raise UsageError("read the command line", option, why, hint=hint)
    if console.mode().json:
        why = "stdout is the stream itself, and what is to be said goes to stderr; nothing was read"
        raise UsageError("read the command line", "--json", why)
    if sys.stdout is None or sys.stdout.isatty():
        why = "stdout is a terminal; nothing was read"
        hint = (
            "ssh HOST custody collect SOURCE... --output - | custody receive - --case DIR --from"
            ' "NAME, TITLE, ORGANISATION"'
        )
        raise UsageError("collect", "--output -", why, hint=hint)
    return sys.stdout.fileno()


def run(request: Request, destination: Destination, signer: Signer, actor: Actor) -> int:
    """Collect into the destination's stream, and say on stderr what came of it."""
    from custody import clock
    from custody import collect as workflow

    def beside(done: Collected) -> list[bytes]:
        return certificates.usable(done.bundle_id, signer, done.sealed_at)

    with Progress("looking") as progress:
        plan = workflow.prepare(request, destination, progress=progress)
    for text in plan.remarks:
        console.warning(text)
    with Progress("collecting") as progress:
        collected = workflow.run(
            plan, signer, actor, now=clock.now, progress=progress, beside=beside
        )
    _show(collected, signer)
    return exit_codes.GAPS if collected.gap_count else exit_codes.OK


def _show(collected: Collected, signer: Signer) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(collected.outcomes.items()))
    size = figures.amount(collected.bytes)
    console.aside("bundle   ", collected.bundle_id, " (sent as a stream; not read back here)")
    console.aside(f"read     {counted(collected.files, 'file')}, {size} ({counts})")
    journals = collect_journals.tell(collected)
    if journals:
        console.aside("journals ", journals)
    if collected.gap_count:
        console.aside(f"gaps     {collected.gap_count}")
        for gap in collected.gaps[:_GAPS_SHOWN]:
            console.aside(f"  {gap.outcome:<12} ", gap.path, f"  {gap.error}")
    fingerprint = signer.key.fingerprint()
    console.aside("key      ", signer.key)
    for line in collect_shown.to_write_down(collected.statement_sha256, fingerprint):
        console.aside(line)
    console.aside(
        f"next:     at the desk: custody key certify {fingerprint}"
        f" --bundle CASE/bundles/{collected.bundle_id} --case CASE"
    )
