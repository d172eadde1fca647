"""Reading what somebody else has prepared: regular files only, no links, never without end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from custody import reading
from custody.errors import FormatError, NotFoundError, StorageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file `a/b/file` of five bytes, a secret beside the root, and traps."""
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_bytes(b"12345")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to("a/b/file")
    (root / "out").symlink_to(tmp_path)
    (root / "inner").symlink_to("a")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    return root


def test_reads_regular_files(folder: Path) -> None:
    """A regular file is read whole: by path, beneath a root, by a descriptor."""
    assert reading.read_regular(folder / "a/b/file", 5) == b"12345"
    assert reading.read_beneath(folder, "a/b/file", 5) == b"12345"
    descriptor = os.open(folder / "a/b", os.O_RDONLY)
    try:
        assert reading.read_regular("file", 5, dir_fd=descriptor) == b"12345"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", ["link", "broken", "fifo", "a", "out", "inner"])
def test_refuses_what_is_not_regular(name: str, folder: Path) -> None:
    """Links, FIFOs and directories are refused at once; nothing blocks."""
    for read in (
        lambda: reading.read_regular(folder / name, 100),
        lambda: reading.read_beneath(folder, name, 100),
    ):
        with pytest.raises(FormatError, match="link, or not a regular file"):
            read()


def test_refuses_sockets_and_devices(folder: Path) -> None:
    """Sockets and devices are refused without being opened."""
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path must be short
        try:
            server.bind("sock")
        finally:
            os.chdir(here)
        with pytest.raises(FormatError):
            reading.read_beneath(folder, "sock", 100)
    with pytest.raises(FormatError):
        reading.read_regular(Path("/dev/zero"), 100)


@pytest.mark.parametrize("path", ["out/secret", "inner/b/file", "a/b/file/more"])
def test_follows_no_link_on_the_way(path: str, folder: Path) -> None:
    """A link is refused at every step below the root, even one that stays inside."""
    with pytest.raises(FormatError):
        reading.read_beneath(folder, path, 100)


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "../secret", "a/../a/b/file", "a//b/file", "./a", "a/"]
)
def test_refuses_paths_that_lead_out(path: str, folder: Path) -> None:
    """A relative path has plain components only."""
    with pytest.raises(FormatError, match="does not stay inside"):
        reading.read_beneath(folder, path, 100)


@pytest.mark.parametrize("path", ["a/b/fi\0le", "a\0/b/file", "\0", "a/\ud800", "\ud800/file"])
def test_refuses_names_that_no_file_can_have(path: str, folder: Path) -> None:
    """A record of somebody else's may name anything: a NUL, or half of a character."""
    with pytest.raises(FormatError, match="no file can have this name"):
        reading.read_beneath(folder, path, 100)


@pytest.mark.parametrize("path", ["nothing", "a/nothing", "nothing/at/all"])
def test_missing(path: str, folder: Path) -> None:
    """What is not there is said to be not there."""
    with pytest.raises(NotFoundError):
        reading.read_beneath(folder, path, 100)


def test_limit(folder: Path) -> None:
    """A file over the limit is refused by its size; a sparse giant costs nothing."""
    with pytest.raises(FormatError, match="at most 4"):
        reading.read_beneath(folder, "a/b/file", 4)
    os.truncate(folder / "a/b/file", 1 << 40)
    with pytest.raises(FormatError, match="at most"):
        reading.read_beneath(folder, "a/b/file", 1 << 20)


def test_file_without_a_size() -> None:
    """A file that says 0 bytes and has more (as in /proc) is still held to the limit."""
    path = Path("/proc/self/status")
    if not path.exists():
        pytest.skip("no /proc here")
    assert reading.read_regular(path, 1 << 20)
    with pytest.raises(FormatError, match="more than 10 bytes"):
        reading.read_regular(path, 10)


def test_system_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system cannot read is an error of storage, not of format."""

    def fail(_fd: int, _count: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(StorageError, match="Input/output"):
        reading.read_beneath(folder, "a/b/file", 100)


@pytest.mark.parametrize("path", ["link", "inner/b/file", "out/secret"])
def test_without_descriptors(path: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no descriptors relative to a directory, links are refused as well."""
    monkeypatch.setattr(reading, "_RELATIVE", False)
    assert reading.read_beneath(folder, "a/b/file", 5) == b"12345"
    with pytest.raises(FormatError):
        reading.read_beneath(folder, path, 100)
