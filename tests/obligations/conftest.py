"""What the tests of the obligations share: the packs, an assessment of a text, golden files."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from custody.obligations import library, record
from custody.obligations.assess import Assessment, assess
from custody.obligations.library import Library

HERE = Path(__file__).resolve().parent
AS_OF = date(2026, 3, 10)


@pytest.fixture(scope="session")
def packs() -> Library:
    """The packs that come with the program."""
    return library.installed()


@pytest.fixture(scope="session")
def judge(packs: Library) -> Callable[[str], Assessment]:
    """Assess the text of a record; its first line is added."""

    def assessed(text: str) -> Assessment:
        data = f"schema: custody.incident/v1\n{text}".encode()
        return assess(record.parse(data), packs, AS_OF)

    return assessed


@pytest.fixture(scope="session")
def golden() -> Callable[[Path, str], None]:
    """Compare a text with the one on file; CUSTODY_GOLDEN=write puts the new one there."""

    def compare(path: Path, text: str) -> None:
        if os.environ.get("CUSTODY_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: CUSTODY_GOLDEN=write"

    return compare
