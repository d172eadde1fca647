"""Whose checkpoints are believed (C2SP tlog-policy): logs, witnesses, groups and one quorum.

The file is the verifier's own and written by hand, so every refusal names its line.  Bytes above
0x7f are opaque to the format; they pass through here unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from custody.errors import InputError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey

LARGEST_POLICY = 1 << 20
NONE = "none"
_NOT_ALLOWED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT = re.compile(r"[1-9][0-9]{0,5}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Known:
    """A log or witness: its key, and where it is reached (may be empty)."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """At least *threshold* of *members* must have witnessed; members are witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says.

    :ivar logs: the logs whose checkpoints are believed, in the order of the file.
    :ivar witnesses: by their name in the file.
    :ivar groups: by their name in the file, each after those it refers to.
    :ivar quorum: the name of the witness or group that must have witnessed, or ``none``.
    """

    logs: tuple[Known, ...]
    witnesses: dict[str, Known] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def log_keys(self, origin: str | None = None) -> tuple[VerifierKey, ...]:
        """The keys of all logs, or of those with this origin, which is the key's name."""
        return tuple(log.key for log in self.logs if origin in (None, log.key.name))

    def is_witnessed(self, cosigners: Iterable[VerifierKey]) -> bool:
        """Whether cosignatures by these keys meet the quorum."""
        keys = {key.public for key in cosigners}
        met = {name for name, known in self.witnesses.items() if known.key.public in keys}
        for name, group in self.groups.items():
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(name)
        return self.quorum == NONE or self.quorum in met


def load(data: bytes) -> Policy:
    """Read a policy file.

    :raises InputError: for an unknown word, a name that is used before it is defined or defined
        twice, a key of the wrong type or listed twice, a threshold that cannot be met, a missing
        or second quorum, a control character, or a file over 1 MiB; names the line.
    """
    if len(data) > LARGEST_POLICY:
        raise InputError("read policy", None, f"{len(data)} bytes, at most {LARGEST_POLICY}")
    reader = _Reader()
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            reader.line(line)
        except ValueError as err:
            raise InputError("read policy", f"line {number}", str(err)) from err
    if reader.quorum is None:
        raise InputError("read policy", None, 'no "quorum" line; without witnesses: quorum none')
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)


def add_log(data: bytes, key: VerifierKey) -> bytes:
    """Append a log to a policy file; what stood there stays, byte for byte.

    :raises InputError: if *data* is not a policy, or lists the key already.
    """
    load(data)
    newline = b"" if data.endswith(b"\n") else b"\n"
    return _checked(data + newline + f"log {key}\n".encode())


def _checked(data: bytes) -> bytes:
    load(data)
    return data


class _Reader:
    """The lines read so far.  Refuses with ValueError; the caller adds the line's number."""

    def __init__(self) -> None:
        self.logs: list[Known] = []
        self.witnesses: dict[str, Known] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()
        self._words: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def line(self, line: str) -> None:
        if _NOT_ALLOWED.search(line):
            raise ValueError("a control character")
        word, *rest = [item for item in re.split(r"[ \t]+", line) if item] or [""]
        if not word or word.startswith("#"):
            return
        if word not in self._words:
            raise ValueError(f'the unknown word "{word[:40]}"')
        self._words[word](rest)

    def _log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise ValueError("it has the form: log VKEY [URL]")
        known = _known(items, vkey.ED25519)
        if any(log.key.public == known.key.public for log in self.logs):
            raise ValueError("this log's key is listed already")
        self.logs.append(known)

    def _witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise ValueError("it has the form: witness NAME VKEY [URL]")
        self._require_new(items[0])
        known = _known(items[1:], vkey.COSIGNATURE)
        if any(other.key.public == known.key.public for other in self.witnesses.values()):
            raise ValueError("this witness's key is listed already")
        self.witnesses[items[0]] = known

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise ValueError("it has the form: group NAME all|any|NUMBER MEMBER...")
        name, threshold, *members = items
        self._require_new(name)
        for member in members:
            self._require_defined(member)
            if member in self._members:
                raise ValueError(f'"{member}" is a member already')
            self._members.add(member)
        self.groups[name] = Group(_threshold(threshold, len(members)), tuple(members))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1:
            raise ValueError("it has the form: quorum NAME|none")
        if self.quorum is not None:
            raise ValueError("a second quorum")
        if items[0] != NONE:
            self._require_defined(items[0])
        self.quorum = items[0]

    def _require_new(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ValueError(f'the name "{name}" is taken')

    def _require_defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError(f'"{name}" is not defined on an earlier line')


def _known(items: list[str], kind: int) -> Known:
    key = vkey.parse(items[0])
    if key.kind != kind:
        raise ValueError(f"the key is of type {key.kind:#04x} where {kind:#04x} is needed")
    return Known(key, items[1] if len(items) == 2 else "")


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    if not _COUNT.match(text) or int(text) > members:
        raise ValueError(f'the threshold "{text[:20]}" is not all, any or 1 to {members}')
    return int(text)
