"""What a check found wrong, as data.

Bad evidence is a finding, not an exception: a check collects all of them and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between what should be and what is.

    :ivar path: where, relative to what was checked; not escaped for a terminal.
    :ivar expected: what should be there: a digest, a number, a few words.
    :ivar found: what is there.
    :ivar message: one sentence that counsel understands.
    """

    path: str
    expected: str
    found: str
    message: str

    def as_json(self) -> dict[str, str]:
        """The four fields, for ``--json``."""
        return {
            "path": self.path,
            "expected": self.expected,
            "found": self.found,
            "message": self.message,
        }
