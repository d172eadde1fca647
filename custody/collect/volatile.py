"""Facts about the running host: from the kernel's files, then, if asked, from its programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from custody.acquire import commands, taking
from custody.acquire.metadata import Record
from custody.acquire.reader import Create
from custody.acquire.volatile import Fact, facts
from custody.collect.request import Request


def take(request: Request, create: Create, add: Callable[[Record], None]) -> list[dict[str, Any]]:
    """Take what *request* asks for, before anything else changes.

    :param add: takes the inventory record of each.
    :returns: what the acquisition record says of each; those that this host has not come last.
    :raises StorageError: if the destination cannot be written.
    """
    told: list[dict[str, Any]] = []
    absent: list[Fact] = []
    if request.volatile:
        for record in taking.take(facts(), create, absent):
            add(record)
            told.append(taking.noted(record))
    if request.volatile_commands:
        for record in taking.ask(commands.COMMANDS, create, told):
            add(record)
    return told + [{"name": one.name, "source": one.source, "absent": True} for one in absent]
