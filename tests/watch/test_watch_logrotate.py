"""Debian's logrotate against a live writer."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watching import Watching

Start = Callable[..., Watching]
Restore = Callable[[Path], list[bytes]]
ROTATIONS = 3


class Writer(threading.Thread):
    """Appends numbered lines; like a daemon told to, it opens its log again once it was renamed."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log
        self.done = threading.Event()
        self.count = 0

    def run(self) -> None:
        fd = self._open()
        while not self.done.wait(0.004):
            try:
                if self.log.stat().st_ino != os.fstat(fd).st_ino:
                    fresh = self._open()
                    os.close(fd)
                    fd = fresh
            except FileNotFoundError:  # between the renaming and the new file
                continue
            os.write(fd, b"line %06d\n" % self.count)
            self.count += 1
        os.close(fd)

    def _open(self) -> int:
        # Whoever made it here would be in logrotate's way, which then moves it to another name.
        return os.open(self.log, os.O_WRONLY | os.O_APPEND)

    def end(self) -> list[bytes]:
        self.done.set()
        self.join()
        return [b"line %06d" % number for number in range(self.count)]


def rotate(config: Path) -> None:
    state = config.with_name("logrotate.state")
    subprocess.run(
        ["logrotate", "--force", "--state", state, config], check=True, capture_output=True
    )


@pytest.mark.parametrize(
    "mode",
    ["create", "create\ncompress", "create\ncompress\ndelaycompress", "copytruncate",
     "copytruncate\ncompress"],
    ids=["rename", "compress", "delaycompress", "copytruncate", "copytruncate-compress"],
)  # fmt: skip
def test_every_line_that_logrotate_keeps_is_preserved_once(
    watch: Start, case: Path, logs: Path, tmp_path: Path, restored: Restore, mode: str,
    verified: Callable[[], None],
) -> None:  # fmt: skip
    """Through three rotations under a live writer no line is lost and none is there twice.

    What copytruncate copied and compressed at once, before anybody could look, is collected as it
    is: compressed.
    """
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    log, config = logs / "app.log", tmp_path / "logrotate.conf"
    config.write_text(f"{log} {{\nrotate 9\nnomail\nmissingok\n{mode}\n}}\n")
    config.chmod(0o644)
    log.touch()
    writer = Writer(log)
    writer.start()
    it = watch()
    it.sealed(1)
    for _ in range(ROTATIONS):
        it.seals(2)  # the second began when this file had its name already
        rotate(config)
    it.seals(2)
    written = writer.end()
    it.passes(2)
    it.stop()
    lines = b"".join(reversed(restored(log))).splitlines()
    kept = _on_disk(logs)
    packed = b"".join(map(gzip.decompress, _collected(case, ".gz"))).splitlines()
    assert set(kept) <= {*lines, *packed}
    assert len(lines) == len(set(lines))
    assert lines == sorted(lines)
    if "copytruncate" not in mode:  # there logrotate itself may lose what is written in between
        assert lines == written
        assert it.kinds() == []
    verified()


def _collected(case: Path, suffix: str) -> list[bytes]:
    """The content of every piece of a file with this suffix."""
    return [path.read_bytes() for path in case.rglob(f"data/=~pieces/*{suffix}=~*")]


def _on_disk(logs: Path) -> list[bytes]:
    """Every line that logrotate left."""
    found: list[bytes] = []
    for path in logs.iterdir():
        data = path.read_bytes()
        found += (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    return found
