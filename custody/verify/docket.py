"""Collecting, check by check, what was found, what was left unread, and what was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from custody.errors import CustodyError, NotFoundError, StorageError
from custody.findings import Finding
from custody.verify.result import Check, Remark, Status

MOST_FINDINGS = 10_000
_MOST_REMARKS = 1_000
CHANGED = "it changed while it was being checked"
FORBIDDEN = "you may not read it: run as its owner, or work on a copy"


class Docket:
    """The checks of one verification, while it goes on.

    A check fails when something was found; it is not done when a part of it could not be read,
    or when it was left for a reason; else it is settled with what it showed.

    :param names: the names of the checks, by number.
    :ivar is_forbidden: something was there that this user may not read.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = dict(names)
        self.findings: list[Finding] = []
        self.remarks: list[Remark] = []
        self._counts: Counter[int] = Counter()
        self._first: dict[int, Finding] = {}
        self._left: dict[int, str] = {}
        self._unread: Counter[int] = Counter()
        self._shown: dict[int, str] = {}
        self._not_required: set[int] = set()
        self.is_forbidden = False

    @property
    def unlisted(self) -> int:
        """How many findings there are beyond those that are kept."""
        return self._counts.total() - len(self.findings)

    def found(self, number: int, path: str, expected: str, found: str, message: str) -> None:
        """Something is wrong."""
        self.add(number, Finding(path, expected, found, message))

    def add(self, number: int, finding: Finding) -> None:
        """Something is wrong."""
        self._counts[number] += 1
        self._first.setdefault(number, finding)
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)

    def trouble(self, number: int, path: str, expected: str, err: CustodyError) -> None:
        """Something could not be read: what is not there or not a file is wrong; what the system
        does not let us read is left open, because that shows nothing about the evidence.
        """
        if isinstance(err, StorageError):
            self.is_forbidden |= is_forbidden(err)
            self.unread(number, path, err.why or str(err))
        elif isinstance(err, NotFoundError):
            self.found(number, path, expected, "nothing", "it is missing")
        else:
            self.found(number, path, expected, err.why or str(err), "it is not what it should be")

    def unchanged(self, number: int, path: str, first: str | None, parsed: str) -> None:
        """Whether the bytes that a check parsed are those that were hashed before.

        A writer, or a medium that answers twice differently, shows as a finding.

        :param first: the SHA-256 then, hex; None if it could not be read, which was said.
        """
        if first is not None and first != parsed:
            self.found(number, path, f"sha256:{first}", f"sha256:{parsed}", CHANGED)

    def unread(self, number: int, path: str, why: str) -> None:
        """A part of a check could not be done."""
        self._unread[number] += 1
        self._left.setdefault(number, f"{path} cannot be read: {why}")
        self.remark(path, f"cannot be read: {why}")

    def was_unread(self, number: int) -> bool:
        """Whether a part of a check could not be read: others have nothing to compare with."""
        return self._unread[number] > 0

    def absorb(self, other: Docket) -> None:
        """Take over what another docket noted of checks that are also here."""
        self.is_forbidden |= other.is_forbidden
        room = MOST_FINDINGS - len(self.findings)
        self.findings += other.findings[: max(room, 0)]
        for remark in other.remarks:
            self.remark(remark.path, remark.message)
        self._counts.update(other._counts)
        self._unread.update(other._unread)
        self._first = {**other._first, **self._first}
        self._left = {**other._left, **self._left}

    def shown(self, number: int, detail: str) -> None:
        """The check was done; *detail* says what it showed if nothing is wrong."""
        self._shown[number] = detail

    def left(self, number: int, why: str, *, required: bool = True) -> None:
        """The check was not done."""
        self._left.setdefault(number, why)
        if not required:
            self._not_required.add(number)

    def remark(self, path: str, message: str) -> None:
        """Something that is worth knowing."""
        if len(self.remarks) < _MOST_REMARKS:
            self.remarks.append(Remark(path, message))

    def optional(self, *numbers: int) -> None:
        """The verdict does not depend on these being done."""
        self._not_required.update(numbers)

    def failed(self, number: int) -> bool:
        """Whether something was found in this check."""
        return self._counts[number] > 0

    def checks(self) -> tuple[Check, ...]:
        """Every check and what it came to."""
        return tuple(self._check(number, name) for number, name in self.names.items())

    def _check(self, number: int, name: str) -> Check:
        status: Status
        if self._counts[number]:
            status, detail = "fail", self._what_failed(number)
        elif number in self._left:
            status, detail = "not-checked", self._left[number]
            if self._unread[number] > 1:
                detail += f" ({self._unread[number]} in all)"
        elif number in self._shown:
            status, detail = "ok", self._shown[number]
        else:
            status, detail = "not-checked", "it was not reached"
        return Check(number, name, status, detail, number not in self._not_required)

    def _what_failed(self, number: int) -> str:
        first, count = self._first[number], self._counts[number]
        where = f"{first.path}: " if first.path else ""
        more = f" (and {count - 1} more)" if count > 1 else ""
        return f"{where}{first.message}{more}"


def is_forbidden(err: BaseException) -> bool:
    """Whether an error is, at its root, that this user may not read something."""
    return isinstance(err, PermissionError) or isinstance(err.__cause__, PermissionError)
