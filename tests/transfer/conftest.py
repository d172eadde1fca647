"""Three people with homes of their own: a host that collects, a desk with a case, a receiver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hands import Brought, Person, bring


@pytest.fixture
def desk(custody: Any, tmp_path: Path) -> Person:
    """A desk with the case in tmp_path/case."""
    person = Person(custody, tmp_path / "desk-home")
    person("init", tmp_path / "case", "--number", "7", "--no-passphrase", "--person", "D. Esk",
           "--title", "Custodian", "--organization", "City", exit_code=0)  # fmt: skip
    return person


@pytest.fixture
def case(desk: Person, tmp_path: Path) -> Path:
    """The desk's case."""
    return tmp_path / "case"


@pytest.fixture
def receiver(custody: Any, tmp_path: Path) -> Person:
    """Somebody with a key, who trusts nobody yet."""
    person = Person(custody, tmp_path / "receiver-home")
    person("key", "new", "vestige", "--no-passphrase", "--person", "I. Vestige", "--title",
           "Detective", "--organization", "Police", exit_code=0)  # fmt: skip
    return person


@pytest.fixture
def host(custody: Any, tmp_path: Path) -> Person:
    """A host that has no key."""
    return Person(custody, tmp_path / "host-home")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A few logs, one of them over the size that is copied in pieces."""
    folder = tmp_path / "logs"
    (folder / "nginx").mkdir(parents=True)
    (folder / "auth.log").write_text("one\ntwo\n")
    (folder / "nginx" / "access.log").write_bytes(bytes(range(256)) * 8192)
    return folder


@pytest.fixture
def bundle(desk: Person, case: Path, logs: Path) -> Path:
    """A bundle that was collected into the case."""
    return Path(desk.json("collect", logs, "--case", case)["path"])


@pytest.fixture
def brought(host: Person, logs: Path, tmp_path: Path) -> Brought:
    """One bundle on a stick."""
    return bring(host, logs, tmp_path / "stick")
