"""Every test of tests/verify/test_seal.py again, with the checker as a second judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import test_seal as original
from doubling import doubled
from test_seal import *  # noqa: F403 - the tests themselves, run again


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    with doubled(original, monkeypatch, request.node.name):
        yield
