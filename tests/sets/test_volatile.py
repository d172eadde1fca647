"""Volatile facts: taken first, each with its own end, told apart from what was collected."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from processes import children

from custody import collect as workflow
from custody import verifier
from custody.acquire import apart, taking, volatile
from custody.acquire.volatile import Fact
from custody.collect import Destination, Request
from custody.formats import inventory
from custody.formats.statement import Actor
from custody.identity import keys
from custody.identity.trust import Trust
from custody.verify import verify_bundle
from custody.verify.retrace import Retrace

NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)
# A kernel may have a table for root alone, which is a gap for everybody else.
_TABLE = Path("/proc/net/nf_conntrack")
TAKEN = 3 if _TABLE.exists() and not os.access(_TABLE, os.R_OK) else 0
linux = pytest.mark.skipif(sys.platform != "linux", reason="the facts are those of Linux")
pytestmark = linux


def checker() -> Any:
    module = ModuleType("check")
    exec(compile(verifier.program(), "check.py", "exec"), vars(module))  # noqa: S102
    return module


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def gathered(base: Path, *facts: Fact) -> tuple[Path, list[dict[str, Any]], list[Fact]]:
    """A verified bundle of these facts alone, its records, and the facts that were absent."""
    absent: list[Fact] = []
    destination = Destination(base / "out")
    plan = workflow.prepare(Request(("/etc/hostname",)), destination)
    signer = keys.one_time("one-time")
    done = workflow.run(
        plan, signer, Actor(str(signer.key)), now=lambda: NOW,
        source=lambda create: taking.take(facts, create, absent),
    )  # fmt: skip
    return done.path, lines(done.path / "custody/inventory.jsonl"), absent


def test_facts_of_this_host(collect: Any, custody: Any, tmp_path: Path) -> None:
    """A process with its command line, a listening socket and who holds it are found again."""
    (tmp_path / "log").write_text("log")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        inode = str(os.fstat(server.fileno()).st_ino)
        bundle = collect("--volatile", tmp_path / "log", exit_code=TAKEN)
    facts = bundle.path / "data/=~facts"
    paths = [record["path"] for record in bundle.records]
    first = [path for path in paths if path.startswith("=~facts/")]
    assert paths[: len(first)] == sorted(first)
    assert bundle.outcomes()[str(tmp_path / "log")] == "collected"
    tcp = (facts / "23-net-tcp.txt").read_text()
    assert f":{port:04X} " in tcp
    assert f" {inode} " in tcp
    here = {one["pid"]: one for one in lines(facts / "40-processes.jsonl")}
    own = here[os.getpid()]
    assert inode in own["sockets"]
    assert own["exe"] == os.path.realpath(sys.executable)
    assert "environ" not in own
    (clock,) = lines(facts / "10-time.json")
    assert int(clock["boottime"]) > 0
    assert " / " in (facts / "70-mounts.txt").read_text()
    taken = {one["name"] for one in bundle.acquisition["facts"]}
    absent = {one["name"] for one in bundle.acquisition["facts"] if one.get("absent")}
    assert taken - absent == set(first)
    assert taken - set(first) | set(first) == taken
    document = custody("collect", "--volatile", "--dry-run", "--json", exit_code=0)
    assert "40-processes.jsonl" in json.loads(document.stdout)["facts"]
    shown = custody("collect", "--volatile", "--dry-run", exit_code=0).stdout.splitlines()
    assert "         40-processes.jsonl" in shown


def test_facts_alone(collect: Any) -> None:
    """Facts can be taken without any source, and nothing is said to be missing."""
    bundle = collect("--volatile", exit_code=TAKEN)
    assert all(record["path"].startswith("=~facts/") for record in bundle.records)
    assert "none of the sources" not in collect.said.stderr


def test_facts_and_an_image(custody: Any, image: Path, tmp_path: Path) -> None:
    """The facts of the running host do not belong to an image: that is refused."""
    custody(
        "collect", "--volatile", "--root", image, "/etc", "--output", tmp_path / "o", exit_code=2
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_command_is_started(custody: Any, tmp_path: Path) -> None:
    """Facts are read from files: no program is run, and nothing outside DIR is opened to write."""
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=execve,openat,open,creat", "-o", str(trace)]
    output = tmp_path / "out"
    custody("collect", "--volatile", "--output", output, prefix=strace, exit_code=TAKEN)
    calls = trace.read_text().splitlines()
    assert sum("execve(" in call for call in calls if " = 0" in call) == 1
    written = [call for call in calls if "O_WRONLY" in call or "O_RDWR" in call]
    written = [call for call in written if "AT_FDCWD" in call and " = -1 " not in call]
    assert written
    assert not [call for call in written if str(output) not in call and "/dev/null" not in call]


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 1_000


def hanging(fifo: Path) -> Iterator[bytes]:
    yield b"so far\n"
    yield fifo.read_bytes()  # nobody ever writes


def broken() -> Iterator[bytes]:
    yield b"begun\n"
    raise ValueError


def refused() -> Iterator[bytes]:
    raise OSError(errno.EACCES, "no")


def test_facts_that_do_not_end_well(tmp_path: Path) -> None:
    """What is endless is cut, what hangs is given up, what fails says why; the rest is taken."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    facts = (
        Fact("1-good", "a", lambda: [b"one\n", b"two\n"]),
        Fact("2-empty", "b", list),
        Fact("3-endless", "c", endless, most=10_500),
        Fact("4-hanging", "d", partial(hanging, fifo), seconds=3),
        Fact("5-broken", "e", broken),
        Fact("6-refused", "f", refused),
        Fact("7-absent", "g", lambda: volatile._raw(str(tmp_path / "nothing"))),
        Fact("8-fifo", "h", lambda: volatile._raw(str(fifo))),
        Fact("9-last", "i", lambda: [b"last"]),
    )
    bundle, records, absent = gathered(tmp_path, *facts)
    found = {record["path"].removeprefix("=~facts/"): record for record in records}
    assert [fact.name for fact in absent] == ["7-absent"]
    assert {name: record["outcome"] for name, record in found.items()} == {
        "1-good": "collected", "2-empty": "empty", "3-endless": "limit-skipped",
        "4-hanging": "unreadable", "5-broken": "unreadable", "6-refused": "unreadable",
        "8-fifo": "unreadable", "9-last": "collected",
    }  # fmt: skip
    assert found["3-endless"]["size"] == 10_000
    assert found["4-hanging"]["error"]["name"] == "ETIMEDOUT"
    assert (bundle / found["4-hanging"]["payload"]).read_text() == "so far\n"
    assert found["5-broken"]["error"]["name"] == "EIO"
    assert (found["6-refused"]["error"]["name"], "payload" in found["6-refused"]) == (
        "EACCES", False,
    )  # fmt: skip
    assert verify_bundle(bundle, Trust(), now=NOW).verdict == "cannot-verify"
    assert checker().main([str(bundle)]) == 11


def test_a_child_is_not_left_behind() -> None:
    """A reader that is given up is killed, and its process reaped."""
    before = children()
    found = apart.read(endless, 60, 5_000)
    assert found.cut
    assert children() == before


def test_a_process_that_vanishes(tmp_path: Path) -> None:
    """A process that is gone when it is read is said to have vanished; one half read says so."""
    assert volatile._process(str(tmp_path / "7"), 7) == {"pid": 7, "vanished": True}
    (tmp_path / "8").mkdir()
    (tmp_path / "8/stat").write_bytes(b"8 (\xff\n\x1b) S")
    half = volatile._process(str(tmp_path / "8"), 8)
    assert half["stat"] == "8 (\\xff\n\x1b) S"
    assert "exe" in half["unread"]


def test_a_process_that_has_just_ended() -> None:
    """Of a process that ended between two looks the state is kept, and what went with it unread."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not taken leave of
        found = volatile._process(f"/proc/{process.pid}", process.pid)
    assert found["stat"].rpartition(")")[2].split()[0] == "Z"
    assert found["cmdline"] == []
    assert "exe" in found["unread"]


def test_logins(tmp_path: Path) -> None:
    """utmp is read record by record, as `who` reads it; what is no utmp is said to be none."""
    path = tmp_path / "utmp"
    record = volatile._UTMP.pack(
        7, 42, b"pts/0", b"ts/0", b"ann", b"192.0.2.9", 0, 0, 5, 1_700_000_000, 250_000,
        0xC0000209, 0, 0, 0,
    )  # fmt: skip
    assert len(record) == 384
    path.write_bytes(record + bytes(384))
    one, two = [json.loads(piece) for piece in volatile._logins(str(path))]
    assert (one["type"], one["user"], one["line"], one["host"]) == (
        "user", "ann", "pts/0", "192.0.2.9",
    )  # fmt: skip
    assert one["time"] == "1700000000.250000"
    assert two["type"] == "empty"
    if shutil.which("who"):
        said = subprocess.run(["who", path], capture_output=True, text=True, check=True).stdout
        assert said.startswith("ann")
    path.write_bytes(b"x" * 400)
    (bad,) = [json.loads(piece) for piece in volatile._logins(str(path))]
    assert "no records" in bad["unread"]


GOOD = {
    "outcome": "collected", "path": "=~facts/10-a", "payload": "data/=~facts/10-a", "size": 1,
    "size_after": 1, "size_before": 1, "sha256": "0" * 64,
}  # fmt: skip
MISSING = {"outcome": "missing", "path": "/x"}


@pytest.mark.parametrize(
    ("records", "good"),
    [
        ([GOOD], True),
        ([GOOD, {"outcome": "unreadable", "path": "=~facts/11-b"}, MISSING], True),
        ([GOOD | {"path": "=~facts/10-b"}], False),
        ([GOOD | {"payload": "data/10-a"}], False),
        ([GOOD, GOOD], False),
        ([GOOD | {"path": "=~facts/11", "payload": "data/=~facts/11"}, GOOD], False),
        ([MISSING, GOOD], False),
        ([{"outcome": "directory", "path": "/x"}, GOOD], False),
        ([GOOD | {"path": "=~facts/A", "payload": "data/=~facts/A"}], False),
        ([GOOD | {"path": "=~facts/a/b", "payload": "data/=~facts/a/b"}], False),
        ([GOOD | {"path": "=~facts/..", "payload": "data/=~facts/.."}], False),
        ([{"outcome": "missing", "path": "=~facts/aa"}], False),
        ([{"outcome": "directory", "path": "=~facts/aa"}], False),
        ([GOOD | {"outcome": "grew", "size_after": 2}], False),
        ([GOOD | {"rotated_from": "/a"}], False),
        ([GOOD | {"generation": "1:2", "offset": 0, "length": 1, "chain_sha256": "0" * 64}], False),
        ([GOOD | {"path": "facts/aa", "payload": "data/facts/aa"}], False),
    ],
)  # fmt: skip
def test_records_of_facts(records: list[dict[str, Any]], good: bool) -> None:
    """Facts come first, by ascending names, under exactly their payload names."""
    wrong: list[tuple[str, ...]] = []
    retrace = Retrace(lambda *found: wrong.append(found))
    for record in records:
        retrace.take(inventory.brief(inventory.dump(record)))
    retrace.finish()
    assert (not wrong) is good


def test_a_changed_fact(collect: Any, custody: Any, tmp_path: Path) -> None:
    """A fact that was changed in a copy is found by verify and by compare."""
    bundle = collect("--volatile", exit_code=TAKEN).path
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    custody("compare", copy, bundle, exit_code=0)
    (copy / "data/=~facts/70-mounts.txt").write_text("other")
    custody("compare", copy, bundle, exit_code=10)
    custody("verify", copy, exit_code=10)


def test_an_ordinary_user(custody: Any, ordinary_user: Any) -> None:
    """What only root may see is said to be unread; everything else is taken all the same."""
    output = ordinary_user.home / "out"
    done = custody("collect", "--volatile", "--output", output, "--json", user=ordinary_user)
    assert done.returncode in (0, 3), done.stderr  # a kernel may have a table for root alone
    bundle = Path(json.loads(done.stdout)["path"])
    here = {one["pid"]: one for one in lines(bundle / "data/=~facts/40-processes.jsonl")}
    assert "exe" in here[1]["unread"]
    assert here[1]["stat"].startswith("1 (")
