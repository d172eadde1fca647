"""``custody record``: enter the answer to a release, a signed receipt or a paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import event_options, options, said
from custody.cli.terminal import console
from custody.errors import FormatError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.cli.given.desk import Desk
    from custody.transfer.returned import Recorded, Scan

app = Verb("Enter the receipt of what was released, signed or on paper.")

_RECEIPT = (
    "the receipt is the file that came back, BUNDLE.receipt.dsse.json; of a paper: custody record"
    " --paper SCAN RELEASE"
)
_RELEASE = "name the release that the paper answers: BUNDLE.release.dsse.json, beside the copy"
_SCAN = "the paper is a picture or a PDF of what they signed, at most 64 MiB"
_PERSON = '"NAME, TITLE, ORGANISATION"'

FileArgument = Annotated[
    Path, typer.Argument(metavar="RECEIPT", help="The receipt; with --paper, the release.")
]
PaperOption = Annotated[
    Path | None,
    typer.Option("--paper", metavar="SCAN", help="They signed this paper instead; it is kept."),
]
ByOption = Annotated[
    str, typer.Option("--received-by", metavar=_PERSON, help="Who signed the paper.")
]
AtOption = Annotated[
    str, typer.Option("--at", metavar="TIME", help="When they did, with the zone.")
]
RefuseOption = Annotated[
    str, typer.Option("--refuse", metavar="REASON", help="The paper says that it is not taken.")
]


@app.command()
def record(
    file: FileArgument,
    paper: PaperOption = None,
    received_by: ByOption = "",
    at: AtOption = "",
    refuse: RefuseOption = "",
    place: event_options.HandedPlaceOption = "",
    comment: event_options.CommentOption = "",
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Enter the answer to a release.

    A signed receipt is judged: by the key that the release names or one you trust, and about
    exactly what was released. A paper is kept as a scan, and never shown as countersigned.
    """
    from custody.cli.given import desk, passphrase

    words = {"place": said.word("--place", place), "comment": said.word("--comment", comment)}
    secret = passphrase.source(passphrase_file, passphrase_fd)
    if paper is None:
        for option, value in (
            ("--received-by", received_by), ("--at", at), ("--refuse", refuse), ("--place", place)
        ):  # fmt: skip
            if value:
                why = "a signed receipt says it by itself; nothing was entered"
                hint = f"custody record --paper SCAN {option} ... RELEASE"
                raise UsageError("read the command line", option, why, hint=hint)
        keeper = desk.ready("record RECEIPT", key, secret)
        _show(_signed(keeper, file, words["comment"], trust))
        return
    scan = _scan(paper, received_by, at, said.word("--refuse", refuse))
    keeper = desk.ready("record --paper SCAN RELEASE", key, secret)
    _show(_on_paper(keeper, file, scan, words))


def _signed(keeper: Desk, file: Path, comment: str, trust: Path | None) -> Recorded:
    from custody import clock, handover
    from custody.cli.given import ledger_where
    from custody.identity import trust as store
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import returned

    believed = store.load(options.trust_directory(trust))
    with _paper(_RECEIPT):
        receipt = handover.read(file)
        returned.release_named(receipt, file)
    made, remark = returned.enter(
        keeper, receipt, believed, clock.now(), comment, options.wait_seconds(WAIT_SECONDS)
    )
    ledger_where.tell_troubles(keeper.case.memory)
    if remark:
        console.warning(remark)
    return made


@contextmanager
def _paper(hint: str) -> Iterator[None]:
    """Say of a paper that cannot be taken that nothing came of it, and which one is meant.

    :raises InputError: if it is not what it should be.
    :raises NotFoundError: if it is not there.
    """
    try:
        yield
    except (InputError, NotFoundError) as err:
        why = f"{err.why}; nothing was entered"
        raise type(err)(err.what, err.thing, why, hint=hint) from err


def _scan(path: Path, received_by: str, at: str, refuse: str) -> Scan:
    import hashlib

    from custody import clock, handover, reading
    from custody.transfer.returned import Scan

    by = said.person("--received-by", received_by)
    for option, value in (("--received-by", by), ("--at", at)):
        if not value:
            why = "of a paper it must be said; nothing was entered"
            hint = f"custody record --paper SCAN --received-by {_PERSON} --at TIME RELEASE"
            raise UsageError("read the command line", option, why, hint=hint)
    try:
        data = reading.read_regular(path.resolve(), handover.LARGEST_SCAN)
    except (NotFoundError, FormatError) as err:
        why = f"{err.why}; nothing was entered"
        raise InputError("read the paper", path, why, hint=_SCAN) from err
    if not data:
        why = "the file is empty; nothing was entered"
        raise InputError("read the paper", path, why, hint=_SCAN)
    digest = hashlib.sha256(data).hexdigest()
    when = said.moment("--at", at, clock.now())
    return Scan(data, digest, path.suffix, by, when, said.seconds_meant(at), refuse)


def _on_paper(keeper: Desk, file: Path, scan: Scan, words: dict[str, str]) -> Recorded:
    from custody import clock, handover
    from custody.cli.given import ledger_where
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import returned

    with _paper(_RELEASE):
        release = handover.release_of(handover.read(file), file)
    made = returned.enter_paper(
        keeper, release.paper.sha256, scan, words, clock.now(), options.wait_seconds(WAIT_SECONDS)
    )
    ledger_where.tell_troubles(keeper.case.memory)
    if scan.latest < made.release.paper.event.time:
        console.warning("by the paper it was signed before it was released")
    return made


def _show(made: Recorded) -> None:
    from custody import clock, handover

    release = made.release
    if console.mode().json:
        document = {
            "index": made.entry,
            "type": made.kind,
            "bundle": release.bundle,
            **release.what,
            "release": release.paper.sha256,
            "by": dict(made.by),
            "at": clock.rfc3339(made.at),
            "paper": "paper" in made.details,
        }
        console.result_json("record", document)
        return
    console.result(f"{made.kind:<9} ", release.label or f"{release.bundle}, the original")
    how = "on paper, not countersigned" if "paper" in made.details else "countersigned"
    console.result("by        ", handover.written(made.by))
    console.result("at        ", clock.rfc3339(made.at))
    console.result("how       ", how)
    console.result(f"ledger    entry {made.entry}")
