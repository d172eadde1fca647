"""A case, a directory of logs, and a watch over them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watching import Watching


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Path:
    """A case whose keys need no passphrase, so that a watch starts at once."""
    directory = tmp_path / "case"
    custody(
        "init", directory, "--number", "W-1", "--title", "watched", "--person", "Somebody",
        "--organization", "Example Office", "--no-passphrase", exit_code=0,
    )  # fmt: skip
    return directory


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The directory that is watched."""
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


@pytest.fixture
def watch(custody: Any, case: Path, logs: Path) -> Iterator[Callable[..., Watching]]:
    """Starts a watch over ``logs``; whatever still runs at the end is killed."""
    running: list[Watching] = []

    def start(*args: Any, prefix: tuple[str, ...] = ()) -> Watching:
        running.append(Watching(custody, case, logs, *args, prefix=prefix))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


@pytest.fixture
def restored(custody: Any, case: Path, tmp_path: Path) -> Callable[[Path], list[bytes]]:
    """What ``custody restore`` makes of a path: its contents, the newest first."""
    count = iter(range(10_000))

    def restore(path: Path) -> list[bytes]:
        target = tmp_path / "restored" / str(next(count))
        target.parent.mkdir(exist_ok=True)
        done = custody("restore", case, path, "-o", target, "--json", exit_code=0)
        return [Path(one["path"]).read_bytes() for one in json.loads(done.stdout)["files"]]

    return restore


@pytest.fixture
def verified(custody: Any, case: Path) -> Callable[[], None]:
    """Asserts that the whole case verifies, its watched files without a gap."""

    def verify() -> None:
        done = custody("verify", case, "--json", exit_code=0)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        assert checks["watched files"]["status"] == "ok"
        assert "without a gap" in checks["watched files"]["detail"]

    return verify
