"""From the names of sets to the patterns that they are on one file system."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from custody.acquire import homes
from custody.acquire.globs import Pattern
from custody.acquire.homes import Homes
from custody.acquire.image import Image
from custody.acquire.sources import Wanted
from custody.errors import UsageError
from custody.sets import artifacts, library
from custody.sets.artifacts import Repository, Source, Unresolved
from custody.sets.definition import HOMES, Definition

NOT_INSTALLED = "the ForensicArtifacts definitions are not installed"


@dataclass(frozen=True, slots=True)
class Selection:
    """The sets that were asked for, on one file system.

    :ivar sets: each, with those that it includes behind it, once.
    :ivar wanted: every pattern, in that order.
    :ivar unresolved: by the name of the set, the definitions that say nothing here.
    :ivar source: where the definitions come from, if there are any.
    :ivar homes: the users' homes.
    """

    sets: tuple[Definition, ...]
    wanted: tuple[Wanted, ...]
    unresolved: tuple[tuple[str, Unresolved], ...]
    source: Source | None
    homes: Homes


NOTHING = Selection((), (), (), None, Homes((), ()))


def choose(names: Sequence[str]) -> tuple[Definition, ...]:
    """The sets of these names, each with those that it includes behind it, once.

    :raises CustodyError: if there is none of such a name, or it has mistakes.
    """
    found: dict[str, Definition] = {}
    for name in names:
        for one in _with_included(library.load(name)):
            other = found.setdefault(one.name, one)
            if other.sha256 != one.sha256:
                why = "two different sets have this name"
                raise UsageError("find set", one.name, why, hint="give one another name")
    return tuple(found.values())


def _with_included(top: Definition) -> Iterator[Definition]:
    todo, seen = [top], set()
    while todo:
        one = todo.pop(0)
        if one.name in seen:
            continue
        seen.add(one.name)
        yield one
        todo += [library.load(name) for name in one.includes]


def select(sets: Sequence[Definition], image: Image) -> Selection:
    """What *sets* name on *image*: nothing is opened but its list of accounts."""
    if not sets:
        return NOTHING
    repository = artifacts.repository() if any(one.artifacts for one in sets) else None
    there = homes.find(image)
    wanted: list[Wanted] = []
    unresolved: list[tuple[str, Unresolved]] = []
    for one in sets:
        known: set[str] = set()
        for group in one.files:
            wanted += _wanted(one.name, "", group.paths, known, there)
        for artifact in one.artifacts:
            paths, lost = _definition(repository, artifact)
            wanted += _wanted(one.name, artifact, paths, known, there)
            unresolved += [(one.name, part) for part in lost]
    return Selection(
        tuple(sets), tuple(wanted), tuple(unresolved),
        repository.source if repository else None, there,
    )  # fmt: skip


def _definition(repository: Repository | None, artifact: str) -> tuple[list[str], list[Unresolved]]:
    if repository is None:
        return [], [Unresolved(artifact, NOT_INSTALLED)]
    return repository.resolve(artifact)


def _wanted(
    name: str, artifact: str, paths: Iterable[str], known: set[str], there: Homes
) -> Iterator[Wanted]:
    """Each path that the set has not named before."""
    for path in paths:
        if path in known:
            continue
        known.add(path)
        in_homes = path.startswith(HOMES)
        parts = tuple(os.fsencode(part) for part in path.removeprefix(HOMES).split("/")[1:])
        bases: Sequence[bytes] = there.paths if in_homes else (b"/",)
        patterns = [_pattern(base, parts, in_homes=in_homes) for base in bases]
        yield Wanted(path, name, tuple(patterns), artifact, in_homes)


def _pattern(base: bytes, parts: tuple[bytes, ...], *, in_homes: bool) -> Pattern:
    """In a home no link is followed.  Elsewhere a set names what the system's owner laid out:
    links on the way to the first pattern are."""
    if in_homes:
        return Pattern(base, parts)
    magic = (at for at, part in enumerate(parts) if any(sign in part for sign in b"*?["))
    fixed = min(next(magic, len(parts)), len(parts) - 1)
    return Pattern(b"/" + b"/".join(parts[:fixed]), parts[fixed:])
