"""The processes that a test leaves behind, or does not."""

from __future__ import annotations

import os
from pathlib import Path


def children() -> set[int]:
    """The numbers of this process's own children, those included that nobody has waited for."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                stat = (place / "stat").read_text()
            except OSError:  # gone meanwhile
                continue
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(place.name))
    return found
