"""Attachments: files and a signed statement about them, beside a bundle or the whole case.

    attachments/<sha256 of the statement>/statement.dsse.json
    attachments/<sha256 of the statement>/<file>...

The statement is also the ledger entry ``attached``.  The order is that of a collection: files and
statement durable, the directory published in one step, then the entry.  A crash in between leaves
an attachment that is not entered; whoever enters something next enters it too.  Nothing attached
is ever changed; a newer attachment names the one it supersedes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import durable, reading
from custody.bundle import layout
from custody.case import Case
from custody.errors import CustodyError, FormatError, NotFoundError
from custody.formats import dsse, statement
from custody.formats.statement import Actor, Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.identity.signing import Signer

STATEMENT = "statement.dsse.json"
EVENT = "attached"
LARGEST_FILE = 64 << 20
_BUNDLE_SUBJECT = "bundle/"


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment that is there: its name, what its statement says, and where it lies."""

    sha256: str
    event: Event
    envelope: bytes
    directory: Path
    bundle: str

    @property
    def kind(self) -> str:
        """What it is, such as ``obligations``."""
        return str(self.event.details.get("kind", ""))

    def files(self) -> dict[str, bytes]:
        """The attached files, each as its statement pins it.

        :raises FormatError: if one differs from its digest.
        :raises NotFoundError: if one is missing.
        """
        found = {}
        for subject in self.event.subjects:
            if subject.name.startswith(_BUNDLE_SUBJECT):
                continue
            data = reading.read_beneath(self.directory, subject.name, LARGEST_FILE)
            if hashlib.sha256(data).hexdigest() != subject.sha256:
                why = "it differs from what the attachment's statement says"
                raise FormatError("read attachment", subject.name, why)
            found[subject.name] = data
        return found


@dataclass(frozen=True, slots=True)
class Target:
    """Where an attachment goes: beside a bundle, or beside everything in a case.

    :ivar directory: the bundle, or the case.
    :ivar bundle: the bundle's name; empty for the case as a whole.
    :ivar case: the case whose ledger the statement will be entered in, if there is one.
    """

    directory: Path
    incoming: Path
    bundle: str
    case: Case | None

    @property
    def folder(self) -> Path:
        """The directory of its attachments."""
        return self.directory / layout.ATTACHMENTS


def in_case(case: Case, bundle: str = "") -> Target:
    """The target *bundle* in a case, or the case as a whole.

    :raises NotFoundError: if the case has no such bundle.
    """
    if bundle and bundle not in case.bundle_names():
        why = "there is no bundle of this name in the case"
        hint = f"the bundles are in {case.bundles}"
        raise NotFoundError("find bundle", bundle, why, hint=hint)
    directory = case.bundles / bundle if bundle else case.directory
    return Target(directory, case.incoming, bundle, case)


def publish(
    target: Target,
    files: Mapping[str, bytes],
    details: Mapping[str, Any],
    *,
    words: Mapping[str, str] | None = None,
    signer: Signer,
    actor: Actor,
    now: datetime,
) -> Attachment:
    """Attach *files*; entering the statement is the next step (:mod:`custody.entering`).

    :param details: what the statement says of them; ``kind`` finds the one that is superseded.
    :param words: the optional words of the event, such as ``comment``.
    :raises StorageError: if it could not be written; then nothing is attached.
    """
    subjects = [Subject(name, hashlib.sha256(data).hexdigest()) for name, data in files.items()]
    said = dict(details)
    if target.bundle:
        subjects.append(_bundle_subject(target))
        said["bundle"] = target.bundle
    older = newest(target, str(details.get("kind", "")))
    if older is not None:
        said["supersedes"] = older.sha256
    about = {"case": target.case.case if target.case else "", "item": target.bundle}
    if target.case is not None and not target.bundle:
        about["item"] = target.case.case
    event = Event(
        EVENT, now, actor, tuple(subjects), {**about, **(words or {})}, _checkpoint(target), said
    )
    envelope = signing.seal(signer, statement.dump(event))
    name = hashlib.sha256(envelope).hexdigest()
    _write(target, name, {**files, STATEMENT: envelope})
    return Attachment(name, event, envelope, target.folder / name, target.bundle)


def _checkpoint(target: Target) -> dict[str, Any] | None:
    if target.case is None:
        return None
    tree = target.case.ledger.checkpoint().checkpoint
    return {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}


def _write(target: Target, name: str, files: Mapping[str, bytes]) -> None:
    staged = target.incoming / f"attachment-{secrets.token_hex(8)}"
    with durable.private_umask():
        durable.ensure_directory(target.incoming)
        durable.make_directory(staged)
        durable.write_group((staged / file, data) for file, data in files.items())
        durable.ensure_directory(target.folder)
        durable.publish(staged, target.folder / name)


def pending(case: Case, keys: Mapping[str, VerifierKey]) -> list[bytes]:
    """The statements of attachments that the ledger of the case lacks.

    :param keys: whose statements may be entered, by fingerprint.
    """
    ledger = case.ledger
    return [
        item.envelope
        for item in every(case)
        if _is_signed(item, keys) and ledger.find(item.envelope) is None
    ]


def _is_signed(item: Attachment, keys: Mapping[str, VerifierKey]) -> bool:
    envelope = dsse.load(item.envelope)
    key = keys.get(envelope.signatures[0].keyid)
    return (
        key is not None
        and item.event.actor.key == str(key)
        and signing.is_signed(key, envelope.signatures[0].sig, envelope.signed_bytes())
    )


def every(case: Case) -> Iterator[Attachment]:
    """The attachments of the case and of its bundles that can be read, oldest first in each."""
    for bundle in ("", *case.bundle_names()):
        yield from of(in_case(case, bundle))


def of(target: Target) -> list[Attachment]:
    """The attachments of one bundle, or of the case as a whole, oldest first."""
    try:
        names = sorted(os.listdir(target.folder))
    except OSError:
        return []
    found = []
    for name in names:
        try:
            found.append(_read(target.folder / name, target.bundle))
        except CustodyError:  # verify says what is wrong with it; here it is only not listed
            continue
    return sorted(found, key=lambda item: (item.event.time, item.sha256))


def newest(target: Target, kind: str) -> Attachment | None:
    """The last attachment of this kind that no other one supersedes."""
    same = [item for item in of(target) if item.kind == kind]
    replaced = {item.event.details.get("supersedes") for item in same}
    left = [item for item in same if item.sha256 not in replaced]
    return left[-1] if left else None


def _read(directory: Path, bundle: str) -> Attachment:
    data = reading.read_beneath(directory, STATEMENT, dsse.LARGEST_ENVELOPE)
    event = statement.load(dsse.load(data).payload)
    digest = hashlib.sha256(data).hexdigest()
    if digest != directory.name or event.kind != EVENT:
        raise FormatError("read attachment", directory, "its name is not that of its statement")
    return Attachment(digest, event, data, directory, bundle)


def _bundle_subject(target: Target) -> Subject:
    """What the bundle's own statement pins, under a name that says which bundle it is."""
    data = reading.read_beneath(target.directory, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    (pinned,) = statement.load(dsse.load(data).payload).subjects
    return replace(pinned, name=f"{_BUNDLE_SUBJECT}{target.bundle}/{pinned.name}")
