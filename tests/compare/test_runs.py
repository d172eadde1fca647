"""Runs of a comparison: two processes, resumption, an original that changes meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from custody import clock
from custody.compare import Comparison, choose, halves, moved, pairs, run
from custody.errors import InputError, UsageError


def lay(root: Path, count: int = 60) -> None:
    for number in range(count):
        path = root / f"d{number % 7}" / f"f{number:03}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"line {number}\n")
        os.utime(path, (1, 1))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A copy and an original, the same."""
    copy, original = tmp_path / "copy", tmp_path / "original"
    lay(copy)
    lay(original)
    return copy, original


def results(
    two: tuple[Path, Path], resume: Path | None = None, *, every: bool = True
) -> tuple[list[str], Comparison]:
    comparison = Comparison()
    found = run(choose(*two), comparison, now=clock.now(), every=every, resume=resume)
    return [f"{os.fsdecode(one.raw)} {one.status} {one.detail}" for one in found], comparison


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("possible", [True, False])
def test_two_processes_give_what_one_gives(
    two: tuple[Path, Path], possible: bool, every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work in halves loses nothing, doubles nothing and keeps the order of the walk."""
    copy, _ = two
    (copy / "d1" / "f001.log").write_text("other")
    (copy / "d2" / "only").write_text("only here")
    monkeypatch.setattr(halves, "_is_possible", lambda: possible)
    found, comparison = results(two, every=every)
    assert comparison.totals == {"identical": 59, "modified": 1, "extra": 1}
    assert comparison.files == 61
    same = [line for line in found if " identical " in line]
    assert same == sorted(same)
    assert len(set(found)) == len(found) == (61 if every else 2)


def test_a_process_that_dies_is_made_up_for(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a lost process had not told is done again here, and nothing is told twice."""
    parent = os.getpid()
    judged = pairs.quick

    def quick(copy: pairs.Entry, original: pairs.Entry) -> pairs.Result | None:
        if os.getpid() != parent and copy.raw == b"d3/f031.log":
            os._exit(1)
        return judged(copy, original)

    monkeypatch.setattr(pairs, "quick", quick)
    found, comparison = results(two)
    assert comparison.totals == {"identical": 60}
    assert len(set(found)) == 60


def test_an_interrupted_run_is_resumed(two: tuple[Path, Path], tmp_path: Path) -> None:
    """A later run takes over what the file has, unless the pair has changed since."""
    kept = tmp_path / "progress"
    begun = run(choose(*two), Comparison(), now=clock.now(), resume=kept)
    for _ in range(25):
        next(begun)
    begun.close()
    first = kept.read_bytes()
    assert first.count(b"\n") >= 25
    kept.write_bytes(first + b'{"path": "torn')
    (two[0] / "d0" / "f000.log").write_text("changed since")
    found, comparison = results(two, kept)
    assert comparison.totals == {"identical": 59, "modified": 1}
    assert len(set(found)) == 60
    assert comparison.taken_over >= 20
    with pytest.raises(UsageError, match="finished"):
        results(two, kept)


def test_the_progress_of_another_comparison_is_refused(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    """A file that holds something else is neither used nor changed."""
    kept = tmp_path / "progress"
    run(choose(*two), Comparison(), now=clock.now(), resume=kept).close()
    next(run(choose(*two), Comparison(), now=clock.now(), resume=kept))
    with pytest.raises(InputError, match="another comparison"):
        results((two[1], two[0]), kept)
    evidence = tmp_path / "auth.log"
    for text in ("a line of a log\n", "no newline"):
        evidence.write_text(text)
        with pytest.raises(InputError):
            results(two, evidence)
        assert evidence.read_text() == text


def test_an_original_that_goes_away_is_a_verdict(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is removed between the listing and the reading is extra in the copy."""
    judged = pairs.quick

    def quick(copy: pairs.Entry, original: pairs.Entry) -> pairs.Result | None:
        if copy.raw == b"d3/f031.log":
            (two[1] / "d3" / "f031.log").unlink(missing_ok=True)
        return judged(copy, original)

    monkeypatch.setattr(pairs, "quick", quick)
    _, comparison = results(two)
    assert comparison.totals == {"identical": 59, "extra": 1}


def test_an_original_that_grows_while_it_is_read(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is seen at opening is judged; where that differs, a change meanwhile is said."""
    whole = pairs._whole
    target = two[1] / "d3" / "f031.log"
    target.write_text("other bytes")

    def grown(fd: int, size: int) -> bytes:
        if os.fstat(fd).st_ino == target.stat().st_ino:
            with target.open("a") as stream:
                stream.write("more\n")
        return whole(fd, size)

    monkeypatch.setattr(pairs, "_whole", grown)
    found, _ = results(two)
    (line,) = [line for line in found if "changed while" in line]
    assert line.startswith("d3/f031.log")


def test_renamed_directories_are_moved_files(two: tuple[Path, Path]) -> None:
    """Files under another directory's name are moved, each to its own counterpart."""
    (two[1] / "d3").rename(two[1] / "zz")
    found, comparison = results(two)
    count = len(list((two[0] / "d3").iterdir()))
    assert comparison.totals == {"identical": 60 - count, "moved": count, "missing": 1, "extra": 1}
    moved_lines = [line for line in found if " moved " in line]
    assert all(line.split()[0].replace("d3", "zz") in line.split()[-1] for line in moved_lines)


def test_beyond_the_bound_nothing_is_lost(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much to be looked for under other names is missing or extra, and is counted."""
    monkeypatch.setattr(moved, "MOST", 3)
    (two[1] / "d3").rename(two[1] / "zz")
    _, comparison = results(two)
    totals = comparison.totals
    count = len(list((two[0] / "d3").iterdir()))
    assert comparison.not_sought == 2 * (count + 1 - 3)
    assert totals["moved"] + totals["extra"] == count + 1
    assert totals["moved"] + totals["missing"] == count + 1


def test_a_large_file_moves_the_progress_on(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other process has read of a large file is told here while it is at it."""
    monkeypatch.setattr(halves, "_SECONDS", 0.0)
    monkeypatch.setattr(halves, "_is_possible", lambda: True)
    for side in two:
        (side / "d0" / "large").write_bytes(bytes(range(256)) * (8 << 12))
        os.utime(side / "d0" / "large", (1, len(side.name)))
    told = set[int]()
    run_of = run(choose(*two), Comparison(), now=clock.now(), every=False,
                 progress=lambda _files, size, *_: told.add(size))  # fmt: skip
    assert [one.status for one in run_of] == ["metadata"]
    small = 60 * len("line 00\n")
    assert {size for size in told if small < size < 8 << 20}
