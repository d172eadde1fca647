"""BagIt 1.0 (RFC 8493): declaration, bag-info and manifests, for SHA-256 alone.

Writing is fixed; reading is strict, because a junk line in a manifest makes a bag invalid.
Payload names hold safe ASCII only (:mod:`custody.formats.names`), so no percent-encoding occurs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from custody.errors import FormatError

DECLARATION_NAME = "bagit.txt"
INFO_NAME = "bag-info.txt"
MANIFEST_NAME = "manifest-sha256.txt"
TAG_MANIFEST_NAME = "tagmanifest-sha256.txt"
FETCH_NAME = "fetch.txt"

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
LONGEST_LINE = 4_096

_LINE = re.compile(rb"([0-9a-f]{64})  ([\x20-\x7e]+)\n\Z")
_LEADS_OUT = re.compile(r"[\\:]|(?:\A|/)\.{0,2}(?:/|\Z)")
_LABEL = re.compile(r"[A-Za-z0-9-]+\Z", re.ASCII)


def manifest_line(sha256: str, name: str) -> bytes:
    """One manifest line, as ``sha256sum`` prints it too."""
    return f"{sha256}  {name}\n".encode("ascii")


def parse_manifest_line(line: bytes) -> tuple[str, str]:
    """Read one manifest line: the digest in hex and the name.

    :raises FormatError: if it is not exactly digest, two spaces, a relative ASCII name without
        empty, ``.`` or ``..`` components or a backslash, and a newline (RFC 8493 section 2.1.3).
    """
    match = _LINE.match(line)
    if match is None:
        raise FormatError("read manifest", None, f"junk line {line[:80]!r}")
    name = match.group(2).decode("ascii")
    if not is_inside(name):
        raise FormatError("read manifest", None, f"the path {name!r} does not lie inside the bag")
    return match.group(1).decode("ascii"), name


def is_inside(name: str) -> bool:
    """Whether *name* is relative, without empty, ``.`` or ``..`` parts, drives or backslashes."""
    return _LEADS_OUT.search(name) is None


def dump_info(fields: Mapping[str, str]) -> bytes:
    """Print bag-info.txt, one line a field, without folding."""
    return "".join(f"{label}: {value}\n" for label, value in fields.items()).encode()


def load_info(data: bytes) -> dict[str, str]:
    """Read a bag-info.txt that :func:`dump_info` wrote.

    :raises FormatError: for anything else: folded lines, repeated labels, other encodings.
    """
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as err:
        raise FormatError("read bag-info.txt", None, "not UTF-8") from err
    if lines.pop() != "":
        raise FormatError("read bag-info.txt", None, "the final newline is missing")
    fields: dict[str, str] = {}
    for line in lines:
        label, colon, value = line.partition(": ")
        if not colon or not _LABEL.match(label) or label in fields or not value.strip():
            raise FormatError("read bag-info.txt", None, f"junk line {line[:80]!r}")
        fields[label] = value
    if dump_info(fields) != data:
        raise FormatError("read bag-info.txt", None, "not in the one spelling")
    return fields
