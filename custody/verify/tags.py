"""The tag files, the tag manifest that pins them, and the acquisition record."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custody import durable, reading
from custody.bundle import layout
from custody.bundle.verify_text import VERIFY_TEXT
from custody.counted import counted
from custody.errors import CustodyError, FormatError, UnknownFormatError
from custody.formats import bagit, canonical
from custody.verify import journals
from custody.verify.docket import Docket
from custody.verify.inventory import INVENTORY
from custody.verify.payload import Read

TAG_FILES, TAG_MANIFEST, ACQUISITION = 2, 3, 6
ACQUISITION_SCHEMA = "custody.acquisition/v1"

_INFO_LABELS = {
    "Bag-Software-Agent", "Bagging-Date", "External-Identifier", "Payload-Oxum",
    layout.FORMAT_LABEL,
}  # fmt: skip
_CHUNK = 1 << 20
_IS_SHA256 = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
# Manifest and inventory grow with the payload: their lines have limits, they have none.
_LIMITS = {
    layout.ACQUISITION: layout.LARGEST_ACQUISITION,
    bagit.MANIFEST_NAME: None,
    layout.INVENTORY: None,
}
_TEXTS = ("bundle", "started", "finished")
_OPTIONAL_TEXTS = ("case", "evidence_number", "description", "authority", "root", "root_b64")
_RECORDS = ("collector", "host", "clock", "tool")


@dataclass(slots=True)
class Tags:
    """What the tag files say, as far as they could be read.

    :ivar pinned: the SHA-256 of the tag manifest, hex: the digest that pins the whole bag.
    :ivar hashed: the SHA-256 of each tag file as it was read first, hex, by name.
    :ivar acquisition: the acquisition record.
    """

    info: Mapping[str, str] = field(default_factory=dict)
    pinned: str = ""
    hashed: dict[str, str] = field(default_factory=dict)
    acquisition: Mapping[str, Any] | None = None

    @property
    def bundle_id(self) -> str:
        """What the bag calls itself."""
        return self.info.get("External-Identifier", "")

    @property
    def oxum(self) -> str:
        """How much payload there should be."""
        return self.info.get("Payload-Oxum", "")


def check(bag: Path, docket: Docket) -> Tags:
    """Checks 2 and 3.

    :raises UnknownFormatError: if the bag is whole and of a format that is not known here.
    """
    tags = Tags()
    # (2) each tag file is exactly what this format has
    data = _read(bag, bagit.DECLARATION_NAME, tags, docket)
    if data is not None and data != bagit.DECLARATION:
        _differs(docket, bagit.DECLARATION_NAME, bagit.DECLARATION, data, "not BagIt 1.0's text")
    info = _read(bag, bagit.INFO_NAME, tags, docket)
    if info is not None:
        tags.info = _info(info, docket)
    text = _read(bag, layout.VERIFY_TEXT, tags, docket)
    version = tags.info.get(layout.FORMAT_LABEL, layout.FORMAT)
    if text is not None and text != VERIFY_TEXT and version == layout.FORMAT:
        why = "not the text that belongs to this format; do not follow it"
        _differs(docket, layout.VERIFY_TEXT, VERIFY_TEXT, text, why)
    docket.shown(TAG_FILES, "bagit.txt, bag-info.txt and VERIFY.txt are as this format has them")
    # (3) the tag manifest lists them all, in order, with their digests
    _tag_manifest(bag, tags, docket)
    if version != layout.FORMAT and not docket.failed(TAG_MANIFEST):
        raise UnknownFormatError(
            "verify", bag, f"its format is {version}; this program knows {layout.FORMAT}",
            hint="use a newer custody",
        )  # fmt: skip
    if version != layout.FORMAT:
        why = "the format is not known, and the tag manifest does not agree with it"
        docket.found(TAG_FILES, bagit.INFO_NAME, layout.FORMAT, version, why)
    return tags


def _read(bag: Path, name: str, tags: Tags, docket: Docket) -> bytes | None:
    try:
        data = reading.read_beneath(bag, name, layout.LARGEST_TAG_FILE)
    except CustodyError as err:
        docket.trouble(TAG_FILES, name, "a tag file", err)
        return None
    tags.hashed[name] = hashlib.sha256(data).hexdigest()
    return data


def _differs(docket: Docket, name: str, expected: bytes, found: bytes, why: str) -> None:
    docket.found(TAG_FILES, name, _digest(expected), _digest(found), why)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _info(data: bytes, docket: Docket) -> dict[str, str]:
    try:
        info = bagit.load_info(data)
    except FormatError as err:
        docket.found(TAG_FILES, bagit.INFO_NAME, "label: value lines", err.why, "it is malformed")
        return {}
    for label in sorted(_INFO_LABELS ^ info.keys()):
        expected, found = ("a line", "none") if label in _INFO_LABELS else ("no line", "one")
        why = f"the labels are not those of this format: {label}"
        docket.found(TAG_FILES, bagit.INFO_NAME, expected, found, why)
    return info


def _tag_manifest(bag: Path, tags: Tags, docket: Docket) -> None:
    name = bagit.TAG_MANIFEST_NAME
    try:
        data = reading.read_beneath(bag, name, layout.LARGEST_TAG_FILE)
    except CustodyError as err:
        docket.trouble(TAG_MANIFEST, name, "the tag manifest", err)
        return
    tags.pinned = hashlib.sha256(data).hexdigest()
    listed: list[str] = []
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        try:
            digest, file = bagit.parse_manifest_line(line)
        except FormatError as err:
            why = "the tag manifest has a line that is not one"
            docket.found(TAG_MANIFEST, f"{name}:{number}", "digest and path", err.why, why)
            continue
        listed.append(file)
        if file in layout.TAG_FILES:
            _compare(bag, file, digest, tags, docket)
    if tuple(listed) != layout.TAG_FILES and not docket.failed(TAG_MANIFEST):
        expected, found = ", ".join(layout.TAG_FILES), ", ".join(listed)[:1_000]
        why = "it does not list exactly the tag files, in order"
        docket.found(TAG_MANIFEST, name, expected, found, why)
    docket.shown(
        TAG_MANIFEST, f"{counted(len(listed), 'tag file')} unchanged; sha256:{tags.pinned}"
    )


def _compare(bag: Path, name: str, expected: str, tags: Tags, docket: Docket) -> None:
    # What was parsed is judged by the bytes that were parsed, not by a second reading; what is
    # parsed later must then have the digest that is found here.
    try:
        found = tags.hashed.get(name) or _file_digest(bag, name)
    except CustodyError as err:
        docket.trouble(TAG_MANIFEST, name, f"sha256:{expected}", err)
        return
    tags.hashed[name] = found
    if found != expected:
        why = "the tag file differs from what the tag manifest says"
        docket.found(TAG_MANIFEST, name, f"sha256:{expected}", f"sha256:{found}", why)


def _file_digest(bag: Path, name: str) -> str:
    digest = hashlib.sha256()
    with reading.open_beneath(bag, name) as fd:
        size, limit = os.fstat(fd).st_size, _LIMITS.get(name, layout.LARGEST_TAG_FILE)
        if limit is not None and size > limit:
            raise FormatError("read", name, f"{size} bytes, at most {limit} are allowed")
        try:
            while piece := os.read(fd, _CHUNK):
                digest.update(piece)
        except OSError as err:
            raise durable.storage_error("read", name, err) from err
    return digest.hexdigest()


def check_acquisition(bag: Path, tags: Tags, read: Read, docket: Docket) -> None:
    """Check 6: the acquisition record, and what it counts."""
    name = layout.ACQUISITION
    try:
        data = reading.read_beneath(bag, name, layout.LARGEST_ACQUISITION)
    except CustodyError as err:
        docket.trouble(ACQUISITION, name, "the acquisition record", err)
        return
    # (6) the bytes that the tag manifest pins
    docket.unchanged(ACQUISITION, name, tags.hashed.get(name), hashlib.sha256(data).hexdigest())
    # (6) canonical, and of the schema that is known
    if not data.endswith(b"\n"):
        docket.found(ACQUISITION, name, "a newline at its end", "none", "it is malformed")
    try:
        record = canonical.load_object(data.removesuffix(b"\n"))
    except FormatError as err:
        docket.found(ACQUISITION, name, "a canonical record", err.why, "it is malformed")
        return
    for field_name, what in _problems(record):
        why = f"the field {field_name} is missing or wrong"
        docket.found(ACQUISITION, name, what, repr(record.get(field_name))[:200], why)
    if docket.failed(ACQUISITION):
        return
    tags.acquisition = record
    # (6) it is this bundle's, and counts what the inventory counts
    if docket.was_unread(TAG_FILES):
        docket.left(ACQUISITION, "the bundle's name in bag-info.txt cannot be read")
    else:
        _equal(docket, "bundle", tags.bundle_id, record["bundle"])
    if docket.was_unread(INVENTORY):
        docket.left(ACQUISITION, "the inventory, which it counts, cannot be read")
    else:
        counts = read.counts
        _equal(docket, "files", counts.payload.files, record.get("files"))
        _equal(docket, "bytes", counts.payload.bytes, record.get("bytes"))
        _equal(docket, "outcomes", dict(counts.outcomes), record.get("outcomes", {}))
        # (6) what it says of journals, and every export of one, is in the inventory
        if counts.exports or "journals" in record:
            journals.check(bag, record.get("journals", {}), ACQUISITION, docket)
    docket.shown(ACQUISITION, f"collected {record['started']} to {record['finished']}")


def _problems(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of the record that are wrong, each with what should be there."""
    wrong = []
    if record.get("schema") != ACQUISITION_SCHEMA:
        wrong.append(("schema", ACQUISITION_SCHEMA))
    wrong += [(name, "a text") for name in _TEXTS if not isinstance(record.get(name), str)]
    wrong += [
        (name, "a text") for name in _OPTIONAL_TEXTS if not isinstance(record.get(name, ""), str)
    ]
    wrong += [(name, "an object") for name in _RECORDS if not isinstance(record.get(name), dict)]
    wrong += [
        (name, "a number") for name in ("files", "bytes") if type(record.get(name)) is not int
    ]
    wrong += [
        (name, "an object")
        for name in ("definitions", "read_on")
        if not isinstance(record.get(name, {}), dict)
    ]
    if not isinstance(record.get("facts", []), list):
        wrong.append(("facts", "a list"))
    if "journals" in record and not journals.has_form(record["journals"]):
        wrong.append(("journals", "what FORMAT.md has for each journal"))
    chosen = record.get("sets", [])
    if not (isinstance(chosen, list) and all(map(_is_set, chosen))):
        wrong.append(("sets", "name, version and sha256 of each"))
    outcomes = record.get("outcomes", {})
    if not isinstance(outcomes, dict) or any(type(count) is not int for count in outcomes.values()):
        wrong.append(("outcomes", "a count for each outcome"))
    return wrong


def _is_set(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and type(one.get("version")) is int
        and one["version"] >= 0
        and _IS_SHA256.match(str(one.get("sha256"))) is not None
        and isinstance(one.get("unresolved", []), list)
    )


def _equal(docket: Docket, what: str, expected: object, found: object) -> None:
    if expected != found:
        why = f"the {what} in the acquisition record do not agree with the rest of the bundle"
        docket.found(ACQUISITION, layout.ACQUISITION, _said(expected), _said(found), why)


def _said(value: object) -> str:
    if isinstance(value, Mapping | Counter):
        return ", ".join(f"{count} {name}" for name, count in sorted(value.items()))[:1_000]
    return str(value)[:1_000]
