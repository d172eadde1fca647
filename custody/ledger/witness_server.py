"""A witness on the network: ``POST .../add-checkpoint`` and nothing else (C2SP tlog-witness).

Made for a second office with a handful of ledgers: few connections at a time, each with an end,
each request of bounded size.  TLS and the open Internet belong to a proxy in front of it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from custody.errors import CustodyError
from custody.ledger import witness_request
from custody.ledger.witness import TEXT, Answer, Witness

MOST_CONNECTIONS = 32
SECONDS = 30.0
PATH = "/add-checkpoint"

Tell = Callable[[str], None]
"""Told one line for each request that was answered."""


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness until :meth:`shutdown` is called.

    :param address: host and port; port 0 takes a free one.
    :param seconds: how long one connection may last.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], witness: Witness, tell: Tell, seconds: float = SECONDS
    ) -> None:
        self.witness = witness
        self.tell = tell
        self.seconds = seconds
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, or close it at once when there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, cut off when its time is over."""
        clock = threading.Timer(self.seconds, _cut, [request])
        clock.daemon = True
        clock.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            clock.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        """A connection that broke off is no matter."""
        self.tell("a connection broke off")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: WitnessServer
    server_version = "custody"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Bound each single read and write, too."""
        self.request.settimeout(self.server.seconds)
        super().setup()

    def do_POST(self) -> None:
        """Answer a request to cosign."""
        if self.path != PATH and not self.path.endswith(PATH):
            self._send(_plain(HTTPStatus.NOT_FOUND, f"only {PATH} is here"))
            return
        body = self._body()
        if body is None:
            return
        try:
            answer = self.server.witness.add_checkpoint(body)
        except CustodyError as err:  # nothing was signed
            self.server.tell(str(err))
            answer = _plain(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot sign now")
        self.server.tell(f"{answer.status}: {answer.detail}")
        self._send(answer)

    def _body(self) -> bytes | None:
        """The body, of a length that is named and bounded; None if it was refused."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdecimal()):
            refusal = _plain(HTTPStatus.LENGTH_REQUIRED, "Content-Length must be given")
        elif len(length) > 9 or int(length) > witness_request.LARGEST_REQUEST:
            refusal = _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too long")
        else:
            body = self.rfile.read(int(length))
            return body if len(body) == int(length) else None
        self.close_connection = True
        self._send(refusal)
        return None

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """What is worth telling is told above."""


def _plain(status: HTTPStatus, text: str) -> Answer:
    return Answer(int(status), text.encode() + b"\n", text, TEXT)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
