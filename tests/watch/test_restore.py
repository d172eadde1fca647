"""What ``custody restore`` makes of times that run backwards, and of second names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from in_process import watch_once
from watching import append

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
Sealed = Callable[[bytes, float], None]


@pytest.fixture
def sealed(custody: Any, case: Path, logs: Path) -> Sealed:
    """Appends to ``a.log``, and seals that so many hours after noon."""

    def seal(data: bytes, hours: float) -> None:
        append(logs / "a.log", data)
        told = watch_once(custody.home, case, logs, NOON + timedelta(hours=hours))
        assert told.troubles == []

    return seal


def at(hours: float) -> str:
    """The time so many hours after noon."""
    return (NOON + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_clock_that_went_back_is_no_gap_in_what_was_sealed_by_then(
    custody: Any, case: Path, logs: Path, tmp_path: Path, sealed: Sealed
) -> None:
    """What follows a piece came after it, whatever time it says; it is left out, and that said."""
    for data, hours in ((b"one\n", 0), (b"two\n", 1), (b"three\n", -1), (b"four\n", -0.5)):
        sealed(data, hours)
    target = tmp_path / "then"
    done = custody("restore", case, logs / "a.log", "--at", at(0.5), "-o", target, exit_code=0)
    assert target.read_bytes() == b"one\n"
    assert "2 pieces left out: by their own time sealed by then" in done.stderr
    done = custody("restore", case, logs / "a.log", "--at", at(-0.8), exit_code=12)
    assert "that was sealed by then" in done.stderr
    custody("restore", case, logs / "a.log", "-o", tmp_path / "all", exit_code=0)
    assert (tmp_path / "all").read_bytes() == b"one\ntwo\nthree\nfour\n"


def test_a_path_that_was_never_watched_names_the_nearest(
    custody: Any, case: Path, logs: Path, sealed: Sealed
) -> None:
    """A slip in a path is answered with the path that was meant, or with what there is."""
    sealed(b"one\n", 0)
    done = custody("restore", case, f"{logs}/b.log", exit_code=12)
    assert f"hint: the nearest are: {logs}/a.log" in done.stderr
    done = custody("restore", case, "ZZ", exit_code=12)
    assert f"hint: there are, among others: {logs}/a.log" in done.stderr


def test_a_file_is_restored_under_its_second_name_too(
    custody: Any, case: Path, logs: Path, tmp_path: Path, sealed: Sealed
) -> None:
    """A hard link's bytes are kept once; either name leads to them, from where it is as well."""
    sealed(b"one\n", 0)
    os.link(logs / "a.log", logs / "z.log")
    sealed(b"two\n", 1)
    target = tmp_path / "out"
    done = custody("restore", case, logs / "z.log", "-o", target, "--json", exit_code=0)
    (one,) = json.loads(done.stdout)["files"]
    custody("restore", case, f"{logs.name}/z.log", exit_code=0, cwd=logs.parent)
    assert one["last_path"] == str(logs / "a.log")
    assert target.read_bytes() == b"one\ntwo\n"
