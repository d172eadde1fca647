"""The oldest distribution that the package mirror has, as a root file system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RELEASES = ("buster", "bullseye", "bookworm")  # the first that the mirror has
BOUND = 180  # seconds


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its root directory; skipped where it cannot be had."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed, or we are not root")
    for release in RELEASES:
        root = tmp_path_factory.mktemp(release)
        command = ["debootstrap", "--variant=minbase", release, str(root)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=BOUND, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"debootstrap took longer than {BOUND} seconds")
        if done.returncode == 0:
            return root
    pytest.skip(f"the mirror has none of {', '.join(RELEASES)}")


@pytest.mark.mirror
def test_beside_an_old_c_library(old: Path, portable: Path) -> None:
    """It starts, collects and verifies beside a C library that is older than its own."""
    shutil.copytree(portable, old / "stick" / "custody")
    chroot = shutil.which("chroot") or "chroot"
    start = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/root", chroot, str(old)]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*start, *words], capture_output=True, text=True, check=False)

    theirs = re.search(r"(\d+)\.(\d+)$", run("ldd", "--version").stdout.splitlines()[0])
    ours = re.fullmatch(r"(\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION").split()[1])
    assert theirs
    assert ours
    if tuple(map(int, theirs.groups())) >= tuple(map(int, ours.groups())):
        pytest.skip("the oldest release of the mirror has no older C library than this machine")
    program = "/stick/custody/custody"
    assert run(program, "--version").returncode == 0
    done = run(program, "collect", "/var/log", "--output", "/out", "--no-progress")
    assert done.returncode == 0, done.stderr
    bundle = next(path.name for path in (old / "out").iterdir() if path.name[0] == "2")
    checked = run(program, "verify", f"/out/{bundle}")
    assert checked.returncode == 11, checked.stdout
    assert "FAIL" not in checked.stdout
