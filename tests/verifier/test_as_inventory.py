"""Every test of tests/verify/test_inventory.py again, with the checker as a second judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import test_inventory as original
from doubling import doubled
from test_inventory import *  # noqa: F403 - the tests themselves, run again

# These are about custody's own ways of reading, or long; test_mutations has the checker's part.
del test_whatever_is_collected_verifies, test_the_quick_reading_is_the_strict_one  # noqa: F821
del test_a_child_process_finds_the_same, test_names_in_parts_are_compared_to_the_end  # noqa: F821


@pytest.fixture(autouse=True)
def _two_judges(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    with doubled(original, monkeypatch, request.node.name):
        yield
