"""The interpreter and every library that it and the wheels need, from the building machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import elf

LOADER = "ld-linux-x86-64.so.2"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# What a collection has no use for: windows, tests, installers, databases, and what says where
# the interpreter was built.
_LEFT_OUT = re.compile(
    r"test|tests|idlelib|tkinter|turtledemo|turtle\.py|ensurepip|lib2to3|pydoc_data|pydoc\.py"
    r"|curses|dbm|sqlite3|distutils|venv|msilib|wsgiref|xmlrpc|site-packages|dist-packages"
    r"|sitecustomize\.py|__pycache__|__phello__|config-.*|_sysconfigdata.*|EXTERNALLY-MANAGED"
    r"|LICENSE\.txt|.*\.(?:whl|exe|a|o|txt|rst|pth|bat|ps1)"
)
_MODULES_LEFT_OUT = re.compile(
    r"_tkinter|_curses.*|readline|nis|_gdbm|_dbm|_sqlite3|spwd|ossaudiodev|_crypt|audioop"
    r"|xx.*|_xx.*|_test.*|_ctypes_test"
)
_LINE = re.compile(r"\t(?P<name>\S+) => (?P<path>/\S+) \(0x[0-9a-f]+\)")


def lay(folder: Path) -> None:
    """Copy the interpreter that runs this and its standard library below ``python/``."""
    own = Path(sysconfig.get_config_var("BINDIR")) / _VERSION
    target = folder / "python" / "bin" / _VERSION
    target.parent.mkdir(parents=True)
    shutil.copyfile(own, target)
    standard = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    shutil.copytree(standard, folder / "python" / "lib" / _VERSION, ignore=_ignored)


def name() -> str:
    """The file name of the interpreter, such as ``python3.11``."""
    return _VERSION


def _ignored(directory: str, names: list[str]) -> list[str]:
    if Path(directory).name == "lib-dynload":
        return [item for item in names if _MODULES_LEFT_OUT.fullmatch(item.partition(".")[0])]
    return [item for item in names if _LEFT_OUT.fullmatch(item)]


def lay_libraries(folder: Path) -> dict[str, Path]:
    """Copy what the ELF files in the folder need into ``lib/``, the program loader with it.

    :returns: where each library came from, by the name under which it is needed.
    :raises SystemExit: if one is not found, or this machine's C library is too old.
    """
    library = folder / "lib"
    library.mkdir()
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and elf.is_elf(p)):
        found |= {name: at for name, at in _resolved(path).items() if folder not in at.parents}
    found[LOADER] = Path("/lib64") / LOADER
    for needed, at in found.items():
        shutil.copyfile(at.resolve(), library / needed)
    elf.deafen(library / LOADER)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and elf.is_elf(p)):
        _tidy(path)
    _require_whole(folder, library)
    return found


def _resolved(path: Path) -> dict[str, Path]:
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise SystemExit(f"portable: {path}: a library is missing here\n{done.stdout}")
    return {line["name"]: Path(line["path"]) for line in _LINE.finditer(done.stdout)}


def _tidy(path: Path) -> None:
    """No symbols for a debugger, and no path that leads out of the folder."""
    if path.name != LOADER:
        subprocess.run(["strip", "--strip-unneeded", path], check=True)
    elf.stay_inside(path)


def _require_whole(folder: Path, library: Path) -> None:
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and elf.is_elf(p)):
        beside = {item.name for item in path.parent.iterdir()}
        for needed in elf.dynamic(path).needed:
            if needed not in beside and not (library / needed).exists():
                raise SystemExit(f"portable: {path.relative_to(folder)} needs {needed}, not there")


def compile_all(folder: Path) -> None:
    """Lay the bytecode beside every module, so that nothing has to be written later.

    The standard library's is taken as it is; that of custody itself is held against its source at
    every start, because the source is what the acquisition record's digest is over.
    """
    own = folder / "app" / "custody"
    _compile(folder, folder / "python", "unchecked-hash")
    _compile(folder, folder / "app", "unchecked-hash", leave_out=own)
    _compile(folder, own, "checked-hash")


def _compile(folder: Path, below: Path, how: str, leave_out: Path | None = None) -> None:
    command = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", how,
               "-s", str(folder), "-p", "custody", str(below)]  # fmt: skip
    if leave_out is not None:
        command += ["-x", f"^{re.escape(str(leave_out))}/"]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "0", "PATH": os.environ["PATH"]})


def c_library() -> str:
    """The version of this machine's C library.

    :raises SystemExit: below 2.34, whose loader or whose user names would need more than we ship.
    """
    version = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    if not version or tuple(int(part) for part in version.split(".")[:2]) < (2, 34):
        raise SystemExit("portable: build this on Linux with glibc 2.34 or newer (Debian 12)")
    return version
