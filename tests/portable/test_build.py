"""What is in the portable build, and that it is the same bytes every time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_sums_cover_every_file(portable: Path) -> None:
    """`sha256sum --check` passes, and SHA256SUMS names every file but itself and its signature."""
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=portable, check=True
    )
    lines = (portable / "SHA256SUMS").read_text().splitlines()
    there = {path.relative_to(portable).as_posix() for path in files(portable)}
    assert {line.split("  ")[1] for line in lines} == there - {"SHA256SUMS"}


def test_it_can_be_copied_to_any_stick(portable: Path) -> None:
    """No links, no two names that differ in case, no character that FAT has no room for."""
    names = [path.relative_to(portable).as_posix() for path in portable.rglob("*")]
    assert len({name.lower() for name in names}) == len(names)
    assert not [path for path in portable.rglob("*") if path.is_symlink()]
    assert not [name for name in names if re.search(r'[\\:*?"<>|]', name)]


def test_no_program_looks_for_libraries_elsewhere(portable: Path) -> None:
    """Every library that is needed lies in the folder, and no file names a place outside it."""
    if shutil.which("readelf") is None:
        pytest.skip("readelf (binutils) is not installed")
    held = {path.name for path in (portable / "lib").iterdir()}
    seen = 0
    for path in files(portable):
        if path.read_bytes()[:4] != b"\x7fELF" or path.name == "custody":
            continue
        shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True)
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", shown.stdout))
        beside = {other.name for other in path.parent.iterdir()}
        assert needed <= held | beside, path
        places = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", shown.stdout)
        assert all(not place or place.startswith("$ORIGIN") for place in places), path
        seen += 1
    assert seen > 30


def test_the_launcher_is_static(portable: Path) -> None:
    """The one program that the host's kernel starts asks for no interpreter."""
    shown = subprocess.run(
        ["readelf", "-l", portable / "custody"], capture_output=True, text=True, check=True
    )
    assert "INTERP" not in shown.stdout


def test_licences_are_there(portable: Path) -> None:
    """Everything inside has a licence text, and the list names one that exists for each."""
    index = (portable / "LICENSES" / "INDEX.txt").read_text()
    facts = json.loads((portable / "BUILD.json").read_text())
    for wheel in facts["wheels"]:
        assert f"  {wheel.split('-')[0]} " in index, wheel
    for library in (portable / "lib").iterdir():
        assert f"lib/{library.name}  " in index or library.name == "openssl.cnf"
    for name in re.findall(r": (\S+\.txt)$", index, re.MULTILINE):
        assert (portable / "LICENSES" / name).stat().st_size > 100, name
    assert {"Python.txt", "libc6.txt", "common-LGPL-2.1.txt"} <= {
        path.name for path in (portable / "LICENSES").iterdir()
    }


def test_nothing_says_where_it_was_built(portable: Path, root: Path) -> None:
    """The tree it was built from and the place it was built in are named in no file."""
    for path in files(portable):
        data = path.read_bytes()
        assert str(portable).encode() not in data, path
        assert f"{root}/".encode() not in data, path


def test_whoever_builds_signs(portable: Path, root: Path, tmp_path: Path) -> None:
    """The signature is checked by openssl alone, and a changed sum fails it."""
    key, public = tmp_path / "builder.pem", tmp_path / "builder-public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    sums = tmp_path / "SHA256SUMS"
    shutil.copyfile(portable / "SHA256SUMS", sums)
    script = "import papers, sys, pathlib; papers.sign(*map(pathlib.Path, sys.argv[1:]))"
    command = ["python3", "-c", script, tmp_path, key]
    subprocess.run(command, check=True, cwd=root / "portable", env=_plain())
    check = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public,
             "-in", sums, "-sigfile", f"{sums}.sig"]  # fmt: skip
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    sums.write_text(sums.read_text().replace("0", "1", 1))
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.full
def test_the_same_bytes_every_time(
    make_portable: Callable[..., Path], root: Path, tmp_path: Path
) -> None:
    """Two builds of one tree, each in a place of its own, are the same folder and tar file."""
    left_out = shutil.ignore_patterns(
        ".*", "build", "dist", "tests", "*.egg-info", "__pycache__", "sample_logs"
    )
    first, second = tmp_path / "tree", tmp_path / "some" / "where" / "else"
    shutil.copytree(root, first, ignore=left_out)  # nobody edits it while it is built
    shutil.copytree(first, second)
    built = [make_portable(tree / "made", tree=tree) for tree in (first, second)]
    sums = [(folder / "SHA256SUMS").read_text() for folder in built]
    assert sums[0].splitlines() == sums[1].splitlines()
    packed = [next(folder.parent.glob("*.tar.gz")).read_bytes() for folder in built]
    assert packed[0] == packed[1]
