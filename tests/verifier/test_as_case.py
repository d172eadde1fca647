"""Every test of tests/verify/test_case.py again: the checker judges its ledger and each bundle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import test_case as original
from doubling import doubled
from test_case import *  # noqa: F403 - the tests themselves, run again

# The checker takes no case.
del test_a_digest_is_expected_of_a_bundle  # noqa: F821


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    with doubled(original, monkeypatch, request.node.name):
        yield
