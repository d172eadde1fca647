"""Writing it all onto the stick; what stands there already is never touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from custody import durable, reading
from custody.errors import ExistsError, StorageError, UsageError
from custody.identity import protection
from custody.stick.card import Card
from custody.stick.desk import Desk
from custody.stick.program import RUN, Program

PROGRAM, OUTPUT, TRUST, KEYS = "custody", "evidence", "trust", "KEYS.txt"
CARD_TEXT, CARD_PAGE = "CARD.txt", "CARD.html"
NAMES = (PROGRAM, OUTPUT, TRUST, KEYS, CARD_TEXT, CARD_PAGE)
_STAGED = "custody.unfinished"
_LARGEST_FILE = 256 << 20


def refuse_taken(stick: Path) -> None:
    """Make sure that *stick* is a directory with nothing of ours in it.

    :raises UsageError: if it is no directory.
    :raises ExistsError: if one of :data:`NAMES` stands there.
    """
    if not stick.is_dir():
        why = "there is no such directory; nothing was written"
        raise UsageError("lay out stick", stick, why, hint="mount the stick, and name where")
    for name in NAMES:
        if os.path.lexists(stick / name):
            why = "it exists already; nothing was written"
            hint = "for new keys or a new program, move away what is there, and lay it out again"
            raise ExistsError("lay out stick", stick / name, why, hint=hint)


def lay(stick: Path, desk: Desk, program: Program | None, card: Card, page: bytes | None) -> None:
    """Write everything; the card comes last, so that a stick with a card is a whole one.

    :param page: the card as a page; None where it cannot be made.
    :raises UsageError: if the program is not what its sums say.
    :raises ExistsError: if something came there meanwhile.
    :raises StorageError: if it could not be written, or reads back otherwise.
    """
    if program is not None:
        _lay_program(stick, program)
    durable.make_directory(stick / OUTPUT)
    durable.make_directory(stick / TRUST)
    for name, data in desk.trust_folder().items():
        path = stick / TRUST / name
        durable.ensure_directory(path.parent)
        durable.create(path, data)
    durable.create(stick / KEYS, ("\n".join(desk.lines()) + "\n").encode())
    if page is not None:
        durable.create(stick / CARD_PAGE, page)
    durable.create(stick / CARD_TEXT, card.text())


def _lay_program(stick: Path, program: Program) -> None:
    """Copy the program beside its place, read it back, and put it there."""
    staged = stick / _STAGED
    durable.remove_unfinished(staged)
    durable.make_directory(staged)

    def files() -> Iterator[tuple[Path, bytes]]:
        for name, data in program.files():
            yield staged / name, data

    try:
        durable.write_group(files())
        _let_run(staged)
        _read_back(staged, program)
    except BaseException:
        durable.remove_unfinished(staged)
        raise
    durable.publish(staged, stick / PROGRAM)


def _let_run(folder: Path) -> None:
    """Everybody may read and run it, where the file system has modes."""
    if protection.has_no_modes(folder.stat()):
        return
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or path.relative_to(folder).as_posix() in RUN
        path.chmod(0o755 if runs else 0o644)


def _read_back(folder: Path, program: Program) -> None:
    for name, data in program.files():
        if reading.read_beneath(folder, name, _LARGEST_FILE) != data:
            why = "it reads back otherwise than it was written; the stick may be broken"
            raise StorageError("copy program", folder / name, why)
