"""A new file appears whole or not at all, on file systems with and without nameless files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from custody import durable
from custody.errors import ExistsError, StorageError


class Without:
    """The system without one call, as FAT, NFS or a chroot without /proc has it."""

    def __init__(self, call: str, number: int) -> None:
        self.call = call
        self.number = number

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self.call:
            return real

        def fail(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and args[1] & os.O_TMPFILE != os.O_TMPFILE:
                return real(*args, **kwargs)
            raise OSError(self.number, os.strerror(self.number))

        return fail


@pytest.fixture(params=["whole", "no nameless files", "no links", "no /proc"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of system in turn."""
    broken = {
        "no nameless files": Without("open", errno.EOPNOTSUPP),
        "no links": Without("link", errno.EPERM),
        "no /proc": Without("link", errno.ENOENT),
    }
    if request.param in broken:
        monkeypatch.setattr(durable.single, "os", broken[request.param])
    return str(request.param)


def test_a_new_file_is_private_and_alone(system: str, tmp_path: Path) -> None:
    """The file is there with mode 0600 and nothing beside it."""
    durable.create(tmp_path / "a", b"text")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"text"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_nlink == 1


def test_what_is_there_is_never_overwritten(system: str, tmp_path: Path) -> None:
    """A file, a directory or a dangling link at the name is an error, and stays as it is."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "directory", "link"):
        with pytest.raises(ExistsError):
            durable.create(tmp_path / name, b"new")
    assert sorted(os.listdir(tmp_path)) == ["directory", "file", "link"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_missing_directory_is_told(system: str, tmp_path: Path) -> None:
    """Without its directory the file cannot be made, and that is what is said."""
    with pytest.raises(StorageError):
        durable.create(tmp_path / "nothing" / "a", b"")


def test_a_lock_that_is_no_file_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    """A FIFO, a link or a directory in its place ends the work at once, and not when it is done."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "directory").mkdir()
    for name in ("fifo", "link", "directory"):
        done = False
        with pytest.raises(StorageError), durable.lock(tmp_path / name, wait_seconds=0):
            done = True
        assert not done
    assert not (tmp_path / "nowhere").exists()
