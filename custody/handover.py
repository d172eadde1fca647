"""The papers of a hand-over: the release that goes with the evidence, the receipt that comes back.

Both are signed events.  Beside what is handed over they are called ``ID.release.dsse.json``, with
its proof of entry ``ID.release.tlog-proof``, and ``ID.receipt.dsse.json``; the case that releases
keeps them in ``transfers/<sha256 of the release>/``.  They come from elsewhere, so reading is
strict: one signature, by the key that the paper itself names, and every field of its type.
Whether that key is believed is for the reader to judge.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

from custody import clock, reading
from custody.case import Case
from custody.errors import DifferenceError, FormatError, InputError, NotFoundError, UsageError
from custody.formats import dsse, statement, vkey
from custody.formats.dsse import Envelope
from custody.formats.statement import Event
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.ledger import entry

COPIED, RELEASED, RECEIVED, REFUSED = "copied", "released", "received", "refused"
RELEASE_FILE = "release.dsse.json"
PROOF_FILE = "release.tlog-proof"
RECEIPT_FILE = "receipt.dsse.json"
LARGEST_PAPER = dsse.LARGEST_ENVELOPE
LARGEST_SCAN = 64 << 20
ORIGINAL = "original"

_BUNDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+,@~()=-]{0,199}\Z", re.ASCII)
_COPY = re.compile(r"C[1-9][0-9]{0,8}\Z", re.ASCII)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z", re.ASCII)
_PERSON = ("name", "title", "organization", "key")


def is_bundle_name(text: object) -> TypeGuard[str]:
    """Whether *text* may name a bundle, and so a directory."""
    return isinstance(text, str) and _BUNDLE.match(text) is not None


def is_copy_name(text: object) -> TypeGuard[str]:
    """Whether *text* is ``C1``, ``C2``, ..."""
    return isinstance(text, str) and _COPY.match(text) is not None


def release_name(bundle: str) -> str:
    """What the release is called beside the bundle that it goes with."""
    return f"{bundle}.{RELEASE_FILE}"


def proof_name(bundle: str) -> str:
    """What the release's proof of entry is called there."""
    return f"{bundle}.{PROOF_FILE}"


def receipt_name(bundle: str) -> str:
    """What the receipt is called there."""
    return f"{bundle}.{RECEIPT_FILE}"


def paper_name(sha256: str, suffix: str) -> str:
    """What the scan of a paper is called in a case.

    :param suffix: of the file it came in; left out where it is not a plain one.
    """
    return f"paper-{sha256[:16]}{suffix if _SUFFIX.match(suffix) else ''}"


def folder(case: Case, release: str) -> Path:
    """Where a case keeps the papers of one release.

    :param release: the SHA-256 (hex) of the release's envelope.
    """
    return case.directory / "transfers" / release


@dataclass(frozen=True, slots=True)
class Paper:
    """A signed event in a file of its own: its bytes, their SHA-256 (hex), and who signed it."""

    data: bytes
    sha256: str
    envelope: Envelope
    event: Event
    key: VerifierKey


def read(path: Path) -> Paper:
    """Read one paper; raises what :func:`parse` raises.

    :raises NotFoundError: if it is not there.
    """
    try:
        data = reading.read_regular(path, LARGEST_PAPER)
    except FormatError as err:
        raise InputError("read", path, err.why) from err
    return parse(data, path)


def parse(data: bytes, name: object) -> Paper:
    """Read the bytes of one paper.

    :param name: what to call it in an error.
    :raises InputError: if it is not a canonical envelope around an event.
    :raises DifferenceError: if it is not signed by exactly the key that it names.
    """
    try:
        envelope = entry.require(data)
        event = statement.load(envelope.payload)
        key = vkey.parse(event.actor.key)
    except (FormatError, UsageError) as err:
        raise InputError("read", name, f"it is not a signed event: {err}") from err
    keyids = [line.keyid for line in envelope.signatures]
    if keyids != [key.fingerprint()] or not signing.is_signed(
        key, envelope.signatures[0].sig, envelope.signed_bytes()
    ):
        why = "it is not signed by exactly the key that it names; it was changed, or never his"
        raise DifferenceError("read", name, why, hint="ask for it again, from whoever signed it")
    return Paper(data, hashlib.sha256(data).hexdigest(), envelope, event, key)


@dataclass(frozen=True, slots=True)
class Release:
    """What a release says.

    :ivar digest: the SHA-256 (hex) of the tag manifest of what was released.
    :ivar statement: the SHA-256 (hex) of ``seal/statement.dsse.json``.
    :ivar to: the person it goes to: ``name``, ``title``, ``organization``, ``key``.
    :ivar copy: ``C1``, ...; empty where the original goes.
    """

    paper: Paper
    bundle: str
    digest: str
    statement: str
    to: Mapping[str, str]
    copy: str
    label: str
    expires: datetime | None

    @property
    def what(self) -> dict[str, Any]:
        """Which thing goes, as the details of every later event say it."""
        if self.copy:
            return {"copy": self.copy, "label": self.label}
        return {ORIGINAL: True}

    @property
    def origin(self) -> str:
        """The ledger that the release is entered in; empty where it names none."""
        return str((self.paper.event.ledger or {}).get("origin", ""))


def release_of(paper: Paper, name: object) -> Release:
    """Read a paper as a release.

    :raises InputError: if it is another event, or a field is missing or wrong.
    """
    event, details = paper.event, paper.event.details
    if event.kind != RELEASED:
        raise InputError("read release", name, f"it is an event of the type {event.kind}")
    copy, label = details.get("copy", ""), details.get("label", "")
    try:
        expires = details.get("expires")
        until = None if expires is None else clock.parse_rfc3339(str(expires))
    except FormatError as err:
        raise InputError("read release", name, f"expires: {err.why}") from err
    wrong = {
        "bundle": not is_bundle_name(details.get("bundle")),
        "item": event.words.get("item") != details.get("bundle"),
        "statement": not _is_digest(details.get("statement")),
        "subject": not _is_digest(subject(event, RELEASED)),
        "to": not is_person(details.get("to")),
        "copy": not isinstance(label, str)
        or (details.get(ORIGINAL) is not True if copy == "" else not is_copy_name(copy)),
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise InputError("read release", name, f"the field {field} is missing or wrong")
    return Release(
        paper, details["bundle"], subject(event, RELEASED), details["statement"], details["to"],
        copy, label, until,
    )  # fmt: skip


def subject(event: Event, name: str) -> str:
    """The SHA-256 (hex) that an event has under *name*; empty where it has none."""
    return next((item.sha256 for item in event.subjects if item.name == name), "")


def is_person(value: object) -> TypeGuard[dict[str, str]]:
    """Whether *value* is a person as the details of an event have them."""
    if not isinstance(value, dict) or not value:
        return False
    if not all(name in _PERSON and isinstance(text, str) for name, text in value.items()):
        return False
    try:
        return "key" not in value or bool(vkey.parse(value["key"]))
    except FormatError:
        return False


def written(person: Mapping[str, str]) -> str:
    """A person as people write one: name, title, organization; else their key."""
    parts = [person.get(name, "") for name in ("name", "title", "organization")]
    return ", ".join(part for part in parts if part) or person.get("key", "")


def person_of(event: Event) -> dict[str, str]:
    """Whoever signed an event, as a person."""
    return event.actor.as_json()


def kept(case: Case, release: str) -> Release:
    """The release that the case itself keeps.

    :param release: the SHA-256 (hex) of its envelope.
    :raises NotFoundError: if it does not.
    """
    path = folder(case, release) / RELEASE_FILE
    paper = read(path)
    if paper.sha256 != release:
        raise NotFoundError("find release", release, f"{path} is another one")
    return release_of(paper, path)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and vkey.is_fingerprint(value)
