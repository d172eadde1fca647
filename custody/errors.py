"""The one tree of errors, each of which can say what to do next.

A message has the shape ``WHAT "thing": WHY`` and the hint is the next step.  The command line
maps each branch to its exit code (``cli/exit_codes.py``); nothing below it exits or prints.
Findings about evidence are not errors: they are values (see :mod:`custody.verify`).
"""

from __future__ import annotations


class CustodyError(Exception):
    """Root of every error that custody raises on purpose.

    :param what: what was being done, lower case, without a full stop.
    :param thing: the path, name or field it was done to, shown in quotes.
    :param why: the reason, in words a responder can use.
    :param hint: the next step, often a command to type.
    """

    def __init__(self, what: str, thing: object = None, why: str = "", *, hint: str = "") -> None:
        super().__init__(what, thing, why)
        self.what = what
        self.thing = None if thing is None else str(thing)
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        text = self.what if self.thing is None else f'{self.what} "{self.thing}"'
        return f"{text}: {self.why}" if self.why else text


class UsageError(CustodyError):
    """The request itself does not make sense, or contradicts itself."""


class InputError(CustodyError, ValueError):
    """A file given by the user does not parse; names the line and the field."""


class FormatError(CustodyError, ValueError):
    """Bytes that are not what their format says: the strict parsers raise this."""


class NotFoundError(CustodyError):
    """There is no case, bundle, ledger or key where one was named."""


class UnknownFormatError(CustodyError):
    """A case or bundle of a format version that this program does not know."""


class LockedError(CustodyError):
    """Another process is writing to the same case."""


class KeyAccessError(CustodyError):
    """A private key could not be unlocked, or must not be used as it lies there."""


class TrustError(CustodyError):
    """Something needed to judge is missing, such as a trusted key; nothing is disproved."""


class DifferenceError(CustodyError):
    """What is on disk contradicts what was sealed or published; writing is refused."""


class StorageError(CustodyError, OSError):
    """Writing failed: disk full, read-only, too large for the file system."""


class ExistsError(CustodyError):
    """Something stands where something new should be written; nothing is overwritten."""


class InterruptedCollection(CustodyError):
    """Stopped by the user or the system in the middle; says where the finished part lies."""
