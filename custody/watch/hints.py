"""Hints from the system that something came or went, so that the next pass comes sooner.

Only names are asked for; what is appended is seen by looking.  A hint can be lost, when the
queue overflows or the system has no more watches to give; the timed pass is what counts.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Mapping
from contextlib import suppress

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

from custody.acquire.sources import Sources

_NAMES: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
    FileCreatedEvent, FileDeletedEvent, FileMovedEvent,
]  # fmt: skip

_GONE = (errno.ENOENT, errno.ENOTDIR)


def directories_of(found: Sources) -> dict[bytes, bool]:
    """The directories to hear from: sources with all below them, and where source files are."""
    wanted: dict[bytes, bool] = {}
    for asked in found.asked:
        for path in asked.paths:
            if os.path.isdir(path) and not os.path.islink(path):
                wanted[path] = True
            else:
                wanted.setdefault(os.path.dirname(path) or b"/", False)
    return wanted


class Hints(FileSystemEventHandler):
    """Waits for hints; use :meth:`watch` with the directories to hear from.

    :ivar trouble: why the system gives no hints about some of them; empty if it does.
    """

    def __init__(self) -> None:
        # A lock would do for threads, but whoever is interrupted by a signal may hold it.
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._observer = Observer()
        self._observer.start()
        self._watched: dict[bytes, bool] = {}
        self.trouble = ""

    def on_any_event(self, _event: FileSystemEvent) -> None:
        """A name came, went or changed."""
        self.wake()

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
        if not select.select([self._ear], [], [], seconds)[0]:
            return False
        with suppress(BlockingIOError):
            while self._ear.recv(4_096):
                pass
        return True

    def wake(self) -> None:
        """End the waiting, as a hint would; a signal's handler may call this."""
        with suppress(OSError):  # it rings already, or nobody listens any more
            self._bell.send(b".")

    def close(self) -> None:
        """Hear nothing any more."""
        self._observer.stop()
        self._observer.join()
        self._bell.close()
        self._ear.close()
