"""Disks that are pulled out while they are written to, and mounts behind which nobody answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custody.acquire import answering
from custody.errors import StorageError

MIB = 1 << 20


class Stick:
    """A FAT file system that a process of our own answers for: it can stand still, or die."""

    def __init__(self, point: Path, image: Path) -> None:
        self.point = point
        command = ["fusefat", "-f", "-o", "rw+,umask=077", str(image), str(point)]
        self.server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while self.server.poll() is None and not os.path.ismount(point):
            time.sleep(0.02)
        if self.server.poll() is not None:
            pytest.skip("fusefat cannot mount here")

    def stand_still(self) -> None:
        """As a server does whose network is gone: whoever looks waits for ever."""
        self.server.send_signal(signal.SIGSTOP)

    def die(self) -> None:
        """As a stick does that is pulled out: every call fails from now on."""
        self.server.kill()
        self.server.wait()

    def leave(self) -> None:
        """Unmount at last; who still waits gets an error."""
        if self.server.poll() is None:
            self.die()
        subprocess.run(["umount", "-l", self.point], check=False, capture_output=True)


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Stick]:
    """An empty stick of 64 MiB."""
    for program in ("mkfs.vfat", "fusefat"):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            pytest.skip(f"{program} is not installed")
    image, point = tmp_path / "image", tmp_path / "stick"
    point.mkdir()
    with image.open("wb") as stream:
        stream.truncate(64 * MIB)
    mkfs = shutil.which("mkfs.vfat", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
    subprocess.run([mkfs, image], check=True, capture_output=True)
    found = Stick(point, image)
    yield found
    found.leave()


def in_mid_write(custody: Any, log: Path, output: Path, action: Callable[[], object]) -> str:
    """Collect a log slowly, do something once it is being written; gives what was said at exit 1.

    Four mebibytes a second: it is still writing when the action comes.  Then the log is cut, so
    that there is nothing more to wait for.
    """
    with subprocess.Popen(
        custody.command("collect", log, "--output", output, "--collector", "C", "--rate", "4M"),
        env=custody.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while process.poll() is None and not list(output.glob("incoming/*/data/**/a.log")):
            time.sleep(0.02)
        assert process.poll() is None
        action()
        os.truncate(log, 0)
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    assert "write this down" not in stdout
    assert "Traceback" not in stderr
    return stderr


@pytest.fixture
def log(source: Path) -> Path:
    """A log that takes ten seconds at four mebibytes a second."""
    path = source / "a.log"
    path.write_bytes(os.urandom(40 * MIB))
    return path


def test_unmounted_in_mid_write(custody: Any, log: Path, tmp_path: Path, mounted: Any) -> None:
    """A stick that is unmounted, however lazily, is missed: nothing is sealed, and nothing is
    written to what stands in its place, which is the host's own disk."""
    point = mounted(tmp_path / "point", size="64m")
    unmount = ["umount", "-l", str(point)]
    said = in_mid_write(
        custody, log, point / "evidence", lambda: subprocess.run(unmount, check=True)
    )
    assert "it is not there any more: the disk was pulled out or unmounted" in said
    assert "nothing was sealed" in said
    assert "--resume" in said
    assert list(point.iterdir()) == []


def test_pulled_out_in_mid_write(custody: Any, log: Path, stick: Stick) -> None:
    """A stick that fails every call from one moment on ends the collection, with its reason."""
    said = in_mid_write(custody, log, stick.point / "evidence", stick.die)
    assert "nothing was sealed" in said
    assert "not connected" in said or "it is not there any more" in said
    stick.leave()
    assert list(stick.point.iterdir()) == []


def test_a_mount_below_a_source_that_hangs(gather: Any, stick: Stick, tmp_path: Path) -> None:
    """A mount that hangs below a source is listed as not local, and never looked at."""
    (tmp_path / "b.log").write_text("b")
    stick.stand_still()
    found = gather(tmp_path, exclude=("image", "gathered"))
    assert found.outcome(stick.point) == "not-local"
    assert found.content(tmp_path / "b.log") == b"b"


def test_a_source_that_hangs(
    gather: Any, stick: Stick, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that does not answer is given up after a time and recorded, whether it is the mount,
    lies in it, is a glob there, or a link leads to it; the others are collected."""
    (source / "b.log").write_text("b")
    (tmp_path / "link").symlink_to(stick.point / "deep")
    (tmp_path / "near").symlink_to(source)
    monkeypatch.setattr(answering, "SECONDS", 0.5)
    os.utime(source, (1_700_000_000, 1_700_000_001))
    stick.stand_still()
    found = gather(
        stick.point / "x.log", stick.point, f"{stick.point}/d/*.log", tmp_path / "link",
        source, tmp_path / "near" / "b.log", output=tmp_path / "out",
    )  # fmt: skip
    for path in (stick.point, tmp_path / "link"):
        record = found.one(path)
        assert record["outcome"] == "unreadable"
        assert record["error"]["name"] == "ETIMEDOUT"
        assert "no answer within 0.5 seconds" in record["error"]["message"]
    assert found.collected.gap_count == 2
    assert found.content(source / "b.log") == b"b"
    assert source.stat().st_atime == 1_700_000_000
    acquisition = json.loads((found.bundle / "custody/acquisition.json").read_text())
    assert len(acquisition["sources"]) == 6


def test_a_source_beside_one_that_hangs(
    gather: Any, stick: Stick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the mount that hangs lies below another source too, it is one gap, and not waited for
    again."""
    (tmp_path / "b.log").write_text("b")
    monkeypatch.setattr(answering, "SECONDS", 0.5)
    stick.stand_still()
    found = gather(tmp_path, stick.point, exclude=("image", "gathered"))
    assert found.one(stick.point)["error"]["name"] == "ETIMEDOUT"
    assert found.content(tmp_path / "b.log") == b"b"


def test_a_destination_that_hangs(
    gather: Any, stick: Stick, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination that does not answer is said before anything is read, and not waited for."""
    monkeypatch.setattr(answering, "SECONDS", 0.5)
    stick.stand_still()
    with pytest.raises(StorageError, match="no answer within"):
        gather(log, output=stick.point / "evidence")


def test_a_program_that_answers(gather: Any, stick: Stick) -> None:
    """A mount that somebody answers for is collected when it is named, as it always was."""
    (stick.point / "c.log").write_text("c")
    found = gather(stick.point)
    assert found.content(stick.point / "c.log") == b"c"
    assert found.collected.gap_count == 0
