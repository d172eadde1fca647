"""Whole collections by library call: real trees in, a verified bundle and its inventory out."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custody import collect
from custody.collect import Collected, Destination, Plan, Request
from custody.formats import inventory
from custody.formats.statement import Actor
from custody.identity import keys, trust
from custody.verify import verify_bundle

NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)


class Gathered:
    """What one collection came to, with its inventory."""

    def __init__(self, collected: Collected, plan: Plan) -> None:
        self.collected = collected
        self.plan = plan
        self.bundle = collected.path
        lines = (self.bundle / "custody/inventory.jsonl").read_bytes().splitlines(keepends=True)
        self.records = [inventory.load(line) for line in lines]

    def all(self, path: Path | bytes) -> list[dict[str, Any]]:
        """Every record of a path."""
        raw = os.fsencode(path)
        return [record for record in self.records if inventory.raw_path(record) == raw]

    def one(self, path: Path | bytes) -> dict[str, Any]:
        """The only record of a path."""
        found = self.all(path)
        assert len(found) == 1, (path, found)
        return found[0]

    def outcome(self, path: Path | bytes) -> str:
        """The outcome in the only record of a path."""
        return str(self.one(path)["outcome"])

    def content(self, path: Path | bytes) -> bytes:
        """The collected bytes of a path."""
        return (self.bundle / self.one(path)["payload"]).read_bytes()

    def names(self) -> set[bytes]:
        """Every path that has a record, by its own name or as the name it was moved from."""
        found = {inventory.raw_path(record) for record in self.records}
        for record in self.records:
            if "rotated_from" in record:
                found.add(inventory.raw_path(record, "rotated_from"))
        return found


class Gather:
    """Collects into a directory of its own; every bundle is verified, whatever happened."""

    def __init__(self, base: Path) -> None:
        self.output = base / "gathered"

    def __call__(
        self,
        *sources: Path | str | bytes,
        before_run: Callable[[], None] = lambda: None,
        after_run: Callable[[], None] = lambda: None,
        output: Path | None = None,
        **more: Any,
    ) -> Gathered:
        """Collect; `before_run` comes between the look at the sources and the reading."""
        request = Request(tuple(os.fsdecode(source) for source in sources), **more)
        signer = keys.one_time("one-time")
        plan = collect.prepare(request, Destination(output or self.output))
        before_run()
        try:
            collected = collect.run(plan, signer, Actor(str(signer.key)), now=lambda: NOW)
        finally:
            after_run()
        verified = verify_bundle(collected.path, trust.load(self.output / "nobody"), now=NOW)
        assert verified.findings == ()
        assert [check.name for check in verified.checks if check.status == "fail"] == []
        return Gathered(collected, plan)


@pytest.fixture
def gather(tmp_path: Path) -> Gather:
    """Collects sources by library call; see `Gather.__call__`."""
    return Gather(tmp_path)


@pytest.fixture(scope="session")
def gatherer() -> type[Gather]:
    """For tests that need more than one `gather`."""
    return Gather


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """An empty directory to be collected."""
    path = tmp_path / "source"
    path.mkdir()
    yield path
    # Python's own rmtree, which pytest uses, gives up at 1,000 levels.
    subprocess.run(["rm", "-rf", path], check=False, capture_output=True)


class Moment:
    """Does something once, at the moment when the reader does something to a name."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.undo = patch.undo

    def at(self, call: str, name: bytes, action: Callable[[], object], *, skip: int = 0) -> None:
        """Before `os.<call>` looks at `name` in an open directory (after `skip` such calls)."""
        real = getattr(os, call)
        left = [skip + 1]

        def hooked(path: Any, *args: Any, **kwargs: Any) -> Any:
            if path == name and kwargs.get("dir_fd") is not None and left[0]:
                left[0] -= 1
                if not left[0]:
                    action()
            return real(path, *args, **kwargs)

        self._patch.setattr(os, call, hooked)

    def in_reading(self, path: Path, action: Callable[[], object], *, first: int = 0) -> None:
        """In the middle of reading `path`, when only `first` bytes (or one piece) are read."""
        inode = path.stat().st_ino
        real_read, real_preadv = os.read, os.preadv
        done: list[int] = []
        once = threading.Lock()

        def read(fd: int, count: int) -> bytes:
            if done or os.fstat(fd).st_ino != inode:
                return real_read(fd, count)
            done.append(1)
            data = real_read(fd, first or count)
            action()
            return data

        def preadv(fd: int, buffers: Any, offset: int, *flags: int) -> int:
            count = real_preadv(fd, buffers, offset, *flags)
            with once:  # several threads read a large file
                if not done and os.fstat(fd).st_ino == inode:
                    done.append(1)
                    action()
            return count

        self._patch.setattr(os, "read", read)
        self._patch.setattr(os, "preadv", preadv)


@pytest.fixture
def moment() -> Iterator[Moment]:
    """Hooks into the reader's system calls; see `Moment`.  Install them in `before_run`."""
    with pytest.MonkeyPatch.context() as patch:
        yield Moment(patch)


@pytest.fixture
def mounted() -> Iterator[Callable[..., Path]]:
    """Mounts a small tmpfs on a directory, as root; skipped where that is not allowed."""
    points: list[Path] = []

    def mount(point: Path, size: str = "1m", kind: str = "tmpfs") -> Path:
        point.mkdir(exist_ok=True)
        command = ["mount", "-t", kind, "-o", f"size={size}", kind, str(point)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        points.append(point)
        return point

    yield mount
    for point in reversed(points):
        with suppress(OSError):
            subprocess.run(["umount", "-l", str(point)], check=False)
