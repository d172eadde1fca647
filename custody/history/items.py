"""What somebody means by an item: the case, a bundle, a numbered copy of one, a file in one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from custody import nearest, reading
from custody.bundle import layout
from custody.errors import CustodyError, FormatError, NotFoundError
from custody.formats import inventory
from custody.history.register import Register
from custody.history.values import FileFacts, Kind

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z", re.ASCII)
_COPY = re.compile(r"(.+)/(C[1-9][0-9]*)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """An item that is there.

    :ivar bundles: the ids of the bundles concerned.
    :ivar copy: ``C1``, ``C2``, ... of a copy; else empty.
    """

    kind: Kind
    label: str
    bundles: tuple[str, ...]
    copy: str = ""
    files: tuple[FileFacts, ...] = ()


def find(asked: str, about: Register, bundles: Path | None) -> Item:
    """Find the item that is *asked* for.

    :param bundles: the directory of the case's bundles, whose inventories name the files; None
        where the ledger lies alone.
    :raises NotFoundError: if there is none; its hint names the nearest.
    """
    if asked in ("", about.case):
        return Item("case", about.case, tuple(about.bundles))
    named = _bundles(asked, about)
    if named:
        return Item("bundle", asked, named)
    copy = _copy(asked, about)
    if copy is not None:
        return copy
    digest = _hex(asked)  # empty where it is none: as is that of a bundle that was kept apart
    pinned = tuple(name for name, facts in about.bundles.items() if facts.sha256 == digest)
    if digest and pinned:
        return Item("bundle", about.label(pinned[0]), pinned)
    files, near = _files(asked, about, bundles)
    if files:
        return Item("file", asked, tuple(dict.fromkeys(file.bundle for file in files)), "", files)
    raise _not_found(asked, about, near, looked=bundles is not None)


def _bundles(asked: str, about: Register) -> tuple[str, ...]:
    if asked in about.bundles:
        return (asked,)
    return tuple(name for name, numbers in about.numbers.items() if asked in numbers)


def _copy(asked: str, about: Register) -> Item | None:
    match = _COPY.match(asked)
    if match is None:
        return None
    named = _bundles(match[1], about)
    bundles = tuple(name for name in named if match[2] in about.copies.get(name, ()))
    return Item("copy", about.label(bundles[0], match[2]), bundles, match[2]) if bundles else None


def _hex(asked: str) -> str:
    match = _DIGEST.match(asked)
    return match[1].lower() if match else ""


def _files(
    asked: str, about: Register, bundles: Path | None
) -> tuple[tuple[FileFacts, ...], list[str]]:
    """The files of this path or digest; and where there is none, some paths to compare with."""
    if bundles is None:
        return (), []
    digest, raw = _hex(asked), asked.encode("utf-8", "surrogateescape")
    found: list[FileFacts] = []
    others: list[str] = []
    for name in about.bundles:
        try:
            for file in files_of(bundles, name):
                if file.raw == raw or (digest and file.sha256 == digest):
                    found.append(file)
                elif len(others) < nearest.MOST_COMPARED:
                    others.append(file.path)
        except CustodyError:  # verify says what is wrong with it
            continue
    return tuple(found), others


def files_of(bundles: Path, name: str) -> Iterator[FileFacts]:
    """The files in a bundle's inventory; directories are left out.

    :raises CustodyError: if the inventory cannot be read.
    """
    if not is_name(name):
        return
    where = f"{name}/{layout.INVENTORY}"
    with reading.open_beneath(bundles, where) as fd, open(fd, "rb", closefd=False) as file:
        while line := file.readline(layout.LONGEST_RECORD + 1):
            if len(line) > layout.LONGEST_RECORD:
                raise FormatError("read inventory", name, "a line that is too long")
            brief = inventory.brief(line)
            if brief.outcome != "directory":
                shown = brief.raw.decode("utf-8", "backslashreplace")
                yield FileFacts(name, shown, brief.raw, brief.outcome, brief.sha256, brief.size)


def is_name(name: str) -> bool:
    """Whether a bundle's id can be the name of a directory in a case; entries may say anything."""
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name


def names(about: Register) -> Iterable[str]:
    """Everything that can be asked for, but files."""
    if about.case:
        yield about.case
    for name in about.bundles:
        yield name
        yield from about.numbers.get(name, ())
        for copy in about.copies.get(name, ()):
            yield about.label(name, copy)


def _not_found(asked: str, about: Register, near: list[str], *, looked: bool) -> NotFoundError:
    why = "there is no such bundle, evidence number, copy or file in this case"
    if not looked:
        why = "the ledger alone names no such bundle, evidence number or copy"
    hint = nearest.hint(asked, [*names(about), *near], names(about))
    return NotFoundError("find item", asked, why, hint=hint)
