"""A host that changes while it is read: each race made to happen at one exact moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

SMALL, LARGE = 1_000, 5 << 20


def written(path: Path, size: int, letter: bytes = b"x") -> bytes:
    data = letter * size
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_file_that_grows(size: int, gather: Any, source: Path, moment: Any) -> None:
    """What is appended while a log is read is left; what was there at opening is whole."""
    log = source / "log"
    data = written(log, size)

    def append() -> None:
        with log.open("ab") as stream:
            stream.write(b"more")

    found = gather(source, before_run=lambda: moment.in_reading(log, append, first=100))
    record = found.one(log)
    assert (record["outcome"], found.content(log)) == ("grew", data)
    assert (record["size_before"], record["size_after"]) == (size, size + 4)
    assert found.collected.gap_count == 0


def test_an_empty_file_that_grows(gather: Any, source: Path, moment: Any) -> None:
    """A log that was empty at opening is empty in the bundle, although it grew."""
    log = source / "log"
    log.touch()
    found = gather(
        source, before_run=lambda: moment.in_reading(log, lambda: log.write_bytes(b"new"))
    )
    record = found.one(log)
    assert (record["outcome"], record["size"], found.content(log)) == ("grew", 0, b"")


def test_an_empty_file_that_flickers(gather: Any, source: Path, moment: Any) -> None:
    """A file that grows and shrinks between two looks gives a record that agrees with itself."""
    log = source / "log"
    log.touch()
    real = os.fstat
    looks: list[int] = []

    def flicker() -> None:
        log.write_bytes(b"0123456789")
        inode = log.stat().st_ino

        def fstat(fd: int) -> os.stat_result:
            status = real(fd)
            if status.st_ino == inode:
                looks.append(1)
                os.truncate(log, 5 * (len(looks) % 2))
                status = real(fd)
            return status

        moment._patch.setattr(os, "fstat", fstat)

    found = gather(
        source,
        before_run=lambda: moment.at("open", b"log", flicker),
        after_run=moment.undo,
    )
    assert found.one(log)["outcome"] in ("grew", "truncated", "collected", "empty", "changed")


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_file_that_is_cut(size: int, gather: Any, source: Path, moment: Any) -> None:
    """A file that is truncated while it is read gives what there was, and is a gap."""
    log = source / "log"
    data = written(log, size)
    cut = size // 2 + 7
    found = gather(
        source,
        before_run=lambda: moment.in_reading(log, lambda: os.truncate(log, cut), first=cut - 100),
    )
    record = found.one(log)
    assert record["outcome"] == "truncated"
    assert record["size_before"] == size
    assert data.startswith(found.content(log))
    assert found.collected.gap_count == 1


@pytest.mark.parametrize("kept", [5 * LARGE, 2 * LARGE + 77, 0])
def test_a_file_of_holes_that_is_cut(kept: int, gather: Any, source: Path, moment: Any) -> None:
    """A file without any data that is cut once its holes are known is truncated, to its very size:
    no zero is made up for what is gone."""
    log = source / "log"
    size = 9 * LARGE
    with log.open("wb") as stream:
        stream.truncate(size)
    inode, real = log.stat().st_ino, os.lseek

    def lseek(fd: int, offset: int, how: int) -> int:
        try:
            return real(fd, offset, how)
        finally:
            if how == os.SEEK_DATA and os.fstat(fd).st_ino == inode:
                os.truncate(log, kept)

    found = gather(
        source,
        before_run=lambda: moment._patch.setattr(os, "lseek", lseek),
        after_run=moment.undo,
    )
    record = found.one(log)
    assert record["outcome"] == "truncated"
    assert (record["size_before"], record["size"], record["size_after"]) == (size, kept, kept)
    assert found.content(log) == bytes(kept)


def test_copytruncate(gather: Any, source: Path, moment: Any) -> None:
    """logrotate's copytruncate while reading is a truncation, and the copy is not mistaken."""
    log = source / "log"
    written(log, SMALL)

    def rotate() -> None:
        shutil.copy(log, source / "log.1")
        os.truncate(log, 0)

    found = gather(source, before_run=lambda: moment.in_reading(log, rotate, first=10))
    assert found.outcome(log) == "truncated"
    assert "rotated_to" not in found.one(log)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_file_that_is_rewritten(size: int, gather: Any, source: Path, moment: Any) -> None:
    """Rewritten in place with the same size and its time set back: still seen, and a gap."""
    log = source / "log"
    written(log, size)

    def rewrite() -> None:
        status = log.stat()
        with log.open("r+b") as stream:
            stream.write(b"y" * size)
        os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))

    found = gather(source, before_run=lambda: moment.in_reading(log, rewrite, first=10))
    record = found.one(log)
    assert record["outcome"] == "changed"
    assert record["size"] == size


@pytest.mark.parametrize("change", ["chmod", "link"])
def test_a_file_that_is_only_described_anew(
    change: str, gather: Any, source: Path, moment: Any
) -> None:
    """New permissions or another name while it is read do not make its content doubtful."""
    log = source / "log"
    data = written(log, SMALL)

    def touch() -> None:
        if change == "chmod":
            log.chmod(0o600)
        else:
            os.link(log, source.parent / "other-name")

    found = gather(source, before_run=lambda: moment.in_reading(log, touch, first=10))
    assert (found.outcome(log), found.content(log)) == ("collected", data)


def test_a_file_deleted_while_read(gather: Any, source: Path, moment: Any) -> None:
    """A file deleted while it is open is collected whole, and it is said that its name is gone."""
    log = source / "log"
    data = written(log, LARGE)
    found = gather(source, before_run=lambda: moment.in_reading(log, log.unlink))
    record = found.one(log)
    assert (record["outcome"], found.content(log)) == ("collected", data)
    assert "gone" in record["remark"]


def test_a_file_deleted_before_it_is_opened(gather: Any, source: Path, moment: Any) -> None:
    """A file that was listed and is gone is a gap of its own."""
    written(source / "log", SMALL)
    found = gather(source, before_run=lambda: moment.at("stat", b"log", (source / "log").unlink))
    assert found.outcome(source / "log") == "vanished"
    assert found.collected.gap_count == 1


def test_two_names_of_one_file_vanish(gather: Any, source: Path, moment: Any) -> None:
    """Of hard links that are all deleted before they are opened, each name has its record."""
    written(source / "a", SMALL)
    os.link(source / "a", source / "b")
    (source / "keep").touch()

    def delete() -> None:
        (source / "a").unlink()
        (source / "b").unlink()

    found = gather(source, before_run=lambda: moment.at("stat", b"a", delete))
    assert found.outcome(source / "a") == found.outcome(source / "b") == "vanished"


def test_one_of_two_names_vanishes(gather: Any, source: Path, moment: Any) -> None:
    """A name that vanished leads to the other name of its file, whose content is read once."""
    data = written(source / "a", SMALL)
    os.link(source / "a", source / "b")
    found = gather(source, before_run=lambda: moment.at("stat", b"a", (source / "a").unlink))
    assert found.content(source / "b") == data
    assert found.one(source / "a")["rotated_to"] == str(source / "b")
    assert found.outcome(source / "a") == "rotated"
    assert found.collected.files == 1


def swap_for_link(path: Path, target: str) -> Callable[[], None]:
    def swap() -> None:
        path.rename(path.with_name(path.name + ".away"))
        path.symlink_to(target)

    return swap


@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_file_swapped_for_a_link(call: str, gather: Any, source: Path, moment: Any) -> None:
    """A link put in a file's place, before or after the look at it, is not followed."""
    log = source / "log"
    written(log, SMALL)
    swap = swap_for_link(log, "/etc/passwd")
    found = gather(source, before_run=lambda: moment.at(call, b"log", swap))
    records = found.all(log)
    assert records[0]["outcome"] == {"stat": "symlink", "open": "changed"}[call]
    assert b"root:" not in b"".join(p.read_bytes() for p in found.bundle.glob("data/**/log*"))
    if call == "stat":  # and the file itself is found again
        moved = found.one(source / "log.away")
        assert (moved["outcome"], moved["rotated_from"]) == ("rotated", str(log))


@pytest.mark.parametrize("inode", ["used again", "another"])
def test_a_file_swapped_for_a_fifo(inode: str, gather: Any, source: Path, moment: Any) -> None:
    """A FIFO put in a file's place after the look at it does not block; where its inode tells that
    the file was replaced, that is a gap besides."""
    log = source / "log"
    written(log, SMALL)
    before = log.stat().st_ino

    def swap() -> None:
        log.unlink()
        os.mkfifo(log)

    with log.open("rb") as held:
        if inode == "used again":  # which the file system may do, and need not
            held.close()
        found = gather(source, before_run=lambda: moment.at("open", b"log", swap))
    outcomes = [record["outcome"] for record in found.all(log)]
    if log.lstat().st_ino == before:
        assert (outcomes, found.collected.gap_count) == (["special"], 0)
    else:
        assert (outcomes, found.collected.gap_count) == (["special", "rotated-unfinished"], 1)
    assert found.collected.files == 0


def test_a_file_swapped_for_a_directory(gather: Any, source: Path, moment: Any) -> None:
    """A directory put in a file's place is said to stand there."""
    log = source / "log"
    written(log, SMALL)

    def swap() -> None:
        log.unlink()
        log.mkdir()

    found = gather(source, before_run=lambda: moment.at("stat", b"log", swap))
    assert {record["outcome"] for record in found.all(log)} >= {"changed"}
    assert found.collected.gap_count


def test_a_file_swapped_for_a_larger_one(gather: Any, source: Path, moment: Any) -> None:
    """The limit holds for the file that was opened, not only for the one that was looked at."""
    log = source / "log"
    written(log, 10)
    found = gather(
        source,
        max_size=100,
        before_run=lambda: moment.at("open", b"log", lambda: written(log, 10_000)),
    )
    assert found.outcome(log) == "limit-skipped"


@pytest.mark.parametrize("depth", [1, 2])
def test_a_directory_swapped_for_a_link(depth: int, gather: Any, source: Path, moment: Any) -> None:
    """A directory on the way that becomes a link to elsewhere in mid-walk leads nowhere."""
    (source / "one/two").mkdir(parents=True)
    written(source / "one/two/passwd", SMALL)
    place = source / ("one" if depth == 1 else "one/two")
    swap = swap_for_link(place, "/etc")
    found = gather(source, before_run=lambda: moment.at("open", os.fsencode(place.name), swap))
    assert found.outcome(place) == "changed"
    assert not list(found.bundle.glob("data/**/passwd"))


def test_a_directory_moved_away_while_it_is_read(gather: Any, source: Path, moment: Any) -> None:
    """What is in an open directory is read from that directory, wherever it is moved."""
    (source / "dir").mkdir()
    for name in ("a", "b", "c"):
        written(source / "dir" / name, SMALL, name.encode())
    swap = swap_for_link(source / "dir", "/etc")
    found = gather(source, before_run=lambda: moment.at("stat", b"b", swap))
    for name in ("a", "b", "c"):
        assert found.content(source / "dir" / name) == name.encode() * SMALL


def test_a_directory_on_the_way_to_a_source_is_replaced(
    gather: Any, source: Path, moment: Any
) -> None:
    """A source below what is no directory any more is not dropped: the gap is recorded."""
    (source / "dir/deep").mkdir(parents=True)
    written(source / "dir/deep/log", SMALL)

    def replace() -> None:
        shutil.rmtree(source / "dir")
        (source / "dir").write_text("a file now")

    found = gather(source / "dir/deep/log", before_run=replace)
    assert found.outcome(source / "dir") == "changed"
    assert found.collected.gap_count == 1


@pytest.mark.parametrize("what", ["log", "dir"])
def test_a_source_that_vanishes_after_the_look(what: str, gather: Any, source: Path) -> None:
    """A source that was there when the collection began and is gone is a gap."""
    (source / "dir").mkdir()
    written(source / "log", SMALL)
    written(source / "dir/log", SMALL)
    target = source / "log" if what == "log" else source / "dir/log"

    def remove() -> None:
        shutil.rmtree(source)

    found = gather(target, before_run=remove)
    assert found.collected.outcomes["vanished"] == 1
    assert found.collected.gap_count == 1


# ---- rotation


def rotate(source: Path) -> Callable[[], None]:
    """Like logrotate in rename mode: log.1 -> log.2, log -> log.1, a new log."""

    def run() -> None:
        if (source / "log.1").exists():
            (source / "log.1").rename(source / "log.2")
        (source / "log").rename(source / "log.1")
        (source / "log").write_bytes(b"new")

    return run


def test_rotated_before_it_is_read(gather: Any, source: Path, moment: Any) -> None:
    """A log that was moved before its turn is read under its new name, and the new log too."""
    data = written(source / "log", SMALL)
    found = gather(source, before_run=lambda: moment.at("stat", b"log", rotate(source)))
    moved = found.one(source / "log.1")
    assert (moved["outcome"], moved["rotated_from"]) == ("rotated", str(source / "log"))
    assert found.content(source / "log.1") == data
    assert found.content(source / "log") == b"new"
    assert found.collected.gap_count == 0


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_rotated_while_it_is_read(size: int, gather: Any, source: Path, moment: Any) -> None:
    """A log that is moved while it is read is read to its end and says where it went."""
    data = written(source / "log", size)
    found = gather(
        source, before_run=lambda: moment.in_reading(source / "log", rotate(source), first=10)
    )
    record = found.one(source / "log")
    assert (record["outcome"], record["rotated_to"]) == ("rotated", str(source / "log.1"))
    assert found.content(source / "log") == data


def test_rotated_and_grown_while_it_is_read(gather: Any, source: Path, moment: Any) -> None:
    """A moved log whose writer still appends is whole as of its opening."""
    data = written(source / "log", SMALL)

    def both() -> None:
        rotate(source)()
        with (source / "log.1").open("ab") as stream:
            stream.write(b"last words")

    found = gather(source, before_run=lambda: moment.in_reading(source / "log", both, first=10))
    assert found.outcome(source / "log") == "rotated"
    assert found.content(source / "log") == data


def test_rotated_and_cut_while_it_is_read(gather: Any, source: Path, moment: Any) -> None:
    """A moved log that is also cut stays a gap."""
    written(source / "log", SMALL)

    def both() -> None:
        rotate(source)()
        os.truncate(source / "log.1", 20)

    found = gather(source, before_run=lambda: moment.in_reading(source / "log", both, first=10))
    assert found.outcome(source / "log") == "truncated"
    assert found.one(source / "log")["rotated_to"] == str(source / "log.1")


def test_rotated_after_it_was_read(gather: Any, source: Path, moment: Any) -> None:
    """A whole generation that shifts after the first was read loses nobody's content."""
    data = {name: written(source / name, SMALL, name[-1:].encode()) for name in ("log", "log.1")}
    found = gather(source, before_run=lambda: moment.at("stat", b"log.1", rotate(source)))
    contents = {
        (found.bundle / record["payload"]).read_bytes()
        for record in found.records
        if "payload" in record
    }
    assert contents >= set(data.values())
    assert found.collected.gap_count == 0


def test_rotated_and_compressed(gather: Any, source: Path, moment: Any) -> None:
    """A log whose file is gone for good, compressed into another, is a gap under its name."""
    written(source / "log.1", SMALL)
    written(source / "log", SMALL)

    def squeeze() -> None:
        subprocess.run(["gzip", "-f", source / "log.1"], check=True)
        (source / "log.1").write_bytes(b"another")

    with (source / "log.1").open("rb"):  # so that its inode number is not used again
        found = gather(source, before_run=lambda: moment.at("stat", b"log.1", squeeze))
    records = found.all(source / "log.1")
    assert [record["outcome"] for record in records] == ["collected", "rotated-unfinished"]
    assert found.collected.gap_count == 1


def test_a_new_file_with_an_old_inode(gather: Any, source: Path, moment: Any) -> None:
    """A file made after the listing is not taken for one that was listed, whatever its inode."""
    log = source / "log"
    written(log, SMALL)

    def reuse() -> None:
        time.sleep(0.02)  # the kernel's clock for files is coarse
        inode = log.stat().st_ino
        log.unlink()
        for number in range(20):
            written(source / f"new{number}", 10)
            if (source / f"new{number}").stat().st_ino == inode:
                return
        pytest.skip("this file system does not use inode numbers again at once")

    found = gather(source, before_run=lambda: moment.at("stat", b"log", reuse))
    if not found.one(source).get("born"):
        pytest.skip("no birth times here")
    assert found.outcome(log) == "vanished"
    assert found.collected.files == 0


def test_a_file_swapped_between_finding_and_opening(gather: Any, source: Path, moment: Any) -> None:
    """Found again and swapped once more: nothing is read that no record tells of."""
    log = source / "log"
    written(log, SMALL)

    def move() -> None:
        log.rename(source / "moved")
        moment.at("open", b"moved", swap, skip=1)

    def swap() -> None:
        (source / "moved").rename(source.parent / "gone")
        written(source / "moved", 10)

    found = gather(source, before_run=lambda: moment.at("stat", b"log", move))
    assert found.outcome(log) == "vanished"
    assert found.collected.files == 0


def test_moved_onto_a_name_that_was_read(gather: Any, source: Path, moment: Any) -> None:
    """A file moved onto a name that was read before is read a second time, under its own name."""
    old, data = written(source / "a", 10, b"o"), written(source / "z", SMALL, b"z")
    found = gather(
        source,
        before_run=lambda: moment.at("stat", b"z", lambda: (source / "z").rename(source / "a")),
    )
    contents = [
        (found.bundle / record["payload"]).read_bytes() for record in found.all(source / "a")
    ]
    assert contents == [old, data]
    assert found.all(source / "a")[1]["rotated_from"] == str(source / "z")


@pytest.mark.parametrize("name", [b"Aa", b"a" * 230], ids=["collides in case", "is cut"])
def test_moved_onto_a_name_whose_payload_is_taken(
    name: bytes, gather: Any, source: Path, moment: Any
) -> None:
    """Where the second reading would have the payload name of the first, it is a gap, no error."""
    raw = os.fsencode(source)
    for each in {name, name.lower(), name.upper() if len(name) == 2 else name}:
        with open(raw + b"/" + each, "wb") as stream:
            stream.write(b"old")
    written(source / "z", SMALL)

    def move() -> None:
        os.rename(raw + b"/z", raw + b"/" + name)

    found = gather(source, before_run=lambda: moment.at("stat", b"z", move))
    assert found.content(raw + b"/" + name) == b"old"
    assert found.outcome(source / "z") == "vanished"
    assert found.collected.gap_count == 1


def test_a_name_that_is_listed_twice(
    gather: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that gives one name twice, as a changing one may, does not end the collection."""
    written(source / "log", SMALL)
    (source / "dir").mkdir()
    written(source / "dir/log", SMALL)
    real = os.scandir

    class Twice:
        def __init__(self, where: Any) -> None:
            with real(where) as entries:
                self.entries = list(entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries * 2

        def __exit__(self, *_: object) -> None: ...

    def undo() -> None:
        monkeypatch.undo()

    found = gather(
        source,
        before_run=lambda: monkeypatch.setattr(os, "scandir", Twice),
        after_run=undo,
    )
    assert found.collected.files == 2
    assert found.outcome(source / "log") == "collected"


def test_a_name_that_cannot_be_looked_at(
    gather: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One name that the file system stumbles over is a gap, and its neighbours are read."""
    for name in ("a", "bad", "c"):
        written(source / name, SMALL)
    real = os.stat

    def stat(path: Any, **kwargs: Any) -> os.stat_result:
        if path == b"bad":
            raise OSError(5, "Input/output error")
        return real(path, **kwargs)

    found = gather(
        source,
        before_run=lambda: monkeypatch.setattr(os, "stat", stat),
        after_run=monkeypatch.undo,
    )
    record = found.one(source / "bad")
    assert (record["outcome"], record["error"]["name"]) == ("unreadable", "EIO")
    assert found.collected.files == 2


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_read_error(size: int, gather: Any, source: Path, moment: Any) -> None:
    """What could be read before a bad sector is kept, and the error is recorded."""
    log = source / "log"
    data = written(log, size)

    def break_disk() -> None:
        raise OSError(5, "Input/output error")

    moment_first = 100 if size == SMALL else 0

    def hook() -> None:
        inode = log.stat().st_ino
        real_read, real_preadv, calls = os.read, os.preadv, []

        def read(fd: int, count: int) -> bytes:
            if os.fstat(fd).st_ino == inode:
                calls.append(1)
                if len(calls) > 1:
                    break_disk()
                return real_read(fd, moment_first)
            return real_read(fd, count)

        def preadv(fd: int, buffers: Any, offset: int, *flags: int) -> int:
            if os.fstat(fd).st_ino == inode and offset >= 2 << 20:
                break_disk()
            return real_preadv(fd, buffers, offset, *flags)

        moment._patch.setattr(os, "read", read)
        moment._patch.setattr(os, "preadv", preadv)

    found = gather(source, before_run=hook, after_run=moment.undo)
    record = found.one(log)
    assert (record["outcome"], record["error"]["name"]) == ("unreadable", "EIO")
    assert found.content(log) == data[: 100 if size == SMALL else 2 << 20]


def test_nothing_listed_is_dropped(gather: Any, source: Path, moment: Any) -> None:
    """In a directory where everything moves, every name that was listed has a record."""
    listed = set()
    for number in range(100):
        path = source / f"log{number:02}"
        written(path, SMALL, b"%d" % number)
        listed.add(os.fsencode(path))

    def relink(path: Path) -> None:
        path.unlink()
        path.symlink_to("/etc/passwd")

    def onto(path: Path) -> None:
        path.rename(source / f"log{int(path.name[3:]) * 7 % 100:02}")

    actions: list[Callable[[Path], object]] = [
        lambda path: path,
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_suffix(".old")),
        lambda path: path.rename(source.parent / path.name),
        relink,
        onto,
        lambda path: os.link(path, path.with_suffix(".link")),
    ]

    def shuffle() -> None:
        for number in range(100):
            with suppress(FileNotFoundError):
                actions[number % 7](source / f"log{number:02}")

    found = gather(source, before_run=lambda: moment.at("stat", b"log20", shuffle))
    assert listed <= found.names()
    assert found.collected.gap_count > 0
