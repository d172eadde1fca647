"""The tool itself, as the acquisition record names it."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import custody
from custody.acquire import portable

PACKAGE = Path(custody.__file__).parent
_LIBRARIES = ("cryptography", "typer", "tabulate", "watchdog", "PyYAML", "rfc3161-client")


def facts() -> dict[str, Any]:
    """Name, version and digest of this program, the Python it runs on, its libraries.

    A portable build is named too (:mod:`custody.acquire.portable`).

    The digest is SHA-256 over one line for each of the program's own files, in order of their
    names: the file's SHA-256, two spaces, its path below the package.
    """
    build = portable.facts(PACKAGE)
    return {
        "name": "custody",
        "version": custody.__version__,
        "sha256": own_digest(PACKAGE),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": sys.platform,
        "libraries": {name: _version(name) for name in _LIBRARIES},
        **({"portable": build} if build else {}),
    }


def own_digest(package: Path) -> str:
    """The digest of a package's ``.py`` and ``.yaml`` files, as :func:`facts` describes it."""
    whole = hashlib.sha256()
    files = [path for path in package.rglob("*") if path.suffix in (".py", ".yaml")]
    for path in sorted(files, key=lambda item: item.relative_to(package).as_posix()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{digest}  {path.relative_to(package).as_posix()}\n".encode())
    return whole.hexdigest()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
