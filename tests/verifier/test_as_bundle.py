"""Every test of tests/verify/test_bundle.py again, with the checker as a second judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import test_bundle as original
from doubling import doubled
from test_bundle import *  # noqa: F403 - the tests themselves, run again

# What one of the two may not read depends on how it opens files; test_checker has the checker's.
del test_an_unreadable_file_is_no_proof_of_tampering  # noqa: F821


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    with doubled(original, monkeypatch, request.node.name):
        yield
