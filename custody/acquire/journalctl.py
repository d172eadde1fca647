"""What the host's own ``journalctl`` says of the copy of a journal.

A copy is handed to it as an open file; it never learns a name of ours.  Its words are those of the
C locale, so that a damaged journal can be told from one that it had no means to judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from custody.acquire import program
from custody.acquire.program import Answer, Program, Take

PLACES = ("/usr/bin/journalctl", "/bin/journalctl")
OK, FAILED, NOT_RUN = "ok", "failed", "not-run"
_SHORTEST, _LONGEST = 60.0, 600.0
_BYTES_A_SECOND = 4 << 20
_OLDEST = 230  # the first that takes an open file for a journal
_LONGEST_VERSION = 200
_VERSION = re.compile(r"systemd ([0-9]{1,6})\b[^\n]*")
_SEALED = "Required key not available"
# What says that it could not judge, and nothing of the journal.
_NO_JUDGEMENT = (
    "Protocol not supported", "Cannot allocate memory", "Permission denied", "No such file",
    "No space left on device", "Too many open files", "Input/output error",
    "Operation not permitted", "Read-only file system", "File too large",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Journalctl:
    """The host's journalctl: which program, and its *version* line; or *why* it is of no use."""

    program: Program | None
    version: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What it says of one journal.

    :ivar verified: :data:`OK`, :data:`FAILED` or :data:`NOT_RUN`.
    :ivar why: why it was not run, or did not judge.
    """

    verified: str
    why: str = ""
    code: int | None = None
    said: str = ""


def find(places: Sequence[str]) -> Journalctl:
    """Look for it at *places* and ask for its version."""
    found = program.find(places)
    if isinstance(found, str):
        return Journalctl(None, "", f"journalctl: {found}")
    answer = program.run(found, ("--version",), None, _SHORTEST)
    match = _VERSION.match(answer.said)
    if answer.code != 0 or match is None:
        return Journalctl(found, "", f"{found.path} does not say its version: {_last(answer)}")
    version = match.group()[:_LONGEST_VERSION]
    if int(match.group(1)) < _OLDEST:
        why = f"{found.path} is of systemd {match.group(1)}, which takes no open file"
        return Journalctl(found, version, why)
    return Journalctl(found, version)


def seconds(size: int) -> float:
    """How long it may take over a journal of *size* bytes."""
    return min(_SHORTEST + size / _BYTES_A_SECOND, _LONGEST)


def verify(found: Program, copy: int, limit: float) -> Opinion:
    """Have the open *copy* of a journal verified.

    :param limit: for so many seconds at most.
    """
    if not program.has_memory():
        why = f"{program.MEMORY} is not in memory, and it would note things on a disk"
        return Opinion(NOT_RUN, why)
    answer = program.run(found, ("--verify", "--file=-"), copy, limit)
    verified, why = _judged(answer)
    return Opinion(verified, why, answer.code, answer.said)


def export(found: Program, copy: int, limit: float, take: Take) -> Answer:
    """Have the open *copy* of a journal written in the journal export format.

    :param take: takes it in, piece by piece; False when that is enough.
    """
    words = ("--file=-", "--output=export", "--no-pager", "--quiet")
    return program.run(found, words, copy, limit, take)


def _judged(answer: Answer) -> tuple[str, str]:
    if answer.code is None:
        return NOT_RUN, answer.why
    if answer.code == 0:
        return (OK, "") if "PASS: " in answer.said else (NOT_RUN, "it did not say that it passed")
    last = _last(answer)
    if _SEALED in last:
        return NOT_RUN, "it is sealed, and only its verification key lets journalctl judge it"
    if answer.code != 1 or any(words in last for words in _NO_JUDGEMENT):
        return NOT_RUN, f"journalctl could not judge it: {last}"
    return FAILED, ""


def _last(answer: Answer) -> str:
    lines = answer.said.strip().splitlines()
    return answer.why or (lines[-1][:_LONGEST_VERSION] if lines else f"exit {answer.code}")
