"""What is public about a key of our own: the file ``NAME.json`` beside its secret.

It is canonical JSON and one newline, read strictly: what parses prints back to the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from custody import clock
from custody.errors import FormatError, UsageError
from custody.formats import canonical, vkey
from custody.formats.statement import Actor
from custody.formats.vkey import VerifierKey
from custody.identity import token
from custody.identity.token import Place

SCHEMA = "custody.key/v1"
Use = Literal["signer", "log", "witness"]
_USES: tuple[Use, ...] = ("signer", "log", "witness")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What ``NAME.json`` says: everything about a key but its secret.

    :ivar name: the file's name; the key's own name in *key* may differ (a ledger's origin).
    :ivar encrypted: as it was made; when a key is unlocked, trying decides.
    :ivar valid_until: the first moment at which a short-lived key no longer signs anything.
    :ivar place: the token that it is in; None for a key in a file.
    """

    name: str
    key: VerifierKey
    created: datetime
    use: Use
    encrypted: bool
    person: str = ""
    title: str = ""
    organization: str = ""
    valid_until: datetime | None = None
    place: Place | None = None

    def actor(self) -> Actor:
        """Whoever holds this key, as signed events name them."""
        return Actor(str(self.key), self.person, self.title, self.organization)

    def as_json(self) -> dict[str, Any]:
        """The fields for a JSON document, apart from the schema."""
        until = self.valid_until
        more: dict[str, Any] = {} if until is None else {"valid_until": clock.rfc3339(until)}
        if self.place is not None:
            more["pkcs11"] = self.place.as_json()
        return more | {
            "created": clock.rfc3339(self.created),
            "encrypted": self.encrypted,
            "fingerprint": self.key.fingerprint(),
            "name": self.name,
            "organization": self.organization,
            "person": self.person,
            "title": self.title,
            "use": self.use,
            "vkey": str(self.key),
        }


def is_file_name(name: str) -> bool:
    """Whether a key's files may be called so."""
    return _NAME.match(name) is not None


def check_file_name(name: str) -> str:
    """Return *name* if a key's files may be called so.

    :raises UsageError: otherwise.
    """
    if not is_file_name(name):
        why = "a key's name has letters, digits and . _ @ - only, at most 64, and a letter first"
        raise UsageError("name a key", name, why)
    return name


def dump(stored: StoredKey) -> bytes:
    """Print ``NAME.json``: canonical JSON and a newline."""
    return canonical.dump({"schema": SCHEMA, **stored.as_json()}) + b"\n"


def parse(name: str, data: bytes) -> StoredKey:
    """Read ``NAME.json`` strictly.

    :raises FormatError: if it is malformed, or of a key of another name.
    """
    document = canonical.load_object(data.removesuffix(b"\n"))
    if document.get("schema") != SCHEMA:
        raise FormatError("read key", name, f"its schema is not {SCHEMA}")
    try:
        stored = _from_json(document)
    except (KeyError, TypeError) as err:
        raise FormatError("read key", name, f"a field is missing or wrong: {err}") from err
    if stored.name != name or dump(stored) != data:
        raise FormatError("read key", name, "unknown fields, or it was written for another name")
    return stored


def _from_json(document: Mapping[str, Any]) -> StoredKey:
    if document["use"] not in _USES or not isinstance(document["encrypted"], bool):
        raise TypeError("use or encrypted")
    words = ("name", "created", "person", "title", "organization", "vkey")
    wrong = [word for word in words if not isinstance(document[word], str)]
    if wrong:
        raise TypeError(", ".join(wrong))
    return StoredKey(
        name=document["name"],
        key=vkey.parse(document["vkey"]),
        created=clock.parse_rfc3339(document["created"]),
        use=document["use"],
        encrypted=document["encrypted"],
        person=document["person"],
        title=document["title"],
        organization=document["organization"],
        valid_until=(
            clock.parse_rfc3339(document["valid_until"]) if "valid_until" in document else None
        ),
        place=token.place_from(document["pkcs11"]) if "pkcs11" in document else None,
    )
