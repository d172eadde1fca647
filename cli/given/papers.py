"""What the form and the certificate have in common: which bundle, whose trust, where it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.errors import ExistsError, UsageError

from . import believing, ledger_where, options

if TYPE_CHECKING:
    from custody.forms.gathering import Gathered, Source, Verifier

_CODES = {
    "ok": exit_codes.OK,
    "failed": exit_codes.DIFFERS,
    "cannot-verify": exit_codes.CANNOT_VERIFY,
}
_LONGEST_ITEM, _LONGEST_CASE = 32, 22  # both fit in the head of a sheet

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write it to this new file.", show_default=False
    ),
]


@dataclass(frozen=True, slots=True)
class Whose:
    """What the command line says of whom to believe, and with which ledger."""

    expect: str | None
    signer: list[str] | None
    log: list[str] | None
    checkpoint: list[Path] | None
    ledger: Path | None
    trust: Path | None


def make(
    name: str,
    bundle: Path,
    out: Path | None,
    whose: Whose,
    document: Callable[[Gathered, datetime], Mapping[str, Any]],
    more: Mapping[str, Any] | None = None,
) -> int:
    """Verify the bundle that is meant, read its history, and print the page or the facts.

    :param name: ``form`` or ``certificate``: of the page and of the schema.
    :param out: where the page is to go; looked at first, so that no work is done for nothing.
    :param document: draws the facts.
    :param more: what the page needs and is no fact.
    """
    from custody.forms import page
    from custody.verify.docket import FORBIDDEN, is_forbidden

    if out is not None or not console.mode().json:
        page.require()
    try:
        found, now = _gathered(name, bundle, out, whose)
    except OSError as err:
        if not is_forbidden(err):
            raise
        why, _, hint = FORBIDDEN.partition(": ")
        console.error(f"make the {name}", str(bundle), why, hint, exit_codes.CANNOT_VERIFY)
        return exit_codes.CANNOT_VERIFY
    return _give(name, document(found, now), out, more or {})


def _gathered(name: str, bundle: Path, out: Path | None, whose: Whose) -> tuple[Gathered, datetime]:
    from custody.forms import gathering

    source = _source(f"{name} BUNDLE", bundle, whose.ledger)
    _refuse(out, bundle, source)
    verifier = _verifier(whose)
    with Progress("verifying") as progress:
        found = gathering.gather(bundle, source, verifier, progress)
    ledger_where.tell_troubles(verifier.memory)
    return found, verifier.now


def _source(command: str, bundle: Path, ledger: Path | None) -> Source | None:
    """The ledger or the case that is named; else the case that the bundle lies in; else none."""
    from custody import case as cases

    if ledger is not None:
        return ledger_where.find(command, ledger).reader
    chosen = options.case()
    home = Path(os.path.realpath(bundle)).parent
    lies_in_one = home.name == "bundles" and (home.parent / cases.RECORD).is_file()
    if chosen is not None and not (chosen.from_environment and lies_in_one):
        return cases.open_case(options.needed_case(command))
    if lies_in_one:
        console.remark(f"with the ledger of the case that it lies in: {home.parent}")
        return cases.open_case(home.parent)
    return None


def _refuse(out: Path | None, bundle: Path, source: Source | None) -> None:
    """Let nothing be written over something, or among the evidence."""
    if out is None:
        return
    if os.path.lexists(out):
        raise UsageError("write the page", out, "it exists; nothing was overwritten",
                         hint="name a new file")  # fmt: skip
    real = Path(os.path.realpath(out))
    closed = [Path(os.path.realpath(bundle))] if bundle.is_dir() else []
    closed += [] if source is None else [Path(os.path.realpath(source.directory))]
    if any(real.is_relative_to(directory) for directory in closed):
        why = "it would lie among the evidence; nothing was written"
        raise UsageError("write the page", out, why, hint="name a file elsewhere")


def _verifier(whose: Whose) -> Verifier:
    from custody import clock
    from custody.forms.gathering import Verifier
    from custody.identity.trust import read_fingerprint

    return Verifier(
        trust=believing.believed(whose.trust, whose.signer, whose.log),
        now=clock.now(),
        expect=None if whose.expect is None else read_fingerprint(whose.expect),
        named=believing.fingerprints(whose.signer),
        memory=ledger_where.memory(),
        given=[ledger_where.given_checkpoint(file) for file in whose.checkpoint or []],
    )


def _give(name: str, facts: Mapping[str, Any], out: Path | None, more: Mapping[str, Any]) -> int:
    """Print the facts, or the page that is made of them, and say how it stands."""
    from custody.forms import page

    verdict = facts["verification"]["verdict"]
    as_json = console.mode().json
    made = b""
    if out is not None or not as_json:
        made = page.render(name, {**facts, **more}, _running(name, facts))
    if out is not None:
        _save(out, made)
    if as_json:
        console.result_json(name, {"path": None if out is None else str(out), **facts})
    elif out is None:
        console.result_bytes(made)
    else:
        console.result(f"{name} written: ", out)
        console.result("verdict: ", verdict)
    if verdict != "ok":
        console.warning(f"{verdict}: {facts['verification']['sentence']}")
    return _CODES[verdict]


def _running(name: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
    """What stands on every page."""
    item = facts["item"]
    word = {"ok": "verified", "failed": "FAILED", "cannot-verify": "not verified"}
    left = {"form": "CHAIN OF CUSTODY", "certificate": "DRAFT CERTIFICATION - NOT SIGNED"}[name]
    about = f"Item {_short(item['evidence_number'] or item['bundle'], _LONGEST_ITEM)}"
    about += f", case {_short(item['case'], _LONGEST_CASE)}" if item["case"] else ""
    made = f"made {facts['made']} by {facts['tool']}"
    return left, about, f"{word[facts['verification']['verdict']]}; {made}"


def _short(text: str, longest: int) -> str:
    """The beginning of a name that is too long to leave room for the other."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _save(out: Path, data: bytes) -> None:
    from custody import durable

    try:
        durable.create(out, data)
    except ExistsError as err:
        raise UsageError("write the page", out, err.why, hint="name a new file") from err
