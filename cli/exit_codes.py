"""Exit codes: the only place where they are numbered, and the source of the table in README.

10 and 11 are different sentences in court; they are never merged.
"""

from __future__ import annotations

from typing import NamedTuple

from custody import errors

OK = 0
UNEXPECTED = 1
USAGE = 2
GAPS = 3
DIFFERS = 10
CANNOT_VERIFY = 11
NOT_THERE = 12
LOCKED = 13
KEY = 14
INTERRUPTED = 130


class Meaning(NamedTuple):
    """One row of the table."""

    code: int
    text: str


MEANINGS = (
    Meaning(OK, "did all that was asked"),
    Meaning(UNEXPECTED, "unexpected error"),
    Meaning(
        USAGE,
        "usage, an input file that does not parse (line and field named), or a name that is taken",
    ),
    Meaning(
        GAPS,
        "done, with recorded gaps (something could not be read, or changed while being read; "
        "or a chain of custody has one)",
    ),
    Meaning(DIFFERS, "verification failed: the evidence differs from what was sealed"),
    Meaning(
        CANNOT_VERIFY,
        "cannot verify: something needed is missing (key, proof, trust); "
        "this is not a proof of tampering",
    ),
    Meaning(NOT_THERE, "no case or bundle there, or an unknown format version"),
    Meaning(LOCKED, "locked by another process"),
    Meaning(KEY, "wrong passphrase or key"),
    Meaning(INTERRUPTED, "interrupted; what was finished stays"),
)

# The first class that fits decides, so a class stands before its bases.
_BY_CLASS: tuple[tuple[type[BaseException], int], ...] = (
    (errors.InterruptedCollection, INTERRUPTED),
    (KeyboardInterrupt, INTERRUPTED),
    (errors.UsageError, USAGE),
    (errors.InputError, USAGE),
    (errors.ExistsError, USAGE),
    (errors.NotFoundError, NOT_THERE),
    (errors.UnknownFormatError, NOT_THERE),
    (errors.LockedError, LOCKED),
    (errors.KeyAccessError, KEY),
    (errors.DifferenceError, DIFFERS),
    (errors.TrustError, CANNOT_VERIFY),
)


def for_error(exc: BaseException) -> int:
    """The exit code of a run that ended with *exc*."""
    for kind, code in _BY_CLASS:
        if isinstance(exc, kind):
            return code
    return UNEXPECTED


def markdown() -> str:
    """The table as README shows it."""
    rows = [f"| {meaning.code} | {meaning.text} |" for meaning in MEANINGS]
    return "\n".join(["| exit | meaning |", "|---|---|", *rows])


if __name__ == "__main__":
    print(markdown())
