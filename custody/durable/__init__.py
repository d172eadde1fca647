"""The only place that syncs, renames and locks.

Three write verbs, each durable when it returns: :func:`create` (must not exist),
:func:`create_or_equal` (may exist with the same bytes) and :func:`replace`.  The order of system
calls is always: write, fsync file, rename or link, fsync directory.  Private as a secret:
directories 0700, files 0600, whatever the umask.
"""

from __future__ import annotations

from custody.durable.basics import (
    PRIVATE_DIRECTORY,
    PRIVATE_FILE,
    private_umask,
    storage_error,
    sync_directory,
    sync_file,
    sync_file_system,
    write_all,
)
from custody.durable.directories import (
    ensure_directory,
    ensure_private_directory,
    make_directory,
    remove_unfinished,
)
from custody.durable.group import discard, replace_after, write_group
from custody.durable.locks import lock, lock_directory, lock_open
from custody.durable.single import create, create_from, create_or_equal, publish, replace

__all__ = [
    "PRIVATE_DIRECTORY",
    "PRIVATE_FILE",
    "create",
    "create_from",
    "create_or_equal",
    "discard",
    "ensure_directory",
    "ensure_private_directory",
    "lock",
    "lock_directory",
    "lock_open",
    "make_directory",
    "private_umask",
    "publish",
    "remove_unfinished",
    "replace",
    "replace_after",
    "storage_error",
    "sync_directory",
    "sync_file",
    "sync_file_system",
    "write_all",
    "write_group",
]
