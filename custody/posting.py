"""One request over http or https to somebody else's machine, and its answer, both bounded.

No redirect is followed and no proxy is taken from anywhere.  A time-out of the system counts each
read anew; whoever drips a byte at a time is cut off by the clock.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit


class Unanswered(Exception):
    """There was no answer, or none within the bounds; says why in a few words."""


class Reply(NamedTuple):
    """An answer: the HTTP status, the content type, the body."""

    status: int
    kind: str
    body: bytes


def post(url: str, body: bytes, headers: Mapping[str, str], *, most: int, seconds: float) -> Reply:
    """Send *body*, on a connection of its own.

    :param most: how many bytes the answer may have.
    :param seconds: how long everything after the look-up of the name may take.
    :raises Unanswered: if it cannot be reached, takes too long, or says too much.
    """
    try:
        with _connection(url, seconds) as (connection, path):
            connection.request("POST", path, body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            kind, answer = response.getheader("Content-Type", ""), response.read(most + 1)
    except (OSError, ValueError, http.client.HTTPException) as err:
        raise Unanswered((str(err) or type(err).__name__)[:200]) from err
    if len(answer) > most:
        raise Unanswered(f"the answer is over {most} bytes")
    return Reply(response.status, kind, answer)


@contextmanager
def _connection(url: str, seconds: float) -> Iterator[tuple[http.client.HTTPConnection, str]]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("its address is neither http nor https")
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    try:
        connection.connect()
        # The socket is kept for the clock: the connection forgets it with the first answer.
        clock = threading.Timer(seconds, _cut, [connection.sock])
        clock.daemon = True
        clock.start()
        try:
            yield connection, path
        finally:
            clock.cancel()
    finally:
        connection.close()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
