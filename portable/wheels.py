"""The libraries and custody itself, unpacked from wheels; nothing in a wheel is run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

CANNOT_FETCH = 75  # EX_TEMPFAIL: no index to be reached, most often
_FEWEST_DEFINITIONS = 10
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "custody", "cli")
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# An installer's own notes; the folder's SHA256SUMS covers every file.
_NOTES = re.compile(r"RECORD|WHEEL|INSTALLER|REQUESTED|direct_url\.json|top_level\.txt")


def fetch(locked: Path, where: Path, *options: str) -> list[Path]:
    """The files that a lock names, each with a digest from the lock; fetched only if missing.

    :param options: for pip: what kind of files they are.
    :raises SystemExit: with :data:`CANNOT_FETCH`, where pip could not or a digest differs.
    """
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where) as fresh:
        command = [*_PIP, "download", "--quiet", "--require-hashes", *options,
                   "--requirement", str(locked), "--dest", fresh]  # fmt: skip
        offline = [*command, "--no-index", "-f", str(where)]  # what is kept from before
        if (
            subprocess.run(offline, check=False, capture_output=True).returncode
            and subprocess.run(command, check=False).returncode
        ):
            raise SystemExit(CANNOT_FETCH)
        names = sorted(path.name for path in Path(fresh).iterdir() if path.is_file())
        for name in names:
            (Path(fresh) / name).replace(where / name)
    return [where / name for name in names]


def lay_definitions(archive: Path, app: Path) -> None:
    """The data of ForensicArtifacts and its licence, out of its source archive.

    There is no wheel of it, and nothing but its YAML files is wanted.

    :raises SystemExit: if they are not where they used to be.
    """
    name = archive.name.removesuffix(".tar.gz")
    facts = app / f"{name}.dist-info"
    facts.mkdir(parents=True)
    laid = 0
    with tarfile.open(archive) as whole:
        for item in whole.getmembers():
            place = PurePosixPath(item.name).relative_to(name)
            if place.parent == PurePosixPath("artifacts/data") and place.suffix == ".yaml":
                target = app / place
            elif place.name in ("LICENSE", "AUTHORS", "PKG-INFO") and len(place.parts) == 1:
                target = facts / ("METADATA" if place.name == "PKG-INFO" else place.name)
            else:
                continue
            stream = whole.extractfile(item)
            if stream is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(stream.read())
                laid += 1
    if laid < _FEWEST_DEFINITIONS:
        raise SystemExit(f"portable: {archive.name}: its definitions are not where they were")


def own(tree: Path, where: Path) -> Path:
    """The wheel of custody, built from a copy of the tree with the backend that is installed."""
    with tempfile.TemporaryDirectory() as held:
        copy = Path(held)
        for name in _SOURCES:
            source, target = tree / name, copy / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
        command = [*_PIP, "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
                   "--wheel-dir", str(where), str(copy)]  # fmt: skip
        subprocess.run(command, check=True)
    return next(where.glob("custody-*.whl"))


def unpack(wheel: Path, target: Path) -> None:
    """Lay the files of one wheel, without an installer's notes.

    :raises SystemExit: for a wheel that wants more than to be unpacked.
    """
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            path = PurePosixPath(item.filename)
            if item.is_dir() or _NOTES.fullmatch(path.name) or _is_for_builders(path):
                continue
            if path.is_absolute() or ".." in path.parts or path.parts[0].endswith(".data"):
                raise SystemExit(f"portable: {wheel.name}: {item.filename} cannot be unpacked")
            if (target / path).exists():
                raise SystemExit(f"portable: {wheel.name}: {item.filename} is there already")
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(archive.read(item))


def _is_for_builders(path: PurePosixPath) -> bool:
    """Man pages, scripts of the shell: nothing that is imported."""
    return path.parts[0].endswith(".data") and path.parts[1] in ("data", "scripts")
