"""Entering an event about an item: which item is meant, and what was entered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.terminal import console
from custody.errors import UsageError

from . import ledger_where

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from custody.case import Case

ItemArgument = Annotated[
    str,
    typer.Argument(
        metavar="ITEM",
        help="A bundle, its evidence number, a copy (E-003/C1), a file by path or digest, or the"
        " case's number.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about.

    :ivar item: what the event is entered under: a bundle's id, or the case's number.
    :ivar label: what people call it.
    :ivar details: ``bundle``, and ``copy`` with ``label`` or the ``path`` of a file in it.
    :ivar digests: of a file: its SHA-256.
    """

    kind: str
    item: str
    label: str
    details: dict[str, object]
    digests: dict[str, str]


def find(case: Case, asked: str) -> About:
    """The one thing that *asked* means.

    :raises NotFoundError: if there is no such thing; the hint names the nearest.
    :raises UsageError: if it may mean several.
    """
    from custody import history

    with ledger_where.damage():
        found = history.find(case, asked)
    if found.kind == "case":
        return About("case", case.case, case.case, {}, {})
    if len(found.bundles) > 1 or len(found.files) > 1:
        listed = ", ".join(found.bundles)
        why = f"it may be one of several in {listed}; nothing was entered"
        hint = "name one of these bundles, and say the rest in words"
        raise UsageError("find item", asked, why, hint=hint)
    (bundle,) = found.bundles
    label = found.label
    details: dict[str, object] = {"bundle": bundle}
    digests = {}
    if found.copy:
        details |= {"copy": found.copy, "label": found.label}
    for file in found.files:
        label, details["path"] = bundle, file.path
        digests = {"file": file.sha256} if file.sha256 else {}
    return About(found.kind, bundle, label, details, digests)


def said(
    index: int,
    kind: str,
    now: datetime,
    label: str,
    words: Mapping[str, str],
    details: Mapping[str, object],
) -> None:
    """Show what was entered, in the words that the history will have for it."""
    from . import desk

    if console.mode().json:
        desk.say_entered(kind, index, details)
        return
    from custody.formats.statement import Actor, Event
    from custody.history import telling

    event = Event(kind, now, Actor(""), (), words, None, details)
    console.result(f"entry {index}: ", telling.sentence(event, label))
