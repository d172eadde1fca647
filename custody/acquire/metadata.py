"""What the file system says about a file: plain facts, as inventory fields.

Times are nanoseconds since 1970 as decimal strings, and so is the inode; names of users and
groups come from the files ``/etc/passwd`` and ``/etc/group`` alone, because asking a directory
service can hang on a host that is cut off.
"""

from __future__ import annotations

import base64
import ctypes
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.acquire.image import HOST, Image

Record = dict[str, Any]

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_STATX_SIZE = 256
_BTIME = struct.Struct("=qI")
_BTIME_OFFSET = 80
_LARGEST_XATTR = 16_384
_MOST_XATTR_BYTES = 131_072
_LARGEST_ACCOUNTS = 64 << 20
_LONGEST_NUMBER = 10  # the digits of 2**32


@dataclass(frozen=True, slots=True)
class Accounts:
    """User and group names by number."""

    users: Mapping[int, str]
    groups: Mapping[int, str]

    @classmethod
    def read(cls, image: Image = HOST) -> Accounts:
        """Read the account files of *image*; what is not there is left out."""
        return cls(_numbers(image, "/etc/passwd"), _numbers(image, "/etc/group"))


def _numbers(image: Image, path: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in account_lines(image, path):
        fields = line.split(b":")
        if len(fields) > 2 and fields[2].isdigit() and len(fields[2]) <= _LONGEST_NUMBER:
            names.setdefault(int(fields[2]), text(fields[0]))
    return names


def account_lines(image: Image, path: str) -> list[bytes]:
    """The lines of an account file; none if it is missing, no file, or beyond all measure."""
    fd = image.open_file(path)
    if fd is None:
        return []
    try:
        with os.fdopen(fd, "rb", closefd=False) as stream:
            return stream.read(_LARGEST_ACCOUNTS).split(b"\n")
    except OSError:
        return []
    finally:
        os.close(fd)


def text(data: bytes) -> str:
    """Bytes from the host as text; what is not UTF-8 is shown with backslashes."""
    return data.decode("utf-8", "backslashreplace")


def path_fields(path: bytes, field: str = "path") -> Record:
    """A path as text, and its exact bytes in base64 where they are not UTF-8."""
    try:
        return {field: path.decode()}
    except UnicodeDecodeError:
        return {field: text(path), f"{field}_b64": base64.b64encode(path).decode()}


def describe(status: os.stat_result, accounts: Accounts) -> Record:
    """The fields that ``fstat`` gives."""
    record = {
        "mode": f"{status.st_mode:07o}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "nlink": status.st_nlink,
        "inode": str(status.st_ino),
        "device": f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}",
        "modified": str(status.st_mtime_ns),
        "accessed": str(status.st_atime_ns),
        "changed": str(status.st_ctime_ns),
    }
    user, group = accounts.users.get(status.st_uid), accounts.groups.get(status.st_gid)
    if user is not None:
        record["user"] = user
    if group is not None:
        record["group"] = group
    return record


def describe_open(fd: int, status: os.stat_result, accounts: Accounts) -> Record:
    """All fields of an open file or directory: status, birth time, extended attributes."""
    record = describe(status, accounts)
    born = birth_time(fd)
    if born is not None:
        record["born"] = born
    attributes = extended_attributes(fd)
    if attributes:
        record["xattrs"] = attributes
    return record


def describe_unopened(directory: int, name: bytes, accounts: Accounts) -> Record:
    """All fields of something that must not be opened (a link, FIFO, socket or device).

    It is held with ``O_PATH``, which reads nothing and follows nothing.

    :raises OSError: if it is gone.
    """
    if not hasattr(os, "O_PATH"):
        return describe(os.stat(name, dir_fd=directory, follow_symlinks=False), accounts)
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        return describe_held(fd, accounts)
    finally:
        os.close(fd)


def describe_held(fd: int, accounts: Accounts) -> Record:
    """All fields of something that is held with ``O_PATH`` alone."""
    record = describe(os.fstat(fd), accounts)
    born = birth_time(fd)
    if born is not None:
        record["born"] = born
    attributes = extended_attributes(f"/proc/self/fd/{fd}")
    if attributes:
        record["xattrs"] = attributes
    return record


class _Statx(threading.local):
    """The C library's statx and a buffer for each thread; Python gains ``os.statx`` in 3.15."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
        self.call = getattr(library, "statx", None)
        self.buffer = ctypes.create_string_buffer(_STATX_SIZE)


_statx = _Statx()


def birth_time(fd: int) -> str | None:
    """When the file was made, where kernel and file system tell (statx(2), ``STATX_BTIME``)."""
    if _statx.call is None:
        return None
    if _statx.call(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, _statx.buffer) != 0:
        return None
    raw = _statx.buffer.raw
    if not int.from_bytes(raw[:4], "little") & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BTIME.unpack_from(raw, _BTIME_OFFSET)
    return str(seconds * 1_000_000_000 + nanoseconds)


def extended_attributes(where: int | str) -> dict[str, Any]:
    """Every extended attribute (POSIX ACLs and security labels among them), values in base64.

    A value over 16 KiB, and what lies beyond 128 KiB in all, is given by its size alone.
    """
    try:
        names = os.listxattr(where) if hasattr(os, "listxattr") else ()
    except OSError:
        return {}
    found: dict[str, Any] = {}
    total = 0
    for name in names:
        try:
            value = os.getxattr(where, name)
        except OSError:
            continue
        total += len(value)
        small = len(value) <= _LARGEST_XATTR and total <= _MOST_XATTR_BYTES
        key = os.fsencode(name).decode("ascii", "backslashreplace")  # keys of JSON are ASCII here
        found[key] = base64.b64encode(value).decode() if small else {"size": len(value)}
    return found
