"""Every flipped bit is found: a sample of them each time, all of them with `-m full`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from verify_bench import check, check_case, gather

from custody import case as cases
from custody.collect import Destination
from custody.errors import CustodyError
from custody.verify import Verification

Check = Callable[[Path], Verification]
Bits = Callable[[int], Iterator[int]]


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with one bundle of two short files, so that every bit of it can be tried."""
    from verify_bench import ACTOR, LOG, NOW, SIGNER

    base = tmp_path_factory.mktemp("smallest")
    source = base / "log"
    source.mkdir()
    (source / "a.log").write_bytes(b"one line\n")
    (source / "empty").write_bytes(b"")
    directory = base / "case"
    case = cases.create(directory, "7", "", log_key=LOG, signer=SIGNER, actor=ACTOR, now=NOW)
    gather(source, Destination(directory, case, LOG, [SIGNER.key]))
    return directory


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)


def unseen(
    path: Path, root: Path, verify: Check, bits: Callable[[int], Iterator[int]]
) -> list[str]:
    """The flips in one file that verify does not find; the file is put back."""
    whole = path.read_bytes()
    missed = []
    fd = os.open(path, os.O_RDWR)
    try:
        for place, byte in enumerate(whole):
            for bit in bits(place):
                os.pwrite(fd, bytes([byte ^ 1 << bit]), place)
                if verify(root).verdict != "failed":
                    missed.append(f"{path.relative_to(root)}: byte {place}, bit {bit}")
            os.pwrite(fd, bytes([byte]), place)
    finally:
        os.close(fd)
    return missed


def one(place: int) -> Iterator[int]:
    """One bit of each byte, another for each."""
    yield (place * 5 + place // 8) % 8


def seldom(place: int) -> Iterator[int]:
    """One bit of every third byte."""
    if place % 3 == 0:
        yield from one(place)


def every(_place: int) -> Iterator[int]:
    yield from range(8)


def _bundle(smallest: Path) -> Path:
    return next((smallest / "bundles").iterdir())


def test_a_flipped_bit_anywhere_in_a_bundle_is_found(smallest: Path) -> None:
    """Every third byte of each file, with one of its bits flipped, fails verification."""
    bag = _bundle(smallest)
    assert check(bag).verdict == "ok"
    assert [miss for path in files(bag) for miss in unseen(path, bag, check, seldom)] == []
    assert check(bag).verdict == "ok"


def test_a_flipped_bit_in_any_byte_of_the_seal_is_found(smallest: Path) -> None:
    """The statement and the receipt are outside the tag manifest: a bit of each of their bytes."""
    bag = _bundle(smallest)
    for path in files(bag / "seal"):
        assert unseen(path, bag, check, one) == []


def test_a_flipped_bit_in_a_case_is_found(smallest: Path) -> None:
    """A bit of each byte of the case's record and checkpoint, and of every third of its tiles."""
    ours = [path for path in files(smallest) if not path.is_relative_to(smallest / "bundles")]
    assert {path.name for path in ours} >= {"case.json", "checkpoint"}
    for path in ours:
        bits = one if path.name in ("case.json", "checkpoint") else seldom
        assert unseen(path, smallest, check_case, bits) == []


@pytest.mark.full
def test_every_flipped_bit_is_found(smallest: Path) -> None:
    """The whole sweep: every bit of every file of a small case."""
    bag = _bundle(smallest)
    for path in files(bag):
        assert unseen(path, bag, check, every) == []
    for path in files(smallest):
        if not path.is_relative_to(smallest / "bundles"):
            assert unseen(path, smallest, check_case, every) == []


def test_sampled_flips_in_a_larger_bundle_are_found(bag: Path) -> None:
    """Of a bundle with awkward names, a byte here and there in each of its files."""

    def sparse(place: int) -> Iterator[int]:
        if place % 97 == 3 or place == 0:
            yield place % 8

    assert [miss for path in files(bag) for miss in unseen(path, bag, check, sparse)] == []


def test_every_truncation_is_found(smallest: Path) -> None:
    """A file cut short anywhere in its last hundred bytes, or emptied, fails verification."""
    bag = _bundle(smallest)
    for path in files(bag):
        whole = path.read_bytes()
        for length in {0, *range(max(0, len(whole) - 100), len(whole))}:
            path.write_bytes(whole[:length])
            assert check(bag).verdict == "failed", f"{path.name} cut to {length}"
        path.write_bytes(whole)
    assert check(bag).verdict == "ok"


def test_untrusted_flips_do_not_raise(smallest: Path) -> None:
    """Whatever a bundle holds, verify answers: also for a verifier who trusts nobody."""
    from custody.identity.trust import Trust

    bag = _bundle(smallest)
    path = bag / "seal" / "statement.dsse.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert check(bag, Trust()).verdict == "failed"
        except CustodyError as err:  # pragma: no cover - the failure itself
            pytest.fail(f"byte {place}: {err}")
    path.write_bytes(whole)
