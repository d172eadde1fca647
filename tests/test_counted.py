"""Numbers of things in words."""

from __future__ import annotations

import pytest

from custody.cli.terminal import figures
from custody.counted import counted


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (1_234_567, "byte", "1,234,567 bytes"),
        (1, "entry", "1 entry"),
        (2, "entry", "2 entries"),
        (2, "key", "2 keys"),
        (2, "more path", "2 more paths"),
    ],
)
def test_one_and_many(count: int, noun: str, said: str) -> None:
    """One is in the singular, all else in the plural, thousands are set apart."""
    assert counted(count, noun) == said


def test_progress_counts_what_there_is_in_all() -> None:
    """The noun goes with the whole, where that is known."""
    assert figures.progress(1, 0, None, None, 1).startswith("1 file, 0 bytes")
    assert figures.progress(0, 0, 1, None, 1).startswith("0 of 1 file, ")
    assert figures.progress(1, 0, 12, None, 1).startswith("1 of 12 files, ")
