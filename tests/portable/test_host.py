"""The portable build on a host that has nothing, or that means it ill."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

WORDS = ("--collector", "A. Responder, Engineer, Example City", "--no-progress")
# Everything that can make, change or remove something in a file system.
CALLS = (
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,"
    "renameat,renameat2,unlink,unlinkat,rmdir,truncate,chmod,fchmodat,chown,lchown,fchownat,"
    "utimensat,setxattr,lsetxattr,mount,memfd_create"
)


def snapshot(root: Path, but: str) -> dict[str, tuple[object, ...]]:
    """Everything below a root except in `but`: kind, mode, size, times, content."""
    found = {}
    for path in [root, *root.rglob("*")]:
        name = path.relative_to(root).as_posix()
        if name == but or name.startswith(f"{but}/"):
            continue
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        times = (status.st_mtime_ns, status.st_ctime_ns)
        found[name] = (status.st_mode, status.st_uid, status.st_size, *times, digest)
    return found


def test_in_a_root_with_nothing_but_the_stick(bare: Any) -> None:
    """No C library, no shell, no /proc, no /dev: it starts, collects, and verifies what it made."""
    assert bare("--version").stdout.startswith("custody ")
    done = bare("collect", "/logs", "--output", "/out", "--json", *WORDS)
    assert json.loads(done.stdout)["outcomes"]["collected"] == 1
    made = f"/out/{bare.bundle().name}"
    checked = bare("verify", made, "--json", exit_code=11, env={"HOME": "/nobody"})
    assert json.loads(checked.stdout)["findings"] == []


def test_nothing_outside_the_output_is_changed(bare: Any) -> None:
    """The host's tree, the stick's included, is the same after a collection as before it."""
    stick = bare.root / "stick" / "custody"  # files of its own, whose times nobody else changes
    shutil.copytree(stick, bare.root / "copied")
    shutil.rmtree(stick)
    (bare.root / "copied").rename(stick)
    before = snapshot(bare.root, "out")
    bare("collect", "/logs", "--output", "/out", *WORDS)
    assert snapshot(bare.root, "out") == before
    assert bare.bundle().is_dir()


def test_from_a_read_only_stick_without_a_network(mounted: Any) -> None:
    """A stick mounted read-only, a host without any network, /proc there: the same."""
    mounted("collect", "/logs", "--output", "/out", *WORDS)
    probe = mounted("collect", "/logs", "--output", "/stick/evidence", *WORDS, exit_code=1)
    assert "the file system is read-only" in probe.stderr
    assert not (mounted.root / "stick" / "evidence").exists()


def test_every_file_that_is_opened_for_writing(portable: Path, tmp_path: Path) -> None:
    """Traced from the launcher on, only what lies in --output is made, changed or removed."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "auth.log").write_text("one line\n")
    (tmp_path / "home").mkdir()
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-o", trace, "-e", f"trace={CALLS}", "-e", "quiet=all",
         portable / "custody", "collect", tmp_path / "logs", "--output", tmp_path / "out", *WORDS],
        capture_output=True, text=True, check=False, cwd=tmp_path / "home",
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TMPDIR": "/tmp"},
    )  # fmt: skip
    if "PTRACE" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "home") == []
    changing = [line for line in trace.read_text().splitlines() if _changes(line)]
    assert any("manifest-sha256.txt" in line for line in changing)
    outside = [line for line in changing if f"{tmp_path}/out" not in line]
    assert outside == []


def _changes(line: str) -> bool:
    call = re.match(r"\d+ +(\w+)\(", line)
    if call is None or "resumed>" in line or "/dev/null" in line or " = -1 " in line:
        return False
    if call[1] in ("open", "openat", "openat2"):
        return bool(re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)", line))
    return True


def test_no_library_of_the_host_is_opened(portable: Path, tmp_path: Path) -> None:
    """Whatever the environment says, no shared library or Python file outside the stick is read."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("sitecustomize.py", "usercustomize.py", "typer.py", "custody.py", "os.py"):
        (trap / name).write_text("raise SystemExit('the host spoke')\n")
    (trap / "openssl.cnf").write_text("openssl_conf = nonsense\n[nonsense\n")
    (tmp_path / "a.log").write_text("x\n")
    shutil.copy("/bin/true", trap / "libc.so.6")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LD_PRELOAD": f"{trap}/libc.so.6",
           "LD_LIBRARY_PATH": str(trap), "LD_AUDIT": f"{trap}/libc.so.6", "PYTHONPATH": str(trap),
           "PYTHONHOME": str(trap), "PYTHONSTARTUP": f"{trap}/os.py", "PYTHONINSPECT": "1",
           "PYTHONPYCACHEPREFIX": str(trap), "OPENSSL_CONF": f"{trap}/openssl.cnf",
           "GLIBC_TUNABLES": "glibc.malloc.check=3", "LOCPATH": str(trap)}  # fmt: skip
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-o", str(trace), "-e", "trace=open,openat,execve"]
    command = [portable / "custody", "collect", tmp_path / "a.log", "--output", tmp_path / "out"]
    # strace itself is the host's: the hostile environment is for what it starts.
    hostile = [word for name, value in env.items() for word in ("-E", f"{name}={value}")]
    done = subprocess.run([*words, *hostile, *command, *WORDS], cwd=trap, capture_output=True,
                          text=True, check=False, env={"PATH": os.environ["PATH"]})  # fmt: skip
    if "PTRACE" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    opened = re.findall(r'(?:open|openat|execve)\((?:AT_FDCWD, )?"([^"]*)".* = [0-9]',
                        trace.read_text())  # fmt: skip
    code = [name for name in opened if re.search(r"\.so(\.|$)|\.pyc?$|openssl\.cnf|ld-linux", name)]
    assert len(code) > 50
    assert [name for name in code if not name.startswith(f"{portable}/")] == []


def test_a_rootkit_in_ld_so_preload_is_not_loaded(bare: Any) -> None:
    """What /etc/ld.so.preload and /etc/nsswitch.conf ask for is never even looked up."""
    etc, lib = bare.root / "etc", bare.root / "lib/x86_64-linux-gnu"
    etc.mkdir()
    lib.mkdir(parents=True)
    for name in ("libevil.so", "libnss_evil.so.2"):
        (lib / name).write_bytes(b"not a library")
    (etc / "ld.so.preload").write_text("/lib/x86_64-linux-gnu/libevil.so\n")
    (etc / "nsswitch.conf").write_text("passwd: evil files\ngroup: evil files\nhosts: evil\n")
    (etc / "passwd").write_text("logger:x:1234:1234::/:/bin/sh\n")
    os.chown(bare.root / "logs" / "auth.log", 1234, 1234)
    done = bare("collect", "/logs", "--output", "/out", *WORDS)
    assert "evil" not in done.stderr
    inventory = (bare.bundle() / "custody" / "inventory.jsonl").read_text()
    assert '"user":"logger"' in inventory.replace(" ", "")


def test_the_record_names_the_build(bare: Any, portable: Path) -> None:
    """acquisition.json has the digest of the build's SHA256SUMS, and what no longer fits them."""
    bare("collect", "/logs", "--output", "/out", *WORDS)
    tool = bare.record()["tool"]
    assert tool["portable"] == {
        "sha256sums": hashlib.sha256((portable / "SHA256SUMS").read_bytes()).hexdigest()
    }
    assert tool["libraries"]["cryptography"] != "absent"
    stick = bare.root / "stick" / "custody"
    (stick / "README.txt").unlink()  # in the build itself it stays
    (stick / "README.txt").write_text("scribbled over\n")
    (stick / "LICENSES" / "INDEX.txt").unlink()
    (bare.root / "out2").mkdir(mode=0o700)
    done = bare("collect", "/logs", "--output", "/out2", *WORDS)
    found = bare.record("out2")["tool"]["portable"]
    assert found["altered"] == ["LICENSES/INDEX.txt", "README.txt"]
    assert "2 files of this portable build differ from its SHA256SUMS" in done.stderr


def test_what_the_installed_program_makes_of_it(bare: Any, custody: Any) -> None:
    """A bundle from the stick is taken in at a desk that has custody installed."""
    done = bare("collect", "/logs", "--output", "/out", "--json", *WORDS)
    key = re.search(r" 2 fingerprint ([0-9a-f]{64})", done.stderr + done.stdout)
    custody("init", "desk", "--no-passphrase", cwd=bare.root.parent, exit_code=0)
    fingerprint = key[1] if key else _signer(bare.bundle())
    custody("receive", "--case", "desk", "--from", "A. Responder", "--fingerprint", fingerprint,
            bare.bundle(), cwd=bare.root.parent, exit_code=0)  # fmt: skip
    custody("verify", "desk", cwd=bare.root.parent, exit_code=0)


def _signer(bundle: Path) -> str:
    from custody.formats import dsse, statement, vkey

    envelope = dsse.load((bundle / "seal" / "statement.dsse.json").read_bytes())
    return vkey.parse(statement.load(envelope.payload).actor.key).fingerprint()


def test_the_other_commands_work_from_it_too(bare: Any) -> None:
    """A case, its ledger, a form and the checker need nothing but the stick either."""
    home = {"CUSTODY_HOME": "/out/home", "PATH": "/"}
    bare("init", "/out/case", "--no-passphrase", env=home)
    bare("collect", "/logs", "--case", "/out/case", env=home)
    bare("verify", "/out/case", env=home)
    bare("ledger", "verify", "--case", "/out/case", env=home)
    bundle = next((bare.root / "out" / "case" / "bundles").iterdir()).name
    bare("form", f"/out/case/bundles/{bundle}", "-o", "/out/form.html", env=home)
    assert (bare.root / "out" / "form.html").stat().st_size > 5_000
    assert "def main" in bare("verifier").stdout


def test_without_a_way_to_be_found(portable: Path, tmp_path: Path) -> None:
    """By a link, PATH or a relative name it starts; a path the loader splits is refused."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "custody").symlink_to(portable / "custody")
    for command, where in (
        (["custody", "--version"], tmp_path),
        (["./custody", "--version"], portable),
        (["../custody/custody", "--version"], portable),
        ([str(tmp_path / "bin" / "custody"), "--version"], tmp_path),
    ):
        path = f"{tmp_path}/bin"
        done = subprocess.run(["/usr/bin/env", f"PATH={path}", *command], cwd=where,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.stdout.startswith("custody "), done.stderr
    odd = tmp_path / "a:b"
    odd.mkdir()
    shutil.copy(portable / "custody", odd / "custody")
    done = subprocess.run([odd / "custody"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mount it elsewhere" in done.stderr


def test_for_an_ordinary_user(portable: Path, tmp_path: Path, ordinary_user: Any) -> None:
    """Nobody has to be root to run it; what they may not read is a gap."""
    copied = ordinary_user.home / "custody"
    shutil.copytree(portable, copied)
    for path in [copied, *copied.rglob("*")]:
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    logs = ordinary_user.home / "logs"
    logs.mkdir()
    (logs / "mine.log").write_text("x\n")
    (logs / "roots.log").write_text("x\n")
    (logs / "roots.log").chmod(stat.S_IRUSR)
    os.chown(logs / "mine.log", ordinary_user.uid, ordinary_user.gid)
    drop = ["setpriv", f"--reuid={ordinary_user.uid}", f"--regid={ordinary_user.gid}",
            "--clear-groups", "--"]  # fmt: skip
    done = subprocess.run(
        [*drop, copied / "custody", "collect", logs, "--output", ordinary_user.home / "out",
         "--json", *WORDS], capture_output=True, text=True, check=False, cwd=ordinary_user.home,
        env={},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["outcomes"]["unreadable"] == 1
