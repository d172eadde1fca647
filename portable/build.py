"""``make portable``: custody in a folder that needs nothing of the host it runs on.

The folder is put together from three things: the interpreter that runs this script with the
shared libraries of this machine, the wheels that ``requirements/portable.txt`` locks by digest,
and this tree.  The same three give the same bytes.

    portable/build.py --output build/portable [--key KEY.pem]
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import interpreter
import papers
import wheels

TREE = Path(__file__).resolve().parent.parent
EPOCH = 315_532_800  # 1980-01-01, the first day that FAT and zip files know
LAUNCHER = "custody"


def main() -> None:
    """Build the folder and the tar file of it."""
    wanted = argparse.ArgumentParser(description="Build custody with its own interpreter.")
    wanted.add_argument("--output", type=Path, required=True, help="where the folder is made anew")
    wanted.add_argument("--wheels", type=Path, help="where wheels are kept between builds")
    wanted.add_argument("--key", type=Path, help="an Ed25519 private key in PEM to sign with")
    given = wanted.parse_args()
    os.environ |= {"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0", "LC_ALL": "C"}
    os.umask(0o022)
    _require()
    output = given.output.resolve()
    folder = output / "custody"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    build(folder, (given.wheels or output / "wheels").resolve(), output)
    papers.sums(folder)
    if given.key:
        papers.sign(folder, given.key)
    else:
        print("portable: not signed: KEY=FILE.pem signs it", file=sys.stderr)
    same_times(folder)
    whole = pack(folder, output)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}  {size / 1e6:.0f} MB")
    print(f"{whole}  {whole.stat().st_size / 1e6:.0f} MB  sha256 {papers.sha256(whole)}")


def _require() -> None:
    interpreter.c_library()
    for program in ("cc", "strip", "ldd", "dpkg-query"):
        if shutil.which(program) is None:
            raise SystemExit(f"portable: {program} is needed to build: apt-get install gcc")


def build(folder: Path, kept: Path, output: Path) -> None:
    """Everything but the sums."""
    interpreter.lay(folder)
    locks = TREE / "requirements"
    locked = wheels.fetch(locks / "portable.txt", kept, "--only-binary=:all:")
    definitions = wheels.fetch(
        locks / "definitions.txt", kept, "--no-deps", "--no-build-isolation", "--no-binary=:all:"
    )
    output.joinpath("own").mkdir(exist_ok=True)
    for old in output.joinpath("own").glob("*.whl"):
        old.unlink()
    laid = [*locked, wheels.own(TREE, output / "own")]
    for wheel in laid:
        wheels.unpack(wheel, folder / "app")
    for archive in definitions:
        wheels.lay_definitions(archive, folder / "app")
    shutil.copyfile(TREE / "portable" / "start.py", folder / "app" / "start.py")
    libraries = interpreter.lay_libraries(folder)
    (folder / "lib" / "openssl.cnf").write_text("# heard instead of the host's\n")
    interpreter.compile_all(folder)
    compile_launcher(folder / LAUNCHER)
    laid += definitions
    papers.licences(folder, laid, libraries)
    papers.built_from(folder, laid, libraries)
    require_portable_names(folder)


def compile_launcher(target: Path) -> None:
    """The one program that the kernel starts."""
    source = TREE / "portable" / "launcher.c"
    command = ["cc", "-static", "-Os", "-Wall", "-Wextra", "-Werror", "-s", "-Wl,--build-id=none",
               f"-ffile-prefix-map={TREE}=.", f'-DPYTHON="{interpreter.name()}"',
               "-o", str(target), str(source)]  # fmt: skip
    subprocess.run(command, check=True)


def require_portable_names(folder: Path) -> None:
    """FAT keeps no links, no two names that differ in case, and not every character."""
    seen = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or name.lower() in seen or set(name) & set('\\:*?"<>|'):
            raise SystemExit(f"portable: {name}: cannot be copied to every stick")
        seen.add(name.lower())


def same_times(folder: Path) -> None:
    """Modes and times that depend on nothing."""
    runs = {folder / LAUNCHER, folder / "lib" / interpreter.LOADER}
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path in runs else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def pack(folder: Path, output: Path) -> Path:
    """The folder as one file to carry; it is unpacked where it shall run."""
    version = next(output.joinpath("own").glob("custody-*.whl")).name.split("-")[1]
    whole = output / f"custody-{version}-linux-x86_64.tar.gz"
    with (
        whole.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=EPOCH) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = path.relative_to(folder.parent).as_posix()
            item = archive.gettarinfo(str(path), name)
            item.uid = item.gid = 0
            item.uname = item.gname = "root"
            with path.open("rb") if item.isreg() else open(os.devnull, "rb") as stream:
                archive.addfile(item, stream if item.isreg() else None)
    return whole


if __name__ == "__main__":
    main()
