"""People who hand evidence to each other, each with a home of their own, and what they leave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Person:
    """Somebody who runs the program, in a home of their own."""

    custody: Any
    home: Path

    def __call__(self, *args: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        env: Mapping[str, str] = {"CUSTODY_HOME": str(self.home), **more.pop("env", {})}
        done: subprocess.CompletedProcess[str] = self.custody(*args, env=env, **more)
        return done

    def json(self, *args: Any, **more: Any) -> Any:
        """Run it with --json, and return the document."""
        return json.loads(self(*args, "--json", **{"exit_code": 0, **more}).stdout)

    def key(self) -> dict[str, Any]:
        """Their signing key."""
        found = self.json("key", "list")["keys"]
        return next(key for key in found if key["use"] == "signer")

    def trusts(self, other: Person, name: str, role: str = "desk") -> None:
        """Enter the other's key in their trust folder."""
        vkey = other.key()["vkey"]
        self("trust", "add", "signer", vkey, "--name", name, "--role", role, exit_code=0)


@dataclass(frozen=True)
class Brought:
    """A bundle that a host made with a key for one collection."""

    path: Path
    fingerprint: str

    @property
    def name(self) -> str:
        return self.path.name


def bring(host: Person, logs: Path, to: Path) -> Brought:
    """Collect on the host, onto a stick."""
    made = host.json("collect", logs, "--output", to, "--collector", "H. Ost")
    statement = json.loads((Path(made["path"]) / "seal/statement.dsse.json").read_text())
    return Brought(Path(made["path"]), statement["signatures"][0]["keyid"])


def entries(person: Person, case: Path) -> list[dict[str, Any]]:
    """The entries of a case, each with its whole statement under ``said``."""
    done = person("ledger", "export", "--case", case, exit_code=0)
    return [json.loads(line) for line in done.stdout.splitlines()]


def details(entry: dict[str, Any]) -> dict[str, Any]:
    """The details of an exported entry."""
    found: dict[str, Any] = entry["statement"]["predicate"]["details"]
    return found


def kinds(person: Person, case: Path) -> list[str]:
    """The types of the entries of a case."""
    return [entry["type"] for entry in entries(person, case)]


def content(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
