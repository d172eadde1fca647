"""Every test of tests/verify/test_case.py again, with the checker as a second judge."""

from __future__ import annotations

import pytest
import test_case as original
from doubling import double
from test_case import *  # noqa: F403 - the tests themselves, run again


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    double(original, monkeypatch)
