"""``custody receive``: sign for what was released, and take bundles into a case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import event_options, options, said
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.identity.trust import Trust

app = Verb("Sign for what was released, and take bundles into a case.")

_PERSON = '"NAME, TITLE, ORGANISATION"'

PathsArgument = Annotated[list[Path], typer.Argument(metavar="PATH...", help="The bundles.")]
FromOption = Annotated[
    str, typer.Option("--from", metavar=_PERSON, help="Who brings them; not with a release.")
]
ReleaseOption = Annotated[
    Path | None,
    typer.Option("--release", metavar="FILE", help="The release, if it is not beside the bundle."),
]
OutOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the receipt here.")
]
NumberOption = Annotated[
    str, typer.Option("--evidence-number", metavar="N", help="The number it has from now on.")
]
FingerprintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint",
        metavar="FINGERPRINT",
        help="Of the key on the paper form: it sealed one of these. Repeatable.",
        show_default=False,
    ),
]
CopyOption = Annotated[
    str, typer.Option("--copy", metavar="C1", help="It is this copy that comes back.")
]
RefuseOption = Annotated[
    str, typer.Option("--refuse", metavar="REASON", help="Do not take it; sign why.")
]
STREAM_SECONDS = 900.0  # as custody.bundle.inlet has it, which is not imported for --help
StreamTimeoutOption = Annotated[
    float,
    typer.Option(
        "--stream-timeout",
        metavar="SECONDS",
        help="Give up a stream that brings next to nothing for so long.",
        min=1,
        max=86_400,
    ),
]


@app.command()
def receive(
    paths: PathsArgument,
    giver: FromOption = "",
    release: ReleaseOption = None,
    output: OutOption = None,
    via: event_options.ViaOption = "",
    place: event_options.HandedPlaceOption = "",
    authority: event_options.AuthorityOption = "",
    comment: event_options.CommentOption = "",
    evidence_number: NumberOption = "",
    fingerprint: FingerprintOption = None,
    copy: CopyOption = "",
    refuse: RefuseOption = "",
    stream_timeout: StreamTimeoutOption = STREAM_SECONDS,
    trust: options.TrustOption = None,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Sign for what was released, or take bundles in.

    With a release beside the bundle: it is judged, the bundle verified, and a receipt signed,
    which goes back. With --case and --from: bundles from hosts are copied into the case and
    entered. With --case and a release: both. PATH "-" is the stream of custody collect --output -
    on stdin.
    """
    from custody.cli.given import passphrase
    from custody.identity import trust as store
    from custody.transfer.intake import Terms

    from . import receive_bundles, receive_release

    words = {
        "method": said.word("--via", via),
        "place": said.word("--place", place),
        "authority": said.word("--authority", authority),
        "comment": said.word("--comment", comment),
    }
    terms = Terms(
        said.person("--from", giver),
        {name: text for name, text in words.items() if text},
        said.word("--evidence-number", evidence_number, 200),
        _fingerprints(fingerprint),
        _copy_name(copy),
        said.word("--refuse", refuse),
    )
    if refuse and comment:
        why = "--refuse says why already; nothing was entered"
        raise UsageError("read the command line", "--comment", why)
    believed: Trust = store.load(options.trust_directory(trust))
    secret = passphrase.source(passphrase_file, passphrase_fd)
    if terms.giver:
        _refuse_options("--from", {"--release": release, "--output": output})
        return receive_bundles.take_in(paths, terms, believed, key, secret, stream_timeout)
    one = _single(paths)
    if one == Path("-"):
        why = "what comes as a stream comes from a host: --from says from whom"
        raise UsageError("receive", "-", why, hint=f"custody receive - --case DIR --from {_PERSON}")
    found = receive_release.find(one, release)
    return receive_release.answer(one, found, output, terms, believed, key, secret)


def _fingerprints(listed: Sequence[str] | None) -> tuple[str, ...]:
    from custody.identity.trust import read_fingerprint

    return tuple(dict.fromkeys(read_fingerprint(text) for text in listed or []))


def _copy_name(copy: str) -> str:
    from custody import handover

    if copy and not handover.is_copy_name(copy):
        raise UsageError("read the command line", "--copy", f"{copy} is not C1, C2, ...")
    return copy


def _refuse_options(beside: str, given: dict[str, Path | None]) -> None:
    for name, value in given.items():
        if value is not None:
            why = f"it goes with a release, and {beside} says that there is none"
            raise UsageError("read the command line", name, why)


def _single(paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0]
    why = "without --from each bundle needs its own release; nothing was written"
    hint = f"sign for them one by one, or: custody receive --case DIR --from {_PERSON} PATH..."
    raise UsageError("receive", None, why, hint=hint)
