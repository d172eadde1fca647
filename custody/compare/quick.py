"""Two small files that are the same, settled with as few system calls as that takes."""

from __future__ import annotations

import os
import stat
from operator import attrgetter

from custody.compare.content import CHUNK
from custody.compare.entries import FILE, Entry, open_quietly
from custody.compare.results import IDENTICAL, METADATA, Result, named

_FACTS = ("mode", "uid", "gid", "modified")
_facts = attrgetter("st_mode", "st_uid", "st_gid", "st_mtime_ns")
_attributes = getattr(os, "listxattr", lambda _fd: ())


def quick(copy: Entry, original: Entry) -> Result | None:
    """The result of two small files of equal content; None if that is not what they are.

    Almost everything is that in an ordinary comparison, so this asks the system for no more than
    it must.  Nothing is concluded from what it does not find.
    """
    try:
        one = open_quietly(copy.name, copy.directory)
    except OSError:
        return None
    try:
        other = open_quietly(original.name, original.directory)
        try:
            return _quick(copy, one, other)
        finally:
            os.close(other)
    except OSError:
        return None
    finally:
        os.close(one)


def _quick(copy: Entry, one: int, other: int) -> Result | None:
    ours, theirs = os.fstat(one), os.fstat(other)
    size = ours.st_size
    if size != theirs.st_size or not 0 < size <= CHUNK:
        return None
    if not (stat.S_ISREG(ours.st_mode) and stat.S_ISREG(theirs.st_mode)):
        return None
    data = os.read(one, size)
    if len(data) != size or data != os.read(other, size):
        return None
    if os.path.samestat(ours, theirs) or _attributes(one) or _attributes(other):
        return None
    if _facts(ours) == _facts(theirs):
        return Result(copy.key, copy.raw, IDENTICAL, "", size, FILE)
    fields = [
        name for name, mine, its in zip(_FACTS, _facts(ours), _facts(theirs), strict=True)
        if mine != its
    ]  # fmt: skip
    return Result(copy.key, copy.raw, METADATA, named(fields), size, FILE)
