"""`collect --resume`: what a killed collection wrote is taken over where it is still the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from custody.bundle import leftover

MIB = 1 << 20
FILES = 4


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Four large logs and a small one."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.log").write_bytes(os.urandom(3 * MIB + number))
    (folder / "small.log").write_text("small\n")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the bundles go."""
    return tmp_path / "out"


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A log that is read after the others, and takes longer than any test."""
    path = tmp_path / "logs-z" / "endless.log"
    path.parent.mkdir()
    path.touch()
    os.truncate(path, 1 << 40)
    return path


def started(custody: Any, place: Path, *args: Any) -> subprocess.Popen[bytes]:
    """A collection that has come to the endless log, with its drafts below *place*."""
    process = subprocess.Popen(
        custody.command("collect", *args, "--json"),
        env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not list(place.glob("incoming/*/data/**/endless.log")):
        time.sleep(0.05)
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """As the system does when memory ends, or a person when patience does."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def killed(custody: Any, logs: Path, out: Path, endless: Path) -> Path:
    """A draft whose collection was killed after all but one log, two hours ago."""
    kill(started(custody, out, logs, endless, "--output", out))
    (draft,) = (out / "incoming").iterdir()
    before = time.time() - 7_200
    for path in (draft, *draft.rglob("*")):
        os.utime(path, (before, before))
    return draft


def resume(custody: Any, logs: Path, out: Path) -> dict[str, Any]:
    """Collect again with --resume; the bundle must be right in any case."""
    done = custody("collect", logs, "--output", out, "--resume", "--json", exit_code=0)
    found: dict[str, Any] = json.loads(done.stdout)
    bundle = Path(found["path"])
    custody("verify", bundle, "--signer", found["signer"]["fingerprint"], exit_code=0)
    copied = {path.name: path.read_bytes() for path in (bundle / "data").rglob("*.log")}
    assert copied == {path.name: path.read_bytes() for path in logs.iterdir()}
    modes = {path.stat().st_mode & 0o077 for path in (bundle, *bundle.rglob("*"))}
    assert modes == {0}
    return found


def left(draft: Path, name: str) -> Path:
    (path,) = draft.glob(f"data/**/{name}")
    return path


def test_what_is_the_same_is_taken_over(custody: Any, logs: Path, out: Path, killed: Path) -> None:
    """The files that were finished are moved and not written again, and the bundle says so."""
    inodes = {left(killed, f"{number}.log").stat().st_ino for number in range(FILES)}
    found = resume(custody, logs, out)
    assert found["resumed"] == {"files": FILES, "bytes": 12 * MIB + 6, "from": [killed.name]}
    bundle = Path(found["path"])
    assert {next(bundle.rglob(f"{number}.log")).stat().st_ino for number in range(FILES)} == inodes
    record = json.loads((bundle / "custody/acquisition.json").read_text())
    assert record["resumed"] == found["resumed"]


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_two_hours_later(custody: Any, logs: Path, out: Path, killed: Path) -> None:
    """A host whose clock says that two hours have passed takes over the same, and the bundle has
    the times of the new reading."""
    words = ("collect", logs, "--output", out, "--resume", "--json")
    left_at = killed.stat().st_mtime
    done = custody(*words, prefix=["faketime", "-f", "+2h"], exit_code=0)
    found = json.loads(done.stdout)
    assert found["resumed"]["files"] == FILES
    record = json.loads((Path(found["path"]) / "custody/acquisition.json").read_text())
    started = datetime.fromisoformat(record["started"]).timestamp()
    assert started - left_at > 3 * 3_600
    custody("verify", found["path"], "--signer", found["signer"]["fingerprint"], exit_code=0)


def test_without_it_nothing_is_taken_over(
    custody: Any, logs: Path, out: Path, killed: Path
) -> None:
    """A collection that was not asked to resume reads and writes everything itself."""
    done = custody("collect", logs, "--output", out, "--json", exit_code=0)
    assert json.loads(done.stdout)["resumed"] is None
    assert left(killed, "0.log").exists()


def test_a_tampered_leftover_is_not_believed(
    custody: Any, logs: Path, out: Path, killed: Path
) -> None:
    """Bytes that somebody changed in incoming/ do not come into the bundle, whatever else there
    was changed along with them."""
    path = left(killed, "0.log")
    data = bytearray(path.read_bytes())
    data[MIB] ^= 1
    path.write_bytes(data)
    assert resume(custody, logs, out)["resumed"]["files"] == FILES - 1
    assert path.exists()


def test_a_source_that_changed_is_read_again(
    custody: Any, logs: Path, out: Path, killed: Path
) -> None:
    """A source rewritten at the same size, its times set back, is read and written again."""
    status = (logs / "1.log").stat()
    (logs / "1.log").write_bytes(os.urandom(3 * MIB + 1))
    os.utime(logs / "1.log", ns=(status.st_atime_ns, status.st_mtime_ns))
    with (logs / "0.log").open("ab") as log:
        log.write(b"one more line\n")
    assert resume(custody, logs, out)["resumed"]["files"] == FILES - 2


@pytest.mark.parametrize("trick", ["link", "hard link", "directory link", "fifo", "open to others"])
def test_planted_leftovers(
    custody: Any, logs: Path, out: Path, killed: Path, tmp_path: Path, trick: str
) -> None:
    """A link, a second name, a FIFO or a file that others may write to is never taken over, even
    where its content is right."""
    path = left(killed, "0.log")
    outside = tmp_path / "outside"
    if trick == "directory link":
        path.parent.rename(outside)
        path.parent.symlink_to(outside)
    elif trick == "link":
        path.rename(outside)
        path.symlink_to(outside)
    elif trick == "hard link":
        os.link(path, outside)
    elif trick == "fifo":
        path.unlink()
        os.mkfifo(path)
    else:
        path.chmod(0o666)
    expected = 0 if trick == "directory link" else FILES - 1
    assert resume(custody, logs, out)["resumed"]["files"] == expected


def test_the_room_of_leftovers_is_counted_through_no_link(tmp_path: Path) -> None:
    """A planted draft whose data is a link elsewhere promises no room; a real one does."""
    incoming, outside = tmp_path / "incoming", tmp_path / "outside"
    outside.mkdir()
    with (outside / "large.log").open("wb") as log:
        log.write(os.urandom(2 * MIB))
        os.fsync(log.fileno())  # only then has every file system given it room
    draft = incoming / "20260101T000000Z-host-abcdef"
    draft.mkdir(parents=True)
    (draft / "data").symlink_to(outside)
    assert leftover.amount(incoming) == 0
    (draft / "data").unlink()
    outside.rename(draft / "data")
    assert leftover.amount(incoming) == (draft / "data/large.log").stat().st_blocks * 512 > 0


def test_a_collection_at_work_is_left_alone(
    custody: Any, logs: Path, out: Path, endless: Path
) -> None:
    """Nothing is taken from a draft whose collection still runs; once that is dead, all is."""
    process = started(custody, out, logs, endless, "--output", out)
    assert resume(custody, logs, out)["resumed"]["files"] == 0
    kill(process)
    assert resume(custody, logs, out)["resumed"]["files"] == FILES


def test_into_a_case(custody: Any, logs: Path, endless: Path, tmp_path: Path) -> None:
    """A collection into a case resumes from the case's incoming/, and the case verifies."""
    case = tmp_path / "case"
    custody("init", case, "--number", "7", "--no-passphrase", "--person", "D. Esk", exit_code=0)
    kill(started(custody, case, logs, endless, "--case", case))
    done = custody("collect", logs, "--case", case, "--resume", "--json", exit_code=0)
    assert json.loads(done.stdout)["resumed"]["files"] == FILES
    custody("verify", case, exit_code=0)


def test_a_stream_has_nothing_to_resume(custody: Any, logs: Path) -> None:
    """With --output - it is a usage error."""
    done = custody("collect", logs, "--output", "-", "--resume", exit_code=2)
    assert "--resume" in done.stderr
    assert not done.stdout
