"""All packs together: found beside the code, loaded once, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from custody.obligations import pack_loader
from custody.obligations.conditions import All, AnyOf, Condition, Not, RuleHolds, Some
from custody.obligations.pack import Pack, Rule
from custody.obligations.pack_loader import Loaded
from custody.obligations.problems import Problems, did_you_mean

_ENDING = ".yaml"


@dataclass(frozen=True, slots=True)
class Library:
    """The packs that an assessment uses."""

    packs: tuple[Pack, ...]
    data: Mapping[str, bytes]

    def rules_on(self, day: date) -> dict[str, Rule]:
        """The rules in force on *day*, by id, pack by pack."""
        rules = (rule for pack in self.packs for rule in pack.rules)
        return {rule.id: rule for rule in rules if rule.in_force_on(day)}


@cache
def installed() -> Library:
    """The packs that come with the program."""
    folder = files("custody.obligations") / "packs"
    found = {item.name: item.read_bytes() for item in folder.iterdir()}
    names = sorted((name for name in found if name.endswith(_ENDING)), key=_stem)
    return of({name: found[name] for name in names})


def _stem(name: str) -> str:
    return name.removesuffix(_ENDING)


def of(data: Mapping[str, bytes]) -> Library:
    """A library of the pack files in *data*, by file name.

    :raises MistakesError: for a mistake in a pack, or between packs.
    """
    loaded = {name: pack_loader.load(text, name) for name, text in data.items()}
    problems = Problems()
    _check(loaded, problems)
    problems.raise_any("read rule packs", ", ".join(loaded))
    return Library(tuple(item.pack for item in loaded.values()), dict(data))


def _check(loaded: Mapping[str, Loaded], problems: Problems) -> None:
    rules: dict[str, list[Rule]] = {}
    owner: dict[str, str] = {}
    for name, item in loaded.items():
        for rule in item.pack.rules:
            if owner.setdefault(rule.id, name) != name:
                found = f"the rule of {owner[rule.id]} again"
                problems.add(0, f"{name}: {rule.id}", found, "an id belongs to one pack")
            rules.setdefault(rule.id, []).append(rule)
    for name, item in loaded.items():
        for asked, line, field in item.asked:
            if asked not in rules:
                hint = did_you_mean(asked, rules)
                problems.add(line, f"{name}: {field}", f'the rule "{asked}"', f"no such rule{hint}")
    for cycle in _cycles({key: tuple(_asked(same)) for key, same in rules.items()}):
        found = " -> ".join(cycle)
        problems.add(0, cycle[0], found, "a rule must not depend on itself")


def _asked(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        yield from references(rule.when)


def references(condition: Condition) -> Iterator[str]:
    """The ids of the rules that *condition* asks for."""
    match condition:
        case RuleHolds(name):
            yield name
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from references(part)
        case Not(part) | Some(_, part):
            yield from references(part)


def _cycles(graph: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    finished: set[str] = set()

    def walk(name: str, path: list[str]) -> Iterator[list[str]]:
        if name in path:
            yield [*path[path.index(name) :], name]
        elif name not in finished:
            for following in graph.get(name, ()):
                yield from walk(following, [*path, name])
            finished.add(name)

    for name in graph:
        yield from walk(name, [])
