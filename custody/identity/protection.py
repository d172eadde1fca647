"""Whether a file is private: its owner, its mode, and whether its file system has modes at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# FAT, exFAT and NTFS keep no Unix modes: what stat shows there comes from a mount option, and
# whoever holds the stick reads everything.  "fuseblk" is how ntfs-3g and exfat-fuse appear.
_WITHOUT_MODES = {
    "vfat",
    "msdos",
    "exfat",
    "ntfs",
    "ntfs3",
    "fuseblk",
    "fuse.exfat",
    "fuse.fusefat",
    "fuse.ntfs",
    "fuse.ntfs-3g",
}


def is_private(found: os.stat_result) -> bool:
    """Whether only its owner and root can reach the file, and the owner is us or root."""
    return _is_ours(found) and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def why_not_private(found: os.stat_result) -> str:
    """In words, what :func:`is_private` found wrong."""
    if not _is_ours(found):
        return f"it belongs to another user (uid {found.st_uid})"
    return f"others can reach it (mode {stat.S_IMODE(found.st_mode):04o})"


def has_no_modes(found: os.stat_result) -> bool:
    """Whether the file or directory lies on a file system without Unix modes.

    Known by the type of the mount (Linux).  Where that cannot be learned the answer is no, and
    the mode is judged as it stands.
    """
    if os.name != "posix":
        return True
    return _file_system_type(found.st_dev) in _WITHOUT_MODES


def _is_ours(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid in (0, os.geteuid())


def _file_system_type(device: int) -> str:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        if fields.split(" ")[2:3] == [wanted]:
            return rest.partition(" ")[0]
    return ""
