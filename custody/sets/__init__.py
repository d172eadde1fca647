"""What to collect, by name: sets of paths that are written down before they are needed.

A set is a small YAML file: paths of its own, definitions of ForensicArtifacts, and other sets.
What a set names and a host does not have is said, and is no gap.
"""

from __future__ import annotations

from custody.sets.choosing import NOT_INSTALLED, NOTHING, Selection, choose, select
from custody.sets.definition import Definition
from custody.sets.library import load, names

__all__ = [
    "NOTHING",
    "NOT_INSTALLED",
    "Definition",
    "Selection",
    "choose",
    "load",
    "names",
    "select",
]
