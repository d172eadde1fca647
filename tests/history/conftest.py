"""A case whose ledger the tests write by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from history_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A case that has just been opened."""
    return Bench(tmp_path / "case")
