"""``custody countersign``: sign a bundle as a second person."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import believing, bundles, ledger_where, options
from custody.cli.terminal.progress import Progress
from custody.errors import TrustError, UsageError

from . import countersign_made, countersign_shown

if TYPE_CHECKING:
    from custody.cli.given.desk import Desk
    from custody.countersigning import Countersignature
    from custody.formats.vkey import VerifierKey
    from custody.identity.signing import Signer
    from custody.identity.trust import Trust
    from custody.verify import Verification

    Make = Callable[[Path, Verification], tuple[Countersignature, bool]]

app = Verb("Sign a bundle as a second person, after checking it.")

_EVENT = "verified"
_METHOD = "countersigned"

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the countersignature here, and not into the bundle.",
        show_default=False,
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Add a countersignature that was made elsewhere.",
        show_default=False,
    ),
]
CommentOption = Annotated[str, typer.Option(metavar="TEXT", help="A word for the ledger.")]


@app.command()
def countersign(
    bundle: bundles.BundleArgument,
    output: OutputOption = None,
    made_elsewhere: FromOption = None,
    comment: CommentOption = "",
    signer: options.SealedByOption = None,
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Sign a bundle as a second person, after checking it.

    The whole bundle is verified first; nothing is signed if anything differs, or if you trust no
    signer of it.  On a machine without the case, work on a copy and send the one file back: the
    desk adds it with --from and --case, which enters it.
    """
    from custody import clock
    from custody.verify import kind_of, verify_bundle

    options.plain_text("--comment", comment)
    bundle = bundles.located(bundle)
    in_case = _is_in_case(bundle)
    if output is not None and (made_elsewhere is not None or in_case):
        why = "it goes with neither --from nor --case"
        raise UsageError("read the command line", "--output", why)
    if kind_of(bundle) == "case":
        there = shlex.quote(str(bundle / "bundles"))
        hint = f"custody countersign {there}/BUNDLE --case {shlex.quote(str(bundle))}"
        raise UsageError("countersign", bundle, "one bundle is signed, not a case", hint=hint)
    believed = believing.believed(trust, signer)
    named = believing.fingerprints(signer)
    desk = _desk(bundle, key, passphrase_file, passphrase_fd) if in_case else None
    if desk is None:
        _refuse_behind(bundle)
    make: Make = partial(countersign_made.read, made_elsewhere or Path(), believed)
    if made_elsewhere is None:
        mine = desk.signer if desk is not None else _mine(key, passphrase_file, passphrase_fd)
        _refuse_ended(believed, mine.key)
        make = partial(countersign_made.by, mine)
    with Progress("verifying") as progress:
        found = verify_bundle(bundle, believed, named=named, now=clock.now(), progress=progress)
    if found.verdict == "failed":
        countersign_shown.failed(found)
        return exit_codes.DIFFERS
    if found.signer is None:
        why = "nobody that you trust has sealed it; nothing was signed"
        raise TrustError("countersign", bundle, why, hint=found.hint)
    made, is_new = make(bundle, found)
    if output is not None:
        _write(output, made)
    elif is_new:
        _put(bundle, made)
    entry = None if desk is None else _enter(desk, bundle, found, made, comment)
    countersign_shown.made(bundle, found, made, believed, output, entry, is_new=is_new)
    return exit_codes.OK


def _home(bundle: Path) -> Path:
    """The case in which a bundle would lie."""
    return Path(os.path.realpath(bundle)).parent.parent


def _is_in_case(bundle: Path) -> bool:
    """Whether a case is named; one that only the environment names must be the bundle's own."""
    chosen = options.case()
    if chosen is None:
        return False
    return not chosen.from_environment or Path(os.path.realpath(chosen.path)) == _home(bundle)


def _desk(bundle: Path, key: str | None, file: Path | None, fd: int | None) -> Desk:
    """Who enters it."""
    from custody.cli.given import desk, passphrase

    ready = desk.ready("countersign BUNDLE", key, passphrase.source(file, fd))
    if Path(os.path.realpath(ready.case.directory)) != _home(bundle):
        why = f"it does not lie in the case {ready.case.directory}; nothing was signed"
        hint = "sign the copy without --case, and add the file in the case with --from"
        raise UsageError("countersign", bundle, why, hint=hint)
    return ready


def _refuse_behind(bundle: Path) -> None:
    """A bundle that lies in a case is not countersigned behind its back."""
    from custody import case as cases

    home = _home(bundle)
    if (home / cases.RECORD).is_file():
        why = "it lies in a case, and a countersignature is entered there; nothing was signed"
        hint = f"custody countersign {shlex.join([str(bundle), '--case', str(home)])}"
        raise UsageError("countersign", bundle, why, hint=hint)


def _mine(key: str | None, file: Path | None, fd: int | None) -> Signer:
    from custody.cli.given import passphrase
    from custody.identity.keys import KeyFolder

    folder = KeyFolder(options.home() / "keys")
    stored = folder.pick(key, "signer")
    return passphrase.unlock(folder, stored.name, passphrase.source(file, fd))


def _refuse_ended(believed: Trust, key: VerifierKey) -> None:
    """A signature by a key that has ended would count for nobody."""
    from custody import clock

    listed = believed.signer_for(key.fingerprint())
    why = "" if listed is None else listed.why_not_valid_at(clock.now())
    if why:
        raise UsageError("countersign with", key.name, f"{why}; nothing was signed")


def _put(bundle: Path, made: Countersignature) -> None:
    from custody import countersigning
    from custody.errors import StorageError

    try:
        countersigning.put(bundle, made)
    except StorageError as err:
        raise StorageError(
            err.what, err.thing, err.why, hint="-o FILE writes it elsewhere"
        ) from err


def _write(path: Path, made: Countersignature) -> None:
    from custody import durable

    durable.create(path, made.data)


def _enter(
    desk: Desk, bundle: Path, found: Verification, made: Countersignature, comment: str
) -> int | None:
    """Enter it once; the number of its entry, or None if the ledger has it already."""
    from custody import clock
    from custody.cli.given.desk import events
    from custody.keeping import WAIT_SECONDS

    with desk.writing(options.wait_seconds(WAIT_SECONDS)) as writing:
        for _, details in events(desk.case, {_EVENT}):
            if details.get("countersignature") == made.sha256:
                return None
        data = writing.sign(
            _EVENT,
            clock.now(),
            digests={"countersignature": made.sha256, "statement": found.statement_sha256},
            words={"item": bundle.name, "method": _METHOD, "comment": comment},
            details={
                "bundle": bundle.name,
                "countersignature": made.sha256,
                "result": "intact",
                "signer": made.fingerprint,
                "statement": found.statement_sha256,
                "verdict": found.verdict,
            },
        )
        index = writing.append([data])
    ledger_where.tell_troubles(desk.case.memory)
    return index
