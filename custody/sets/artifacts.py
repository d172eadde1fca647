"""ForensicArtifacts definitions, where they are installed.

They are read as data (``artifacts/data/*.yaml`` of the package ``artifacts``, of which a portable
build has just these and their licence).  Nothing of it is executed.  One
definition is cut out of its file by its name and parsed alone, because all of them take seconds.
Format: the ForensicArtifacts style guide.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path

from custody.sets import definition

_LARGEST = 8 << 20
_LINUX = "Linux"
_DEEPEST = 8  # groups within groups
_MOST_PATHS = 10_000
_NAMED = re.compile(rb"^name: *['\"]?([A-Za-z0-9_-]+)['\"]? *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A definition, or a part of one, that says nothing here, and why."""

    artifact: str
    why: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the definitions come from: in words, and the digest over their files, hex."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Repository:
    """All definitions by name, unparsed, and where they come from."""

    documents: dict[str, bytes]
    source: Source

    def resolve(self, name: str, depth: int = 0) -> tuple[list[str], list[Unresolved]]:
        """The paths that a definition names on Linux, and what could not be resolved."""
        data = self.documents.get(name)
        if data is None:
            return [], [Unresolved(name, f"no such definition in {self.source.name}")]
        import yaml

        if depth > _DEEPEST:
            return [], [Unresolved(name, "groups within groups without end")]
        try:
            document = yaml.safe_load(data)
            sources = [part for part in document["sources"] if _is_for_linux(part)]
            return self._sources(name, sources, depth)
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError):
            return [], [Unresolved(name, "the definition is malformed")]

    def _sources(
        self, name: str, sources: list[dict[str, object]], depth: int
    ) -> tuple[list[str], list[Unresolved]]:
        paths: list[str] = []
        lost: list[Unresolved] = []
        for part in sources:
            kind, attributes = part["type"], dict(part["attributes"])  # type: ignore[call-overload]
            if kind == "ARTIFACT_GROUP":
                for member in attributes["names"]:
                    more, other = self.resolve(str(member), depth + 1)
                    paths += more
                    lost += other
            elif kind in ("FILE", "PATH"):
                for path in map(str, attributes["paths"]):
                    why = definition.path_problem(path)
                    if why:
                        lost.append(Unresolved(name, f"{path[:200]}: {why}"))
                    else:
                        paths.append(path)
            else:
                lost.append(Unresolved(name, f"a source of type {kind}, which is not collected"))
        return list(dict.fromkeys(paths))[:_MOST_PATHS], list(dict.fromkeys(lost))


def _is_for_linux(part: dict[str, object]) -> bool:
    systems = part.get("supported_os")
    return not isinstance(systems, list) or _LINUX in systems


@cache
def repository() -> Repository | None:
    """The definitions that are installed here; None if there are none."""
    folder, name = _folder()
    if folder is None:
        return None
    documents: dict[str, bytes] = {}
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.yaml")):
        if path.stat().st_size > _LARGEST:
            continue
        data = path.read_bytes()
        whole.update(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
        for document in re.split(rb"^---[ \t]*$", data, flags=re.MULTILINE):
            match = _NAMED.search(document)
            if match:
                documents.setdefault(match[1].decode("ascii"), document)
    return Repository(documents, Source(name, whole.hexdigest()))


def _folder() -> tuple[Path | None, str]:
    spec = util.find_spec("artifacts")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "data"
        if folder.is_dir():
            try:
                return folder, f"ForensicArtifacts {metadata.version('artifacts')}"
            except metadata.PackageNotFoundError:
                return folder, "ForensicArtifacts, version unknown"
    return None, ""
