"""What is mounted where, so that a walk knows before it looks: looking at a dead mount hangs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Other machines' disks, and file systems that may be: a dead server blocks every system call.
NETWORK = frozenset(
    "9p afs beegfs ceph cifs coda glusterfs gfs2 lustre ncpfs nfs nfs4 ocfs2 smb3 smbfs"
    " davfs autofs".split()
)
# File systems that show the kernel, not a disk.
KERNEL = frozenset(
    "binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs"
    " mqueue proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
FAT = frozenset(("vfat", "msdos", "fat", "exfat", "fuse.fusefat"))

_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: its *point*, *device* number as ``major:minor``, *kind* and *source*."""

    point: bytes
    device: str
    kind: str
    source: str


def may_hang(kind: str) -> bool:
    """Whether somebody else answers for a file system of this kind: a server, or a program."""
    return kind in NETWORK or kind == "fuse" or kind.startswith("fuse.")


def read(path: str = "/proc/self/mountinfo") -> dict[bytes, Mount]:
    """The mounts of this process by mount point; empty where the system does not tell.

    Format: proc(5), ``/proc/pid/mountinfo``.
    """
    try:
        data = Path(path).read_bytes()
    except OSError:
        return {}
    mounts = {}
    for line in data.splitlines():
        left, _, right = line.partition(b" - ")
        fields, tail = left.split(b" "), right.split(b" ")
        if len(fields) < 5 or len(tail) < 2:
            continue
        point = _unescape(fields[4])
        mounts[point] = Mount(point, _text(fields[2]), _text(tail[0]), _text(_unescape(tail[1])))
    return mounts


def beneath(root: bytes, mounts: Mapping[bytes, Mount]) -> dict[bytes, Mount]:
    """The mounts in what is mounted at *root*, by their mount points as seen from there."""
    if root == b"/":
        return dict(mounts)
    return {
        point[len(root) :] or b"/": mount
        for point, mount in mounts.items()
        if point == root or point.startswith(root + b"/")
    }


def of(path: bytes, mounts: Mapping[bytes, Mount]) -> Mount | None:
    """The mount that holds the absolute *path*, by the longest mount point above it."""
    while True:
        found = mounts.get(path)
        if found is not None or path == b"/":
            return found
        path = path.rpartition(b"/")[0] or b"/"


def _unescape(field: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), field)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
