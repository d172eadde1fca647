"""Where the users of a host have their homes, by its own list of accounts.

Accounts from a directory service stand in no file: what is in ``/home`` counts too, and
``/root``.  The list may be planted: only plain absolute paths are taken from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.acquire import metadata
from custody.acquire.globs import Pattern
from custody.acquire.image import Image

_MOST = 10_000
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Homes:
    """The homes, sorted, and in words what was left out of the list of accounts."""

    paths: tuple[bytes, ...]
    refused: tuple[str, ...]


def find(image: Image) -> Homes:
    """The homes on *image*; whether they are there is not looked at.

    A home on a file system that somebody else answers for is left out: to look at it can hang.
    """
    found: dict[bytes, None] = {b"/root": None}
    refused: dict[str, None] = {}
    for path in [*_listed(image), *_in_home(image)]:
        why = _problem(path, image)
        if why:
            refused[f"{metadata.text(path[:200])}: {why}"] = None
        elif len(found) < _MOST:
            found[path] = None
        else:
            refused[f"more than {_MOST} homes"] = None
    return Homes(tuple(sorted(found)), tuple(refused)[:_MOST])


def _listed(image: Image) -> list[bytes]:
    lines = metadata.account_lines(image, "/etc/passwd")
    fields = (line.split(b":") for line in lines)
    return list(dict.fromkeys(field[5] for field in fields if len(field) == 7))


def _in_home(image: Image) -> list[bytes]:
    avoided: set[bytes] = set()
    return [*Pattern(b"/home", (b"*",)).expand(image, avoided), *sorted(avoided)]


def _problem(path: bytes, image: Image) -> str:
    if not path.startswith(b"/") or b"\0" in path or len(path) > _LONGEST:
        return "not an absolute path, or too long"
    if any(part in (b".", b"..") for part in path.split(b"/")):
        return 'a component is "." or ".."'
    if image.is_remote(path.rstrip(b"/")):
        return "on another machine's file system; name it to collect it"
    return ""
