"""Asking time stamp authorities over http or https (RFC 3161 section 3.4).

An authority is somebody else's machine: its answer is bounded (:mod:`custody.posting`), and is a
token only if it is over the very bytes that were sent, with the number that was sent with them.
All are asked at once; each has one more try.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from custody import posting
from custody.errors import FormatError, UsageError
from custody.identity.trust import Anchor
from custody.posting import Unanswered
from custody.stamping import opinion
from custody.stamping import token as tokens
from custody.stamping.opinion import Opinion
from custody.stamping.token import Token

SECONDS = 10.0
_TRIES = 2
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_GRACE_SECONDS = 1.0

Outcome = Literal["stamped", "refused", "unreachable"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one authority.

    :ivar authority: its address, without what may be secret in it.
    :ivar detail: what it answered, in words.
    :ivar token: what it gave, if that is to be kept.
    :ivar opinion: what the verifier makes of that.
    """

    authority: str
    outcome: Outcome
    detail: str
    token: Token | None = None
    opinion: Opinion | None = None


class _Failure(Exception):
    """No answer that could be one; asking again may help."""


def check_address(url: str) -> None:
    """Make sure that *url* can be asked.

    :raises UsageError: if it is neither http nor https, or holds a name and password.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_secret = parts.username is not None or parts.password is not None
        _ = parts.port
    except ValueError as err:
        raise UsageError("ask authority", url, str(err)) from err
    if has_secret:
        raise UsageError("ask authority", _shown(url), "there is a name or a password in it")
    if not is_one or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("ask authority", url, "its address is neither http nor https")


def ask_all(
    urls: Sequence[str],
    message: bytes,
    anchors: Sequence[Anchor],
    *,
    seconds: float = SECONDS,
) -> list[Answer]:
    """Ask every authority for a stamp over *message*, all at once.

    :param anchors: the pinned certificates; a token of an authority among them must be good.
    :param seconds: how long one try may take in all; nobody waits longer than for two.
    :returns: an answer for each, in the order of *urls*.
    """
    answers: dict[int, Answer] = {}

    def one(place: int, url: str) -> None:
        answers[place] = ask(url, message, anchors, seconds=seconds)

    # Nothing cuts off the look-up of a name, so a thread may be left behind: daemons.
    threads = [threading.Thread(target=one, args=item, daemon=True) for item in enumerate(urls)]
    for thread in threads:
        thread.start()
    left = _TRIES * seconds + _GRACE_SECONDS
    for thread in threads:
        left -= _waited(thread, left)
    why = f"no answer within {_TRIES * seconds:g} seconds"
    return [
        answers.get(place) or Answer(_shown(url), "unreachable", why)
        for place, url in enumerate(urls)
    ]


def _waited(thread: threading.Thread, seconds: float) -> float:
    start = monotonic()
    thread.join(max(seconds, 0))
    return monotonic() - start


def ask(url: str, message: bytes, anchors: Sequence[Anchor], *, seconds: float = SECONDS) -> Answer:
    """Ask one authority; see :func:`ask_all`."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    why = ""
    for _ in range(_TRIES):
        built = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
        request = built.build()
        try:
            data = _post(url, request.as_bytes(), seconds)
        except _Failure as err:
            why = str(err)
            continue
        return _judge(url, data, message, request.nonce, anchors)
    return Answer(_shown(url), "unreachable", why)


def _judge(
    url: str, data: bytes, message: bytes, nonce: int | None, anchors: Sequence[Anchor]
) -> Answer:
    shown = _shown(url)
    try:
        token = tokens.read(data)
    except FormatError as err:
        return Answer(shown, "refused", f"its answer is no time stamp: {err.why}")
    if not token.is_over(message):
        return Answer(shown, "refused", "its token is over other bytes than were sent")
    if token.nonce != nonce:
        return Answer(shown, "refused", "its token has another nonce than was sent: an old answer")
    found = opinion.judge(token, anchors)
    if found.standing == "bad":
        return Answer(shown, "refused", f"its token is not good: {found.why}", opinion=found)
    return Answer(shown, "stamped", "stamped", token, found)


def _shown(url: str) -> str:
    """The address as it may be recorded: without name, password, and what follows a `?`."""
    try:
        parts = urlsplit(url)
        where = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, where, parts.path, "", ""))[:1_000]
    except ValueError:
        return "an address that cannot be read"


def _post(url: str, body: bytes, seconds: float) -> bytes:
    """One request.

    :raises _Failure: if it cannot be reached, takes too long, says too much, or says no.
    """
    headers = {"Content-Type": _QUERY, "Accept": _REPLY}
    try:
        reply = posting.post(url, body, headers, most=tokens.LARGEST_TOKEN, seconds=seconds)
    except Unanswered as err:
        raise _Failure(f"no answer: {err}") from err
    if reply.status != 200:
        raise _Failure(f"it answered {reply.status}")
    if reply.kind and reply.kind.partition(";")[0].strip().lower() != _REPLY:
        raise _Failure(f"it answered with {_plain(reply.kind)} and no time stamp")
    return reply.body


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:80]
