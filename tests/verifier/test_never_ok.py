"""Whatever is changed in a sealed bundle or a ledger, the checker does not call it ok."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agreeing import FAILED, OK, checked, plain
from test_mutations import files, masters
from verify_bench import SIGNER, STRANGER, trusting

__all__ = ["masters"]

# Both keys are trusted: what a stranger's signature line says is nobody's business.
ARGUMENTS = plain(trusting(SIGNER, STRANGER))[1]
STRIDE = 29  # a prime, so that every place in a line comes up


def changes(whole: bytes, first: int, stride: int) -> Iterator[tuple[str, bytes]]:
    """Flipped, cut, inserted and dropped bytes, every *stride* places from *first*."""
    for place in range(first, len(whole), stride):
        before, byte, after = whole[:place], whole[place], whole[place + 1 :]
        yield f"bit at {place}", before + bytes([byte ^ 1 << (place * 5 + place // 8) % 8]) + after
        if place % 3 == 0:
            yield f"cut at {place}", before
        elif place % 3 == 1:
            yield f"dropped at {place}", before + after
        else:
            yield f"inserted at {place}", before + bytes([byte]) * 2 + after
    yield "a byte more", whole + b"\n"


def never_ok(root: Path, stride: int) -> int:
    """Try every change to every file; how many there were."""
    tried = 0
    assert checked(root, *ARGUMENTS).code == OK
    for number, path in enumerate(files(root)):
        whole = path.read_bytes()
        for what, data in changes(whole, number % stride, stride):
            if data != whole:
                path.write_bytes(data)
                said = checked(root, *ARGUMENTS)
                assert said.code == FAILED, f"{path}: {what}\n{said.text}"
                tried += 1
        path.write_bytes(whole)
    assert checked(root, *ARGUMENTS).code == OK
    return tried


@pytest.mark.parametrize("kind", ["full", "entered", "ledger"])
def test_no_changed_byte_is_ok(masters: dict[str, Path], kind: str) -> None:
    """Sampled: no flipped, cut, dropped or inserted byte of any file, additions among them."""
    assert never_ok(masters[kind], STRIDE * 9) > 60


@pytest.mark.full
@pytest.mark.parametrize("kind", ["full", "entered", "ledger"])
def test_no_changed_byte_is_ok_among_thousands(masters: dict[str, Path], kind: str) -> None:
    """The same, thousands of times."""
    assert never_ok(masters[kind], 5) > 1_000


@pytest.mark.parametrize("kind", ["entered", "ledger"])
def test_nothing_goes_and_nothing_comes(masters: dict[str, Path], kind: str) -> None:
    """Without any one of its files, or with one more in any of its folders, none is ok."""
    root = masters[kind]
    aside = root.parent / "aside"
    needed = [path for path in files(root) if path.parent.suffix != ".p" or path.name == "3"]
    for path in needed:  # tiles that a wider one has replaced may go
        path.rename(aside)
        assert checked(root, *ARGUMENTS).code != OK, path
        for make in (os.mkfifo, lambda path: path.symlink_to(aside), Path.mkdir):
            make(path)
            assert checked(root, *ARGUMENTS).code != OK, path
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        aside.rename(path)
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        (folder / "more").write_bytes(b"")
        assert checked(root, *ARGUMENTS).code == FAILED, folder
        (folder / "more").unlink()
    assert checked(root, *ARGUMENTS).code == OK
