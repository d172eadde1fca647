"""Bytes of YAML, JSON or TOML -> a tree with lines.  Nothing is interpreted, nothing expanded.

YAML is taken event by event, so that a duplicate key, an anchor, an alias or a tag is seen
before anything is built from it, and so that ``no``, ``010`` and ``1:30`` stay the text they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from custody.obligations.nodes import DEEPEST, Kind, Mapping, Node, Scalar, Sequence
from custody.obligations.problems import Problems, did_you_mean

LARGEST = 1_000_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Plain words that some YAML reader takes for something other than text (YAML 1.1 and 1.2).
_YES_NO = re.compile(r"(?i:yes|no|true|false|on|off|y|n)\Z")
_EMPTY = re.compile(r"(?:~|null|Null|NULL|)\Z")
_TIME = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?\Z", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?"
    r"|\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\.(?i:inf|nan))\Z",
    re.ASCII,
)
# Control characters, and those that turn the direction of text around, have no place in a record.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def decode(data: bytes, problems: Problems) -> str | None:
    """UTF-8 text of *data*; a byte order mark at its start is dropped."""
    if len(data) > LARGEST:
        problems.add(0, "", f"{len(data):,} bytes", f"at most {LARGEST:,} bytes are read")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        found = f"a byte that is not UTF-8 (0x{data[err.start]:02x})"
        problems.add(line, "", found, "save the file as UTF-8")
        return None
    bad = _FORBIDDEN.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        problems.add(
            line, "", f"the character U+{ord(bad[0]):04X}", "control characters are refused"
        )
        return None
    return text


def forbidden(text: str) -> str | None:
    """The first character of *text* that may not stand in a record (an escape can make one)."""
    bad = _FORBIDDEN.search(text)
    return bad[0] if bad else None


def read_yaml(text: str, problems: Problems) -> Iterator[Node]:
    """The documents in *text*, one after the other, each read only when it is asked for."""
    try:
        events = yaml.parse(text, Loader=_LOADER)
        builder = _Builder(events, problems)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                yield builder.node(next(events), "", 0)
    except yaml.MarkedYAMLError as err:
        _syntax(text, err, problems)
    except yaml.YAMLError as err:
        problems.add(0, "", str(err).splitlines()[0], "this is not YAML")


def _syntax(text: str, err: yaml.MarkedYAMLError, problems: Problems) -> None:
    mark = err.problem_mark or err.context_mark
    line = mark.line + 1 if mark else 0
    lines = text.splitlines()
    near = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in near[: len(near) - len(near.lstrip())]:
        problems.add(line, "", "a tab", "YAML is indented with spaces")
        return
    why = "this is not YAML"
    if (err.problem or "").startswith("mapping values are not allowed"):
        why = "this is not YAML: quote a text that holds a colon"
    problems.add(line, "", err.problem or "a mistake", why)


class _Builder:
    """Makes nodes of events, with a limit on depth and a note of whatever is not plain data."""

    def __init__(self, events: Iterator[Any], problems: Problems) -> None:
        self.events = events
        self.problems = problems

    def node(self, event: Any, field: str, depth: int) -> Node:
        line = event.start_mark.line + 1
        self._refuse_extras(event, field, line)
        if isinstance(event, yaml.AliasEvent):
            return Scalar("", Kind.EMPTY, line)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, _kind(event), line)
        if depth >= DEEPEST:
            self._skip()
            self.problems.add(line, field, "a very deep nesting", f"at most {DEEPEST} levels")
            return Scalar("", Kind.EMPTY, line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(tuple(self._items(field, depth)), line)
        return self._mapping(line, field, depth)

    def _items(self, field: str, depth: int) -> Iterator[Node]:
        for index, event in enumerate(iter(self.events)):
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield self.node(event, f"{field}[{index}]", depth + 1)

    def _mapping(self, line: int, field: str, depth: int) -> Node:
        pairs: list[tuple[str, int, Node]] = []
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.node(event, field, depth + 1)
            name = key.text if isinstance(key, Scalar) else ""
            if not isinstance(key, Scalar):
                self.problems.add(key.line, field, "a list or group as a name", "names are words")
            value = self.node(next(self.events), f"{field}.{name}".lstrip("."), depth + 1)
            pairs.append((name, key.line, value))
        return unique(pairs, line, field, self.problems)

    def _refuse_extras(self, event: Any, field: str, line: int) -> None:
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            self.problems.add(line, field, f'the alias "*{anchor}"', "write the value out")
        elif anchor is not None:
            self.problems.add(line, field, f'the anchor "&{anchor}"', "anchors are not read")
        if getattr(event, "tag", None) is not None:
            self.problems.add(line, field, f'the tag "{event.tag}"', "tags are not read")

    def _skip(self) -> None:
        depth = 1
        for event in self.events:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return


def _kind(event: Any) -> Kind:
    if not event.implicit[0]:  # it stood in quotes, or as a block
        return Kind.TEXT
    for pattern, kind in (
        (_EMPTY, Kind.EMPTY),
        (_YES_NO, Kind.YES_NO),
        (_NUMBER, Kind.NUMBER),
        (_TIME, Kind.TIME),
    ):
        if pattern.match(event.value):
            return kind
    return Kind.TEXT


def unique(
    pairs: list[tuple[str, int, Node]], line: int, field: str, problems: Problems
) -> Mapping:
    """A mapping of *pairs*; a name that comes twice is a mistake, and the first one stands."""
    seen: dict[str, tuple[str, int, Node]] = {}
    for name, at, node in pairs:
        if name in seen:
            dotted = f"{field}.{name}".lstrip(".")
            first = seen[name][1]
            problems.add(at, dotted, "the same field again", f"it already stands on line {first}")
        else:
            seen[name] = (name, at, node)
    return Mapping(tuple(seen.values()), line)


def check_names(mapping: Mapping, field: str, allowed: tuple[str, ...], problems: Problems) -> None:
    """Note each name of *mapping* that is not *allowed*."""
    for name, line, _ in mapping.entries:
        if name not in allowed:
            hint = did_you_mean(name, allowed) or f"; allowed: {', '.join(allowed)}"
            dotted = f"{field}.{name}".lstrip(".")
            problems.add(line, dotted, "an unknown field", "this name is not known" + hint)
