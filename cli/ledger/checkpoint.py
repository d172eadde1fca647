"""``custody ledger checkpoint``: the whole ledger in a few lines, also for a paper form."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.given import ledger_where, options
from custody.cli.given.ledger_where import LedgerOption
from custody.cli.terminal import console
from custody.errors import UsageError

_KINDS = (".svg", ".png", ".eps", ".pdf")
# Two rows of modules in one line of the terminal: by (upper, lower), dark or not.  Terminals are
# mostly dark, so what is light is drawn.
_BLOCKS = {(0, 0): "\N{FULL BLOCK}", (0, 1): "\N{UPPER HALF BLOCK}"}
_BLOCKS |= {(1, 0): "\N{LOWER HALF BLOCK}", (1, 1): " "}
_QUIET_ZONE = 2

QrOption = Annotated[
    bool, typer.Option("--qr", help="Show it as a QR code here, for a phone's camera.")
]
QrFileOption = Annotated[
    Path | None,
    typer.Option(
        "--qr-file",
        metavar="FILE",
        help="Write it as a QR code: .svg, .png, .eps or .pdf.",
        show_default=False,
    ),
]


def checkpoint(
    qr: QrOption = False,
    qr_file: QrFileOption = None,
    ledger: LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Print the checkpoint, a signed note.

    It is the whole ledger in a few lines, fit for a paper form.

    Exit 10 if its signature is wrong.
    """
    from custody.formats import strict
    from custody.identity import trust as store
    from custody.ledger.judge import judge_witnessed

    if qr and console.mode().json:
        raise UsageError("read the command line", "--qr and --json", "choose one of them")
    if qr_file is not None and qr_file.suffix.lower() not in _KINDS:
        why = f"its name ends in none of {', '.join(_KINDS)}"
        raise UsageError("write the QR code", qr_file, why)
    reader = ledger_where.find("ledger checkpoint", ledger).reader
    with ledger_where.damage():
        published = reader.checkpoint()
    code = _code(published.data) if qr or qr_file else None
    believed = store.load(options.trust_directory(trust))
    tree = published.checkpoint
    judgement = judge_witnessed(published.note, tree, believed.policy)
    if console.mode().json:
        document = {
            "origin": tree.origin,
            "size": tree.size,
            "root": tree.root.hex(),
            "root_base64": strict.base64_text(tree.root),
            "verdict": judgement.verdict,
            "detail": judgement.detail,
            "cosigned": ledger_where.cosigned(judgement.cosigned),
            "note": published.data.decode(),
        }
        console.result_json("ledger-checkpoint", document)
    else:
        console.result_bytes(published.data)
    if qr:
        _show(code)
    if qr_file is not None:
        _write(code, qr_file)
    if judgement.verdict == "failed":
        console.warning(judgement.detail)
        return exit_codes.DIFFERS
    console.remark(judgement.detail)
    return exit_codes.OK


def _code(data: bytes) -> Any:
    """The QR code of a note, exactly its bytes.

    :raises UsageError: if the library is not there, or the note is too long for a code.
    """
    try:
        import segno
    except ImportError as err:
        raise UsageError(
            "make a QR code", None, "the library segno is not installed",
            hint="pip install 'custody[qr]'",
        ) from err  # fmt: skip
    try:
        return segno.make_qr(data, error="l", boost_error=True)
    except segno.DataOverflowError as err:
        why = f"{len(data)} bytes are more than a code can hold"
        raise UsageError("make a QR code", None, why, hint="print the note itself") from err


def _show(code: Any) -> None:
    rows = [tuple(row) for row in code.matrix_iter(border=_QUIET_ZONE)]
    width = len(rows[0])
    if len(rows) % 2:
        rows.append((0,) * width)
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        console.result("".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True)))


def _write(code: Any, path: Path) -> None:
    from custody import durable

    kind = path.suffix.lower()[1:]
    made = io.StringIO() if kind == "eps" else io.BytesIO()
    code.save(made, kind=kind, scale=4)
    value = made.getvalue()
    durable.create(path, value.encode() if isinstance(value, str) else value)
    console.remark(f"written to {path}")
