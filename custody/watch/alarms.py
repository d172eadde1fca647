"""What a watch cries out about, the moment it is seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from custody.acquire import metadata
from custody.counted import counted
from custody.watch.followed import Followed

TRUNCATED = "truncated"
REWRITTEN = "rewritten"
DELETED = "deleted"
REPLACED = "replaced"
REPLACED_BY_OLDER = "replaced-by-older"
PERMISSIONS = "permissions"
CLOCK_BACK = "clock-stepped-back"
WATCH_LOST = "watch-lost"

KINDS = (
    TRUNCATED, REWRITTEN, DELETED, REPLACED, REPLACED_BY_OLDER, PERMISSIONS, CLOCK_BACK, WATCH_LOST,
)  # fmt: skip
_MOST_ALARMS = 1_000
_LONGEST_PATH = 4_096  # what anybody can make longer must not make an entry too long for the ledger


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that should not happen to a log.

    :ivar path: the raw path; empty where it is about no file.
    :ivar message: one sentence.
    :ivar generation: the content concerned, if any; *preserved* is how many bytes of it are
        sealed or held, and *bundle* the last that has a piece of it.
    """

    kind: str
    path: bytes
    message: str
    generation: str = ""
    preserved: int = 0
    bundle: str = ""

    def as_json(self) -> dict[str, Any]:
        """The non-empty fields; ``path_b64`` where the path is not UTF-8.

        Of a path over 4,096 bytes the first are there, and ``path_sha256``, of all of it.
        """
        fields: dict[str, Any] = {
            "kind": self.kind,
            "message": self.message,
            "generation": self.generation,
            "bundle": self.bundle,
        }
        if self.path:
            fields |= metadata.path_fields(self.path[:_LONGEST_PATH])
        if len(self.path) > _LONGEST_PATH:
            fields["path_sha256"] = hashlib.sha256(self.path).hexdigest()
        if self.generation:
            fields["preserved"] = self.preserved
        return {name: value for name, value in fields.items() if value != ""}


def about(kind: str, item: Followed, message: str) -> Alarm:
    """An alarm about one content, with what is preserved of it."""
    return Alarm(kind, item.path, message, item.generation, item.end, item.bundle)


def bounded(seen: Sequence[Alarm]) -> Sequence[Alarm]:
    """Somebody who can touch many files must not be able to drown the ledger at once."""
    if len(seen) <= _MOST_ALARMS:
        return seen
    rest = len(seen) - _MOST_ALARMS
    more = replace(
        seen[_MOST_ALARMS], message=f"and {counted(rest, 'more alarm')} at the same time"
    )
    return [*seen[:_MOST_ALARMS], more]
