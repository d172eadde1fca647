"""``custody ledger witness``: let somebody else sign that the ledger only grew; and be that one.

At the case:        ``ask`` (over the network), or ``request`` and ``add`` (by stick or mail).
At the witness's:   ``new``, then ``sign`` (a directory or a file) or ``serve`` (over the network).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import ledger_where, options
from custody.cli.given.ledger_where import LedgerOption
from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import FormatError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.ledger.judge import Judgement
    from custody.ledger.witness import Answer, Witness
    from custody.witnessing import Gathered

app = Verb("Have others sign that it only grew; be one of them.")

TimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long a witness may take.", min=1, max=600)
]
LinesArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The lines that the witness gave back.")
]
OldOption = Annotated[
    int, typer.Option(metavar="SIZE", help="The size that the witness signed last.", min=0)
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here, to a file that is not there."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What the witness is called.")]
KeyNameOption = Annotated[
    str, typer.Option(metavar="TEXT", help="The name in its key, such as witness.example/desk.")
]
SeenArgument = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A ledger's directory, or a file with a request."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Sign as this witness.", show_default=False),
]
ListenOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
]
NoPassphraseOption = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave the key unencrypted. Think twice.")
]

_WAIT_SECONDS = 10.0
_EXITS = {200: exit_codes.OK, 400: exit_codes.USAGE, 422: exit_codes.DIFFERS}


# ---- at the case


@app.command()
def ask(
    timeout: TimeoutOption = 15.0,
    trust: options.TrustOption = None,
) -> int:
    """Ask the witnesses in the policy to sign the case's checkpoint.

    Exit 10 if a witness has seen another ledger under this name; 11 if fewer signed than the
    policy asks for.
    """
    from custody import case as cases
    from custody import witnessing
    from custody.identity import trust as store

    memory = ledger_where.memory()
    case = cases.open_case(options.needed_case("ledger witness ask"), memory)
    policy = store.load(options.trust_directory(trust)).policy
    wait = options.wait_seconds(_WAIT_SECONDS)
    with ledger_where.damage():
        gathered = witnessing.gather(case, policy, memory, seconds=timeout, wait_seconds=wait)
    ledger_where.tell_troubles(memory)
    return _show_gathered(gathered)


def _show_gathered(gathered: Gathered) -> int:
    words = {"cosigned": console.OK, "contradicted": console.FAIL}
    judgement = gathered.judgement
    if console.mode().json:
        answers = [
            {"witness": item.name, "outcome": item.outcome, "detail": item.detail}
            for item in gathered.asked
        ]
        document = {"answers": answers, "moved_on": gathered.moved_on, **_standing(judgement)}
        console.result_json("ledger-witnesses", document)
    else:
        for item in gathered.asked:
            word = words.get(item.outcome, console.NOT_CHECKED)
            console.result(word, " ", item.name, ": ", item.detail)
        console.result(judgement.detail)
    if gathered.moved_on:
        console.warning("the ledger has grown meanwhile, so nothing was entered: ask again")
    if any(item.outcome == "contradicted" for item in gathered.asked):
        return exit_codes.DIFFERS
    if judgement.verdict == "failed":
        return exit_codes.DIFFERS
    if judgement.verdict != "ok" or not judgement.cosigned:
        return exit_codes.CANNOT_VERIFY
    return exit_codes.OK


def _standing(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict,
        "detail": judgement.detail,
        "cosigned": ledger_where.cosigned(judgement.cosigned),
    }


@app.command()
def request(old: OldOption = 0, output: OutputOption = None, ledger: LedgerOption = None) -> None:
    """Write what a witness needs to sign.

    It is carried there by stick or mail.
    """
    from custody.ledger import witness_client

    reader = ledger_where.find("ledger witness request", ledger).reader
    with ledger_where.damage():
        data = witness_client.request(reader, reader.checkpoint(), old)
    _give(data, output)
    console.remark("there: custody ledger witness sign FILE; then here: custody ledger witness add")


@app.command()
def add(file: LinesArgument, trust: options.TrustOption = None) -> int:
    """Add a witness's lines to the checkpoint.

    The case's ledger must not have gone on meanwhile.
    """
    from custody import case as cases
    from custody import reading, witnessing
    from custody.identity import trust as store
    from custody.ledger.witness_client import LARGEST_ANSWER

    case = cases.open_case(options.needed_case("ledger witness add"))
    policy = store.load(options.trust_directory(trust)).policy
    try:
        answer = reading.read_regular(file, LARGEST_ANSWER)
        wait = options.wait_seconds(_WAIT_SECONDS)
        gathered, count = witnessing.enter_lines(case, policy, answer, wait_seconds=wait)
    except (FormatError, NotFoundError) as err:
        raise InputError(
            "add cosignatures", file, err.why or str(err),
            hint="they fit the checkpoint that was signed; if the ledger has grown since, ask anew",
        ) from err  # fmt: skip
    console.remark(f"{counted(count, 'cosignature')} read from {file}")
    return _show_gathered(gathered)


# ---- at the witness's


@app.command()
def new(
    name: NameArgument,
    key_name: KeyNameOption = "",
    no_passphrase: NoPassphraseOption = False,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Make a witness's key.  What it signs for is every ledger in its own trust folder."""
    from custody import clock
    from custody.cli.given import passphrase
    from custody.identity.keys import KeyFolder

    folder = KeyFolder(options.home() / "keys")
    folder.refuse_taken_name(name)
    secret = None
    if no_passphrase:
        passphrase.refuse_any(passphrase_file, passphrase_fd)
    else:
        secret = passphrase.source(passphrase_file, passphrase_fd)(name, True)
    made = folder.new(
        name, use="witness", key_name=key_name or name, passphrase=secret, now=clock.now()
    )
    for text in made.remarks:
        console.remark(text)
    if no_passphrase:
        console.warning(f"the key is not encrypted: {folder.path(name)}")
    if console.mode().json:
        console.result_json("key", made.stored.as_json())
        return
    console.result("witness key  ", made.stored.key)
    console.remark("whoever relies on it: custody trust add witness VKEY")
    console.remark("a ledger to sign for: custody trust add ledger VKEY")


@app.command()
def sign(
    path: SeenArgument,
    key: KeyOption = None,
    output: OutputOption = None,
    trust: options.TrustOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Sign a ledger's checkpoint as a witness.

    Only if it goes on from the one signed last.

    PATH is a copy of the ledger, or a request in a file.  Exit 10 if the ledger does not go on
    from there; 11 if this witness does not know it.
    """
    witness = _witness(key, trust, passphrase_file, passphrase_fd)
    body = _body(path, witness)
    answer = witness.add_checkpoint(body)
    if answer.status == 200:
        _give(answer.body, output)
        console.remark(answer.detail)
        return exit_codes.OK
    return _refuse(answer, path)


def _body(path: Path, witness: Witness) -> bytes:
    """The request: as it is in a file, or made from a directory for what was signed last."""
    from custody import reading
    from custody.ledger import witness_client, witness_request
    from custody.ledger.reader import LedgerReader

    if not path.is_dir():
        try:
            return reading.read_regular(path, witness_request.LARGEST_REQUEST)
        except (FormatError, NotFoundError) as err:
            raise InputError("read request", path, err.why or str(err)) from err
    reader = LedgerReader(path)
    with ledger_where.damage():
        published = reader.checkpoint()
        last = witness.last(published.checkpoint.origin)
        old = last.checkpoint.size if last else 0
        # A shorter ledger cannot prove anything; the witness says so itself.
        return witness_client.request(reader, published, old if old <= published.size else 0)


def _refuse(answer: Answer, path: Path) -> int:
    from custody.ledger.witness import SIZE

    document = {"status": answer.status, "detail": answer.detail}
    if console.mode().json:
        console.result_json("ledger-cosignature", document)
    else:
        console.result(console.FAIL, " not signed: ", answer.detail)
    if answer.content_type == SIZE and not path.is_dir():
        size = answer.body.decode().strip()
        console.remark(f"if the ledger is longer: custody ledger witness request --old {size}")
        return exit_codes.CANNOT_VERIFY
    if answer.content_type == SIZE:
        return exit_codes.DIFFERS
    return _EXITS.get(answer.status, exit_codes.CANNOT_VERIFY)


@app.command()
def serve(
    listen: ListenOption = "127.0.0.1:8642",
    key: KeyOption = None,
    trust: options.TrustOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Be a witness on the network.

    Until interrupted; it answers POST /add-checkpoint, and nothing else.
    """
    from custody.ledger.witness_server import WitnessServer

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise UsageError("read the command line", "--listen", "it has the form HOST:PORT")
    witness = _witness(key, trust, passphrase_file, passphrase_fd)
    try:
        server = WitnessServer((host.strip("[]"), int(port)), witness, console.remark)
    except OSError as err:
        why = (err.strerror or str(err)).lower()
        raise UsageError("listen", listen, why, hint="--listen HOST:PORT") from err
    with server:
        place = f"http://{listen.rpartition(':')[0]}:{server.server_address[1]}"
        console.result("listening on ", place)
        console.flush()
        server.serve_forever(poll_interval=0.2)


def _witness(
    key: str | None,
    trust: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> Witness:
    import time

    from custody.cli.given import passphrase
    from custody.identity import trust as store
    from custody.identity.keys import KeyFolder
    from custody.ledger.witness import Witness

    home = options.home()
    folder = KeyFolder(home / "keys")
    stored = folder.pick(key, "witness")
    signer = passphrase.unlock(
        folder, stored.name, passphrase.source(passphrase_file, passphrase_fd)
    )
    logs = store.load(options.trust_directory(trust)).logs
    return Witness(home / "witness" / stored.name, signer, logs, lambda: int(time.time()))


def _give(data: bytes, output: Path | None) -> None:
    from custody import durable

    if output is None:
        console.result_bytes(data)
        return
    durable.create(output, data)
    console.remark(f"written to {output}")
