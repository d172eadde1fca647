"""The harness's own table, at the end of the run: what was broken, how often, and what was lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

Table = dict[tuple[str, str], Counter[str]]
KEY = pytest.StashKey[Table]()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Rows by program and system call: occurrences, faults tried, and losses found."""
    return request.config.stash.setdefault(KEY, {})


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, where the harness ran."""
    rows = config.stash.get(KEY, {})
    if not rows:
        return
    terminalreporter.section("faults injected")
    columns = ("occurrences", "faults tried", "died or failed", "losses")
    terminalreporter.write_line("".join(f"{name:<18}" for name in ("program", "call", *columns)))
    for (program, call), counts in sorted(rows.items()):
        cells = (
            program,
            call,
            *(str(counts[name]) if counts[name] else "none" for name in columns),
        )
        terminalreporter.write_line("".join(f"{cell:<18}" for cell in cells))
