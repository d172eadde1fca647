"""Persons as entries name them: read from an event's details, compared, and written out.

A person is a :class:`~custody.formats.statement.Actor`; the key is empty where the entry gives
none.
"""

from __future__ import annotations

from custody.errors import FormatError
from custody.formats import vkey
from custody.formats.statement import Actor

NOBODY = Actor("")


def read(value: object) -> Actor:
    """The person that an event's details give; :data:`NOBODY` where they give none.

    Believes nothing: what is not a text counts as not said.
    """
    said = value if isinstance(value, dict) else {}
    words = {name: said.get(name) for name in ("key", "name", "title", "organization")}
    return Actor(**{name: word if isinstance(word, str) else "" for name, word in words.items()})


def written(person: Actor) -> str:
    """``NAME, TITLE, ORGANIZATION``, as far as they are said; else the name of the key."""
    parts = [part for part in (person.name, person.title, person.organization) if part]
    return ", ".join(parts) or person.key.split("+")[0] or "somebody who is not named"


def fingerprint(person: Actor) -> str:
    """The fingerprint of the person's key; empty where there is none."""
    try:
        return vkey.parse(person.key).fingerprint()
    except FormatError:
        return ""


def same(one: Actor, other: Actor) -> bool:
    """Whether two entries may mean the same person.

    A key decides where both have one.  Else the names decide, and the organizations where both
    are said; titles change and decide nothing.
    """
    keys = fingerprint(one), fingerprint(other)
    if all(keys):
        return keys[0] == keys[1]
    if _plain(one.name) != _plain(other.name):
        return False
    places = _plain(one.organization), _plain(other.organization)
    return not all(places) or places[0] == places[1]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
