"""`custody collect` from end to end: what it says, what it leaves, and how it fails."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = os.geteuid() == 0
ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9-]+-[0-9a-f]{6}\Z")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case and the keys for it, made once; tests get copies."""
    base = tmp_path_factory.mktemp("template")
    program = Path(sys.executable).with_name("custody")
    environment = {**os.environ, "CUSTODY_HOME": str(base / "home"), "HOME": str(base)}
    for name in ("CUSTODY_CASE", "CUSTODY_PASSPHRASE_FILE"):
        environment.pop(name, None)
    command = [program, "init", base / "case", "--number", "2026-117", "--no-passphrase", "-q"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return base


@pytest.fixture
def case(custody: Any, template: Path, tmp_path: Path) -> Path:
    """An open case whose keys are in the home of `custody`."""
    shutil.copytree(template / "home", custody.home, symlinks=True)
    shutil.copytree(template / "case", tmp_path / "case", symlinks=True)
    return tmp_path / "case"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two small logs and an empty one."""
    path = tmp_path / "logs"
    path.mkdir()
    (path / "auth.log").write_bytes(b"line 1\nline 2\n")
    (path / "syslog").write_bytes(b"x" * 5_000)
    (path / "empty").touch()
    return path


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own, where mounting is allowed."""
    points: list[Path] = []

    def mount(options: str) -> Path:
        point = tmp_path / f"small{len(points)}"
        point.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", "-l", str(point)], check=False)


def tree(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*")}


def only(directory: Path) -> Path:
    found = [path for path in directory.iterdir() if ID.match(path.name)]
    assert len(found) == 1, found
    return found[0]


def payload_of(bundle: Path) -> dict[str, Any]:
    """The signed statement of a bundle."""
    envelope = json.loads((bundle / "seal/statement.dsse.json").read_text())
    document: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return document


# ---- what it makes


def test_into_a_directory(custody: Any, logs: Path, tmp_path: Path) -> None:
    """Without a case or a key: a sealed bundle, no ledger, no secret, and what to write down."""
    out = tmp_path / "out"
    done = custody("collect", logs, "--output", out, exit_code=0)
    bundle = only(out)
    assert tree(out) >= {f"{bundle.name}/data", f"{bundle.name}/VERIFY.txt"}
    assert sorted(os.listdir(out)) == [bundle.name]  # incoming/ is gone
    sealed = (bundle / "seal/statement.dsse.json").read_bytes()
    said = r"^write this down:\n  1 statement +(\w{64})\n  2 fingerprint (\w{64})$"
    written = re.search(said, done.stdout, re.MULTILINE)
    assert written
    digest, fingerprint = written.groups()
    assert digest == hashlib.sha256(sealed).hexdigest()
    assert json.loads(sealed)["signatures"][0]["keyid"] == fingerprint
    assert not (custody.home / "keys").exists()
    assert "same disk" in done.stderr
    shown = dict(line.split(None, 1) for line in done.stdout.splitlines() if ":" not in line[:8])
    assert shown["bundle"] == str(bundle)
    assert shown["read"].startswith("3 files, ")
    assert "by NTP" in shown["clock"]
    next_command = re.findall(r"^next: +custody (.+)$", done.stdout, re.MULTILINE)[0]
    assert custody(*next_command.split()).returncode in (0, 11)


def test_into_a_case(custody: Any, case: Path, logs: Path) -> None:
    """Into a case: published, entered, with a receipt, and the whole case verifies."""
    done = custody("collect", logs, "--case", case, "--json", exit_code=0)
    found = json.loads(done.stdout)
    bundle = only(case / "bundles")
    assert found["ledger"]["index"] == 1
    assert found["ledger"]["size"] == 2
    assert os.listdir(bundle / "seal/receipts")
    assert os.listdir(case / "incoming") == []
    assert (case / "lock").read_bytes() == b""
    statement = payload_of(bundle)
    assert statement["predicate"]["ledger"]["size"] == 1
    assert statement["predicate"]["case"] == "2026-117"
    assert custody("verify", bundle).returncode == 0
    assert custody("verify", case).returncode == 0


def test_the_document(custody: Any, logs: Path, tmp_path: Path) -> None:
    """The JSON document has the promised keys; warnings are JSON lines on stderr."""
    done = custody(
        "collect", logs, logs / "none", "--output", "out", "--json", cwd=tmp_path, exit_code=3
    )
    found = json.loads(done.stdout)
    assert found["schema"] == "custody.collection/v1"
    promised = {
        "bundle_id", "path", "outcomes", "files", "bytes", "sealed_at", "ledger", "gaps",
    }  # fmt: skip
    assert promised <= set(found)
    assert found["path"] == str(only(tmp_path / "out"))
    assert found["outcomes"]["collected"] == 2
    assert found["outcomes"]["empty"] == found["outcomes"]["missing"] == 1
    assert (found["files"], found["bytes"], found["ledger"]) == (3, 5_014, None)
    assert found["gaps"] == [
        {"path": str(logs / "none"), "outcome": "missing", "error": "No such file or directory"}
    ]
    for line in done.stderr.splitlines():
        assert json.loads(line)["schema"] == "custody.warning/v1"


def test_gaps_are_shown_by_path(custody: Any, logs: Path, tmp_path: Path) -> None:
    """Exit 3 says which paths and why, with hostile names made harmless."""
    done = custody("collect", logs, logs / "n\x1b[2Jone", "--output", tmp_path / "out", exit_code=3)
    assert re.search(r"^gaps +1$", done.stdout, re.MULTILINE)
    assert r"missing" in done.stdout
    assert r"n\x1b[2Jone" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_other_programs_accept_the_bundle(custody: Any, logs: Path, tmp_path: Path) -> None:
    """bagit.py and sha256sum find the bundle valid, and VERIFY.txt's own commands work."""
    (logs / "a  b%0A=\n").write_bytes(b"awkward")
    custody("collect", logs, "--output", tmp_path / "out", exit_code=0)
    bundle = only(tmp_path / "out")
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        command = ["sha256sum", "--quiet", "--strict", "-c", name]
        done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    program = Path(sys.executable).with_name("bagit.py")
    command = [sys.executable, "-W", "ignore", str(program), "--validate", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr


def test_a_bundle_of_nothing(custody: Any, tmp_path: Path) -> None:
    """A bundle without any file is valid too; that nothing was there is said aloud."""
    done = custody("collect", tmp_path / "no", "--output", tmp_path / "out", exit_code=3)
    assert "warning: none of the sources is there" in done.stderr
    bundle = only(tmp_path / "out")
    assert custody("verify", bundle, exit_code=11)
    assert (bundle / "manifest-sha256.txt").read_bytes() == b""
    assert (bundle / "data").is_dir()


def test_the_acquisition_record(custody: Any, case: Path, logs: Path) -> None:
    """Who, what, when, why and with what is in the bundle; the passphrase file's name alone is."""
    secret = case.parent / "pass"
    secret.write_text("hunter2-secret\n")
    secret.chmod(0o600)
    custody(
        "collect", logs, "--case", case, "--note", "web server", "--authority", "ticket 7",
        "--evidence-number", "E-003", "--exclude", "*.gz", "--max-size", "1G",
        "--passphrase-file", secret, exit_code=0,
    )  # fmt: skip
    bundle = only(case / "bundles")
    record = json.loads((bundle / "custody/acquisition.json").read_text())
    assert record["description"] == "web server"
    assert record["authority"] == "ticket 7"
    assert record["evidence_number"] == "E-003"
    assert record["max_size"] == 1 << 30
    assert record["case"] == "2026-117"
    assert record["command"][1] == "collect"
    assert record["sources"] == [{"asked": str(logs), "paths": [{"path": str(logs)}]}]
    assert record["host"]["hostname"] == os.uname().nodename
    assert "ntp" in record["clock"]
    assert len(record["tool"]["sha256"]) == 64
    for path in bundle.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_who_collects_without_a_key(custody: Any, case: Path, logs: Path, tmp_path: Path) -> None:
    """--collector names the person where a key does not, and is refused where one does."""
    custody(
        "collect", logs, "--output", tmp_path / "out",
        "--collector", "Sam Lee, Admin, City of Example", exit_code=0,
    )  # fmt: skip
    actor = payload_of(only(tmp_path / "out"))["predicate"]["actor"]
    assert (actor["name"], actor["title"], actor["organization"]) == (
        "Sam Lee", "Admin", "City of Example",
    )  # fmt: skip
    done = custody("collect", logs, "--case", case, "--collector", "Sam", exit_code=2)
    assert "the key that signs says who collects" in done.stderr
    custody("collect", logs, "--output", tmp_path / "2", "--collector", "x" * 2_000, exit_code=2)


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("kind", ["case", "output"])
def test_private_whatever_the_umask(
    umask: int, kind: str, custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """Every directory that is made is 0700 and every file 0600."""
    (logs / "large").write_bytes(b"x" * (3 << 20))
    (logs / "d/e").mkdir(parents=True)
    (logs / "d/e/f").touch()
    out = case if kind == "case" else tmp_path / "out"
    option = "--case" if kind == "case" else "--output"
    before = os.umask(umask)
    try:
        custody("collect", logs, option, out, exit_code=0)
    finally:
        os.umask(before)
    for path in [out, *out.rglob("*")]:
        assert path.lstat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_dry_run_writes_nothing(custody: Any, case: Path, logs: Path, tmp_path: Path) -> None:
    """--dry-run says what would be read and what not, and leaves the disk as it was."""
    before = tree(tmp_path)
    done = custody(
        "collect", logs, logs / "none", "--dry-run", "--max-size", "1K", "--exclude", "empty",
        exit_code=3,
    )  # fmt: skip
    assert re.search(r"^collected +14 +.*auth\.log$", done.stdout, re.MULTILINE)
    assert re.search(r"^limit-skipped +5000 ", done.stdout, re.MULTILINE)
    assert re.search(r"^missing ", done.stdout, re.MULTILINE)
    assert re.search(r"^excluded ", done.stdout, re.MULTILINE)
    assert "1 file, 14 bytes; nothing was written" in done.stdout
    for option in (("--output", tmp_path / "new"), ("--case", case)):
        found = json.loads(custody("collect", logs, "--dry-run", "--json", *option).stdout)
        assert (found["schema"], found["files"]) == ("custody.dry-run/v1", 3)
    assert tree(tmp_path) == before


def test_the_environment_names_the_case_aloud(custody: Any, case: Path, logs: Path) -> None:
    """A case from CUSTODY_CASE is said, and --output goes before it."""
    environment = {"CUSTODY_CASE": str(case)}
    done = custody("collect", logs, env=environment, exit_code=0)
    assert f"case from CUSTODY_CASE: {case}" in done.stderr
    custody("collect", logs, "--output", case.parent / "out", env=environment, exit_code=0)
    assert len(os.listdir(case / "bundles")) == 1


# ---- what it refuses


def refused(done: Any, code: int) -> str:
    """One error with one hint at most, nothing on stdout, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert lines[0].startswith("custody: error: ")
    assert len(lines) <= 2
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def test_neither_or_both(custody: Any, case: Path, logs: Path, tmp_path: Path) -> None:
    """Neither --case nor --output, or both: exit 2 and the exact command to type."""
    said = refused(custody("collect", logs), 2)
    assert f"hint: custody collect {logs} --output DIR" in said
    said = refused(custody("collect", logs, "--case", case, "--output", tmp_path / "out"), 2)
    assert f"hint: custody collect {logs} --case {case}" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [], [""], ["LOGS", "--max-size", "lots"], ["LOGS", "--max-size", "9" * 5_000],
        ["LOGS", "--max-size", "9000T"], ["LOGS", "--note", "a\nb"],
        ["LOGS", "--note", "x" * 5_000],
        ["LOGS", "--evidence-number", "\x1b[2J"], ["LOGS", "-q", "-v"],
    ],
)  # fmt: skip
def test_what_makes_no_sense(
    arguments: list[str], custody: Any, logs: Path, tmp_path: Path
) -> None:
    """No source, an empty one, a size that is none, words that no record takes: exit 2."""
    words = [str(logs) if word == "LOGS" else word for word in arguments]
    refused(custody("collect", *words, "--output", tmp_path / "out"), 2)
    assert not (tmp_path / "out").exists()


def test_what_is_no_case(custody: Any, case: Path, logs: Path, tmp_path: Path) -> None:
    """A directory that is no case, or none at all, is 12 with the command that makes one."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").touch()
    for name in ("plain", "none", "file", "none/deeper"):
        said = refused(custody("collect", logs, "--case", tmp_path / name), 12)
        assert f"custody init {tmp_path / name}" in said
        refused(custody("collect", logs, "--case", tmp_path / name, "--dry-run"), 12)
    assert os.listdir(tmp_path / "plain") == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"custody.case/1", b"custody.case/2", 12), (b"custody.case/1", b"other", 10),
        (b'"case"', b'"cas"', 10), (b"}\n", b"} \n", 10), (b"}\n", b"}", 10), (b"{", b"", 10),
    ],
)  # fmt: skip
def test_a_record_of_the_case_that_is_not_ours(
    old: bytes, new: bytes, code: int, custody: Any, case: Path, logs: Path
) -> None:
    """A newer format is 12; a damaged record differs; nothing is written into either."""
    record = case / "case.json"
    record.write_bytes(record.read_bytes().replace(old, new))
    before = tree(case)
    refused(custody("collect", logs, "--case", case), code)
    assert tree(case) == before


def test_a_case_that_another_keeps_locked(custody: Any, case: Path, logs: Path) -> None:
    """Locked by another process: 13, which names it, before anything is read."""
    with (case / "lock").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(b"%d\n" % os.getpid())
        stream.flush()
        before = tree(case)
        said = refused(custody("collect", logs, "--case", case), 13)
        assert f"process {os.getpid()} is writing to it" in said
        assert tree(case) == before


def test_a_wrong_passphrase_opens_no_source(custody: Any, tmp_path: Path) -> None:
    """The keys are tried before anything is read: 14, and no source was opened."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    for path, text in ((secret, "right one"), (wrong, "another")):
        path.write_text(text + "\n")
        path.chmod(0o600)
    case, logs = tmp_path / "case", tmp_path / "logs-of-the-host"
    custody("init", case, "--passphrase-file", secret, exit_code=0)
    logs.mkdir()
    (logs / "auth.log").write_text("x")
    before = tree(case)
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-e", "trace=openat,open,openat2", "-o", str(trace)]
    done = custody("collect", logs, "--case", case, "--passphrase-file", wrong, prefix=prefix)
    if "strace:" in done.stderr:
        pytest.skip("strace is not allowed here")
    refused(done, 14)
    assert "case.json" in trace.read_text()
    assert "auth.log" not in trace.read_text()
    assert logs.name not in trace.read_text()
    assert tree(case) == before


def test_a_source_inside_the_destination(custody: Any, case: Path) -> None:
    """What lies in the case is not collected into it: 2, and the way to look at it."""
    said = refused(custody("collect", case / "bundles", "--case", case), 2)
    assert "custody verify" in said


def test_a_destination_inside_the_source(custody: Any, case: Path, logs: Path) -> None:
    """The case is skipped and recorded when the source holds it."""
    done = custody("collect", case.parent, "--case", case, "--json", exit_code=0)
    assert json.loads(done.stdout)["outcomes"]["excluded"] == 2  # the case, and the keys
    inventory = (only(case / "bundles") / "custody/inventory.jsonl").read_text()
    assert '"the destination itself"' in inventory
    assert "PRIVATE" not in "".join(
        path.read_text(errors="replace") for path in case.rglob("*") if path.is_file()
    )


def test_no_room(custody: Any, logs: Path, tmpfs: Callable[[str], Path]) -> None:
    """Too little room is known before the start: one error with both figures, nothing written."""
    small = tmpfs("size=64k")
    (logs / "large").write_bytes(b"x" * 200_000)
    said = refused(custody("collect", logs, "--output", small / "out"), 1)
    assert "are needed and" in said
    assert "nothing was written" in said
    assert os.listdir(small) == []


@pytest.mark.parametrize("limit", ["size=1m", "nr_inodes=30"])
def test_a_disk_that_fills_up_meanwhile(
    limit: str, custody: Any, logs: Path, tmpfs: Callable[[str], Path]
) -> None:
    """A full disk in the middle: one error, exit 1, nothing published, what is there is said."""
    small = tmpfs(limit)
    if limit == "size=1m":
        (small / "other").write_bytes(b"x" * 300_000)
        os.mkfifo(logs / "zz")
        os.truncate(logs / "empty", 0)
    for number in range(200):
        (logs / f"f{number:03}").write_bytes(b"x" * (3_000 if limit == "size=1m" else 10))
    done = custody("collect", logs, "--output", small / "out")
    said = refused(done, 1)
    assert "the disk is full" in said or "are needed" in said
    if "are needed" not in said:
        assert f"{small}/out/incoming/" in said
        assert os.listdir(small / "out") == ["incoming"]


def test_a_case_whose_disk_is_full(custody: Any, template: Path, tmpfs: Any) -> None:
    """When the disk fills up after the last payload, nothing is published or entered."""
    small = tmpfs("nr_inodes=70,size=4m")
    shutil.copytree(template / "home", custody.home)
    case = small / "case"
    shutil.copytree(template / "case", case)
    logs = small.parent / "few"
    logs.mkdir()
    (logs / "log").write_text("x")
    free = os.statvfs(small).f_ffree
    ledger = (case / "ledger/checkpoint").read_bytes()
    for taken in range(free - 24, free, 2):
        filler = small / "filler"
        filler.mkdir()
        for number in range(taken):
            (filler / str(number)).touch()
        done = custody("collect", logs, "--case", case)
        shutil.rmtree(filler)
        if done.returncode:
            assert "the disk is full" in refused(done, 1)
            if not os.listdir(case / "bundles"):
                assert (case / "ledger/checkpoint").read_bytes() == ledger
        shutil.rmtree(case / "incoming")
        (case / "incoming").mkdir(0o700)
        if os.listdir(case / "bundles"):
            break
    else:
        pytest.fail("the disk was never large enough")
    custody("collect", logs, "--case", case, exit_code=0)  # and what is missing is made up
    custody("verify", case, exit_code=0)


@pytest.mark.skipif(not ROOT, reason="becoming another user and mounting need root")
def test_a_read_only_destination(custody: Any, logs: Path, tmpfs: Callable[[str], Path]) -> None:
    """A destination that cannot be written to is one clear error."""
    point = tmpfs("ro,size=1m")
    assert "read-only" in refused(custody("collect", logs, "--output", point / "out"), 1)


def test_a_destination_that_is_a_file(custody: Any, logs: Path, tmp_path: Path) -> None:
    """A file in the destination's place is left as it is."""
    (tmp_path / "file").write_text("mine")
    refused(custody("collect", logs, "--output", tmp_path / "file"), 2)
    assert (tmp_path / "file").read_text() == "mine"


def test_fat_cannot_take_four_gigabytes(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file over 4 GiB is refused for a FAT stick before anything is written; exFAT takes it."""
    from custody import collect
    from custody.acquire import mounts
    from custody.acquire.mounts import Mount
    from custody.collect import Destination, Request
    from custody.errors import StorageError

    with (logs / "huge").open("wb") as stream:
        stream.truncate((4 << 30) - 1)
    stick = tmp_path / "stick"
    stick.mkdir()
    point = os.fsencode(stick.resolve())

    def prepare(kind: str, size: int) -> None:
        os.truncate(logs / "huge", size)
        table = {b"/": Mount(b"/", "0:1", "ext4", "x"), point: Mount(point, "0:2", kind, "y")}
        monkeypatch.setattr(mounts, "read", lambda: table)
        collect.prepare(Request((str(logs),)), Destination(stick))

    free = shutil.disk_usage(stick).free
    if free < 5 << 30:
        pytest.skip("too little room to tell the two limits apart")
    prepare("vfat", (4 << 30) - 1)
    prepare("exfat", 4 << 30)
    prepare("ext4", 4 << 30)
    for kind in ("vfat", "msdos"):
        with pytest.raises(StorageError, match="ends at 4 GiB"):
            prepare(kind, 4 << 30)
    assert os.listdir(stick) == []


# ---- interruption, crashes, company


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_in_the_middle_of_a_file(
    number: signal.Signals, custody: Any, logs: Path, tmp_path: Path
) -> None:
    """Ctrl-C and SIGTERM: 130, finished files are kept in incoming/ and counted, no noise."""
    with (logs / "zz-huge").open("wb") as stream:  # a hole that takes long to hash
        stream.truncate(64 << 30)
    out = tmp_path / "out"
    process = subprocess.Popen(
        custody.command("collect", logs, "--output", out, "--collector", "Clerk"),
        env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(out.glob("incoming/*/data/**/zz-huge")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stdout == ""
    staged = next((out / "incoming").iterdir())
    assert f"nothing was sealed; 3 finished files are in {staged}" in stderr
    assert len(stderr.splitlines()) <= 3
    assert "Traceback" not in stderr
    assert [path.read_bytes() for path in staged.rglob("auth.log")] == [b"line 1\nline 2\n"]
    assert os.listdir(out) == ["incoming"]
    assert not (staged / "seal/statement.dsse.json").exists()


CRASH = """
import os, signal, sys
from custody import entering
def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
entering.enter_pending = die
from custody.cli.main import main
sys.exit(main())
"""


def test_a_crash_between_publishing_and_entering(custody: Any, case: Path, logs: Path) -> None:
    """A bundle that was published and not entered is entered by the next collection."""
    done = subprocess.run(
        [sys.executable, "-c", CRASH, "collect", logs, "--case", case],
        env=custody.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    first = only(case / "bundles")
    assert not (first / "seal/receipts").exists()
    assert custody("verify", case).returncode != 0
    found = json.loads(custody("collect", logs, "--case", case, "--json", exit_code=0).stdout)
    assert found["ledger"]["size"] == 3
    assert os.listdir(first / "seal/receipts")
    custody("verify", case, exit_code=0)


def test_an_interrupt_after_publishing(custody: Any, case: Path, logs: Path) -> None:
    """Ctrl-C when the bundle is sealed already says so, and where it is."""
    script = CRASH.replace("os.kill(os.getpid(), signal.SIGKILL)", "raise KeyboardInterrupt")
    done = subprocess.run(
        [sys.executable, "-c", script, "collect", logs, "--case", case],
        env=custody.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert f"the bundle is sealed in {only(case / 'bundles')}" in done.stderr
    assert "the next collect into this case enters it" in done.stderr


def test_two_collections_at_once(custody: Any, case: Path, logs: Path) -> None:
    """Two collections into one case at the same time are both sealed and entered."""
    (logs / "large").write_bytes(b"x" * (8 << 20))
    running = [
        subprocess.Popen(
            custody.command("collect", logs, "--case", case, "--json"),
            env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, _, code in ended] == [0, 0, 0], ended
    indexes = {json.loads(stdout)["ledger"]["index"] for stdout, _, _ in ended}
    assert indexes == {1, 2, 3}
    custody("verify", case, exit_code=0)


def test_two_collections_into_one_directory(custody: Any, logs: Path, tmp_path: Path) -> None:
    """Two collections into one plain directory do not disturb each other."""
    running = [
        subprocess.Popen(
            custody.command("collect", logs, "--output", tmp_path / "out", "-q"),
            env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, _, code in ended] == [0] * 4, ended
    with suppress(FileNotFoundError):
        assert os.listdir(tmp_path / "out/incoming") == []
    assert len([name for name in os.listdir(tmp_path / "out") if ID.match(name)]) == 4


def test_a_bundle_of_a_stranger_is_not_entered(custody: Any, case: Path, logs: Path) -> None:
    """What lies in bundles/ and is not signed by a trusted key is left alone, and said."""
    custody("collect", logs, "--output", case / "bundles", env={}, exit_code=0)
    stranger = only(case / "bundles")
    (case / "bundles/junk").write_text("x")
    done = custody("collect", logs, "--case", case, exit_code=0)
    assert f"warning: the bundle {stranger.name} in this case was not entered" in done.stderr
    assert "warning: the bundle junk in this case was not entered" in done.stderr
    assert not (stranger / "seal/receipts").exists()


# ---- real hosts


def test_the_logs_of_this_machine_as_an_ordinary_user(custody: Any, ordinary_user: Any) -> None:
    """As nobody over the real /var/log: what is readable is sealed, the rest recorded, exit 3."""
    log = Path("/var/log")
    unreadable = [
        path for path in log.rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & 0o004
    ]  # fmt: skip
    if not unreadable:
        pytest.skip("everything in /var/log may be read by everybody here")
    done = custody("collect", log, "--output", "out", "--json", user=ordinary_user)
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert {"unreadable"} <= {gap["outcome"] for gap in found["gaps"]}
    assert found["files"] == found["outcomes"].get("collected", 0) + sum(
        found["outcomes"].get(name, 0) for name in ("empty", "grew")
    )
    bundle = only(ordinary_user.home / "out")
    checked = json.loads(custody("verify", bundle, "--json").stdout)
    assert checked["findings"] == []


def test_onto_a_fat_stick(custody: Any, logs: Path, tmp_path: Path) -> None:
    """A stick with a FAT file system takes a bundle, however odd the names, and a case."""
    point = tmp_path / "stick"
    image = tmp_path / "image"
    point.mkdir()
    for program in ("mkfs.vfat", "fusefat", "fusermount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    subprocess.run(["truncate", "-s", "32M", image], check=True)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", "-t", "vfat", image, point], capture_output=True, check=False
    )
    if mounted.returncode:
        command = ["fusefat", "-o", "rw+,umask=077", image, point]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not os.path.ismount(point):
            pytest.skip(f"a FAT image cannot be mounted here: {done.stderr.strip()}")
    for name in ("Case", "case", "con", "a:b", "end.", 'q"*?'):
        (logs / name).write_text(name)
    (logs / "large").write_bytes(b"x" * (3 << 20))
    try:
        init = custody("init", point / "case", "--no-passphrase")
        if mounted.returncode:  # fusefat loses what is in a directory that it renames
            said = refused(custody("collect", logs, "--output", point / "out"), 1)
            assert "lost its content when it was renamed" in said
            return
        assert init.returncode == 0, init.stderr
        custody("collect", logs, "--output", point / "out", exit_code=0)
        assert custody("verify", only(point / "out")).returncode == 11
        custody("collect", logs, "--case", point / "case", exit_code=0)
        custody("verify", point / "case", exit_code=0)
    finally:
        if mounted.returncode:
            subprocess.run(["fusermount", "-u", "-z", point], check=False)
        else:
            subprocess.run(["umount", point], check=False)


def test_what_a_tired_responder_forgets(custody: Any, logs: Path, tmp_path: Path) -> None:
    """A collection by nobody, and one into a place of which nothing is there, are said aloud."""
    done = custody("collect", logs, "--output", tmp_path / "stick/evidence", exit_code=0)
    assert "nobody is named as the collector" in done.stderr
    assert f"made below {tmp_path}: is the disk mounted?" in done.stderr
    done = custody(
        "collect", logs, "--output", tmp_path / "stick/evidence", "--collector", "Clerk, Desk",
        exit_code=0,
    )  # fmt: skip
    assert "nobody is named" not in done.stderr
    assert "is the disk mounted" not in done.stderr
