"""``signers.toml``: whose signatures count, from when, until when.

A list of ``[[signer]]`` with ``key`` (or ``fingerprint``), ``name``, ``role`` and, if wanted,
``organization``, ``title``, ``valid_from``, ``valid_until``, ``revoked_at``, ``revoked_because``;
before it ``require_timestamp``, ``require_roles``, ``key_quorum``.  Keys that are not trusted and
no longer count, whoever vouches for them, are listed as ``[[revoked]]`` with ``fingerprint``,
``at`` and ``because``.
Reading is strict, because a misspelt field would silently leave a limit out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from custody import clock
from custody.errors import FormatError, InputError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey

ROLES = ("collector", "examiner", "desk", "auditor")
_WORDS = ("key", "fingerprint", "name", "role", "organization", "title", "revoked_because")
_SHOWN = ("name", "role", "organization", "title", "revoked_because")
_SETTINGS = {"signer", "revoked", "require_timestamp", "require_roles", "key_quorum"}
_MOST_DESKS = 9
Item = TypeVar("Item")
_MOMENTS = ("valid_from", "valid_until", "revoked_at")


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """Somebody whose signature counts.

    :ivar key: None if only the fingerprint is known, from the paper form.
    :ivar valid_from: the first moment at which it counts.
    :ivar valid_until: the first moment at which it no longer does.
    :ivar revoked_at: from this moment on nothing signed with the key counts.
    :ivar revoked_because: why, as its owner wrote it.
    :ivar bundle: the one bundle for which it counts, where a desk vouched for it so.
    :ivar vouched_by: the desks whose word it is believed on; empty for one of the folder's own.
    """

    fingerprint: str
    key: VerifierKey | None = None
    name: str = ""
    role: str = ""
    organization: str = ""
    title: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None
    revoked_because: str = ""
    bundle: str = ""
    vouched_by: str = ""

    @property
    def needs_time_stamp(self) -> bool:
        """Whether only a trusted time can tell that the key was still good."""
        return self.valid_until is not None or self.revoked_at is not None

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether a signature made at *moment* counts."""
        return not self.why_not_valid_at(moment)

    def why_not_valid_at(self, moment: datetime) -> str:
        """Why a signature made at *moment* does not count; empty if it does."""
        if self.revoked_at is not None and moment >= self.revoked_at:
            return f"the key was revoked at {clock.rfc3339(self.revoked_at)}"
        if self.valid_from is not None and moment < self.valid_from:
            return f"the key is valid only from {clock.rfc3339(self.valid_from)}"
        if self.valid_until is not None and moment >= self.valid_until:
            return f"the key was valid only until {clock.rfc3339(self.valid_until)}"
        return ""

    def as_json(self) -> dict[str, str]:
        """The non-empty fields."""
        fields = {
            "fingerprint": self.fingerprint,
            "vkey": "" if self.key is None else str(self.key),
            **{word: getattr(self, word) for word in _SHOWN},
            **{
                word: clock.rfc3339(moment)
                for word in _MOMENTS
                if (moment := getattr(self, word)) is not None
            },
            "bundle": self.bundle,
            "vouched_by": self.vouched_by,
        }
        return {word: value for word, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that is not listed, and does not count from *at* on, whoever vouches for it."""

    fingerprint: str
    at: datetime
    because: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What ``signers.toml`` says; :class:`custody.identity.trust.Trust` explains the settings."""

    signers: tuple[TrustedSigner, ...] = ()
    require_timestamp: bool = False
    require_roles: tuple[str, ...] = ()
    key_quorum: int = 1
    revoked: tuple[Revoked, ...] = field(default=())

    def ended(self) -> dict[str, datetime]:
        """From when on which keys do not count, whether listed or not."""
        ends = {item.fingerprint: item.at for item in self.revoked}
        return ends | {
            item.fingerprint: item.revoked_at
            for item in self.signers
            if item.revoked_at is not None
        }


def load(data: bytes, path: object) -> Listed:
    """Read ``signers.toml``.

    :param path: what to call the file in an error.
    :raises InputError: for the first mistake, with entry and field.
    """
    try:
        document = tomllib.loads(data.decode())
    except ValueError as err:  # the decoder's error and the parser's, which names the line
        raise InputError("read trust", path, str(err)) from err
    unknown = sorted(set(document) - _SETTINGS)
    if unknown:
        raise InputError("read trust", path, f'unknown field "{unknown[0]}"')
    require_timestamp = document.get("require_timestamp", False)
    if not isinstance(require_timestamp, bool):
        raise InputError("read trust", path, "require_timestamp is true or false")
    revoked = _each(document, "revoked", path, _revoked)
    return Listed(
        _signers(document, revoked, path),
        require_timestamp,
        _roles(document, path),
        _quorum(document, path),
        tuple(revoked),
    )


def _roles(document: Mapping[str, Any], path: object) -> tuple[str, ...]:
    roles = document.get("require_roles", [])
    if not isinstance(roles, list) or any(role not in ROLES for role in roles):
        why = f"require_roles is a list of roles, each one of {', '.join(ROLES)}"
        raise InputError("read trust", path, why)
    return tuple(roles)


def _quorum(document: Mapping[str, Any], path: object) -> int:
    quorum = document.get("key_quorum", 1)
    if type(quorum) is not int or not 1 <= quorum <= _MOST_DESKS:
        why = f"key_quorum is a number of desks, from 1 to {_MOST_DESKS}"
        raise InputError("read trust", path, why)
    return quorum


def _each(
    document: Mapping[str, Any], table: str, path: object, parse: Callable[[Any], Item]
) -> list[Item]:
    """Every entry of one table, parsed."""
    listed = document.get(table, [])
    if not isinstance(listed, list):
        raise InputError("read trust", path, f"each {table} is written [[{table}]]")
    found = []
    for number, entry in enumerate(listed, 1):
        try:
            found.append(parse(entry))
        except (FormatError, ValueError) as err:
            raise InputError("read trust", path, f"{table} {number}: {err}") from err
    return found


def _signers(
    document: Mapping[str, Any], revoked: list[Revoked], path: object
) -> tuple[TrustedSigner, ...]:
    signers = _each(document, "signer", path, _signer)
    for number, signer in enumerate(signers):
        why = _why_not_beside(signer, signers[:number], revoked)
        if why:
            raise InputError("read trust", path, f"signer {number + 1}: {why}")
    return tuple(signers)


def _why_not_beside(
    signer: TrustedSigner, others: list[TrustedSigner], revoked: list[Revoked]
) -> str:
    """Why a signer cannot stand among others; empty if it can."""
    for number, other in enumerate(others, 1):
        if other.fingerprint == signer.fingerprint:
            return f"this key is listed already (signer {number})"
        if key_name(signer) and key_name(other) == key_name(signer):
            whose = f"{other.name} already (signer {number})"
            return f'the key name "{key_name(signer)}" belongs to {whose}'
    for number, gone in enumerate(revoked, 1):
        if gone.fingerprint == signer.fingerprint:
            return f"this key was revoked at {clock.rfc3339(gone.at)} (revoked {number})"
    return ""


def _revoked(entry: Any) -> Revoked:
    _require_fields(entry, "revoked", {"fingerprint", "at", "because"})
    fingerprint, moment = _text(entry, "fingerprint"), _moment(entry, "at")
    if not vkey.is_fingerprint(fingerprint) or moment is None:
        raise ValueError("fingerprint (64 hex digits) and at (a time) must be there")
    return Revoked(fingerprint, moment, _text(entry, "because"))


def _require_fields(entry: Any, table: str, known: Collection[str]) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"it is written [[{table}]]")  # noqa: TRY004 - the content, not the type
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise ValueError(f'unknown field "{unknown[0]}"')


def _signer(entry: Any) -> TrustedSigner:
    _require_fields(entry, "signer", {*_WORDS, *_MOMENTS})
    words = {word: _text(entry, word) for word in _WORDS}
    moments = {word: _moment(entry, word) for word in _MOMENTS}
    if not (words["key"] or words["fingerprint"]) or not words["name"]:
        raise ValueError("key (or fingerprint) and name must be there")
    if words["role"] not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}")
    start, end = moments["valid_from"], moments["valid_until"]
    if start is not None and end is not None and end <= start:
        raise ValueError("valid_until is not after valid_from")
    if words["revoked_because"] and moments["revoked_at"] is None:
        raise ValueError("revoked_because is there without revoked_at")
    key = _signing(vkey.parse(words["key"])) if words["key"] else None
    return TrustedSigner(
        fingerprint=_fingerprint(key, words["fingerprint"]),
        key=key,
        name=words["name"],
        role=words["role"],
        organization=words["organization"],
        title=words["title"],
        valid_from=start,
        valid_until=end,
        revoked_at=moments["revoked_at"],
        revoked_because=words["revoked_because"],
    )


def _fingerprint(key: VerifierKey | None, said: str) -> str:
    if said and not vkey.is_fingerprint(said):
        raise ValueError("fingerprint is not 64 lower-case hex digits")
    if key is None:
        return said
    if said not in ("", key.fingerprint()):
        raise ValueError("fingerprint is not that of key")
    return key.fingerprint()


def _text(entry: Mapping[str, Any], word: str) -> str:
    value = entry.get(word, "")
    if not isinstance(value, str):
        raise ValueError(f"{word} is not a text")  # noqa: TRY004 - the content, not the type
    return value


def _moment(entry: Mapping[str, Any], word: str) -> datetime | None:
    value = entry.get(word)
    if isinstance(value, str):
        return clock.parse_rfc3339(value)
    if value is None or (isinstance(value, datetime) and value.tzinfo is not None):
        return value
    raise ValueError(f"{word} is not a time in the form 2026-11-22T03:14:05Z")


def _signing(key: VerifierKey) -> VerifierKey:
    if key.kind not in vkey.SIGNING:
        raise ValueError("the key is a witness's, not one that signs")
    return key


def key_name(signer: TrustedSigner) -> str:
    """The name inside the signer's verifier key; empty if only the fingerprint is known."""
    return "" if signer.key is None else signer.key.name


def dump(signer: TrustedSigner) -> bytes:
    """Print one entry, in ASCII.

    :raises UsageError: if a text holds bytes that are not UTF-8.
    """
    whose = ("fingerprint", signer.fingerprint) if signer.key is None else ("key", str(signer.key))
    words = dict([whose]) | {word: getattr(signer, word) for word in _SHOWN}
    lines = ["[[signer]]"]
    lines += [f"{word} = {quoted(value)}" for word, value in words.items() if value]
    lines += [
        f"{word} = {clock.rfc3339(moment)}"
        for word in _MOMENTS
        if (moment := getattr(signer, word)) is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def dump_revoked(item: Revoked) -> bytes:
    """Print one entry for a key that is not listed; raises as :func:`dump`."""
    lines = ["[[revoked]]", f"fingerprint = {quoted(item.fingerprint)}"]
    lines.append(f"at = {clock.rfc3339(item.at)}")
    if item.because:
        lines.append(f"because = {quoted(item.because)}")
    return ("\n".join(lines) + "\n").encode()


def quoted(text: str) -> str:
    """A TOML string, in ASCII.

    :raises UsageError: if *text* holds bytes that are not UTF-8.
    """
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise UsageError("write trust", text, "it is not valid UTF-8")
    return '"' + "".join(map(_toml_char, text)) + '"'


def _toml_char(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"
