"""The inventory: one canonical JSON object a line, one line for every path asked for.

A record says what became of a path (``outcome``) and, where it was read, under which payload
name its bytes are in the bag.  Records stand in the order of the walk: a directory, then the
other things in it, then each directory in it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, NamedTuple

from custody.errors import FormatError
from custody.formats import canonical

Record = dict[str, Any]

_TEXT = frozenset(
    "path path_b64 payload outcome sha256 modified accessed changed born user group mode inode"
    " device link_target link_target_b64 read_started read_finished remark rotated_from"
    " rotated_from_b64 rotated_to rotated_to_b64 generation chain_sha256".split()
)
_NUMBER = frozenset("size uid gid nlink size_before size_after offset length".split())
_DECIMAL = frozenset("modified accessed changed born inode read_started read_finished".split())
_IS_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\Z", re.ASCII)
_IS_SHA256 = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


def dump(record: Record) -> bytes:
    """Print one record, newline included."""
    return canonical.dump(record) + b"\n"


def load(line: bytes) -> Record:
    """Read one line.

    :raises FormatError: if it is not canonical, has unknown fields or wrong types, lacks the
        path or the outcome, or has a payload without size and digest.
    """
    if not line.endswith(b"\n"):
        raise FormatError("read inventory", None, "a line without its end")
    record = canonical.load_object(line[:-1])
    for field, value in record.items():
        if field in _TEXT:
            good = type(value) is str and (field not in _DECIMAL or _IS_DECIMAL.match(value))
        elif field in _NUMBER:
            good = type(value) is int and value >= 0
        else:
            good = _is_other(field, value)
        if not good:
            raise FormatError("read inventory", None, f"the field {field!r} is unknown or wrong")
    if "path" not in record or "outcome" not in record:
        raise FormatError("read inventory", None, "a record without path or outcome")
    if "payload" in record and not (
        "size" in record and _IS_SHA256.match(record.get("sha256", ""))
    ):
        raise FormatError("read inventory", None, "a payload without size or digest")
    return record


_PIECE = ("generation", "offset", "length", "chain_sha256")


class Piece(NamedTuple):
    """Where some bytes stand in a watched file.

    :ivar generation: which content of which file: its device, inode, time of birth, and a count.
    :ivar offset: how many bytes of it came before; *length* is how many these are.
    :ivar chain_sha256: :func:`chain` over all pieces up to and with this one.
    """

    generation: str
    offset: int
    length: int
    chain_sha256: str


def chain(previous: str, sha256: str) -> str:
    """The chain value after a piece: SHA-256 of the value before it and the piece's digest.

    :param previous: in hex; empty before the first piece.
    """
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(sha256)).hexdigest()


class Brief(NamedTuple):
    """What checking a bundle needs of a record.

    :ivar raw: the exact bytes of the path.
    :ivar size: of the payload; 0 without one, and *sha256* is then empty.
    :ivar before: the size when it was opened.
    :ivar after: the size when it had been read.
    :ivar moved_from: the exact path under which it was listed, if it was found under another.
    :ivar piece: where its bytes stand in a watched file, if it is a piece of one.
    """

    raw: bytes
    outcome: str
    payload: str | None
    sha256: str
    size: int
    before: int | None
    after: int | None
    moved_from: bytes | None
    piece: Piece | None = None


def brief(line: bytes) -> Brief:
    """Read one line, for checking; as strict as :func:`load` and :func:`raw_path` together.

    A million ordinary records must not take a minute: a line that :data:`_ORDINARY` matches is
    canonical by its very form and is not parsed as JSON; every other line is.

    :raises FormatError: as those two do.
    """
    match = _ORDINARY.match(line)
    if match is not None:
        outcome, path, payload, sha256, size, after, before = match.groups()
        sizes = None if before is None else int(before), None if after is None else int(after)
        if payload is None:
            return Brief(path, outcome.decode(), None, "", 0, *sizes, None)
        if sha256 is not None and size is not None:
            found = payload.decode(), sha256.decode(), int(size)
            return Brief(path, outcome.decode(), *found, *sizes, None)
    record = load(line)
    payload = record.get("payload")
    return Brief(
        raw_path(record),
        record["outcome"],
        payload,
        record["sha256"] if payload is not None else "",
        record["size"] if payload is not None else 0,
        record.get("size_before"),
        record.get("size_after"),
        raw_path(record, "rotated_from") if "rotated_from" in record else None,
        piece_of(record),
    )


def piece_of(record: Record) -> Piece | None:
    """Where a record's bytes stand in a watched file, or None.

    :raises FormatError: if only some of the fields for it are there, or they contradict the size.
    """
    there = [field for field in _PIECE if field in record]
    if not there:
        return None
    if len(there) != len(_PIECE) or record["length"] != record.get("size", 0):
        raise FormatError("read inventory", None, "a piece without its place in the file")
    if not _IS_SHA256.match(record["chain_sha256"]):
        raise FormatError("read inventory", None, "a chain value that is no digest")
    return Piece(*(record[field] for field in _PIECE))


def _ordinary() -> re.Pattern[bytes]:
    """Records without non-ASCII text, backslashes, attributes, errors, links and remarks."""
    decimal, number, text = r'"-?(?:0|[1-9][0-9]*)"', r"(?:0|[1-9][0-9]{0,14})", r"[ !#-\[\]-~]*"
    shapes = (
        ("accessed", decimal), ("ancestor", "true"), ("born", decimal), ("changed", decimal),
        ("device", f'"{text}"'), ("gid", number), ("group", f'"{text}"'), ("inode", decimal),
        ("mode", f'"{text}"'), ("modified", decimal), ("nlink", number),
    )  # fmt: skip
    later = (
        ("payload", f'"({text})"'), ("read_finished", decimal), ("read_started", decimal),
        ("sha256", '"([0-9a-f]{64})"'), ("size", f"({number})"), ("size_after", f"({number})"),
        ("size_before", f"({number})"), ("uid", number), ("user", f'"{text}"'),
    )  # fmt: skip
    before = "".join(f'(?:"{name}":{shape},)?' for name, shape in shapes)
    after = "".join(f'(?:,"{name}":{shape})?' for name, shape in later)
    whole = rf'\{{{before}"outcome":"({text})","path":"({text})"{after}\}}\n\Z'
    return re.compile(whole.encode())


_ORDINARY = _ordinary()


def _is_other(field: str, value: Any) -> bool:
    if field == "ancestor":
        return value is True
    if field == "xattrs":
        return isinstance(value, dict)
    if field == "error":
        return isinstance(value, dict) and set(value) == {"name", "number", "message"}
    return False


def raw_path(record: Record, field: str = "path") -> bytes:
    """The exact bytes of a record's path.

    :raises FormatError: if the base64 form is there and is not one, or was not needed.
    """
    encoded = record.get(f"{field}_b64")
    if encoded is None:
        return str(record[field]).encode()
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as err:
        raise FormatError("read inventory", None, f"{field}_b64 is not base64") from err
    if (
        base64.b64encode(raw).decode() != encoded
        or raw.decode("utf-8", "backslashreplace") != (record[field])
    ):
        raise FormatError("read inventory", None, f"{field} and {field}_b64 do not agree")
    return raw
