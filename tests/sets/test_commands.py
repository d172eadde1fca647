"""`collect --volatile-commands`: programs of the host from a fixed list, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from processes import children

from custody import collect as workflow
from custody.acquire import commands, taking
from custody.acquire.commands import COMMANDS, Command
from custody.collect import Destination, Request
from custody.formats import names
from custody.formats.statement import Actor
from custody.identity import keys
from custody.identity.trust import Trust
from custody.verify import verify_bundle

NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the commands are those of Linux")
Script = Callable[[str, str], Path]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Makes programs of the host, in the one folder where the list's are looked for."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setattr(commands, "_FOLDERS", (str(folder),))

    def make(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


class Gathered:
    """A verified bundle of what these commands said: records, contents, what is told."""

    def __init__(self, base: Path, *listed: Command) -> None:
        self.told: list[dict[str, Any]] = []
        destination = Destination(base / "out")
        plan = workflow.prepare(Request(("/etc/hostname",)), destination)
        signer = keys.one_time("one-time")
        done = workflow.run(
            plan, signer, Actor(str(signer.key)), now=lambda: NOW,
            source=lambda create: taking.ask(listed, create, self.told),
        )  # fmt: skip
        self.bundle = done.path
        lines = (done.path / "custody/inventory.jsonl").read_text().splitlines()
        self.records = {json.loads(line)["path"][8:]: json.loads(line) for line in lines}
        found = verify_bundle(done.path, Trust(), now=NOW)
        assert (found.verdict, found.findings) == ("cannot-verify", ())  # nobody's key

    def said(self, name: str) -> str:
        return (self.bundle / names.fact_name(name)).read_text()


def test_what_the_hosts_programs_say(collect: Any, custody: Any) -> None:
    """Of each command of the list that the host has, output, program, digest and exit code are
    kept; of each that it has not, that; and --volatile alone asks for none."""
    bundle = collect("--volatile-commands", exit_code=None)
    assert collect.said.returncode in (0, 3)  # some cannot answer on every machine
    told = {one["name"].removeprefix("=~facts/"): one for one in bundle.acquisition["facts"]}
    records = {one["path"]: one for one in bundle.records}
    paths = [one["path"] for one in bundle.records]
    assert paths == sorted(paths)
    assert any(path < "=~facts/80" for path in paths)
    for command in COMMANDS:
        one = told[command.name]
        if one.get("absent"):
            assert one["source"] == " ".join(command.words)
            assert not any(os.access(place, os.X_OK) for place in command.places)
            continue
        record = records[f"=~facts/{command.name}"]
        assert one["command"][0] in command.places
        assert tuple(one["command"][1:]) == command.words[1:]
        assert one["sha256"] == hashlib.sha256(Path(one["command"][0]).read_bytes()).hexdigest()
        assert record["remark"] == one["remark"] == f"a fact, from {' '.join(one['command'])}"
        assert (one.get("exit") == 0) is (record["outcome"] in ("collected", "empty"))
    listed = json.loads(custody("collect", "--volatile", "--dry-run", "--json").stdout)["facts"]
    assert not [name for name in listed if name[:2] >= "80"]
    listed = json.loads(custody("collect", "--volatile-commands", "--dry-run", "--json").stdout)
    assert "80-ss.txt (ss -a -n -p -e)" in listed["facts"]


def test_the_list_is_fixed() -> None:
    """Every command has a name of its own that sorts behind the facts from files, an absolute
    place, words without a shell's meaning, a time and a limit."""
    listed = [command.name for command in COMMANDS]
    assert listed == sorted(set(listed))
    assert listed[0] > "71-swaps.txt"
    for command in COMMANDS:
        assert names.fact_name(command.name)
        assert all(place.startswith("/") for place in command.places)
        assert all(re.fullmatch(r"[A-Za-z0-9-]+", word) for word in command.words)
        assert 0 < command.seconds <= 60
        assert 0 < command.most <= 32 << 20


def test_commands_and_an_image(custody: Any, image: Path, tmp_path: Path) -> None:
    """What this host's programs say does not belong to an image: refused, and nothing is run."""
    custody(
        "collect", "--volatile-commands", "--root", image, "/etc", "--output", tmp_path / "o",
        exit_code=2,
    )  # fmt: skip
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_else_is_run_or_written(custody: Any, tmp_path: Path) -> None:
    """The only programs that are run are those of the list, and no file outside DIR is opened to
    be written by any of them."""
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-qq", "-s", "500", "-e", "trace=execve,openat,open,creat"]
    strace += ["-o", str(trace)]
    output = tmp_path / "out"
    done = custody("collect", "--volatile-commands", "--output", output, prefix=strace)
    if "PTRACE" in done.stderr or not output.exists():
        pytest.skip("strace cannot trace here")
    calls = [line for line in trace.read_text().splitlines() if " = -1 " not in line]
    run = re.findall(r'execve\("([^"]*)", \[([^\]]*)\]', "\n".join(calls))
    allowed = {place: command.words for command in COMMANDS for place in command.places}
    for path, line in run[1:]:  # the first is custody itself
        assert path in allowed
        assert [word.strip('"') for word in line.split(", ")][1:] == list(allowed[path][1:]) or (
            path.rpartition("/")[2] in ("ip", "systemctl", "chronyc")  # asked for several things
        )
    writing = [line for line in calls if re.search(r"O_WRONLY|O_RDWR|creat\(", line)]
    assert not [line for line in writing if str(output) not in line and "/dev/" not in line]


def test_what_a_command_is_given(script: Script, tmp_path: Path) -> None:
    """It gets an empty input, an environment of ours alone, no open file, and may write to none."""
    target = tmp_path / "target"
    script(
        "look",
        f'env; echo "in=$(cat)"; echo "fds=$(ls /proc/self/fd | tr "\\n" " ")"; pwd;'
        f' echo "$@"; echo words >&2; echo written > {target}; true',
    )
    os.environ["CUSTODY_PROBE"] = "secret"
    try:
        found = Gathered(tmp_path, Command("80-look", ("look", "-a", "$HOME; `id`")))
    finally:
        del os.environ["CUSTODY_PROBE"]
    said = found.said("80-look")
    assert "CUSTODY_PROBE" not in said
    assert {line.partition("=")[0] for line in said.splitlines() if line[:1].isupper()} <= {
        "HOME", "LC_ALL", "NO_COLOR", "OLDPWD", "PATH", "PWD", "SHLVL", "SYSTEMD_COLORS",
        "SYSTEMD_PAGER", "TERM", "TZ",
    }  # fmt: skip
    assert "in=\n" in said
    assert "-a $HOME; `id`" in said
    assert "\n/\n" in said
    opened = re.search(r"fds=([0-9 ]*)", said)
    assert opened
    assert {int(number) for number in opened[1].split()} <= {0, 1, 2, 3}  # 3: ls itself
    assert not target.exists() or target.stat().st_size == 0
    assert "words" in found.told[0]["said"]


def test_commands_that_do_not_end_well(script: Script, tmp_path: Path) -> None:
    """What fails keeps its output and its last words, what hangs or is endless is ended with all
    that it started, what others could have changed is not run; the rest is asked."""
    script("fails", "echo part; echo 'no such table' >&2; exit 3")
    script("hangs", "echo so far; (exec sleep 1000) & exec sleep 1000")
    script("endless", "exec yes")
    script("dies", "kill -9 $$")
    script("open", "echo never").chmod(0o777)
    script("last", "echo last")
    script("silent", "true")
    before = children()
    found = Gathered(
        tmp_path,
        Command("80-fails", ("fails",)),
        Command("81-hangs", ("hangs",), seconds=2),
        Command("82-endless", ("endless",), most=10_001),
        Command("83-dies", ("dies",)),
        Command("84-none", ("none", "-x")),
        Command("85-open", ("open",)),
        Command("86-silent", ("silent",)),
        Command("87-last", ("last",)),
    )
    assert {name: one["outcome"] for name, one in found.records.items()} == {
        "80-fails": "unreadable", "81-hangs": "unreadable", "82-endless": "limit-skipped",
        "83-dies": "unreadable", "85-open": "unreadable", "86-silent": "empty",
        "87-last": "collected",
    }  # fmt: skip
    told = {one["name"].removeprefix("=~facts/"): one for one in found.told}
    assert told["80-fails"]["exit"] == 3
    assert found.said("80-fails") == "part\n"
    assert found.records["80-fails"]["error"]["message"] == "exit 3: no such table"
    assert found.records["81-hangs"]["error"]["name"] == "ETIMEDOUT"
    assert found.said("81-hangs") == "so far\n"
    assert found.records["82-endless"]["size"] == 10_001
    assert "ended by signal 9" in found.records["83-dies"]["error"]["message"]
    assert told["84-none"] == {"name": "84-none", "source": "none -x", "absent": True}
    assert "could have been changed by others" in found.records["85-open"]["error"]["message"]
    assert "sha256" not in told["85-open"]
    assert found.said("87-last") == "last\n"
    assert children() == before
