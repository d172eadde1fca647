"""The stream of a bundle: a POSIX pax archive (IEEE Std 1003.1), one form of it, strict both ways.

Every member is a directory or a regular file.  Its header is one ustar block; a pax header
stands before it where, and only where, the name is over 100 bytes (``path``) or the size does not
fit into eleven octal digits (``size``).  Owner, group and device are zero, the modes private, and
the time is the same in the whole archive.  :func:`load` takes what :func:`dump` prints, byte for
byte, and nothing else, so that a link, a device or a second meaning cannot come in.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from custody.errors import FormatError
from custody.formats import canonical, names

BLOCK = 512
END = bytes(2 * BLOCK)
LARGEST_EXTENDED = 4 * BLOCK
LONGEST_BUNDLE_NAME = 255
_SHORT_NAME = 100
_SIZE_DIGITS = 8**11
_LATEST = 8**11
_KINDS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device",
    b"6": "a FIFO", b"g": "a header for several members", b"S": "a sparse file",
    b"L": "a GNU header", b"K": "a GNU header",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9._\-+,@~()= ]+(?:/[A-Za-z0-9._\-+,@~()= ]+)*\Z")
_OCTAL = re.compile(rb"[0-7]{11}\x00\Z")
_SIZE = re.compile(rb"[0-9]+ size=([1-9][0-9]{0,15})\n")
_PATH = re.compile(rb"[0-9]+ path=([ -~]+)\n")


class Member(NamedTuple):
    """One member.

    :ivar name: relative, with slashes, and without one at its end.
    :ivar size: in bytes; None for a directory.
    :ivar modified: seconds since 1970, the same for all members of a stream.
    """

    name: str
    size: int | None
    modified: int


def padding(size: int) -> int:
    """How many zero bytes follow the content of a member of *size* bytes."""
    return -size % BLOCK


def dump(member: Member) -> bytes:
    """Print a member's header: one block, or three and more with a pax header.

    :raises FormatError: if it cannot be said.
    """
    _require(member)
    raw = (member.name if member.size is not None else f"{member.name}/").encode("ascii")
    size = member.size or 0
    extended = b""
    if len(raw) > _SHORT_NAME:
        extended += _record(b"path", raw)
    if size >= _SIZE_DIGITS:
        extended += _record(b"size", b"%d" % size)
    kind, mode = (b"5", 0o700) if member.size is None else (b"0", 0o600)
    head = b""
    if extended:
        about = _block(b"pax", b"x", 0o600, len(extended), member.modified)
        head = about + extended + bytes(padding(len(extended)))
    short = size if size < _SIZE_DIGITS else 0
    return head + _block(raw[:_SHORT_NAME], kind, mode, short, member.modified)


def extended_size(block: bytes) -> int:
    """How many bytes of a pax header follow this block, padding included; 0 where it is none.

    :raises FormatError: if it is longer than any that :func:`dump` prints.
    """
    if block[156:157] != b"x":
        return 0
    size = _octal(block[124:136])
    if not 0 < size <= LARGEST_EXTENDED:
        raise FormatError("read stream", None, "a pax header that is too long")
    return size + padding(size)


def load(head: bytes) -> Member:
    """Read a member's whole header: its block, with the pax header before it if it has one.

    :raises FormatError: if it is not, byte for byte, what :func:`dump` prints.
    """
    block, extended = head[-BLOCK:], head[BLOCK:-BLOCK]
    kind = block[156:157]
    if kind not in (b"0", b"5"):
        what = _KINDS.get(kind, "no file and no directory")
        raise FormatError("read stream", _shown(block), f"{what}, which no bundle has")
    path, long = _PATH.match(extended), _SIZE.search(extended)
    raw = path[1] if path else block[:_SHORT_NAME].rstrip(b"\0")
    size = int(long[1]) if long else _octal(block[124:136])
    try:
        name = raw.decode("ascii").removesuffix("/" if kind == b"5" else "")
    except UnicodeDecodeError as err:
        raise FormatError("read stream", _shown(block), "a name that is not ASCII") from err
    member = Member(name, None if kind == b"5" else size, _octal(block[136:148]))
    if dump(member) != head:
        why = "a header that is not written as the streams of custody are"
        raise FormatError("read stream", name, why)
    return member


def _require(member: Member) -> None:
    parts = member.name.split("/")
    longest = LONGEST_BUNDLE_NAME + 1 + names.LONGEST_NAME
    if not _NAME.match(member.name) or len(member.name) > longest:
        raise FormatError("read stream", member.name, "a name that nothing in a bundle has")
    if any(part in (".", "..") for part in parts):
        raise FormatError("read stream", member.name, "a name that leads elsewhere")
    if not 0 <= (member.size or 0) <= canonical.LARGEST_INTEGER:
        raise FormatError("read stream", member.name, "a size that no file has")
    if not 0 <= member.modified < _LATEST:
        raise FormatError("read stream", member.name, "a time that cannot be said")


def _record(key: bytes, value: bytes) -> bytes:
    """One pax record: its own length in decimal, a space, ``key=value`` and a line feed."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(name: bytes, kind: bytes, mode: int, size: int, modified: int) -> bytes:
    fields = (
        name.ljust(_SHORT_NAME, b"\0"),
        b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, modified),
        b" " * 8,
        kind,
        bytes(100),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0%07o\0" % (0, 0),
        bytes(167),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(field: bytes) -> int:
    if not _OCTAL.match(field):
        raise FormatError("read stream", None, "a number that is not written in octal")
    return int(field[:-1], 8)


def _shown(block: bytes) -> str:
    return block[:_SHORT_NAME].rstrip(b"\0").decode("ascii", "backslashreplace")
