"""The portable build, made once for all tests, and hosts that have nothing."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WHEELS = ROOT / "build" / "portable" / "wheels"
CANNOT_FETCH = 75
_NEEDED = {"cc": "gcc", "strip": "binutils", "ldd": "libc-bin", "dpkg-query": "dpkg"}


def build(output: Path, *more: str | Path, tree: Path = ROOT) -> Path:
    """Build a tree and return the folder; skipped, saying why, where it cannot be made."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the portable build is for Linux on x86-64")
    for program, package in _NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} ({package}) is not installed")
    if not list(Path("/usr/lib").glob("**/libc.a")):
        pytest.skip("libc.a (libc6-dev) is not installed")
    command = [sys.executable, tree / "portable" / "build.py", "--output", output,
               "--wheels", WHEELS, *more]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_FETCH:
        pytest.skip("the locked wheels cannot be fetched and are not in build/portable/wheels")
    assert done.returncode == 0, done.stdout + done.stderr
    return output / "custody"


@pytest.fixture(scope="session")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; several test processes (xdist) share one.  Nobody writes to it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    output = base / "portable-build"
    with (base / "portable-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (output / "done").exists():
            build(output)
            (output / "done").touch()
    return output / "custody"


@pytest.fixture(scope="session")
def make_portable() -> Callable[..., Path]:
    """Builds another one: `make_portable(output, more arguments, tree=...)`."""
    return build


@dataclass
class Host:
    """A root directory of its own: `stick` and `logs` in it, and nothing else unless laid there."""

    root: Path
    prefix: list[str] = field(default_factory=list)

    def __call__(
        self, *words: str, exit_code: int = 0, env: dict[str, str] | None = None,
        before: Sequence[str | Path] = (),
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run `custody` from the stick there."""
        given = [f"{name}={value}" for name, value in (env or {}).items()]
        start = ["env", "-i", *given, shutil.which("chroot") or "chroot", str(self.root)]
        done = subprocess.run(
            [*before, *self.prefix, *start, "/stick/custody/custody", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    def bundle(self, where: str = "out") -> Path:
        """The only bundle below `where`."""
        [bundle] = [path for path in (self.root / where).iterdir() if path.name[0].isdigit()]
        return bundle

    def record(self, where: str = "out") -> dict:
        """The acquisition record of the only bundle."""
        return json.loads((self.bundle(where) / "custody" / "acquisition.json").read_text())


def lay(root: Path, portable: Path) -> Host:
    """A stick and some logs in a root directory; the stick's files are links to the build's own."""
    if os.geteuid() != 0:
        pytest.skip("another root directory needs root")
    (root / "logs").mkdir(parents=True)
    (root / "out").mkdir(mode=0o700)
    (root / "logs" / "auth.log").write_text("Failed password for invalid user\n" * 100)
    shutil.copytree(portable, root / "stick" / "custody", copy_function=os.link)
    return Host(root)


@pytest.fixture
def bare(tmp_path: Path, portable: Path) -> Host:
    """A host with a kernel and nothing else: no C library, no shell, no /proc, no /dev."""
    return lay(tmp_path / "bare", portable)


@pytest.fixture
def mounted(tmp_path: Path, portable: Path) -> Host:
    """A host of its own mounts and no network: the stick read-only, /proc there."""
    host = lay(tmp_path / "mounted", portable)
    (host.root / "proc").mkdir()
    probe = ["unshare", "--mount", "--net", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("mount and network namespaces are not allowed here")
    script = (
        'mount --bind "$0/stick" "$0/stick" && mount -o remount,ro,bind "$0/stick"'
        ' && mount -t proc proc "$0/proc" && exec "$@"'
    )
    host.prefix = ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", script,
                   str(host.root)]  # fmt: skip
    return host
