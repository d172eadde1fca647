"""Fixtures for everybody: the program as it is installed, the vectors, an ordinary user."""

from __future__ import annotations

import atexit
import functools
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from warm import Warm

# How long an example takes depends on what else the machine does; it decides no test.  Neither
# does chance, nor what an earlier run left in the tree: the examples are the same each time.
hypothesis.settings.register_profile(
    "custody",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("custody")

# Under nohup a hang-up is ignored, behind a shell's & an interrupt, and so they would be in every
# program that a test starts.
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# What a test lays out has the modes that it means, whoever runs it.
os.umask(0o022)

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sysconfig.get_path("scripts")) / "custody"
NOBODY = 65534


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The shared test vectors; the test is skipped, saying so, where they are absent."""
    named = os.environ.get("CUSTODY_VECTORS")
    folder = Path(named) if named else ROOT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip(f"no test vectors: {folder} is not there (CUSTODY_VECTORS names another)")
    return folder


@dataclass(frozen=True)
class OrdinaryUser:
    """A user without privileges, and a directory (`home`) that belongs to them."""

    uid: int
    gid: int
    home: Path


@pytest.fixture
def ordinary_user(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> OrdinaryUser:
    """Somebody who is not root; skipped where we are not root and so cannot become them.

    `tmp_path` and pytest's directories above it become passable (not listable) for everybody, so
    that the user reaches what the test lays there, as far as its own modes allow.
    """
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    base = tmp_path_factory.getbasetemp()
    if base.name.startswith("popen-"):  # one of several test processes (xdist)
        base = base.parent
    pytests = {base.parent} if base.parent.name.startswith("pytest-of-") else set()
    pytests |= {d for d in (tmp_path, *tmp_path.parents) if d.is_relative_to(base)}
    for directory in pytests:
        directory.chmod(stat.S_IMODE(directory.stat().st_mode) | stat.S_IXGRP | stat.S_IXOTH)
    home = tmp_path / "ordinary-home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    return OrdinaryUser(NOBODY, NOBODY, home)


class Custody:
    """Runs the installed `custody` in a process of its own, with a home of its own."""

    def __init__(self, base: Path) -> None:
        self.program = PROGRAM
        self.home = base / "custody-home"

    def __call__(
        self,
        *args: str | os.PathLike[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
        exit_code: int | None = None,
        user: OrdinaryUser | None = None,
        prefix: Sequence[str] = (),
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run it and return what it said.

        `exit_code` is asserted when given.  `prefix` goes in front of the command
        (`["strace", "-f", ...]`, `["unshare", "--net"]`).  Without `input`, stdin is empty.
        Bytes that are not UTF-8 come back as surrogates.
        """
        command = [*prefix, *self.command(*args)]
        environment = self.environment(user) | dict(env or {})
        if not prefix and not user and warm().can_run(command, environment, input):
            done = warm().run(command, env=environment, cwd=cwd, given=input, timeout=timeout)
        else:
            done = subprocess.run(
                as_user(user, command) if user else command,
                env=environment,
                cwd=cwd if cwd or not user else user.home,
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                timeout=timeout,
                check=False,
            )
        if exit_code is not None:
            assert done.returncode == exit_code, (
                f"custody {shlex.join(map(os.fspath, args))}\n"
                f"exit {done.returncode}, expected {exit_code}\n"
                f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
            )
        return done

    def command(self, *args: str | os.PathLike[str]) -> list[str]:
        """The same as an argument list, for tests that start the process themselves."""
        if not self.program.exists():
            pytest.fail(f"{self.program} is not installed: run the tests with make test")
        return [str(self.program), *map(os.fspath, args)]

    def as_user(self, user: OrdinaryUser | None, command: Sequence[str]) -> list[str]:
        """A command as that user, if there is one, for the same tests."""
        return as_user(user, command) if user else list(command)

    def environment(self, user: OrdinaryUser | None = None) -> dict[str, str]:
        """Ours, without anything that would steer custody, and with homes in the test's folder."""
        steering = ("CUSTODY_", "XDG_", "PYTHON", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
        home = user.home if user else self.home.parent
        kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
        own = home / "custody-home" if user else self.home
        return kept | {
            "CUSTODY_HOME": str(own),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }


@functools.cache
def warm() -> Warm:
    """The process that runs of the program are forks of; it ends with the tests."""
    started = Warm(Custody(Path.cwd()).environment())
    atexit.register(started.end)
    return started


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    """The program, with its CUSTODY_HOME under `tmp_path`; see `Custody.__call__`."""
    return Custody(tmp_path)


def as_user(user: OrdinaryUser, command: Sequence[str]) -> list[str]:
    """The same command as that user, who must at least be able to reach the interpreter.

    Where Python or the tree lies in a private home (mode 0700), a mount namespace of its own
    lets the user pass through to exactly those directories, and the real modes stay as they are.
    """
    drop = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--"]
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    blocked = _blocked_directories([Path(sys.base_prefix), Path(sys.prefix), ROOT])
    if not blocked:
        return [*drop, *command]
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("Python lies in a private directory and mount namespaces are not allowed here")
    lines = ["set -e"]
    for number, (wall, targets) in enumerate(blocked.items()):
        held = [(10 * (number + 1) + n, target) for n, target in enumerate(targets)]
        lines += [f"exec {fd}< {shlex.quote(str(target))}" for fd, target in held]
        lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(wall))}"]
        for fd, target in held:
            quoted = shlex.quote(str(target))
            lines += [
                f"mkdir -p {quoted}",
                f"mount --no-canonicalize --bind /proc/self/fd/{fd} {quoted}",
            ]
            lines += [f"exec {fd}<&-"]
    lines += ['exec "$@"']
    script = "\n".join(lines)
    return ["unshare", "--mount", "bash", "-c", script, "bash", *drop, *command]


def _blocked_directories(needed: Sequence[Path]) -> dict[Path, list[Path]]:
    blocked: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(p.resolve() for p in needed):
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                blocked.setdefault(parent, []).append(path)
                break
    return blocked
