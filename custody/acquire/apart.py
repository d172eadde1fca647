"""Reading in a process apart, because a system call that hangs cannot be taken back.

A thread that hangs in the kernel would keep this process from ever ending; a child that does is
killed, or left behind if even that has to wait, and what it had read until then is kept.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

Pieces = Callable[[], Iterable[bytes]]
"""Gives the bytes of something, piece by piece; a piece is whole in itself."""

_PIECE, _ERROR, _END = 0, 1, 2
_HEAD = struct.Struct("=BI")  # what it is, and the length of a piece or the number of an error
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Apart:
    """What came: the bytes, and why they are not all, if they are not.

    :ivar cut: there was more than was allowed.
    """

    data: bytes
    error: OSError | None = None
    cut: bool = False


def read(pieces: Pieces, seconds: float, most: int) -> Apart:
    """Read in a child that is given up after *seconds*; at most *most* bytes are kept."""
    incoming, outgoing = os.pipe()
    child = os.fork()
    if child == 0:
        _child(pieces, incoming, outgoing)
    os.close(outgoing)
    try:
        return _Receiver(incoming, most).run(time.monotonic() + seconds)
    finally:
        os.close(incoming)
        _end(child)


def _child(pieces: Pieces, incoming: int, outgoing: int) -> NoReturn:
    try:
        os.close(incoming)
        for piece in pieces():
            _send(outgoing, _HEAD.pack(_PIECE, len(piece)) + piece)
        _send(outgoing, _HEAD.pack(_END, 0))
    except OSError as err:
        _send(outgoing, _HEAD.pack(_ERROR, err.errno or errno.EIO))
    finally:
        # At once: no exit handler is run twice, and nothing that is buffered is written twice.
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _send(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _end(child: int) -> None:
    """End the child; one that hangs in the kernel is left to the system."""
    os.kill(child, signal.SIGKILL)
    for _ in range(20):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.01)


class _Receiver:
    def __init__(self, fd: int, most: int) -> None:
        self._fd = fd
        self._most = most
        self._raw = bytearray()
        self._data = bytearray()

    def run(self, deadline: float) -> Apart:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                return self._apart(OSError(errno.ETIMEDOUT, "it did not end in time"))
            block = os.read(self._fd, _BLOCK)
            if not block:
                return self._apart(OSError(errno.EIO, "the process that read it came to grief"))
            self._raw += block
            done = self._take()
            if done is not None:
                return done

    def _take(self) -> Apart | None:
        while len(self._raw) >= _HEAD.size:
            kind, number = _HEAD.unpack_from(self._raw)
            if kind == _END:
                return self._apart(None)
            if kind == _ERROR:
                return self._apart(OSError(number, os.strerror(number)))
            end = _HEAD.size + number
            if len(self._raw) < end:
                return None
            if len(self._data) + number > self._most:
                return Apart(bytes(self._data), None, cut=True)
            self._data += self._raw[_HEAD.size : end]
            del self._raw[:end]
        return None

    def _apart(self, error: OSError | None) -> Apart:
        return Apart(bytes(self._data), error)
