"""One set as its file has it, read strictly: known fields, whole paths, no way out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from custody.counted import counted
from custody.obligations.nodes import Mapping, Node, Scalar, Sequence, describe
from custody.obligations.problems import Problems

FORMAT = "custody.set/1"
HOMES = "%%users.homedir%%"
LARGEST = 1 << 20
LONGEST_PATH = 1_000
_FIELDS = ("format", "name", "version", "title", "includes", "artifacts", "files")
_FILE_FIELDS = ("what", "paths")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z", re.ASCII)
_ARTIFACT = re.compile(r"[A-Za-z0-9_-]{1,100}\Z", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,5}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Files:
    """Paths and patterns, and *what* they are in a few words."""

    what: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A set.

    :ivar includes: the names of other sets that come with it.
    :ivar artifacts: names of ForensicArtifacts definitions.
    :ivar sha256: the digest of its file, hex.
    """

    name: str
    version: int
    title: str
    includes: tuple[str, ...]
    artifacts: tuple[str, ...]
    files: tuple[Files, ...]
    sha256: str


def parse(data: bytes, origin: str) -> Definition:
    """Read a set.

    :param origin: where it comes from, for the message.
    :raises MistakesError: with every mistake and its line.
    """
    from custody.obligations import reading

    problems = Problems()
    text = reading.decode(data, problems)
    nodes = list(reading.read_yaml(text, problems)) if text else []
    if len(nodes) != 1 and not problems.found:
        problems.add(0, "", f"{counted(len(nodes), 'document')}", "allowed: one set")
    problems.raise_any("read set", origin)
    made = _Reader(problems).read(nodes[0], hashlib.sha256(data).hexdigest())
    problems.raise_any("read set", origin)
    return made


def path_problem(path: str) -> str:
    """Why a path cannot stand in a set; empty if it can."""
    rest = path.removeprefix(HOMES)
    if "%%" in rest:
        return f"an unknown variable; known is {HOMES}, at the beginning"
    if not rest.startswith("/"):
        return f"a path that is not absolute and does not begin with {HOMES}/"
    if "\0" in path or len(path) > LONGEST_PATH:
        return f"a path with a zero byte, or over {LONGEST_PATH} characters"
    parts = rest[1:].split("/")
    if any(part in ("", ".", "..") for part in parts):
        return 'a path with an empty component, "." or ".."'
    return ""


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def read(self, node: Node, sha256: str) -> Definition:
        group = self.group(node, "", _FIELDS)
        if self.text(group, "format") not in (FORMAT, ""):
            self.problems.add(group.line, "format", "another format", f"allowed: {FORMAT}")
        version = self.text(group, "version")
        if not _VERSION.match(version):
            self.problems.add(group.line, "version", f'"{version}"', "allowed: 1, 2, 3, ...")
        name = self.text(group, "name")
        if not _NAME.match(name):
            self.problems.add(group.line, "name", f'"{name}"', "allowed: a-z, 0-9 and -")
        made = Definition(
            name,
            int(version) if _VERSION.match(version) else 0,
            self.text(group, "title"),
            self.names(group, "includes", _NAME),
            self.names(group, "artifacts", _ARTIFACT),
            tuple(self.files(part) for part in self.items(group, "files")),
            sha256,
        )
        if not (made.includes or made.artifacts or made.files):
            self.problems.add(group.line, "", "an empty set", "name files, artifacts or includes")
        return made

    def files(self, node: Node) -> Files:
        group = self.group(node, "files", _FILE_FIELDS)
        parts = self.items(group, "paths")
        if not parts:
            self.problems.add(node.line, "files.paths", "nothing", "required: paths")
        return Files(self.text(group, "what"), tuple(self.path(part) for part in parts))

    def path(self, node: Node) -> str:
        text = node.text if isinstance(node, Scalar) else ""
        why = path_problem(text) if text else "no path"
        if why:
            self.problems.add(node.line, "files.paths", why, "allowed: /var/log/name*")
        return text

    def group(self, node: Node, field: str, names: tuple[str, ...]) -> Mapping:
        if not isinstance(node, Mapping):
            self.problems.add(node.line, field, describe(node), "allowed: a group of fields")
            return Mapping((), node.line)
        from custody.obligations import reading

        reading.check_names(node, field, names, self.problems)
        return node

    def text(self, group: Mapping, name: str) -> str:
        node = group.get(name)
        if isinstance(node, Scalar) and node.text.strip():
            return node.text.strip()
        self.problems.add(node.line if node else group.line, name, "no text", "required: text")
        return ""

    def items(self, group: Mapping, name: str) -> tuple[Node, ...]:
        node = group.get(name)
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.problems.add(node.line, name, describe(node), "allowed: a list")
            return ()
        return node.items

    def names(self, group: Mapping, field: str, allowed: re.Pattern[str]) -> tuple[str, ...]:
        found = []
        for node in self.items(group, field):
            text = node.text if isinstance(node, Scalar) else ""
            if not allowed.match(text):
                self.problems.add(node.line, field, describe(node), "allowed: a name")
            found.append(text)
        return tuple(found)
