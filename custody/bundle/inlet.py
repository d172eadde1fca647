"""What a stream of a bundle is read from: it is waited for, and not for ever.

A sender that is silent, or that lets a byte through now and then, would keep the receiver until
somebody looks.  Only the time counts in which nothing was there to be read: a slow disk on the
receiver's side is no fault of the sender's.
"""

from __future__ import annotations

import os
import select
import time

SECONDS = 900.0
"""How long is waited for as little as :data:`LEAST`; a large host looks around for minutes."""
LEAST = 1 << 16
_BLOCK = 1 << 16


class Inlet:
    """Reads an open descriptor, which stays open.

    :param seconds: how long it may take until :data:`LEAST` more bytes have come.
    :ivar given_up: whether the sender was given up; what had come by then was given.
    """

    def __init__(self, fd: int, seconds: float = SECONDS) -> None:
        self.given_up = False
        self.seconds = seconds
        self._fd = fd
        self._waited = 0.0
        self._came = 0
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        """The next *size* bytes; fewer at the end, or where the sender is given up.

        :raises OSError: if they cannot be read.
        """
        held = self._held
        while len(held) < size and self._wait():
            piece = os.read(self._fd, max(_BLOCK, size - len(held)))
            if not piece:
                break
            held += piece
            self._count(len(piece))
        data = bytes(held[:size])
        del held[:size]
        return data

    def _count(self, size: int) -> None:
        self._came += size
        if self._came >= LEAST:
            self._came, self._waited = 0, 0.0

    def _wait(self) -> bool:
        """Wait until there is something to be read, or the end; False if it takes too long."""
        if self.given_up:
            return False
        if select.select([self._fd], [], [], 0)[0]:
            return True
        began = time.monotonic()
        there = select.select([self._fd], [], [], max(0.0, self.seconds - self._waited))[0]
        self._waited += time.monotonic() - began
        self.given_up = not there
        return bool(there)
