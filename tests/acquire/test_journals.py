"""Journals among the payload: what the host's own journalctl says of their copies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custody import durable
from custody.acquire import journalctl, program
from custody.acquire.program import Program
from custody.acquire.reader import SEALING_KEY
from custody.bundle.draft import Draft
from custody.bundle.outflow import Outflow
from custody.collect import Request
from custody.collect.journals import Journals
from custody.formats import inventory, names
from custody.verify import journals as judge
from custody.verify.docket import Docket
from custody.verify.retrace import Retrace

REMOTE = Path("/lib/systemd/systemd-journal-remote")
EXPORT = Path(__file__).parents[2] / "sample_logs/var/log/journal/web01.export"
has_journalctl = pytest.mark.skipif(
    isinstance(program.find(journalctl.PLACES), str) or not program.has_memory(),
    reason="journalctl (systemd) is not installed, or /dev/shm is no tmpfs",
)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal as systemd itself writes one."""
    if not REMOTE.exists():
        pytest.skip("systemd-journal-remote is not installed")
    path = tmp_path_factory.mktemp("made") / "made.journal"
    subprocess.run([REMOTE, "-o", path, EXPORT], check=True, capture_output=True)
    return path.read_bytes()


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def corrupt(data: bytes) -> bytes:
    """The same journal with one letter of a message changed, far behind the header."""
    at = data.index(b"MESSAGE=", 300_000) + 10
    return changed(data, at, bytes([data[at] ^ 1]))


class Looked:
    """The journals of a bundle that holds *files*, without collecting them from anywhere."""

    def __init__(self, base: Path, files: dict[str, bytes], **wishes: Any) -> None:
        self.base = base / "bag"
        with durable.private_umask(), Draft(self.base) as draft:
            journals = Journals(Request(("/x",), **wishes), draft)
            for name, data in files.items():
                record = noted(name, data)
                target = draft.payload.create(record["payload"], False)
                durable.write_all(target, data)
                os.close(target)
                draft.add(record | {"sha256": "0" * 64})
                journals.note(record)
            self.exports = list(journals.finish())
            for record in self.exports:
                draft.add(record)
        self.journals = journals
        self.said = journals.as_json()

    def one(self, name: str = "a.journal") -> dict[str, Any]:
        """What is recorded of one of them."""
        (found,) = (one for one in self.said["files"] if one["payload"] == f"data/log/{name}")
        return dict(found)

    def wrong(self, said: Any) -> list[str]:
        """What a verifier finds wrong in *said*, against the inventory of this bundle."""
        if not judge.has_form(said):
            return ["its form"]
        docket = Docket({6: "acquisition"})
        judge.check(self.base, said, 6, docket)
        self.remarks = [remark.message for remark in docket.remarks]
        return [finding.message for finding in docket.findings]


def noted(name: str, data: bytes, outcome: str = "collected") -> dict[str, Any]:
    size = len(data)
    return {
        "path": f"/log/{name}", "payload": f"data/log/{name}", "outcome": outcome,
        "size": size, "size_before": size, "size_after": size,
    }  # fmt: skip


@pytest.fixture
def script() -> Iterator[Callable[[str], str]]:
    """Makes a program of a few lines of shell, where somebody without rights can run it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)

        def make(text: str) -> str:
            path = Path(folder) / "journalctl"
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
            return str(path)

        yield make


@has_journalctl
def test_collected_journals(custody: Any, tmp_path: Path, whole: bytes) -> None:
    """Good, damaged, online, cut and false journals are all preserved, and told apart."""
    source = tmp_path / "log"
    source.mkdir()
    damaged = corrupt(whole)
    files = {
        "renamed.bin": whole, "damaged.journal": damaged,
        "online.journal": changed(damaged, 16, b"\1"), "flagged.journal": changed(whole, 8, b"\1"),
        "cut.journal~": whole[:4_000_000], "eight.journal": b"LPKSHHRH",
        "newer.journal": changed(whole, 12, b"\xff"), "no.journal": b"text",
        "many.journal": changed(whole, 152, b"\xff" * 8), "small.bin": b"LPKSHHRH",
        "fss": b"KSHHRHLP" + b"SECRET" * 70,
    }  # fmt: skip
    for name, data in files.items():
        (source / name).write_bytes(data)
    words = ("collect", source, "--output", tmp_path / "out", "--json")
    planned = json.loads(custody(*words, "--dry-run", exit_code=0).stdout)["journals"]
    assert (planned["files"], planned["with"]) == (8, ["--verify"])
    assert not (tmp_path / "out").exists()
    done = custody(*words, exit_code=0)
    document = json.loads(done.stdout)
    bundle = Path(document["path"])
    record = json.loads((bundle / "custody/acquisition.json").read_text())["journals"]
    found = {Path(one["payload"]).name: one for one in record["files"]}
    assert {name: one["verified"] for name, one in found.items()} == {
        "renamed.bin": "ok", "damaged.journal": "failed", "online.journal": "failed",
        "flagged.journal": "not-run", "cut.journal~": "failed",
        "eight.journal": "failed", "newer.journal": "not-run", "many.journal": "failed",
    }  # fmt: skip
    assert "File corruption detected" in found["damaged.journal"]["said"]
    assert (found["flagged.journal"]["header"]["sealed"], found["flagged.journal"]["why"]) == (
        True, "it is sealed, and only its verification key lets journalctl judge it",
    )  # fmt: skip
    assert found["online.journal"]["header"]["state"] == "online"
    assert found["many.journal"]["header"]["entries"] == str((1 << 64) - 1)
    assert "header" not in found["eight.journal"]
    assert "claims 8388608 bytes" in found["cut.journal~"]["problem"]
    assert record["program"]["version"].startswith("systemd ")
    assert all(one["sealing_key_beside"] for one in record["files"])
    # What is damaged is said; what was online is not held against it.
    assert {Path(path).name for path in document["journals"]["damaged"]} == {
        "damaged.journal", "cut.journal~", "eight.journal", "many.journal",
    }  # fmt: skip
    assert f"{source}/damaged.journal: journalctl finds this journal (offline) damaged" in (
        done.stderr
    )
    assert "online.journal" not in done.stderr
    # The sealing key stays where it is; everything else is in the bundle, byte for byte.
    everything = b"".join(path.read_bytes() for path in bundle.rglob("*") if path.is_file())
    assert b"SECRET" not in everything
    lines = (bundle / "custody/inventory.jsonl").read_text().splitlines()
    (key,) = (json.loads(line) for line in lines if f'"{source}/fss"' in line)
    assert (key["outcome"], key["remark"]) == ("excluded", SEALING_KEY.reason)
    data = bundle / f"data{source}"
    assert all((data / name).read_bytes() == files[name] for name in files if name != "fss")
    judged = custody("verify", bundle, "--signer", document["signer"]["fingerprint"], exit_code=0)
    assert "journalctl found this journal damaged when collected (and 3 more)" in judged.stderr


@has_journalctl
def test_exports(tmp_path: Path, whole: bytes) -> None:
    """Exports are what journalctl exports, in the order of their names, and are accounted for."""
    looked = Looked(
        tmp_path, {"b.journal": whole, "a.journal": b"LPKSHHRH", "c": b"x"}, journal_export=True
    )
    assert [record["path"] for record in looked.exports] == sorted(
        names.export_path(f"data/log/{name}") for name in ("a.journal", "b.journal")
    )
    by_outcome = {record["outcome"]: record for record in looked.exports}
    assert by_outcome.keys() == {"collected", "unreadable"}
    assert "No data available" in by_outcome["unreadable"]["error"]["message"]
    content = (looked.base / by_outcome["collected"]["payload"]).read_bytes()
    path = tmp_path / "b.journal"
    path.write_bytes(whole)
    said = subprocess.run(
        ["journalctl", "--file", path, "-o", "export"], check=True, capture_output=True
    ).stdout
    assert (len(content), content.count(b"\n__REALTIME")) == (len(said), said.count(b"\n__REAL"))
    assert b"MESSAGE=" in content
    assert looked.wrong(looked.said) == []
    assert looked.remarks == ["journalctl found this journal damaged when collected"]


@has_journalctl
def test_what_a_verifier_refuses(tmp_path: Path, whole: bytes) -> None:
    """Another form, other names, another order, and exports that nobody tells of are findings."""
    looked = Looked(tmp_path, {"a.journal": whole, "b.journal": whole}, journal_export=True)
    good = looked.said
    first, second = good["files"]
    header = first["header"]

    def with_first(**more: Any) -> Any:
        return good | {"files": [first | more, second]}

    def without(name: str) -> Any:
        return good | {"files": [{k: v for k, v in first.items() if k != name}, second]}

    forms = [
        None, [], {}, good | {"files": []}, good | {"omitted": 0}, good | {"more": 1},
        good | {"program": {"path": "/x"}}, {"files": good["files"]},
        good | {"program": good["program"] | {"path": "x"}},
        with_first(verified="fine"), with_first(why="because"), with_first(exit=1),
        with_first(exit="0"), with_first(export="=~journals/x"), with_first(said=""),
        with_first(sealing_key_beside=False), with_first(header={}), with_first(payload="x"),
        with_first(verified="not-run"), with_first(verified="failed"), without("exit"),
        without("verified"), without("header"),
        *(with_first(header=header | changes) for changes in (
            {"state": "open"}, {"sealed": True}, {"sealed": 0}, {"entries": 24},
            {"entries": "024"}, {"entries": "-1"}, {"entries": "9" * 21}, {"file_id": "x" * 32},
            {"compatible_flags": 1 << 32}, {"compatible_flags": True}, {"key": "x"},
        )),
    ]  # fmt: skip
    assert [form for form in forms if looked.wrong(form) != ["its form"]] == []
    lists = [
        [second, first], [first], [first, first, second], [first, second, second],
        [first | {"payload": "data/log/z", "export": names.export_path("data/log/z")}, second],
        [{k: v for k, v in first.items() if k != "export"}, second],
    ]  # fmt: skip
    for files in lists:
        assert len(looked.wrong(good | {"files": files})) == 1
    assert looked.wrong(good) == looked.remarks == []
    docket = Docket({6: "acquisition"})
    judge.check(looked.base, {}, 6, docket)
    assert "does not tell of" in docket.findings[0].message


FACT = {"outcome": "collected", "path": "=~facts/10-a", "payload": "data/=~facts/10-a", "size": 1,
        "size_after": 1, "size_before": 1, "sha256": "0" * 64}  # fmt: skip
MADE = names.export_path("data/log/a.journal"), names.export_path("data/log/b.journal")
ONE, TWO = (
    {
        "outcome": "collected", "path": path, "payload": f"data/{path}", "size": 1,
        "size_after": 1, "size_before": 1, "sha256": "0" * 64,
    }
    for path in sorted(MADE)
)  # fmt: skip
FOLDER = {"outcome": "directory", "path": "/log"}


@pytest.mark.parametrize(
    ("records", "good"),
    [
        ([FOLDER, ONE, TWO], True),
        ([FOLDER, {"outcome": "unreadable", "path": ONE["path"]}], True),
        ([FOLDER, TWO, ONE], False),
        ([ONE, ONE], False),
        ([ONE, FOLDER], False),
        ([ONE, {"outcome": "missing", "path": "/y"}], False),
        ([ONE, FACT], False),
        ([ONE | {"payload": TWO["payload"]}], False),
        ([ONE | {"payload": "data/log/a"}], False),
        ([ONE | {"path": "=~journals/a"}], False),
        ([ONE | {"rotated_from": "/a"}], False),
        ([ONE | {"outcome": "grew", "size_after": 2}], False),
        ([{"outcome": "missing", "path": ONE["path"]}], False),
        ([ONE | {"generation": "1:2", "offset": 0, "length": 1, "chain_sha256": "0" * 64}], False),
    ],
)
def test_records_of_exports(records: list[dict[str, Any]], good: bool) -> None:
    """Exports stand behind everything else, by ascending names, under exactly their payloads."""
    wrong: list[tuple[str, ...]] = []
    retrace = Retrace(lambda *found: wrong.append(found))
    for record in records:
        retrace.take(inventory.brief(inventory.dump(record)))
    retrace.finish()
    assert (not wrong) is good


def test_no_journalctl(tmp_path: Path) -> None:
    """Without the program journals are noted, not verified, not exported; that is said once."""
    big = b"LPKSHHRH" + bytes(600_000)
    looked = Looked(
        tmp_path, {"a.journal": big}, journal_export=True, journalctl=("/nowhere/journalctl",)
    )
    assert looked.one()["verified"] == "not-run"
    assert looked.one()["why"] == looked.journals.why
    assert "none on this host (/nowhere/journalctl)" in looked.journals.why
    assert looked.one()["problem"] == "its header claims to have 0 bytes, and none has so few"
    assert looked.exports == []
    assert "program" not in looked.said
    assert looked.wrong(looked.said) == []


def test_not_asked(tmp_path: Path, script: Callable[[str], str]) -> None:
    """With --no-journal-verify no program is started; what the header says is still recorded."""
    trace = tmp_path / "started"
    place = script(f"touch {trace}")
    looked = Looked(tmp_path, {"a.journal": b"LPKSHHRH"}, journal_verify=False, journalctl=(place,))
    assert looked.one()["why"] == "it was asked not to be (--no-journal-verify)"
    assert not trace.exists()


VERSION = '[ "$1" = --version ] && echo "systemd 252 (made up)" && exit\n'


@pytest.mark.skipif(not program.has_memory(), reason="/dev/shm is no tmpfs")
@pytest.mark.parametrize(
    ("text", "verified", "why"),
    [
        (VERSION + "echo PASS: x", "ok", ""),
        (VERSION + "echo FAIL: x; exit 1", "failed", ""),
        (VERSION + "exit 0", "not-run", "did not say that it passed"),
        (VERSION + "echo 'FAIL: x (Cannot allocate memory)'; exit 1", "not-run", "not judge it"),
        (VERSION + "echo hm; exit 3", "not-run", "not judge it: hm"),
        (VERSION + "kill -SEGV $$", "not-run", f"signal {int(signal.SIGSEGV)}"),
        ("echo 'systemd 219'", "not-run", "takes no open file"),
        ("echo nonsense", "not-run", "does not say its version: nonsense"),
        ("exit 1", "not-run", "does not say its version"),
    ],
)
def test_answers(
    tmp_path: Path, script: Callable[[str], str], text: str, verified: str, why: str
) -> None:
    """Only its own plain word makes a journal good or damaged; everything else is not-run."""
    looked = Looked(tmp_path, {"a.journal": b"LPKSHHRH"}, journalctl=(script(text),))
    assert looked.one()["verified"] == verified
    assert why in looked.one().get("why", "")
    assert looked.wrong(looked.said) == []


def test_who_may_have_changed_it(script: Callable[[str], str], tmp_path: Path) -> None:
    """A program that others could have written, a link to nothing and a folder are not run."""
    place = script("true")
    assert isinstance(program.find((str(tmp_path / "none"), place)), Program)
    Path(place).chmod(0o775)
    assert program.find((place,)) == f"{place} could have been changed by others than root"
    Path(place).chmod(0o644)
    assert program.find((place,)) == f"{place} is no program"
    assert program.find((str(tmp_path),)) == f"{tmp_path}: Is a directory"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o755)
    assert program.find((str(fifo),)) == f"{fifo} is no program"


def test_a_program_gets_nothing_of_ours(script: Callable[[str], str], tmp_path: Path) -> None:
    """It has an open file, a few fixed words of environment, no other descriptor, and no rights."""
    place = script('env; ls /proc/self/fd; id -u; cat; echo "$@"')
    given = tmp_path / "given"
    given.write_text("given\n")
    held = os.open(given, os.O_RDONLY)
    os.set_inheritable(held, True)
    with given.open("rb") as stream:
        found = program.find((place,))
        assert isinstance(found, Program)
        said = program.run(found, ("a b", "$(c)"), stream.fileno(), 60).said.splitlines()
    os.close(held)
    assert said[-2:] == ["given", "a b $(c)"]
    names_set = {line.partition("=")[0] for line in said if "=" in line}
    assert names_set - {"PWD", "_", "SHLVL", "OLDPWD"} == {"LC_ALL", "PATH", "TMPDIR", "TZ"}
    numbers = [line for line in said if line.isdigit()]
    assert numbers[:4] == ["0", "1", "2", "3"]  # the last is the folder that ls itself opened
    assert len(numbers) == 5
    assert (numbers[4] == "0") is False


def test_one_that_never_ends(script: Callable[[str], str]) -> None:
    """A program that hangs, floods or leaves a child behind is ended, and its words are cut."""
    found = program.find((script("sleep 1000 & echo $$; cat >&2"),))
    assert isinstance(found, Program)
    incoming, outgoing = os.pipe()
    first: list[bytes] = []
    answer = program.run(found, (), incoming, 1.5, lambda data: first.append(data) or True)
    os.close(incoming)
    os.close(outgoing)
    assert (answer.code, answer.why) == (None, "it did not end in time")
    for number in first:  # none, where the machine was too slow for it
        with pytest.raises(ChildProcessError):
            os.waitpid(int(number), os.WNOHANG)
    found = program.find((script("yes $(printf 'x\\033y') | head -c 900000"),))
    assert isinstance(found, Program)
    answer = program.run(found, (), None, 60)
    assert answer.code == 0
    assert len(answer.said) <= program.MOST_SAID + 5
    assert answer.said.startswith("x?y\nx?y")
    taken: list[bytes] = []
    answer = program.run(found, (), None, 60, lambda data: taken.append(data) or len(taken) < 3)
    assert (answer.enough, len(taken)) == (True, 3)


@pytest.mark.skipif(not program.has_memory(), reason="/dev/shm is no tmpfs")
def test_an_export_without_end(tmp_path: Path, script: Callable[[str], str]) -> None:
    """An export is cut at its limit: a gap, in the bag as far as it goes."""
    place = script(VERSION + "[ $1 = --verify ] && exit\nyes")
    looked = Looked(
        tmp_path, {"a.journal": b"LPKSHHRH" * 10_000}, journal_export=True, journalctl=(place,)
    )
    (record,) = looked.exports
    assert record["outcome"] == "limit-skipped"
    assert "cut before it had more than 2560000 bytes" in record["remark"]
    assert record["size"] == (looked.base / record["payload"]).stat().st_size <= 2_560_000
    assert record["size_before"] == record["size_after"] == 0


def test_a_stream(tmp_path: Path) -> None:
    """Of a stream nothing is verified on the host; the header is read as it goes by."""
    with (tmp_path / "tar").open("wb") as target, Outflow(target.fileno(), "b", 0) as draft:
        journals = Journals(Request(("/x",)), draft)
        data = b"LPKSHHRH" + bytes(8) + b"\1" + bytes(600_000)
        record = noted("a.journal", data)
        take = draft.pour(record["payload"], len(data))
        take(memoryview(data))
        draft.add(record | {"sha256": "0" * 64})
        journals.note(record)
        empty = noted("b.journal", b"", "empty")
        os.close(draft.create(empty["payload"], False))
        draft.add(empty | {"sha256": "0" * 64})
        journals.note(empty)
        assert list(journals.finish()) == []
    (one,) = journals.as_json()["files"]
    assert (one["header"]["state"], one["verified"]) == ("online", "not-run")
    assert "sent as a stream" in one["why"]


def test_more_journals_than_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host full of false journals does not swell the record: the rest is counted."""
    monkeypatch.setattr("custody.collect.journals.MOST_JOURNALS", 2)
    files = {f"{number}.journal": b"LPKSHHRH" for number in range(5)}
    looked = Looked(tmp_path, files, journal_verify=False)
    assert (len(looked.said["files"]), looked.said["omitted"]) == (2, 3)
    assert looked.wrong(looked.said) == []


SEALED = """
set -e
mount -t tmpfs tmpfs /var/log/journal
folder=/var/log/journal/$(cat /etc/machine-id)
mkdir -p $folder
journalctl --setup-keys --interval=10s >/dev/null 2>&1
{remote} --seal=yes -o $folder/web.journal {export} >/dev/null 2>&1
cp -r $folder {target}
"""


@has_journalctl
def test_a_sealed_journal(custody: Any, tmp_path: Path) -> None:
    """A journal with real seals is known as sealed; the key beside it stays out of the bundle."""
    target = tmp_path / "log"
    text = SEALED.format(remote=REMOTE, export=EXPORT, target=target)
    if not REMOTE.exists() or shutil.which("unshare") is None:
        pytest.skip("systemd-journal-remote or unshare is not installed")
    made = subprocess.run(
        ["unshare", "--mount", "sh", "-c", text], capture_output=True, check=False
    )
    if made.returncode or not (target / "fss").exists():
        pytest.skip(f"no sealed journal can be made here: {made.stderr[-200:]!r}")
    key = (target / "fss").read_bytes()
    done = custody("collect", target, "--output", tmp_path / "o", "--json", exit_code=0)
    bundle = Path(json.loads(done.stdout)["path"])
    (one,) = json.loads((bundle / "custody/acquisition.json").read_text())["journals"]["files"]
    assert (one["header"]["sealed"], one["verified"], one["sealing_key_beside"]) == (
        True, "not-run", True,
    )  # fmt: skip
    assert one["why"].startswith("it is sealed")
    everything = b"".join(path.read_bytes() for path in bundle.rglob("*") if path.is_file())
    assert key[64:96] not in everything


@has_journalctl
def test_nothing_is_written_elsewhere(custody: Any, tmp_path: Path, whole: bytes) -> None:
    """journalctl notes things in memory alone, as a user that nobody is; an export is evidence."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    source, trace = tmp_path / "a.journal", tmp_path / "trace"
    source.write_bytes(whole)
    calls = "trace=open,openat,creat,execve,unlink,rename,mkdir,setresuid,setreuid"
    done = custody(
        "collect", source, "--output", tmp_path / "o", "--journal-export",
        prefix=["strace", "-f", "-y", "-e", calls, "-o", trace],
    )  # fmt: skip
    if "strace:" in done.stderr:
        pytest.skip("strace is not allowed here")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    started = {line.split()[0] for line in lines if 'execve("/usr/bin/journalctl"' in line}
    started |= {line.split()[0] for line in lines if 'execve("/bin/journalctl"' in line}
    assert len(started) == 3  # its version, verifying, exporting
    its = [line for line in lines if line.split()[0] in started and "O_RDONLY" not in line]
    wrote = [line for line in its if "open" in line and " = -1" not in line]
    assert wrote
    assert [line for line in wrote if '"/dev/shm", O_RDWR' not in line or "O_TMP" not in line] == []
    if os.geteuid() == 0:
        assert sum("setreuid(" in line or "setresuid(" in line for line in its) >= 3
    (bundle,) = (tmp_path / "o").glob("20*")
    (export,) = (bundle / "data/=~journals").iterdir()
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    custody("compare", copy, bundle, exit_code=0)
    (copy / export.relative_to(bundle)).write_text("other")
    custody("compare", copy, bundle, exit_code=10)
    custody("verify", copy, exit_code=10)


@has_journalctl
def test_an_ordinary_user(custody: Any, ordinary_user: Any, whole: bytes) -> None:
    """Whoever is not root has journals verified with no more than their own rights."""
    path = ordinary_user.home / "a.journal"
    path.write_bytes(whole)
    os.chown(path, ordinary_user.uid, ordinary_user.gid)
    path.chmod(stat.S_IRUSR)
    output = ordinary_user.home / "out"
    done = custody("collect", path, "--output", output, "--json", user=ordinary_user, exit_code=0)
    assert json.loads(done.stdout)["journals"]["verified"] == {"ok": 1}
