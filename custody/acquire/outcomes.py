"""The one list of outcomes: what became of every path that was asked for."""

from __future__ import annotations

import os

COLLECTED = "collected"
GREW = "grew"
ROTATED = "rotated"
EMPTY = "empty"
DIRECTORY = "directory"
SYMLINK = "symlink"
SPECIAL = "special"
EXCLUDED = "excluded"

TRUNCATED = "truncated"
CHANGED = "changed"
UNREADABLE = "unreadable"
VANISHED = "vanished"
MISSING = "missing"
ROTATED_UNFINISHED = "rotated-unfinished"
LIMIT_SKIPPED = "limit-skipped"
NOT_LOCAL = "not-local"

COMPLETE = (COLLECTED, GREW, ROTATED, EMPTY, DIRECTORY, SYMLINK, SPECIAL, EXCLUDED)
GAPS = frozenset(
    (TRUNCATED, CHANGED, UNREADABLE, VANISHED, MISSING, ROTATED_UNFINISHED, LIMIT_SKIPPED,
     NOT_LOCAL)
)  # fmt: skip
ALL = frozenset(COMPLETE) | GAPS


def of_read(before: os.stat_result, after: os.stat_result, length: int) -> str:
    """What reading *length* bytes between two looks at an open file amounts to.

    A log that only grew is whole as of the first look.  Same size but touched: its bytes may be
    a mixture of two states.  A change of the inode's time alone counts as touched, unless
    permissions, owner or names explain it, because times can be set back after writing.
    """
    if length < before.st_size or after.st_size < before.st_size:
        return TRUNCATED
    if after.st_size > before.st_size:
        return GREW
    if after.st_mtime_ns != before.st_mtime_ns:
        return CHANGED
    if after.st_ctime_ns != before.st_ctime_ns and _described(after) == _described(before):
        return CHANGED
    return COLLECTED if length else EMPTY


def _described(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mode, status.st_uid, status.st_gid, status.st_nlink
