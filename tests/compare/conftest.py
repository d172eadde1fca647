"""An original, a copy of it and a bundle of it, to be compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory of logs, as an original."""
    root = tmp_path / "logs"
    (root / "nginx").mkdir(parents=True)
    (root / "auth.log").write_text("one\ntwo\n")
    (root / "nginx" / "access.log").write_text("GET /\n" * 100)
    return root


@pytest.fixture
def copied(logs: Path, tmp_path: Path) -> Path:
    """A faithful copy of it."""
    copy = tmp_path / "copy"
    shutil.copytree(logs, copy, symlinks=True)
    return copy


@pytest.fixture
def bundle(custody: Any, logs: Path, tmp_path: Path) -> Path:
    """A bundle collected from it."""
    done = custody("collect", logs, "--output", tmp_path / "out", "--json", exit_code=0)
    return Path(json.loads(done.stdout)["path"])
