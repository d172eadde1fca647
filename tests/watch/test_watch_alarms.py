"""What should not happen to a log is cried out the moment it is seen, and entered."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watching import PATIENCE, Watching, append

Start = Callable[..., Watching]
Restore = Callable[[Path], list[bytes]]


@pytest.fixture
def entered(custody: Any, case: Path) -> Callable[[], list[dict[str, Any]]]:
    """The details of every alarm in the ledger."""

    def alarms() -> list[dict[str, Any]]:
        done = custody("ledger", "export", "--case", case, exit_code=0)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return [one["statement"]["predicate"]["details"] for one in found if one["type"] == "alarm"]

    return alarms


def test_a_truncated_log_is_cried_out_with_what_is_preserved_of_it(
    watch: Start, logs: Path, restored: Restore, entered: Any, verified: Callable[[], None]
) -> None:
    """The alarm says how much of the old content is kept, and in which bundle the last of it is."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    os.truncate(log, 0)
    alarm = it.cried("truncated")
    append(log, b"two\n")
    it.sealed(8)
    it.stop()
    assert (alarm["path"], alarm["preserved"]) == (str(log), 4)
    assert alarm["bundle"] == it.events[0]["bundle_id"]
    assert [one["kind"] for one in entered()] == ["truncated"]
    assert restored(log) == [b"two\n", b"one\n"]
    verified()


def test_a_prefix_rewritten_in_place_is_seen_though_its_times_were_set_back(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """Size and modification time can be forged; the known bytes and the inode's time cannot."""
    log = logs / "auth.log"
    append(log, b"attacker was here\n" * 100)
    it = watch()
    it.sealed(1_800)
    before = log.stat()
    with log.open("r+b") as stream:
        stream.write(b"nobody  was  here\n" * 100)
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    it.cried("rewritten")
    it.sealed(3_600)
    it.stop()
    assert restored(log) == [b"nobody  was  here\n" * 100, b"attacker was here\n" * 100]


def test_one_line_changed_in_the_middle_is_seen_and_so_is_the_head_of_a_growing_file(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """Whoever writes into what is known is found out, though no sample lies there or it grows."""
    still, growing = logs / "still.log", logs / "growing.log"
    lines = b"".join(b"line %05d\n" % number for number in range(20_000))
    append(still, lines)
    append(growing, lines)
    it = watch()
    it.sealed(2 * len(lines))
    with still.open("r+b") as stream:
        stream.seek(110_000)
        stream.write(b"LINE")
    with growing.open("r+b") as stream:
        stream.write(b"LINE")
        stream.seek(0, os.SEEK_END)
        stream.write(b"more\n")
    end = time.monotonic() + PATIENCE
    while len(it.alarms) < 2 and time.monotonic() < end:
        append(growing, b"more\n")
        it.passes_for(0.3)
    it.stop()
    found = {(Path(alarm["path"]).name, alarm["kind"]) for alarm in it.alarms}
    assert found == {("still.log", "rewritten"), ("growing.log", "rewritten")}
    assert restored(still)[-1] == lines
    assert restored(growing)[-1].startswith(lines)


def test_a_file_that_is_written_over_all_the_time_does_not_flood_the_ledger(
    watch: Start, logs: Path, entered: Any, verified: Callable[[], None]
) -> None:
    """A journal or a status file is no log: it is looked at less and less often, and that is said.

    A log that is truncated once is followed as before.
    """
    page, log = logs / "page", logs / "auth.log"
    append(page, b"0" * 100)
    append(log, b"one\n")
    it = watch()
    it.sealed(104)
    number = 0

    def often(_: Watching) -> bool:
        nonlocal number
        number += 1
        page.write_bytes(b"%d" % number + page.read_bytes())
        time.sleep(0.1)
        return any("so often" in alarm["message"] for alarm in it.alarms)

    it.until(often)
    pause = it.alarms[-1]["message"]
    os.truncate(log, 0)
    it.cried("truncated")
    it.stop()
    assert "in 2 s" in pause
    assert len([a for a in entered() if a["path"] == str(page)]) <= 7
    verified()


@pytest.mark.parametrize(
    ("days", "kind"), [(-1, "replaced-by-older"), (0, "replaced")], ids=["older", "newer"]
)
def test_another_file_in_the_place_of_a_log_is_cried_out(
    watch: Start, logs: Path, tmp_path: Path, restored: Restore, days: int, kind: str
) -> None:
    """A log replaced by another file is told from one that was rotated, and an older one named."""
    log, other = logs / "auth.log", tmp_path / "other"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    append(other, b"harmless\n")
    moment = log.stat().st_mtime_ns + days * 86_400 * 10**9 + 1
    os.utime(other, ns=(moment, moment))
    other.rename(log)
    it.cried(kind)
    it.sealed(13)
    it.stop()
    assert restored(log) == [b"harmless\n", b"one\n"]


def test_changed_permissions_and_owner_are_cried_out(watch: Start, logs: Path) -> None:
    """Who may read or write a log is part of what is watched."""
    log = logs / "auth.log"
    append(log, b"one\n")
    log.chmod(0o640)
    it = watch()
    it.sealed(4)
    log.chmod(0o666)
    assert "0100640" in it.cried("permissions")["message"]
    it.stop()


def test_a_new_file_that_gets_its_permissions_in_two_steps_is_no_alarm(
    watch: Start, logs: Path
) -> None:
    """Logrotate makes the new log and the packed one private, and then changes that."""
    append(logs / "auth.log", b"one\n")
    it = watch("--every", "1h")
    it.sealed(4)
    new = logs / "new.log"
    append(new, b"two\n")
    new.chmod(0o600)
    it.passes(3)  # by now it was looked at
    new.chmod(0o640)
    it.passes(2)
    it.stop()
    assert it.alarms == []


def test_a_source_that_goes_away_is_cried_out_and_taken_up_again_when_it_is_back(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """What was to be watched may come back, for instance when a disk is mounted again."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    shutil.rmtree(logs)
    assert it.cried("watch-lost")["path"] == str(logs)
    logs.mkdir()
    append(log, b"two\n")
    it.sealed(8)
    it.stop()
    assert restored(log)[0] == b"two\n"


def test_a_clock_that_goes_back_is_cried_out(
    watch: Start, logs: Path, tmp_path: Path, entered: Any
) -> None:
    """A step of the host's clock is noticed by the clock that nobody can set."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    library = subprocess.run(
        ["faketime", "now", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    offset = tmp_path / "offset"
    offset.write_text("+0s\n")
    append(logs / "auth.log", b"one\n")
    it = watch(
        prefix=(
            "env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={offset}",
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
        )
    )  # fmt: skip
    it.sealed(4)
    offset.write_text("-3600s\n")
    message = it.cried("clock-stepped-back")["message"]
    it.stop()
    (back,) = re.findall(r"by (\d+) seconds", message)
    assert 3_500 < int(back) < 3_700  # what passed while the two clocks were read is in it
    assert [one["kind"] for one in entered()] == ["clock-stepped-back"]


def test_the_command_gets_the_alarm_and_no_shell_sees_it(
    watch: Start, logs: Path, tmp_path: Path
) -> None:
    """``--on-alarm`` is a list of words; the alarm, with names an attacker chose, is on stdin."""
    log, got = logs / "$(touch pwned);.log", tmp_path / "got"
    append(log, b"one\n")
    program = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + sys.argv[2])"
    it = watch("--on-alarm", f"{sys.executable} -c \"{program}\" {got} '; touch pwned'")
    it.sealed(4)
    log.unlink()
    it.cried("deleted")
    it.until(lambda _: got.exists() and got.read_text().endswith("; touch pwned"))
    it.stop()
    assert json.loads(got.read_text().splitlines()[0])["path"] == str(log)
    assert not list(tmp_path.rglob("pwned"))


def test_the_command_is_run_for_every_alarm_and_its_output_is_no_event(
    watch: Start, logs: Path, tmp_path: Path
) -> None:
    """Commands that take their time, and an attacker who makes many alarms, hide none of them."""
    paths = [logs / f"{number}.log" for number in range(40)]
    for path in paths:
        append(path, b"one\n")
    got = tmp_path / "got"
    program = "import sys, time; time.sleep(0.2); open(sys.argv[1], 'a').write(sys.stdin.read())"
    it = watch("--on-alarm", f"{sys.executable} -c \"{program}; print('not an event')\" {got}")
    it.sealed(160)
    for path in paths:
        path.unlink()
    it.until(lambda _: got.exists() and len(got.read_text().splitlines()) == 40)
    it.stop()
    assert {json.loads(line)["path"] for line in got.read_text().splitlines()} == set(
        map(str, paths)
    )


def test_a_host_without_watches_to_give_is_said_and_watched_all_the_same(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """A lost hint is only a hint: the timed pass finds what came and what was renamed."""
    try:
        subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c",
             "echo 0 > /proc/sys/user/max_inotify_watches"],
            check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a user namespace with no inotify watches cannot be made here")
    log = logs / "auth.log"
    append(log, b"one\n")
    limit = 'echo 0 > /proc/sys/user/max_inotify_watches; exec "$@"'
    it = watch(prefix=("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"))
    it.cried("watch-lost")
    it.sealed(4)
    log.rename(logs / "auth.log.1")
    append(log, b"new\n")
    append(logs / "other.log", b"other\n")
    it.sealed(14)
    it.stop()
    assert restored(log) == [b"new\n", b"one\n"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--every", "0s"], "not a time from 1s to 24h"),
        (["--every", "soon"], "not a time from 1s to 24h"),
        (["--on-alarm", "no-such-program-here"], "there is no program"),
        (["--on-alarm", "'"], "no closing quotation"),
        (["--size", "many"], "not a size"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(
    custody: Any, case: Path, logs: Path, args: list[str], said: str
) -> None:
    """A wrong option is exit 2, and the case is as it was."""
    before = sorted(case.rglob("*"))
    done = custody("watch", logs, "--case", case, *args, exit_code=2)
    assert said in done.stderr
    assert sorted(case.rglob("*")) == before


def test_a_second_watch_of_one_case_is_refused(
    watch: Start, custody: Any, case: Path, logs: Path
) -> None:
    """Two watches would give every piece twice: the second says who holds the case (13)."""
    append(logs / "auth.log", b"one\n")
    it = watch()
    it.sealed(4)
    done = custody("watch", logs, "--case", case, exit_code=13)
    assert str(it.process.pid) in done.stderr
    it.stop()


def test_status_says_how_a_watch_is_doing(
    watch: Start, custody: Any, case: Path, logs: Path
) -> None:
    """Another terminal can ask; a watch that was killed is not said to be running."""
    append(logs / "auth.log", b"one\n")
    it = watch()
    it.sealed(4)

    def status() -> dict[str, Any]:
        return dict(json.loads(custody("watch", "--status", "--case", case, "--json").stdout))

    it.until(lambda _: status()["bundles"] == 1)
    assert status()["running"]
    assert status()["bytes"] == 4
    it.stop(9)
    assert not status()["running"]


def test_status_before_any_watch_and_a_watch_of_nothing_are_refused_in_plain_words(
    custody: Any, case: Path
) -> None:
    """Who asks too early, or names no source, is told so."""
    done = custody("watch", "--status", "--case", case, exit_code=12)
    assert "no watch of this case was started" in done.stderr
    done = custody("watch", "--case", case, exit_code=2)
    assert "custody watch /var/log/nginx" in done.stderr


def test_a_source_that_is_not_there_yet_is_said_at_the_start(watch: Start, logs: Path) -> None:
    """A slip in a name is noticed; a log that comes later is watched then."""
    it = watch(logs / "later.log")
    it.until(lambda one: any("nothing is at" in line for line in one.said))
    append(logs / "later.log", b"one\n")
    it.sealed(4)
    it.stop()
