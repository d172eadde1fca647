"""How far the work is, for a person who waits."""

from __future__ import annotations

import time
from typing import Self

from custody.counted import counted

from . import console, figures

_SECONDS_BETWEEN_UPDATES = 0.2


class Progress:
    """How far the work is, on one line of the terminal; silent where nobody watches.

    A workflow is given the object itself and calls it as often as it likes::

        with Progress("collecting") as progress:
            collect(..., progress=progress)
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._started = time.monotonic()
        self._next = self._started + _SECONDS_BETWEEN_UPDATES
        self._shown = 0
        self._on = console.may_write_in_place()

    def __enter__(self) -> Self:
        console.keep_in_place(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()
        console.keep_in_place(None)

    def __call__(
        self,
        files: int,
        bytes: int,  # noqa: A002 - the name that callers use
        total_files: int | None = None,
        total_bytes: int | None = None,
    ) -> None:
        """Take note of the state of the work, and show it if it is time to."""
        if self._is_due():
            seconds = time.monotonic() - self._started
            self._show(figures.progress(files, bytes, total_files, total_bytes, seconds))

    def entries(self, done: int, total: int) -> None:
        """The same, for work that is counted in entries of a ledger."""
        if self._is_due():
            self._show(f"{done:,} of {counted(total, 'entry')}")

    def _is_due(self) -> bool:
        if not self._on:
            return False
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _SECONDS_BETWEEN_UPDATES
        return True

    def wipe(self) -> None:
        """Clear the line, so that something else can be written there."""
        if self._shown:
            self._shown = console.write_in_place("", self._shown)

    def _show(self, text: str) -> None:
        self._shown = console.write_in_place(f"custody: {self._doing}: {text}", self._shown)


class StatusLine(Progress):
    """How something is that goes on and on, in the same place."""

    @property
    def is_shown(self) -> bool:
        """Whether there is a person at a terminal who sees it."""
        return self._on

    def show(self, text: str) -> None:
        """Show *text* from now on."""
        if self._is_due():
            console.keep_in_place(self)
            self._show(text)
