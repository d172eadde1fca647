"""The portable build that this program runs from, if it does: which one, and whether it is whole.

A portable build is a folder with ``SHA256SUMS`` over every file in it; the program lies in its
``app/``.  What is found here shows damage and accident.  It cannot show malice: whoever could
change the program could change this check too, and whoever built the folder signed the sums.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from custody.counted import counted

SUMS = "SHA256SUMS"
LARGEST_SUMS = 4 << 20
MOST_NAMED = 20
_BLOCK = 1 << 20


@functools.cache
def facts(package: Path) -> dict[str, Any] | None:
    """The digest of the build's ``SHA256SUMS``, and the files that no longer are what it says.

    :param package: the directory of the package ``custody``.
    :returns: None where the program is installed and not portable.  ``altered`` has at most
        :data:`MOST_NAMED` names: of files that differ, are missing, or cannot be read.
    """
    folder = package.parent.parent
    sums = folder / SUMS
    if package.parent.name != "app" or not sums.is_file() or not (folder / "BUILD.json").is_file():
        return None
    with sums.open("rb") as stream:
        data = stream.read(LARGEST_SUMS)
    found: dict[str, Any] = {"sha256sums": hashlib.sha256(data).hexdigest()}
    altered = []
    for line in data.splitlines():
        digest, _, name = line.partition(b"  ")
        if _sha256(folder / os.fsdecode(name)) != digest.decode("ascii", "replace"):
            altered.append(name.decode("utf-8", "backslashreplace"))
    if altered:
        found["altered"] = altered[:MOST_NAMED]
        found["altered_files"] = len(altered)
    return found


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                whole.update(block)
    except OSError:
        return ""
    return whole.hexdigest()


def remark(package: Path) -> str:
    """What to say where the build is no longer what was built; else nothing."""
    found = facts(package)
    if found is None or "altered" not in found:
        return ""
    count = found["altered_files"]
    which = counted(count, "file")
    return (
        f"{which} of this portable build differ from its {SUMS}, such as {found['altered'][0]};"
        " the bundle will record that"
    )
