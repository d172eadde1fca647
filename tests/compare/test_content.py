"""Reading two files in step: where they part, in constant memory, without reading holes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from custody.compare import content
from custody.compare.content import CHUNK, Match, Stepper, first_difference, small


@contextmanager
def opened(*paths: Path) -> Iterator[list[int]]:
    held = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        yield held
    finally:
        for fd in held:
            os.close(fd)


def matched(one: Path, other: Path, *, digests: bool) -> Match:
    with opened(one, other) as (a, b), Stepper() as stepper:
        sizes = os.fstat(a).st_size, os.fstat(b).st_size
        return stepper.compare(a, sizes[0], b, sizes[1], digests=digests)


@pytest.mark.parametrize("digests", [False, True])
@pytest.mark.parametrize("at", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 6, None])
@pytest.mark.parametrize("more", [-CHUNK - 5, -1, 0, 1, 2 * CHUNK])
def test_the_first_difference_is_found(
    tmp_path: Path, at: int | None, more: int, digests: bool
) -> None:
    """The first differing offset, both sizes and both digests are exact, wherever it lies."""
    one = os.urandom(CHUNK) * 3 + b"the end"
    other = bytearray(one)
    if at is not None:
        other[at] ^= 1
    changed = bytes(other)[: len(one) + more] if more < 0 else bytes(other) + b"+" * more
    (tmp_path / "a").write_bytes(one)
    (tmp_path / "b").write_bytes(changed)
    found = matched(tmp_path / "a", tmp_path / "b", digests=digests)
    common = min(len(one), len(changed))
    differs = at is not None and at < common
    assert found[:4] == (at if differs else common, differs, len(one), len(changed))
    if digests:
        assert found.copy_sha256 == hashlib.sha256(one).hexdigest()
        assert found.original_sha256 == hashlib.sha256(changed).hexdigest()
    assert small(one, changed, digests=digests) == found


def test_first_difference_is_exact() -> None:
    """Every offset in a short text is found, and a prefix differs nowhere."""
    text = bytes(range(130))
    for at in range(len(text)):
        other = bytearray(text)
        other[at] ^= 255
        assert first_difference(text, bytes(other)) == at
        assert first_difference(text, text[:at]) == at


@pytest.mark.parametrize("digests", [False, True])
def test_a_file_that_shrinks_meanwhile(tmp_path: Path, digests: bool) -> None:
    """A file that ends before the size it had is a shorter file, not an error."""
    (tmp_path / "a").write_bytes(b"x" * (2 * CHUNK))
    (tmp_path / "b").write_bytes(b"x" * (CHUNK + 7))
    with opened(tmp_path / "a", tmp_path / "b") as (a, b), Stepper() as stepper:
        found = stepper.compare(a, 2 * CHUNK, b, 4 * CHUNK, digests=digests)
    assert found[:4] == (CHUNK + 7, False, 2 * CHUNK, CHUNK + 7)
    if digests:
        assert found.original_sha256 == hashlib.sha256(b"x" * (CHUNK + 7)).hexdigest()


def test_common_holes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two sparse files of 50 GiB only their data is read, and the byte that differs is found."""
    at = 30_000_000_000
    for name, byte in (("a", b"x"), ("b", b"y")):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(50 << 30)
            stream.seek(at)
            stream.write(byte)
    read = 0
    preadv = os.preadv

    def counted(fd: int, buffers: list[memoryview], offset: int) -> int:
        nonlocal read
        read += sum(len(buffer) for buffer in buffers)
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(content.os, "preadv", counted)
    found = matched(tmp_path / "a", tmp_path / "b", digests=False)
    assert found[:2] == (at, True)
    if os.stat(tmp_path / "a").st_blocks * 512 < 50 << 30:
        assert read < 16 * CHUNK


def test_a_hole_equals_zeros(tmp_path: Path) -> None:
    """A hole on one side and written zeros on the other are the same content."""
    (tmp_path / "a").write_bytes(bytes(3 * CHUNK) + b"end")
    with (tmp_path / "b").open("wb") as stream:
        stream.seek(3 * CHUNK)
        stream.write(b"end")
    found = matched(tmp_path / "a", tmp_path / "b", digests=True)
    assert found[:2] == (3 * CHUNK + 3, False)
    assert found.copy_sha256 == found.original_sha256
