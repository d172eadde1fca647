"""The byte pump: the same bytes and digest for every size, and no thread left after any failure."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from custody import pump
from custody.errors import StorageError
from custody.pump import CHUNK, Pump

BLOCK = 4_096
SIZES = sorted(
    {
        0, 1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + BLOCK,
        2 * CHUNK - 1, 3 * CHUNK, 5 * CHUNK + 17, 6 * CHUNK, 6 * CHUNK + 1, 7 * CHUNK - BLOCK,
        13 * CHUNK + 511,
    }
)  # fmt: skip


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


@contextmanager
def opened(path: Path, *, direct: bool = False) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | (getattr(os, "O_DIRECT", 0) if direct else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as err:
        if err.errno == errno.EINVAL:
            pytest.skip("no O_DIRECT on this file system")
        raise
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test does to it, a closed pump leaves no thread."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("direct", [False, True])
def test_every_size(direct: bool, tmp_path: Path) -> None:
    """Around blocks, chunks and the whole ring, copy and digest are those of the source."""
    with Pump() as machine:
        for size in SIZES:
            data = noise(size, size)
            (tmp_path / "source").write_bytes(data)
            target = tmp_path / f"target{size}"
            with opened(tmp_path / "source") as source, opened(target, direct=direct) as out:
                ticks: list[int] = []
                copied = machine.copy(source, out, size, ticks.append)
            assert copied == pump.Copied(size, hashlib.sha256(data).hexdigest())
            assert target.read_bytes() == data
            assert ticks == sorted(ticks)
            assert not ticks or ticks[-1] == size
            target.unlink()


@pytest.mark.parametrize("direct", [False, True])
def test_reading_back(direct: bool, tmp_path: Path) -> None:
    """Without a target it only hashes, also past the cache."""
    with Pump() as machine:
        for size in SIZES:
            data = noise(size)
            (tmp_path / "file").write_bytes(data)
            with opened(tmp_path / "file", direct=direct) as fd:
                copied = machine.copy(fd, None, size)
            assert copied == pump.Copied(size, hashlib.sha256(data).hexdigest())


def test_no_more_than_asked(tmp_path: Path) -> None:
    """Of a file that is longer by now, exactly the first bytes are taken."""
    data = noise(4 * CHUNK)
    (tmp_path / "source").write_bytes(data)
    with Pump() as machine, opened(tmp_path / "source") as fd, opened(tmp_path / "target") as out:
        copied = machine.copy(fd, out, 3 * CHUNK - 5)
    assert copied.length == 3 * CHUNK - 5
    assert (tmp_path / "target").read_bytes() == data[: 3 * CHUNK - 5]


@pytest.mark.parametrize("real", [0, 1, BLOCK, CHUNK, 2 * CHUNK + 3, 6 * CHUNK, 9 * CHUNK - 1])
def test_a_file_that_ends_before(real: int, tmp_path: Path) -> None:
    """Of a file that is shorter than it was, all that there is comes over, and no more."""
    data = noise(real)
    (tmp_path / "source").write_bytes(data)
    with Pump() as machine, opened(tmp_path / "source") as fd, opened(tmp_path / "target") as out:
        copied = machine.copy(fd, out, 9 * CHUNK)
    assert copied == pump.Copied(real, hashlib.sha256(data).hexdigest())
    assert (tmp_path / "target").read_bytes() == data


HOLES = {
    "begins with a hole": [(3 * CHUNK, 10)],
    "ends in a hole": [(0, 10)],
    "only a hole": [],
    "holes between": [(0, 100), (2 * CHUNK + BLOCK, BLOCK), (7 * CHUNK, CHUNK), (9 * CHUNK, 3)],
    "data at odd places": [(BLOCK - 1, 2), (CHUNK - 1, 2), (5 * CHUNK - 3, 2 * CHUNK)],
}


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("name", HOLES)
def test_holes_stay_holes(name: str, direct: bool, tmp_path: Path) -> None:
    """A sparse file keeps its length, its bytes and its holes."""
    size = 12 * CHUNK + 5
    with opened(tmp_path / "source") as fd:
        for offset, length in HOLES[name]:
            os.pwrite(fd, noise(length), offset)
        os.ftruncate(fd, size)
    data = (tmp_path / "source").read_bytes()
    with (
        Pump() as machine,
        opened(tmp_path / "source") as fd,
        opened(tmp_path / "target", direct=direct) as out,
    ):
        copied = machine.copy(fd, out, size)
    assert copied == pump.Copied(size, hashlib.sha256(data).hexdigest())
    assert (tmp_path / "target").read_bytes() == data
    source, target = (tmp_path / "source").stat(), (tmp_path / "target").stat()
    assert target.st_blocks <= source.st_blocks + 8 * 2 * len(HOLES[name])


def test_extents_of_a_file_that_shrank(tmp_path: Path) -> None:
    """Beyond the present end there is no hole: zeros are not made up for what was cut off."""
    with opened(tmp_path / "file") as fd:
        os.ftruncate(fd, 8 * CHUNK)
        assert list(pump.extents(fd, 10 * CHUNK)) == [
            (0, 8 * CHUNK, True), (8 * CHUNK, 2 * CHUNK, False),
        ]  # fmt: skip
        with Pump() as machine:
            assert machine.copy(fd, None, 10 * CHUNK).length == 8 * CHUNK


@pytest.mark.parametrize("kept", [0, 3 * CHUNK, 3 * CHUNK + 5, 7 * CHUNK - 1])
def test_a_hole_that_is_cut_while_it_is_copied(kept: int, tmp_path: Path) -> None:
    """What a file of holes alone no longer has when its turn comes is not made up as zeros."""
    with Pump() as machine, opened(tmp_path / "file") as fd, opened(tmp_path / "target") as out:
        os.ftruncate(fd, 90 * CHUNK)

        def cut(done: int) -> None:
            if done == CHUNK:
                os.ftruncate(fd, kept)

        copied = machine.copy(fd, out, 90 * CHUNK, cut)
        at_most = max(kept, pump._BUFFERS * CHUNK)  # what was in the ring already was there
        assert min(kept, CHUNK) <= copied.length <= at_most
        assert os.fstat(out).st_size == copied.length
        assert copied.sha256 == hashlib.sha256(bytes(copied.length)).hexdigest()


def failing(call: str, number: int, when: int) -> Callable[..., int]:
    real = getattr(os, call)
    calls: list[int] = []

    def hooked(*args: object) -> int:
        calls.append(1)
        if len(calls) >= when:
            raise OSError(number, os.strerror(number))
        done: int = real(*args)
        return done

    return hooked


@pytest.mark.parametrize("when", [1, 2, 5, 8])
def test_a_source_that_fails(when: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read error ends the copy, with what came before it and the error in the result."""
    data = noise(9 * CHUNK)
    (tmp_path / "source").write_bytes(data)
    with Pump() as machine, opened(tmp_path / "source") as fd, opened(tmp_path / "target") as out:
        monkeypatch.setattr(os, "preadv", failing("preadv", errno.EIO, when))
        copied = machine.copy(fd, out, len(data))
        monkeypatch.undo()
        assert copied.error is not None
        assert copied.error.errno == errno.EIO
        assert copied.length < len(data)
        assert copied.length % CHUNK == 0
        assert copied.sha256 == hashlib.sha256(data[: copied.length]).hexdigest()
        assert (tmp_path / "target").read_bytes() == data[: copied.length]
        assert machine.copy(fd, None, len(data)).length == len(data)  # it works on


@pytest.mark.parametrize("when", [1, 3, 9])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EFBIG])
def test_a_target_that_fails(
    when: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write error is an error of the destination, in words."""
    (tmp_path / "source").write_bytes(noise(9 * CHUNK))
    with Pump() as machine, opened(tmp_path / "source") as fd, opened(tmp_path / "target") as out:
        monkeypatch.setattr(os, "pwrite", failing("pwrite", number, when))
        with pytest.raises(StorageError, match="write"):
            machine.copy(fd, out, 9 * CHUNK)


def test_a_device_that_refuses_direct_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where O_DIRECT was promised and is refused in writing, the cache is used after all."""
    data = noise(4 * CHUNK)
    (tmp_path / "source").write_bytes(data)
    real, refused = os.pwrite, []

    def pwrite(fd: int, piece: bytes, offset: int) -> int:
        if not refused:
            refused.append(1)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(fd, piece, offset)

    with (
        Pump() as machine,
        opened(tmp_path / "source") as fd,
        opened(tmp_path / "target", direct=True) as out,
    ):
        monkeypatch.setattr(os, "pwrite", pwrite)
        assert machine.copy(fd, out, len(data)).length == len(data)
    assert (tmp_path / "target").read_bytes() == data


def test_a_full_disk(tmp_path: Path) -> None:
    """A disk that is really full in the middle is told as such, and nothing hangs."""
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (tmp_path / "source").write_bytes(noise(9 * CHUNK))
        with Pump() as machine, opened(tmp_path / "source") as fd, opened(small / "t") as out:
            with pytest.raises(StorageError, match="the disk is full"):
                machine.copy(fd, out, 9 * CHUNK)
            assert machine.copy(fd, None, 9 * CHUNK).length == 9 * CHUNK
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_an_exception_in_the_middle(tmp_path: Path) -> None:
    """Ctrl-C in the caller's thread ends the copy; the pump waits for what is under way."""
    (tmp_path / "source").write_bytes(noise(9 * CHUNK))

    def interrupt(done: int) -> None:
        if done > 2 * CHUNK:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Pump() as machine,
        opened(tmp_path / "source") as fd,
        opened(tmp_path / "target") as out,
    ):
        machine.copy(fd, out, 9 * CHUNK, interrupt)
