"""Hints from the system that something came or went, so that the next pass comes sooner.

Only names are asked for; what is appended is seen by looking.  A hint can be lost, when the
queue overflows or the system has no more watches to give; the timed pass is what counts.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

_NAMES: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
    FileCreatedEvent, FileDeletedEvent, FileMovedEvent,
]  # fmt: skip

_GONE = (errno.ENOENT, errno.ENOTDIR)


class Hints(FileSystemEventHandler):
    """Waits for hints; use :meth:`watch` with the directories to hear from.

    :ivar trouble: why the system gives no hints about some of them; empty if it does.
    """

    def __init__(self) -> None:
        self._seen = threading.Event()
        self._observer = Observer()
        self._observer.start()
        self._watched: dict[bytes, bool] = {}
        self.trouble = ""

    def on_any_event(self, _event: FileSystemEvent) -> None:
        """A name came, went or changed."""
        self._seen.set()

    def watch(self, directories: Mapping[bytes, bool]) -> None:
        """Hear from exactly these directories from now on.

        :param directories: raw paths, and whether everything below each is meant.
        """
        alive = len(self._observer.emitters) == len(self._watched) and not self.trouble
        if directories == self._watched and alive:
            return
        self.trouble = ""
        self._observer.unschedule_all()
        self._watched = {}
        for directory, whole in sorted(directories.items()):
            try:
                self._observer.schedule(
                    self, os.fsdecode(directory), recursive=whole, event_filter=_NAMES
                )
            except OSError as err:
                if err.errno not in _GONE:
                    self.trouble = (err.strerror or str(err)).lower()
            else:
                self._watched[directory] = whole

    def wait(self, seconds: float) -> bool:
        """Wait for a hint, at most *seconds*; says whether there was one."""
        there = self._seen.wait(seconds)
        self._seen.clear()
        return there

    def wake(self) -> None:
        """End the waiting, as a hint would."""
        self._seen.set()

    def close(self) -> None:
        """Hear nothing any more."""
        self._observer.stop()
        self._observer.join()
