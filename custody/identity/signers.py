"""``signers.toml``: whose signatures count, from when, until when.

A list of ``[[signer]]`` with ``key``, ``name``, ``role`` and, if wanted, ``organization``,
``title``, ``valid_from``, ``valid_until``, ``revoked_at``; before it ``require_timestamp``.
Reading is strict, because a misspelt field would silently leave a limit out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody import clock
from custody.errors import FormatError, InputError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey

ROLES = ("collector", "examiner", "desk", "auditor")
_WORDS = ("key", "name", "role", "organization", "title")
_MOMENTS = ("valid_from", "valid_until", "revoked_at")


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """Somebody whose signature counts.

    :ivar key: None if only the fingerprint is known, from the paper form.
    :ivar valid_from: the first moment at which it counts.
    :ivar valid_until: the first moment at which it no longer does.
    :ivar revoked_at: from this moment on nothing signed with the key counts.
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
            **{word: getattr(self, word) for word in _WORDS[1:]},
            **{
                word: clock.rfc3339(moment)
                for word in _MOMENTS
                if (moment := getattr(self, word)) is not None
            },
            "bundle": self.bundle,
            "vouched_by": self.vouched_by,
        }
        return {word: value for word, value in fields.items() if value}


def load(data: bytes, path: object) -> tuple[tuple[TrustedSigner, ...], bool]:
    """Read ``signers.toml``: the signers, and whether ``require_timestamp`` is set.

    :param path: what to call the file in an error.
    :raises InputError: for the first mistake, with entry and field.
    """
    try:
        document = tomllib.loads(data.decode())
    except ValueError as err:  # the decoder's error and the parser's, which names the line
        raise InputError("read trust", path, str(err)) from err
    unknown = sorted(set(document) - {"signer", "require_timestamp"})
    if unknown:
        raise InputError("read trust", path, f'unknown field "{unknown[0]}"')
    require_timestamp = document.get("require_timestamp", False)
    if not isinstance(require_timestamp, bool):
        raise InputError("read trust", path, "require_timestamp is true or false")
    listed = document.get("signer", [])
    if not isinstance(listed, list):
        raise InputError("read trust", path, "signers are written [[signer]]")
    signers: list[TrustedSigner] = []
    for number, entry in enumerate(listed, 1):
        try:
            signer = _signer(entry)
            _check_beside(signer, signers)
        except (FormatError, ValueError) as err:
            raise InputError("read trust", path, f"signer {number}: {err}") from err
        signers.append(signer)
    return tuple(signers), require_timestamp


def _signer(entry: Any) -> TrustedSigner:
    if not isinstance(entry, dict):
        raise ValueError("it is written [[signer]]")  # noqa: TRY004 - the content, not the type
    unknown = sorted(set(entry) - {*_WORDS, *_MOMENTS})
    if unknown:
        raise ValueError(f'unknown field "{unknown[0]}"')
    words = {word: _text(entry, word) for word in _WORDS}
    moments = {word: _moment(entry, word) for word in _MOMENTS}
    if not words["key"] or not words["name"]:
        raise ValueError("key and name must be there")
    if words["role"] not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}")
    start, end = moments["valid_from"], moments["valid_until"]
    if start is not None and end is not None and end <= start:
        raise ValueError("valid_until is not after valid_from")
    key = _ed25519(vkey.parse(words["key"]))
    return TrustedSigner(
        fingerprint=key.fingerprint(),
        key=key,
        name=words["name"],
        role=words["role"],
        organization=words["organization"],
        title=words["title"],
        valid_from=start,
        valid_until=end,
        revoked_at=moments["revoked_at"],
    )


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


def _ed25519(key: VerifierKey) -> VerifierKey:
    if key.kind != vkey.ED25519:
        raise ValueError("the key is a witness's, not one that signs")
    return key


def _check_beside(signer: TrustedSigner, others: list[TrustedSigner]) -> None:
    for other in others:
        if other.fingerprint == signer.fingerprint:
            raise ValueError("this key is listed already")
        if key_name(other) == key_name(signer) and other.name != signer.name:
            raise ValueError(f'the key name "{key_name(signer)}" belongs to {other.name} already')


def key_name(signer: TrustedSigner) -> str:
    """The name inside the signer's verifier key; empty if only the fingerprint is known."""
    return "" if signer.key is None else signer.key.name


def dump(signer: TrustedSigner) -> bytes:
    """Print one entry, in ASCII.

    :raises UsageError: if a text holds bytes that are not UTF-8.
    """
    words = {word: getattr(signer, word) for word in _WORDS[1:]}
    lines = ["[[signer]]", f"key = {_quoted(str(signer.key))}"]
    lines += [f"{word} = {_quoted(value)}" for word, value in words.items() if value]
    lines += [
        f"{word} = {clock.rfc3339(moment)}"
        for word in _MOMENTS
        if (moment := getattr(signer, word)) is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise UsageError("write trust", text, "it is not valid UTF-8")
    return '"' + "".join(map(_toml_char, text)) + '"'


def _toml_char(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"
