"""What may be added after sealing: countersignatures, time stamps, events, attachments.

None of it is pinned by the statement, so each must stand on its own: its name is the digest of
its bytes or the key that made it, its form is strict, and its signature is judged by the
verifier's trust.  What nobody here can judge is said, and never helps a bundle.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.counted import counted
from custody.errors import CustodyError, FormatError
from custody.formats import dsse
from custody.formats.statement import Event
from custody.identity.trust import Trust
from custody.verify import signed
from custody.verify.docket import Docket
from custody.verify.layout import Inside
from custody.verify.lines import Latest, Line, Others
from custody.verify.seal import SIGNATURE, Sealed

ADDITIONS = 13

LARGEST_TOKEN = 1 << 20
LARGEST_ATTACHED = 64 << 20
MOST_KEPT = 64 << 20  # bytes of one attachment, all its files together, to work out again
_CHUNK = 1 << 20
_UNDATED: Latest = {}
ATTACHMENT_STATEMENT = "statement.dsse.json"
_ABOUT_BUNDLE = "bundle/"
_ASSESSMENT = "obligations"
_ENVELOPE_NAME = re.compile(r"([0-9a-f]{64})\.dsse\.json\Z", re.ASCII)
_TOKEN_NAME = re.compile(r"([0-9a-f]{64})\.tsr\Z", re.ASCII)


def check_countersignatures(
    bag: Path,
    inside: Inside,
    sealed: Sealed | None,
    trust: Trust,
    docket: Docket,
    others: Others,
    latest: Latest,
) -> None:
    """A part of check 8: the same statement, signed by others.

    :param others: takes the trusted keys that did.
    :param latest: trusted times of their signatures.
    """
    folder = layout.COUNTERSIGNATURES
    for name in inside.additions.get(folder, []):
        path = f"{folder}/{name}"
        try:
            envelope = dsse.load(reading.read_beneath(bag, path, dsse.LARGEST_ENVELOPE))
        except CustodyError as err:
            docket.trouble(SIGNATURE, path, "a canonical envelope", err)
            continue
        match = _ENVELOPE_NAME.match(name)
        keyids = [item.keyid for item in envelope.signatures]
        if match is None or keyids != [match.group(1)]:
            why = "a countersignature is one signature, named by the fingerprint of its key"
            docket.found(SIGNATURE, path, "FINGERPRINT.dsse.json", ", ".join(keyids)[:400], why)
        if sealed is None:
            continue
        # (8) over the very payload that was sealed
        if envelope.signed_bytes() != sealed.envelope.signed_bytes():
            why = "a countersignature is over another statement"
            docket.found(SIGNATURE, path, "the sealed statement", "another", why)
            continue
        for signature in envelope.signatures:
            line = Line(signature, envelope, path, SIGNATURE, docket)
            others.take(*line.beside(trust, sealed.event.time, latest))


def check(
    bag: Path, inside: Inside, pinned: str, trust: Trust, docket: Docket, latest: Latest
) -> None:
    """Check 13.

    :param pinned: the digest of the bundle's tag manifest, which its attachments name.
    :param latest: trusted times of the signatures on events.
    """
    docket.optional(ADDITIONS)
    judge = Judge(bag, trust, docket, ADDITIONS, latest)
    # (13) time stamps and events are named by the digest of their bytes
    for name in inside.additions.get(layout.TIMESTAMPS, []):
        judge.token(f"{layout.TIMESTAMPS}/{name}", name)
    for name in inside.additions.get(layout.EVENTS, []):
        judge.event(f"{layout.EVENTS}/{name}", name)
    # (13) attachments: every file is named, with its digest, by the statement among them
    for path, files in inside.attachments.items():
        judge.attachment(path, files, pinned)
    judge.settle()


class Judge:
    """Judges additions one by one.

    :param number: the check that they belong to.
    :param latest: trusted times of their signatures.
    """

    def __init__(
        self, bag: Path, trust: Trust, docket: Docket, number: int, latest: Latest = _UNDATED
    ) -> None:
        self._number = number
        self._latest = latest
        self.count = 0
        self.unknown = 0
        self.undated = 0
        self.too_large = 0
        self._bag = bag
        self._trust = trust
        self._docket = docket

    def settle(self) -> None:
        """Every addition has been judged."""
        if self.unknown or self.undated or self.too_large:
            why = f"{counted(self.count, 'addition')}"
            if self.undated:
                why += f", {self.undated} of them by keys with an end and without a trusted time"
            if self.unknown:
                why += f", {self.unknown} of them signed by unknown keys"
            if self.too_large:
                why += f", {self.too_large} of them too large to work out again"
            self._docket.left(self._number, why)
        elif self.count:
            self._docket.shown(self._number, f"{counted(self.count, 'addition')}, all in order")
        else:
            self._docket.shown(self._number, "nothing was added")

    def token(self, path: str, name: str) -> None:
        """A time stamp; what it says is another check's business."""
        self.count += 1
        data = self._read(path, LARGEST_TOKEN)
        if data is not None:
            self._named(path, name, _TOKEN_NAME, data)

    def event(self, path: str, name: str) -> None:
        """A signed event."""
        self.count += 1
        data = self._read(path, dsse.LARGEST_ENVELOPE)
        if data is not None:
            self._named(path, name, _ENVELOPE_NAME, data)
            self._envelope(path, data)

    def attachment(self, path: str, files: list[str], pinned: str) -> None:
        """Some files and the statement that names them.

        :param pinned: the digest that its subject about a bundle has; empty for a case's, which
            has none.
        """
        self.count += 1
        where = f"{path}/{ATTACHMENT_STATEMENT}"
        data = self._read(where, dsse.LARGEST_ENVELOPE)
        if data is None:
            return
        if hashlib.sha256(data).hexdigest() != Path(path).name:
            self._found(path, "the digest of its statement", Path(path).name, _MISNAMED)
        event, is_known = self._envelope(where, data)
        if event is None:
            return
        if event.kind != "attached":
            self._found(where, "the event attached", event.kind, "it is another event")
        named = {item.name: item.sha256 for item in event.subjects}
        about = [name for name in named if name.startswith(_ABOUT_BUNDLE)]
        if pinned and not about:
            why = "the attachment is about a whole case, and lies in a bundle"
            self._found(where, f"sha256:{pinned}", "nothing about a bundle", why)
        for name in about:
            if named.pop(name) != pinned:
                why = "the attachment is about another bundle"
                self._found(where, f"sha256:{pinned}", name[:400], why)
        for name in named.keys() - set(files):
            self._found(f"{path}/{name}", "a file", "nothing", "an attached file is missing")
        # Working out takes time and memory, so it is done only for those whom the verifier knows.
        is_wanted = is_known and event.details.get("kind") == _ASSESSMENT
        self._files(path, files, named, _Kept(MOST_KEPT if is_wanted else 0))

    def _files(self, path: str, files: list[str], named: Mapping[str, str], kept: _Kept) -> None:
        for name in files:
            if name != ATTACHMENT_STATEMENT:
                self._attached(path, name, named.get(name), kept)
        if kept.is_over:
            self.too_large += 1
            why = f"more than {kept.limit} bytes: it is not worked out again"
            self._docket.remark(path, why)
        elif kept.limit:
            self._worked_out(path, kept.files)

    def _attached(self, folder: str, name: str, expected: str | None, kept: _Kept) -> None:
        path = f"{folder}/{name}"
        if expected is None:
            why = "a file that the attachment's statement does not name"
            self._found(path, "nothing", "a file", why)
            return
        try:
            digest = _digest(self._bag, path, name, kept)
        except CustodyError as err:
            self._docket.trouble(self._number, path, "an addition to the bundle", err)
            return
        if digest != expected:
            why = "the attached file differs from what its statement says"
            self._found(path, f"sha256:{expected}", f"sha256:{digest}", why)

    def _worked_out(self, path: str, files: dict[str, bytes]) -> None:
        """(13) an assessment follows from the record and the packs beside it."""
        from custody.obligations import attachment

        try:
            again = attachment.recompute(files)
        except FormatError as err:
            self._found(path, "an assessment", err.why, "it cannot be worked out again")
            return
        for name in again.differences:
            why = "the answers do not follow from the record and the packs beside them"
            if again.is_finding:
                self._found(f"{path}/{name}", "what they give", "something else", why)
            else:
                other = f"written by evaluator {again.evaluator[:40]}, which this program is not"
                self._docket.remark(f"{path}/{name}", f"{why}: {other}")

    def _envelope(self, path: str, data: bytes) -> tuple[Event | None, bool]:
        """The event, and whether somebody whom the verifier knows has signed it."""
        try:
            envelope = dsse.load(data)
            event = signed.event_in(envelope)
            key = signed.key_of(event)
        except FormatError as err:
            self._found(path, "a signed event", err.why, "it is malformed")
            return None, False
        # (13) signed by the key that it names, trusted or not
        if not signed.is_by(key, envelope):
            why = "the key that the event names has not signed it"
            self._found(path, key.fingerprint(), "no good signature", why)
            return event, False
        known = {
            Line(item, envelope, path, self._number, self._docket).of_event(
                self._trust, event, key, self._latest
            )
            for item in envelope.signatures
        }
        if "good" not in known:
            self.undated += "open" in known
            self.unknown += "open" not in known
        return event, "good" in known

    def _named(self, path: str, name: str, shape: re.Pattern[str], data: bytes) -> None:
        match = shape.match(name)
        digest = hashlib.sha256(data).hexdigest()
        if match is None or match.group(1) != digest:
            self._found(path, f"sha256:{digest}", name, _MISNAMED)

    def _read(self, path: str, limit: int) -> bytes | None:
        try:
            return reading.read_beneath(self._bag, path, limit)
        except CustodyError as err:
            self._docket.trouble(self._number, path, "an addition to the bundle", err)
            return None

    def _found(self, path: str, expected: str, found: str, message: str) -> None:
        self._docket.found(self._number, path, expected, found, message)


_MISNAMED = "its name is not the digest of its bytes"


class _Kept:
    """The bytes of an attachment's files, as long as they are few enough together.

    :param limit: how many bytes are kept at most; 0 if none are wanted.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.is_over = False
        self.files: dict[str, bytes] = {}
        self._room = limit

    def take(self, name: str, piece: bytes) -> None:
        """The next bytes of the file *name*."""
        if not self.limit or self.is_over:
            return
        self._room -= len(piece)
        if self._room < 0:
            self.is_over = True
            self.files.clear()
            return
        self.files[name] = self.files.get(name, b"") + piece


def _digest(bag: Path, path: str, name: str, kept: _Kept) -> str:
    """The SHA-256 of an attached file, read a piece at a time."""
    digest, size = hashlib.sha256(), 0
    with reading.open_beneath(bag, path) as fd:
        kept.take(name, b"")
        if os.fstat(fd).st_size > LARGEST_ATTACHED:
            raise FormatError("read", path, f"more than {LARGEST_ATTACHED} bytes")
        try:
            while piece := os.read(fd, _CHUNK):
                size += len(piece)
                if size > LARGEST_ATTACHED:
                    raise FormatError("read", path, f"more than {LARGEST_ATTACHED} bytes")
                digest.update(piece)
                kept.take(name, piece)
        except OSError as err:
            raise durable.storage_error("read", path, err) from err
    return digest.hexdigest()
