"""What lies beside the program: licences, what it was built from, how to check it, the sums."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import interpreter

SUMS = "SHA256SUMS"
BUILD = "BUILD.json"
README = """\
custody, with its own interpreter and libraries, for Linux on x86-64.

    sudo /PATH/TO/custody/custody collect /var/log --output /PATH/TO/evidence

It runs where this folder lies, also from a read-only mount, and needs nothing of the host but a
kernel of Linux 3.2 or newer: no Python, no C library, no shell, no /proc, no network.  It writes
nothing outside --output.  custody --help lists every command.

Check this folder before you use it, on a machine that you trust:

    sha256sum --check --quiet SHA256SUMS
    openssl pkeyutl -verify -rawin -pubin -inkey BUILDER.pem -in SHA256SUMS -sigfile SHA256SUMS.sig

BUILDER.pem comes from whoever built it, by another way than this folder.  Without SHA256SUMS.sig
the folder is unsigned, and SHA256SUMS shows damage alone.

LICENSES/ holds the licence of everything in here.  lib/ld-linux-x86-64.so.2 is the GNU C
library's program loader (LGPL 2.1 or later) with the names of /etc/ld.so.preload and of the
system's library directories made unusable, so that nothing of the host is loaded; its source is
that of the Debian package that BUILD.json names.
"""


def licences(folder: Path, wheels: Sequence[Path], libraries: Mapping[str, Path]) -> None:
    """Lay the licence of everything in the folder below ``LICENSES/``, and a list.

    :raises SystemExit: for something of which no licence is found.
    """
    kept = folder / "LICENSES"
    kept.mkdir()
    lines = []
    shutil.copyfile(_python_licence(), kept / "Python.txt")
    lines.append(f"python/  Python {sys.version.split()[0]}: Python.txt")
    for wheel in wheels:
        project, version = wheel.name.removesuffix(".tar.gz").split("-")[:2]
        texts = _of_wheel(folder / "app", project, version)
        if not texts:
            raise SystemExit(f"portable: {wheel.name}: no licence in it")
        for number, text in enumerate(texts):
            name = f"{project}-{number}-{text.name.removesuffix('.txt')}.txt"
            shutil.copyfile(text, kept / name)
            lines.append(f"app/  {project} {version}: {name}")
    for library, origin in sorted(libraries.items()):
        package = owner(origin)
        if package is None:  # the interpreter's own
            lines.append(f"lib/{library}  Python: Python.txt")
            continue
        name = f"{package.partition(':')[0]}.txt"
        text = Path("/usr/share/doc") / package.partition(":")[0] / "copyright"
        shutil.copyfile(text.resolve(strict=True), kept / name)
        lines.append(f"lib/{library}  {package}: {name}")
    # The launcher holds parts of the C library; the wheel of cryptography holds OpenSSL.
    lines.append("custody  the launcher, with parts of the GNU C library: libc6.txt")
    lines.append("app/cryptography  holds OpenSSL, under the Apache License 2.0: as libssl3.txt")
    lines += [f"named in these: {name}" for name in _named_texts(kept)]
    (kept / "INDEX.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _named_texts(kept: Path) -> list[str]:
    """Lay the licences that Debian's texts only name, such as the LGPL; their new names."""
    pattern = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])")
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in kept.iterdir()]
    laid = []
    for name in sorted({name for text in texts for name in pattern.findall(text)}):
        place = Path("/usr/share/common-licenses") / name
        if place.is_file():
            shutil.copyfile(place.resolve(), kept / f"common-{name}.txt")
            laid.append(f"common-{name}.txt")
    return laid


def _python_licence() -> Path:
    version = interpreter.name()
    places = [
        Path(sys.base_prefix) / "lib" / version / "LICENSE.txt",
        Path("/usr/share/doc") / version / "copyright",
    ]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise SystemExit(f"portable: no licence of {version} at {' or '.join(map(str, places))}")


def _of_wheel(app: Path, project: str, version: str) -> list[Path]:
    facts = app / f"{project}-{version}.dist-info"
    words = ("licen", "copying", "notice", "authors")
    texts = (path for path in facts.rglob("*") if path.name.lower().startswith(words))
    return sorted(path for path in texts if path.is_file())


def owner(path: Path) -> str | None:
    """The Debian package that a file is of; None for a file of the interpreter itself.

    :raises SystemExit: for a file of neither.
    """
    if Path(sys.base_prefix) in path.resolve().parents and sys.base_prefix != "/usr":
        return None
    for name in (str(path), f"/usr{path}", str(path.resolve()), str(path.resolve())[4:]):
        done = subprocess.run(
            ["dpkg-query", "--search", name], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout.partition(": ")[0].split(",")[0]
    raise SystemExit(f"portable: {path}: of no Debian package, so its licence is not known")


def built_from(folder: Path, wheels: Sequence[Path], libraries: Mapping[str, Path]) -> None:
    """Say what is inside and where it came from; no date, no machine, no path."""
    packages = {name: owner(path) for name, path in libraries.items()}
    names = sorted({name for name in packages.values() if name})
    shown = "${binary:Package} ${Version}\n"
    said = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={shown}", *names],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    facts = {
        "schema": "custody.portable/v1",
        "machine": "x86-64",
        "kernel": "3.2.0",
        "python": sys.version.split()[0],
        "c_library": interpreter.c_library(),
        "packages": sorted(said.stdout.split("\n")[:-1]),
        "wheels": {path.name: sha256(path) for path in wheels},
    }
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    (folder / BUILD).write_text(text, encoding="utf-8")
    (folder / "README.txt").write_text(README, encoding="utf-8")


def sums(folder: Path) -> None:
    """Write ``SHA256SUMS`` over every file, as ``sha256sum --check`` reads it."""
    lines = [
        f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def sign(folder: Path, key: Path) -> None:
    """Sign ``SHA256SUMS`` with an Ed25519 key; openssl itself asks for the passphrase."""
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key),
               "-in", str(folder / SUMS), "-out", str(folder / f"{SUMS}.sig")]  # fmt: skip
    subprocess.run(command, check=True)
    if (folder / f"{SUMS}.sig").stat().st_size != 64:
        raise SystemExit(f"portable: {key}: not an Ed25519 key")


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
