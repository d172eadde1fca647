"""``custody init --on-stick``: lay out a stick for a responder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import custody
from custody.cli.given import options
from custody.cli.terminal import console
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.stick import Card

_HOW = "make portable builds it; then copy the folder build/portable/custody to {}"


def run(stick: Path, folder: Path | None) -> None:
    """Lay out the stick mounted at *stick*, with the portable build in *folder*.

    Where none is named and this program runs from one, it is that one.
    """
    from custody import clock
    from custody import stick as sticks
    from custody.identity import trust
    from custody.identity.keys import KeyFolder

    sticks.refuse_taken(stick)
    now = clock.now()
    home = options.home()
    keys = KeyFolder(home / "keys").list()
    desk = sticks.keys_of(keys, trust.load(home / "trust"), home / "keys", now)
    folder = folder or _own_build()
    program = None if folder is None else sticks.Program(folder)
    build = "" if program is None else program.sha256
    card = sticks.Card(desk, custody.__version__, now.date().isoformat(), build)
    page = _page(card)
    if stick.stat().st_dev == stick.resolve().parent.stat().st_dev:
        console.warning(f"nothing is mounted at {stick}: it lies on the disk of this machine")
    sticks.lay(stick, desk, program, card, page)
    if program is None:
        console.warning(f"no program on the stick: {_HOW.format(stick / 'custody')}")
    elif not program.signed:
        console.warning("the program is not signed; its sums show damage, and not who built it")
    if console.mode().json:
        document = {
            "path": str(stick.resolve()),
            "program": build or None,
            "signers": [str(signer.key) for signer in desk.signers],
            "logs": [str(key) for key in desk.logs],
            "card": sticks.CARD_PAGE if page is not None else None,
        }
        console.result_json("stick", document)
        return
    console.result("stick   ", stick)
    console.result("program ", build or "none")
    for line in desk.lines():
        console.result("key     ", line)
    shown = sticks.CARD_PAGE if page is not None else "CARD.txt"
    console.remark(f"next: print {stick / shown}, and put it with the stick")


def _own_build() -> Path | None:
    from custody.acquire import portable, tool

    package = tool.PACKAGE
    return None if portable.facts(package) is None else package.parent.parent


def _page(card: Card) -> bytes | None:
    from custody.forms import page

    try:
        return page.render("card", card.facts(), ("", "", ""))
    except UsageError as err:
        console.warning(f"the card is plain text alone: {err.why} ({err.hint})")
        return None


def refuse_with(directory: Path | None, words: dict[str, str]) -> None:
    """A stick is laid out, or a case is opened; not both at once.

    :raises UsageError: if something is given that is for a case.
    """
    given = [f"--{word}" for word, text in words.items() if text]
    if directory is not None or given:
        what = str(directory) if directory is not None else given[0]
        why = "--on-stick lays out a stick and opens no case; nothing was written"
        raise UsageError("read the command line", what, why)
