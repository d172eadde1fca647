"""What single passes make of what they meet, without a process and without waiting."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from in_process import Looking, keeper
from watching import append

from custody.acquire import sources
from custody.durable import remove_unfinished
from custody.watch.alarms import DELETED, PERMISSIONS, Alarm
from custody.watch.places import Places
from custody.watch.stepping import Stepping


def test_a_log_that_grew_after_its_compressed_copy_is_cried_out_when_it_goes(logs: Path) -> None:
    """The copy explains that what is in it may go, and nothing of what came later."""
    for name, more in (("a.log", b"more\n"), ("b.log", b"")):
        looking = Looking(logs)
        log = logs / name
        append(log, b"one\n" * 100)
        assert looking.look() == []
        (logs / f"{name}.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        assert looking.look() == []
        append(log, more)
        assert looking.look() == []
        log.unlink()
        assert looking.look(3) == ([DELETED] if more else [])


@contextmanager
def _without_privileges() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_log_that_may_not_be_read_any_more_is_cried_out(
    logs: Path, request: pytest.FixtureRequest
) -> None:
    """Who takes away the right to read a log from the watch changes its permissions."""
    if os.geteuid() == 0:
        request.getfixturevalue("ordinary_user")
        logs.chmod(0o755)
    log = logs / "a.log"
    append(log, b"one\n")
    log.chmod(0o644)
    looking = Looking(logs)
    with _without_privileges():
        assert looking.look() == []
        for item in list(looking.follower.files.values()):
            looking.follower.close(item)  # as after five minutes without a change
    log.chmod(0)
    with _without_privileges():
        assert looking.look() == [PERMISSIONS]
    log.chmod(0o644)
    with _without_privileges():
        assert looking.look() == [PERMISSIONS]


def test_an_alarm_about_the_longest_path_fits_into_an_entry(custody: Any, case: Path) -> None:
    """Whoever makes a very deep directory keeps no alarm out of the ledger."""
    deep = Alarm(DELETED, b"/" + b"\xff" * 262_144, "gone", "0:1-2-3-0", 1, "b").as_json()
    assert len(deep["path_sha256"]) == 64
    at = keeper(custody.home, case)
    with at.writing() as writing:
        now = at.case.created
        words = {"item": at.case.case}
        entry = writing.sign("alarm", now, digests={}, words=words, details=deep)
        assert writing.append([entry]) == 1
    short = Alarm(DELETED, b"/var/log/\xff", "gone").as_json()
    assert "path_sha256" not in short


def test_a_copy_that_takes_a_while_is_known_as_one_when_the_log_is_truncated(logs: Path) -> None:
    """Copying a large log goes on over many passes; it is not followed as another one meanwhile."""
    log, copy = logs / "a.log", logs / "a.log.1"
    append(log, os.urandom(20_000))
    looking = Looking(logs)
    assert looking.look() == []
    whole = log.read_bytes()
    for start in range(0, 20_001, 5_000):  # at first it is empty
        copy.write_bytes(whole[:start])
        assert looking.look(1) == []
        assert len(looking.follower.files) == 1
    append(copy, b"in between\n")
    os.truncate(log, 0)
    assert looking.look() == []
    ends = {item.path: item.end for item in looking.follower.files.values()}
    assert ends == {bytes(copy): 20_011, bytes(log): 0}


def test_a_file_that_only_begins_like_a_known_one_is_followed(logs: Path) -> None:
    """Logs with the same head are no copies of each other: nothing of one waits for long."""
    append(logs / "a.log", b"head\n" * 1_000 + b"a\n" * 10_000)
    looking = Looking(logs)
    assert looking.look() == []
    append(logs / "b.log", b"head\n" * 1_000 + b"b\n" * 5_000)
    assert looking.look(1) == []
    assert {item.path for item in looking.follower.files.values()} == {
        bytes(logs / "a.log"), bytes(logs / "b.log"),
    }  # fmt: skip


def test_a_link_put_in_the_place_of_a_source_is_not_followed(tmp_path: Path) -> None:
    """Whoever owns the directory above a source leads no watch to files of others."""
    logs, secret, plain = tmp_path / "logs", tmp_path / "secret", tmp_path / "a.log"
    logs.mkdir()
    secret.mkdir()
    append(secret / "s.log", b"secret\n")
    append(logs / "b.log", b"one\n")
    append(plain, b"one\n")
    (tmp_path / "current").symlink_to("a.log")
    asked = [str(logs), str(logs / "*.log"), str(plain), str(tmp_path / "current")]
    places = Places()

    def paths() -> set[bytes]:
        found = places.look(asked, sources.resolve)
        return {path for one in found.asked for path in one.paths}

    every = {bytes(tmp_path / name) for name in ("logs", "logs/b.log", "a.log", "current")}
    assert paths() == every
    assert not places.replaced
    logs.rename(tmp_path / "away")
    logs.symlink_to(secret)
    plain.unlink()
    assert paths() == {bytes(plain), bytes(tmp_path / "current")}  # one is missing
    assert places.replaced == {bytes(logs)}
    plain.symlink_to(secret / "s.log")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("away/b.log")
    assert paths() == {bytes(tmp_path / "current"), bytes(tmp_path / "away/b.log")}
    assert places.replaced == {bytes(logs), bytes(plain)}
    logs.unlink()
    (tmp_path / "away").rename(logs)
    assert bytes(logs / "b.log") in paths()
    assert places.replaced == {bytes(plain)}


def test_a_clock_that_is_set_back_little_by_little_is_noticed() -> None:
    """Many steps that are each too small for an alarm come to one; slewing by NTP does not."""
    clock = Stepping(1_000.0, 0.0)
    steps = [clock.back(1_000.0 + second - 1.5 * second, second) for second in range(1, 9)]
    assert [round(step, 1) for step in steps] == [0, 3.0, 0, 3.0, 0, 3.0, 0, 3.0]
    clock = Stepping(1_000.0, 0.0)
    assert not any(clock.back(1_000.0 + s - 0.0005 * s, s) for s in range(0, 100_000, 10))
    assert clock.back(1_000.0 + 200_000 - 53, 100_000) == 0  # set forward
    assert round(clock.back(1_000.0 + 100_000 - 53, 100_001)) == 100_001


def test_what_is_planted_among_unfinished_work_holds_nobody_up(tmp_path: Path) -> None:
    """Nothing in ``incoming/`` is trusted: a FIFO there is not opened, a link not followed."""
    os.mkfifo(tmp_path / "watch-fifo")
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "watch-link").symlink_to(kept)
    (tmp_path / "watch-left").mkdir()
    os.mkfifo(tmp_path / "watch-left" / "fifo")
    for name in ("watch-fifo", "watch-link", "watch-left", "watch-none"):
        remove_unfinished(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["kept", "watch-fifo", "watch-link"]
