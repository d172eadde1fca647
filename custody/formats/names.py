"""Payload names: any path, written with bytes that every BagIt tool and file system takes.

The encoding is ours because BagIt's own percent rules are read differently by most tools.  It is
one-way on purpose: the exact original bytes are in the inventory, and whoever verifies computes
each name again from them.

* a byte outside the safe set is written ``=XX`` (upper-case hex), and so is ``=``;
* so are dots and spaces at the end of a component, and the first letter of a Windows device name;
* a component over 200 bytes, and every component that collides with a sibling on a disk that
  ignores case, is cut to 160 bytes at a whole escape and gets ``=~`` and 32 hex digits of the
  SHA-256 of the raw component;
* a whole name over 1,024 bytes becomes ``data/=~long/`` and the SHA-256 of the raw path;
* a piece of a watched file is ``data/=~pieces/``, its last component cut to 160 bytes, ``=~``, and
  32 hex digits of the SHA-256 of its raw path, a zero byte and its generation;
* a fact about the host has no path of its own: its record says ``=~facts/`` and its name, and its
  payload is ``data/`` and that;
* nor has the export of a journal: ``=~journals/``, the last component of the journal's payload
  name, cut as above, ``=~``, 32 hex digits of the SHA-256 of that whole name, ``.export``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable

PAYLOAD = "data"
PIECES = f"{PAYLOAD}/=~pieces/"
FACTS = "=~facts/"
EXPORTS = "=~journals/"
LONGEST_COMPONENT = 200
LONGEST_NAME = 1_024
_KEPT_PREFIX = 160
_PARTITION = 100_000  # bounds the memory of the search for collisions in one huge directory

_UNSAFE = re.compile(rb"[^A-Za-z0-9._\-+,@~() ]|[. ]+\Z|\n", re.DOTALL)
_DEVICE = re.compile(
    rb"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$) *(?:\.|\Z)", re.IGNORECASE | re.DOTALL
)
_FACT = re.compile(rb"=~facts/[a-z0-9][a-z0-9.-]{0,58}[a-z0-9]\Z")
_EXPORT = re.compile(rb"=~journals/[A-Za-z0-9._\-+,@~() =]{1,160}=~[0-9a-f]{32}\.export\Z")
_PLAIN = re.compile(rb"[A-Za-z0-9._\-+,@~() ]*[A-Za-z0-9_\-+,@~()]\Z")


def _escape(match: re.Match[bytes]) -> bytes:
    return b"".join(b"=%02X" % byte for byte in match.group())


def encode(component: bytes) -> str:
    """Write one path component in safe characters, however long that becomes."""
    if _PLAIN.match(component) and not _DEVICE.match(component):
        return component.decode("ascii")
    escaped = _UNSAFE.sub(_escape, component)
    if _DEVICE.match(component):
        escaped = b"=%02X" % component[0] + escaped[1:]
    return escaped.decode("ascii")


def component_name(component: bytes, *, marked: bool = False) -> str:
    """The payload name of one component.

    :param marked: whether it collides with a sibling (:func:`colliding`).
    """
    name = encode(component)
    if not marked and len(name) <= LONGEST_COMPONENT:
        return name
    return f"{_kept(name)}=~{hashlib.sha256(component).hexdigest()[:32]}"


def _kept(name: str) -> str:
    kept = name[:_KEPT_PREFIX]
    return kept[: kept.rindex("=")] if "=" in kept[-2:] else kept


def long_name(raw_path: bytes) -> str:
    """The name below the bag of a file whose readable name would be over 1,024 bytes."""
    return f"{PAYLOAD}/=~long/{hashlib.sha256(raw_path).hexdigest()}"


def piece_name(raw_path: bytes, generation: str) -> str:
    """The name below the bag of a piece of a watched file.

    It depends on nothing that stands beside the file, because a bundle of pieces has only what
    changed.
    """
    last = raw_path.rpartition(b"/")[2]
    digest = hashlib.sha256(raw_path + b"\0" + generation.encode()).hexdigest()[:32]
    return f"{PIECES}{_kept(encode(last))}=~{digest}"


def fact_path(name: str) -> str:
    """What stands for the path of a fact about the host; no path of a host begins so."""
    return f"{FACTS}{name}"


def fact_name(name: str) -> str:
    """The name below the bag of a fact about the host."""
    return f"{PAYLOAD}/{FACTS}{name}"


def is_fact(raw_path: bytes) -> bool:
    """Whether a record is about a fact, by its path."""
    return raw_path.startswith(FACTS.encode())


def is_fact_name(raw_path: bytes) -> bool:
    """Whether the path of a fact's record is one that a fact can have."""
    return _FACT.match(raw_path) is not None


def export_path(payload: str) -> str:
    """What stands for the path of the export of a journal.

    :param payload: the journal's own payload name.
    """
    digest = hashlib.sha256(payload.encode()).hexdigest()[:32]
    return f"{EXPORTS}{_kept(payload.rpartition('/')[2])}=~{digest}.export"


def export_name(path: str) -> str:
    """The name below the bag of an export, whose record has this *path*."""
    return f"{PAYLOAD}/{path}"


def is_export(raw_path: bytes) -> bool:
    """Whether a record is about the export of a journal, by its path."""
    return raw_path.startswith(EXPORTS.encode())


def is_export_name(raw_path: bytes) -> bool:
    """Whether the path of an export's record is one that an export can have."""
    return _EXPORT.match(raw_path) is not None


def fold(component: bytes) -> str:
    """What a file system that ignores case sees of a component's payload name."""
    return component_name(component).lower()


def colliding(siblings: Collection[bytes]) -> frozenset[bytes]:
    """Those distinct *siblings* that a case-insensitive disk cannot tell apart.

    Two different components fold to one name only if a letter differs in case, so nothing is
    computed for directories without a capital letter.  Memory is bounded by working through
    huge directories in parts.
    """
    if not any(map(_CAPITAL.search, siblings)):
        return frozenset()
    parts = len(siblings) // _PARTITION + 1
    found: set[bytes] = set()
    for part in range(parts):
        found.update(_colliding_part(siblings, part, parts))
    return frozenset(found)


def _colliding_part(siblings: Collection[bytes], part: int, parts: int) -> Iterable[bytes]:
    mine = {name for name in siblings if hash(name.lower()) % parts == part}
    seen = Counter(fold(name) for name in mine)
    if len(seen) == len(mine):
        return ()
    return [name for name in mine if seen[fold(name)] > 1]


_CAPITAL = re.compile(rb"[A-Z]")
