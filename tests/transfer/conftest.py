"""Three people with homes of their own: a host that collects, a desk with a case, a receiver."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hands import Brought, Person, bring


@pytest.fixture
def desk(custody: Any, tmp_path: Path) -> Person:
    """A desk with the case in tmp_path/case."""
    person = Person(custody, tmp_path / "desk-home")
    person("init", tmp_path / "case", "--number", "7", "--no-passphrase", "--person", "D. Esk",
           "--title", "Custodian", "--organization", "City", exit_code=0)  # fmt: skip
    return person


@pytest.fixture
def case(desk: Person, tmp_path: Path) -> Path:
    """The desk's case."""
    return tmp_path / "case"


@pytest.fixture
def receiver(custody: Any, tmp_path: Path) -> Person:
    """Somebody with a key, who trusts nobody yet."""
    person = Person(custody, tmp_path / "receiver-home")
    person("key", "new", "vestige", "--no-passphrase", "--person", "I. Vestige", "--title",
           "Detective", "--organization", "Police", exit_code=0)  # fmt: skip
    return person


@pytest.fixture
def host(custody: Any, tmp_path: Path) -> Person:
    """A host that has no key."""
    return Person(custody, tmp_path / "host-home")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A few logs, one of them over the size that is copied in pieces."""
    folder = tmp_path / "logs"
    (folder / "nginx").mkdir(parents=True)
    (folder / "auth.log").write_text("one\ntwo\n")
    (folder / "nginx" / "access.log").write_bytes(bytes(range(256)) * 8192)
    return folder


@pytest.fixture
def bundle(desk: Person, case: Path, logs: Path) -> Path:
    """A bundle that was collected into the case."""
    return Path(desk.json("collect", logs, "--case", case)["path"])


@pytest.fixture
def brought(host: Person, logs: Path, tmp_path: Path) -> Brought:
    """One bundle on a stick."""
    return bring(host, logs, tmp_path / "stick")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """A real sshd on loopback with keys of its own; gives the ssh command for a remote command."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or shutil.which("ssh") is None:
        pytest.skip("openssh-server is not installed")
    user = pwd.getpwuid(os.geteuid())
    if not user.pw_shell.endswith("sh"):
        pytest.skip("this user has no shell to log in with")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(words, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPasswordAuthentication no\nUsePAM no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n"
    )
    needed = Path("/run/sshd")  # where sshd, as root, shuts its children in
    if os.geteuid() == 0:  # it stays: another process's test may need it meanwhile
        needed.mkdir(mode=0o755, exist_ok=True)
    words = [program, "-D", "-f", folder / "config", "-E", folder / "log"]
    server = subprocess.Popen(words)
    try:
        _wait_for(port, server, folder / "log")
        yield lambda remote: [
            "ssh", "-F", "none", "-p", str(port), "-i", str(folder / "user"),
            "-o", f"UserKnownHostsFile={folder}/known", "-o", "GlobalKnownHostsFile=none",
            "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
            f"{user.pw_name}@127.0.0.1", remote,
        ]  # fmt: skip
    finally:
        server.terminate()
        server.wait(120)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {log.read_text(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("sshd did not listen")
