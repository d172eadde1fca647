"""The sets that come with the program, and those in files of one's own."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from pathlib import Path

from custody import reading
from custody.errors import CustodyError, UsageError
from custody.sets import definition
from custody.sets.definition import Definition

_ENDING = ".yaml"


def names() -> list[str]:
    """The names of the sets that come with the program, sorted."""
    return sorted(_catalogue())


def load(name: str) -> Definition:
    """The set of that name, or in the file of that name (with ``/`` in it, or ``.yaml`` behind).

    :raises UsageError: if there is none (the nearest names are the hint), or no such file.
    :raises MistakesError: if it has mistakes.
    """
    if "/" in name or name.endswith(_ENDING):
        return definition.parse(_file(name), name)
    data = _catalogue().get(name)
    if data is None:
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
        hint = f"did you mean {', '.join(near)}? custody sets list"
        raise UsageError("find set", name, "there is no set of that name", hint=hint)
    return definition.parse(data, name)


def _file(name: str) -> bytes:
    try:
        return reading.read_regular(Path(name), definition.LARGEST)
    except CustodyError as err:
        raise UsageError("read set", name, err.why, hint="custody sets list") from err


@cache
def _catalogue() -> dict[str, bytes]:
    folder = files("custody.sets") / "catalogue"
    return {
        item.name.removesuffix(_ENDING): item.read_bytes()
        for item in folder.iterdir()
        if item.name.endswith(_ENDING)
    }
