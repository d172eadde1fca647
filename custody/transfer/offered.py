"""What somebody offers as a bundle, to be received or copied, and what they may have meant."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from custody import durable, reading
from custody.bundle import layout
from custody.case import RECORD
from custody.counted import counted
from custody.errors import NotFoundError
from custody.formats import bagit
from custody.handover import RECEIPT_FILE, RELEASE_FILE

_NAMED = 3
_OF_A_BUNDLE = (bagit.DECLARATION_NAME, bagit.TAG_MANIFEST_NAME, layout.STATEMENT)


def require_bundle(path: Path) -> Path:
    """The absolute path of what is at least shaped like a bundle; a link is not gone through.

    :raises NotFoundError: if it is none; the hint names what is to be given in its place.
    :raises StorageError: if it cannot be looked at.
    """
    real = Path(os.path.abspath(path))
    status = reading.status("receive", real, path)
    if stat.S_ISLNK(status.st_mode):
        why = "it is a link; nothing was taken in"
        raise NotFoundError("receive", path, why, hint="name the directory that it leads to")
    if stat.S_ISDIR(status.st_mode) and _has_shape(real):
        return real
    why, hint = no_bundle(path, is_directory=stat.S_ISDIR(status.st_mode))
    raise NotFoundError("receive", path, f"{why}; nothing was taken in", hint=hint)


def _has_shape(path: Path) -> bool:
    """Whether it has any of what makes a bundle one; what of it is wrong, verifying says."""
    return any(os.path.lexists(path / name) for name in _OF_A_BUNDLE)


def no_bundle(path: Path, *, is_directory: bool) -> tuple[str, str]:
    """Of what is no bundle: what it is, as far as can be seen, and what to give in its place.

    :raises StorageError: if it cannot be looked at.
    """
    if is_directory:
        return _directory(path)
    for ending, what in ((RELEASE_FILE, "release"), (RECEIPT_FILE, "receipt")):
        if path.name.endswith(f".{ending}"):
            beside = shlex.quote(str(path.with_name(path.name.removesuffix(f".{ending}"))))
            hint = f"name the bundle that it goes with: {beside}"
            if what == "receipt":
                hint = "a receipt goes back to whoever released: custody record RECEIPT --case DIR"
            return f"it is a {what}, and not a bundle", hint
    return "it is a file, and not a bundle", "name the directory of the bundle"


def _directory(path: Path) -> tuple[str, str]:
    try:
        names = sorted(os.listdir(path))
    except OSError as err:
        raise durable.storage_error("receive", path, err) from err
    if RECORD in names:
        where = shlex.quote(str(path / "bundles"))
        return "it is a case, and not a bundle", f"name a bundle in {where}, or a copy of one"
    bundles = [name for name in names if _has_shape(path / name)]
    if not bundles:
        return "it is not a bundle", "name the directory of the bundle"
    listed = shlex.join(str(path / name) for name in bundles[:_NAMED])
    more = f" and {len(bundles) - _NAMED} more" if len(bundles) > _NAMED else ""
    what = "a bundle" if len(bundles) == 1 else counted(len(bundles), "bundle")
    return f"it is a directory with {what} in it, and not a bundle", f"name {listed}{more}"
