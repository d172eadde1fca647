"""Fixtures for the command line: a token in place of the hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import softhsm


@pytest.fixture
def token(custody: Any, tmp_path: Path) -> softhsm.Token:
    """A fresh token with a PIN; skipped, saying so, where there is no SoftHSM."""
    return softhsm.made(custody, tmp_path)
