"""JSON and TOML -> the same tree as YAML, with lines."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime, time
from typing import Any

from custody.obligations.nodes import DEEPEST, Kind, Mapping, Node, Scalar, Sequence
from custody.obligations.problems import Problems
from custody.obligations.reading import unique

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_TOML_PLACE = re.compile(r"at line (\d+)")
_TOML_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_TOML_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def read_json(text: str, problems: Problems) -> Node | None:
    """Read JSON; the standard library judges the syntax, then the tokens give the lines."""
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as err:
        problems.add(err.lineno, "", err.msg.lower(), "this is not JSON")
        return None
    except RecursionError:
        problems.add(0, "", "a very deep nesting", f"at most {DEEPEST} levels")
        return None
    return _JsonTree(text, problems).node("", 0)


class _JsonTree:
    """Walks the tokens of a text that is known to be valid JSON."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.problems = problems
        self.tokens: list[tuple[str, int]] = []
        line, end = 1, 0
        for match in _TOKEN.finditer(text):
            line += text.count("\n", end, match.start())
            end = match.start()
            self.tokens.append((match[0], line))
        self.at = 0

    def _next(self) -> tuple[str, int]:
        self.at += 1
        return self.tokens[self.at - 1]

    def node(self, field: str, depth: int) -> Node:
        word, line = self._next()
        if word in "{[" and depth >= DEEPEST:
            self.problems.add(line, field, "a very deep nesting", f"at most {DEEPEST} levels")
            self.at = len(self.tokens)
            return Scalar("", Kind.EMPTY, line)
        if word == "{":
            return self._mapping(line, field, depth)
        if word == "[":
            return self._sequence(line, field, depth)
        if word[0] == '"':
            return Scalar(json.loads(word), Kind.TEXT, line)
        kinds = {"true": Kind.YES_NO, "false": Kind.YES_NO, "null": Kind.EMPTY}
        return Scalar(word, kinds.get(word, Kind.NUMBER), line)

    def _mapping(self, line: int, field: str, depth: int) -> Node:
        pairs: list[tuple[str, int, Node]] = []
        while self.at < len(self.tokens):
            word, at = self._next()
            if word == "}":
                break
            if word == ",":
                continue
            name = json.loads(word)
            self._next()
            pairs.append((name, at, self.node(f"{field}.{name}".lstrip("."), depth + 1)))
        return unique(pairs, line, field, self.problems)

    def _sequence(self, line: int, field: str, depth: int) -> Node:
        items: list[Node] = []
        while self.at < len(self.tokens):
            if self.tokens[self.at][0] in {"]", ","}:
                if self._next()[0] == "]":
                    break
                continue
            items.append(self.node(f"{field}[{len(items)}]", depth + 1))
        return Sequence(tuple(items), line)


class _Decimal(str):
    """A TOML number with a point, kept as it was written."""

    __slots__ = ()


def read_toml(text: str, problems: Problems) -> Node | None:
    """Read TOML; lines come from a second look at the keys, to the nearest group."""
    try:
        value = tomllib.loads(text, parse_float=_Decimal)
    except (ValueError, RecursionError) as err:
        place = _TOML_PLACE.search(str(err))
        found = str(err).split(" (at ")[0].lower() or "a very deep nesting"
        problems.add(int(place[1]) if place else 0, "", found, "this is not TOML")
        return None
    return _toml_node(value, "", _toml_lines(text), 1)


def _toml_lines(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        heading, key = _TOML_TABLE.match(line), _TOML_KEY.match(line)
        if heading:
            table = heading[2].replace('"', "")
            if heading[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table += f"[{counts[table]}]"
            lines.setdefault(table, number)
        elif key:
            lines.setdefault(f"{table}.{key[1]}".lstrip(".").replace('"', ""), number)
    return lines


def _toml_node(value: Any, field: str, lines: dict[str, int], line: int) -> Node:
    line = lines.get(field, line)
    if isinstance(value, dict):
        entries = []
        for name, part in value.items():
            node = _toml_node(part, f"{field}.{name}".lstrip("."), lines, line)
            entries.append((name, node.line, node))
        return Mapping(tuple(entries), line)
    if isinstance(value, list):
        items = (_toml_node(part, f"{field}[{at}]", lines, line) for at, part in enumerate(value))
        return Sequence(tuple(items), line)
    return _toml_scalar(value, line)


def _toml_scalar(value: Any, line: int) -> Scalar:
    if isinstance(value, bool):
        return Scalar("yes" if value else "no", Kind.YES_NO, line)
    if isinstance(value, (int, _Decimal)):
        return Scalar(str(value), Kind.NUMBER, line)
    if isinstance(value, (date, datetime, time)):
        return Scalar(value.isoformat(), Kind.TIME, line)
    return Scalar(value, Kind.TEXT, line)
