"""`custody key export`, `import`, `change-passphrase`: keys out, in, and locked anew."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

OLD, NEW = "correct horse", "battery staple"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file with the passphrase of the key."""
    path = tmp_path / "old"
    path.write_text(OLD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A file with another passphrase."""
    path = tmp_path / "new"
    path.write_text(NEW + "\n")
    path.chmod(0o600)
    return path


def make(custody: Any, old: Path | None) -> dict[str, Any]:
    """The key `desk`; without a passphrase where *old* is None."""
    how = ("--no-passphrase",) if old is None else ("--passphrase-file", old)
    done = custody("key", "new", "desk", "--person", "Ada Example", "--json", *how, exit_code=0)
    return dict(json.loads(done.stdout))


def opens(path: Path, secret: Path) -> bool:
    """Whether openssl reads the private key with that passphrase."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "pkey", "-in", path, "-passin", f"file:{secret}", "-noout"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_an_exported_key_is_the_same_on_another_machine(
    custody: Any, tmp_path: Path, old: Path, new: Path
) -> None:
    """One file, private, under a passphrase of its own; openssl reads it; import trusts it."""
    made = make(custody, old)
    out = tmp_path / "desk.pem"
    both = ("--passphrase-file", old, "--new-passphrase-file", new)
    done = custody("key", "export", "desk", "-o", out, *both, "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert (document["schema"], document["path"]) == ("custody.key-exported/v1", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert (opens(out, new), opens(out, old)) == (True, False)
    assert opens(custody.home / "keys/desk.pem", old)
    there = {"CUSTODY_HOME": str(tmp_path / "there")}
    custody("key", "import", out, "--passphrase-file", new, env=there, exit_code=0)
    (stored,) = json.loads(custody("key", "list", "--json", env=there, exit_code=0).stdout)["keys"]
    assert stored["fingerprint"] == made["fingerprint"]
    assert stored["person"] == "Ada Example"
    trusted = json.loads(custody("trust", "list", "--json", env=there, exit_code=0).stdout)
    assert [item["vkey"] for item in trusted["signers"]] == [made["vkey"]]
    assert opens(tmp_path / "there/keys/desk.pem", new)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("a")
    collect = ("collect", logs, "--output", tmp_path / "out", "--key", "desk", "--json")
    done = custody(*collect, "--passphrase-file", new, env=there, exit_code=0)
    custody("verify", json.loads(done.stdout)["path"], exit_code=0)


def test_an_export_keeps_the_passphrase_that_was_given(
    custody: Any, tmp_path: Path, old: Path
) -> None:
    """Where it comes from a file and no new one is named, nobody is asked."""
    make(custody, old)
    custody("key", "export", "desk", "-o", tmp_path / "x", "--passphrase-file", old, exit_code=0)
    assert opens(tmp_path / "x", old)


def test_an_unencrypted_key_is_exported_encrypted(custody: Any, tmp_path: Path, new: Path) -> None:
    """There is no export without a passphrase."""
    make(custody, None)
    out = tmp_path / "x"
    setsid = shutil.which("setsid")
    if setsid is not None:
        done = custody("key", "export", "desk", "-o", out, prefix=[setsid, "-w"])
        assert done.returncode in (2, 14)
        assert "there is no terminal to ask on" in done.stderr
        assert not out.exists()
    custody("key", "export", "desk", "-o", out, "--new-passphrase-file", new, exit_code=0)
    assert b"ENCRYPTED PRIVATE KEY" in out.read_bytes()
    assert opens(out, new)


def test_a_log_key_can_be_kept_too(custody: Any, tmp_path: Path, old: Path) -> None:
    """Without the ledger's key nothing can be added to it, so it is exported like any other."""
    secret = ("--passphrase-file", old)
    done = custody("init", tmp_path / "case", *secret, "--json", exit_code=0)
    origin = json.loads(done.stdout)["origin"]
    keys = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
    name = next(item["name"] for item in keys if item["use"] == "log")
    custody("key", "export", name, "-o", tmp_path / "log.pem", *secret, exit_code=0)
    there = {"CUSTODY_HOME": str(tmp_path / "there")}
    custody("key", "import", tmp_path / "log.pem", *secret, env=there, exit_code=0)
    trusted = json.loads(custody("trust", "list", "--json", env=there, exit_code=0).stdout)
    assert [item["name"] for item in trusted["ledgers"]] == [origin]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("key", "export", "desk", "--passphrase-file", "{old}"), 2, "-o desk.custody-key.pem"),
        (("key", "export", "nobody", "-o", "{x}"), 12, 'find key "nobody"'),
        (("key", "export", "desk", "-o", "{x}", "--passphrase-file", "{new}"), 14, "wrong pass"),
        (("key", "export", "desk", "-o", "{new}", "--passphrase-file", "{old}"), 2, "overwritten"),
        (("key", "change-passphrase", "desk", "--passphrase-file", "{new}",
          "--new-passphrase-file", "{old}"), 14, "wrong passphrase"),
        (("key", "change-passphrase", "desk", "--passphrase-file", "{old}",
          "--new-passphrase-file", "{new}", "--no-passphrase"), 2, "choose one of them"),
        (("key", "change-passphrase", "desk", "--passphrase-file", "{old}",
          "--new-passphrase-file", "{new}", "--new-passphrase-fd", "0"), 2, "only one source"),
        (("key", "change-passphrase", "nobody", "--no-passphrase"), 12, 'find key "nobody"'),
        (("key", "import", "{x}"), 2, "import key"),
        (("key", "import", "{new}"), 2, "it is not what custody key export writes"),
        (("key", "import", "{key}", "--passphrase-file", "{old}"), 2, "is not what custody key"),
    ],
)  # fmt: skip
def test_a_wrong_request_changes_no_key(
    custody: Any, tmp_path: Path, old: Path, new: Path, args: Sequence[str], code: int, words: str
) -> None:
    """Each mistake has its exit code and one clear line, and every file stays as it was."""
    make(custody, old)
    keys = custody.home / "keys"
    places = {"old": old, "new": new, "x": tmp_path / "x", "key": keys / "desk.pem"}
    before = {path: path.read_bytes() for path in keys.iterdir()} | {new: new.read_bytes()}
    done = custody(*(arg.format(**places) for arg in args), exit_code=code)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert OLD not in done.stderr + done.stdout
    after = {path: path.read_bytes() for path in keys.iterdir()} | {new: new.read_bytes()}
    assert after == before
    assert not (tmp_path / "x").exists()


def _halves(data: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, pem = data.partition(b"\n")
    return dict(json.loads(line)), pem


def _joined(document: dict[str, Any], pem: bytes) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode() + b"\n" + pem


# Signing with a key in a token loads the library that its NAME.json names: a program.
LIBRARY = {"label": "desk", "module": "/tmp/library.so", "serial": "1", "token": "t"}
SPOILED = {
    "cut short": lambda data, _: data[:-60],
    "another public half": lambda data, other: other.partition(b"\n")[0] + b"\n" + _halves(data)[1],
    "a name that leads out": lambda data, _: _joined(_halves(data)[0] | {"name": "../x"},
                                                     _halves(data)[1]),
    "a further field": lambda data, _: _joined(_halves(data)[0] | {"x": 1}, _halves(data)[1]),
    "a library to load": lambda data, _: _joined(_halves(data)[0] | {"pkcs11": LIBRARY},
                                                 _halves(data)[1]),
    "no key": lambda data, _: data.partition(b"\n")[0] + b"\n",
    "endless": lambda data, _: data + b"#" * 40_000,
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_export_is_not_taken_in(
    custody: Any, tmp_path: Path, old: Path, name: str
) -> None:
    """Both halves must belong together, and the name must be one."""
    make(custody, old)
    secret = ("--passphrase-file", old)
    custody("key", "new", "other", *secret, exit_code=0)
    for key in ("desk", "other"):
        custody("key", "export", key, "-o", tmp_path / key, *secret, exit_code=0)
    spoiled = tmp_path / "spoiled"
    spoiled.write_bytes(
        SPOILED[name]((tmp_path / "desk").read_bytes(), (tmp_path / "other").read_bytes())
    )
    there = {"CUSTODY_HOME": str(tmp_path / "there")}
    done = custody("key", "import", spoiled, *secret, env=there)
    assert done.returncode in (2, 14)
    assert done.stderr.startswith("custody: error: ")
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "x.pem").exists()


def test_an_existing_key_is_not_replaced_by_an_import(
    custody: Any, tmp_path: Path, old: Path
) -> None:
    """It can be taken in under another file name, and then it is the same key twice."""
    make(custody, old)
    secret = ("--passphrase-file", old)
    custody("key", "export", "desk", "-o", tmp_path / "x", *secret, exit_code=0)
    before = (custody.home / "keys/desk.pem").read_bytes()
    done = custody("key", "import", tmp_path / "x", *secret, exit_code=2)
    assert "nothing was overwritten" in done.stderr
    assert (custody.home / "keys/desk.pem").read_bytes() == before
    custody("key", "import", tmp_path / "x", "--name", "again", *secret, exit_code=0)


def test_a_passphrase_is_changed(custody: Any, old: Path, new: Path) -> None:
    """The new one fits and the old one does not; taking it off is said aloud and recorded."""
    make(custody, old)
    pem = custody.home / "keys/desk.pem"
    both = ("--passphrase-file", old, "--new-passphrase-file", new)
    custody("key", "change-passphrase", "desk", *both, exit_code=0)
    assert (opens(pem, new), opens(pem, old)) == (True, False)
    assert stat.S_IMODE(pem.stat().st_mode) == 0o600
    custody("key", "change-passphrase", "desk", *both, exit_code=14)
    off = ("--no-passphrase", "--passphrase-file", new)
    done = custody("key", "change-passphrase", "desk", *off, "-q", exit_code=0)
    assert "custody: warning: the key is not encrypted" in done.stderr
    (key,) = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
    assert key["encrypted"] is False
    custody("key", "change-passphrase", "desk", "--new-passphrase-file", old, exit_code=0)
    (key,) = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
    assert key["encrypted"] is True
    assert opens(pem, old)
    assert {path.name for path in pem.parent.iterdir()} == {"desk.pem", "desk.json", ".lock"}


def test_a_full_disk_leaves_the_old_passphrase(custody: Any, old: Path, new: Path) -> None:
    """The new half is written beside the old one, and takes its place in one step or not at all."""
    make(custody, old)
    keys = custody.home / "keys"
    before = (keys / "desk.pem").read_bytes()
    (keys / "desk.pem.new").mkdir()  # nothing can be written there
    both = ("--passphrase-file", old, "--new-passphrase-file", new)
    done = custody("key", "change-passphrase", "desk", *both, exit_code=1)
    assert "Traceback" not in done.stderr
    assert (keys / "desk.pem").read_bytes() == before
    assert opens(keys / "desk.pem", old)


@pytest.mark.parametrize(("call", "number", "left"), [("fsync", 1, "old"), ("rename", 1, "old"),
                                                      ("fsync", 2, "new")])  # fmt: skip
def test_a_change_cut_short_leaves_one_passphrase_that_fits(
    custody: Any, old: Path, new: Path, call: str, number: int, left: str
) -> None:
    """Killed at any of its steps, the key opens with the old passphrase or with the new one."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    make(custody, old)
    kill = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
            f"inject={call}:signal=KILL:when={number}"]  # fmt: skip
    change = ("key", "change-passphrase", "desk")
    both = ("--passphrase-file", old, "--new-passphrase-file", new)
    done = custody(*change, *both, prefix=kill)
    if done.returncode not in (-9, 137):
        pytest.skip(f"strace may not trace here: {done.stderr[-200:]}")
    pem = custody.home / "keys/desk.pem"
    assert (opens(pem, old), opens(pem, new)) == (left == "old", left == "new")
    now = old if left == "old" else new
    custody(*change, "--passphrase-file", now, "--new-passphrase-file", new, exit_code=0)
    assert opens(pem, new)
