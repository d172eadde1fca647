"""Sparing a busy host: the options for it that ``collect`` and ``watch`` share."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.errors import UsageError

RateOption = Annotated[
    str,
    typer.Option(
        metavar="SIZE", help="Read at most so much a second: 500K, 20M.", show_default=False
    ),
]
NiceOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Lower our priority by so much, at most 19, also for the disk; 0 leaves it.",
    ),
]


def be_nice(nice: int) -> None:
    """Lower our priority.

    :raises UsageError: for what would raise it, or cannot be.
    """
    from custody import priority

    if not 0 <= nice <= priority.LOWEST:
        why = f"{nice} is not a number from 0 to {priority.LOWEST}"
        raise UsageError("read the command line", "--nice", why)
    priority.lower(nice)
