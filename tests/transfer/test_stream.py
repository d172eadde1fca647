"""`custody collect --output - | custody receive -`: a bundle that no disk of the host ever held."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hands import Person, content, kinds

from custody.bundle import layout
from custody.bundle.inlet import LEAST, Inlet
from custody.formats import inventory, tarred
from custody.formats.tarred import Member

WHO = "H. Ost, Responder, City"
MIB = 1 << 20


@dataclass(frozen=True)
class Sent:
    """A stream, the code and words of who sent it."""

    data: bytes
    code: int
    said: str

    @property
    def fingerprint(self) -> str:
        return self.numbers[1]

    @property
    def numbers(self) -> tuple[str, str]:
        """The two numbers to write down."""
        found = re.search(
            r" 1 statement +([0-9a-f]{64})\n +2 fingerprint (\w+)$", self.said, re.MULTILINE
        )
        assert found, self.said
        return found[1], found[2]


def command(person: Person, *args: Any) -> tuple[list[str], dict[str, str]]:
    env = person.custody.environment() | {"CUSTODY_HOME": str(person.home)}
    return person.custody.command(*args), env


def send(host: Person, *args: Any, prefix: Sequence[str] = ()) -> Sent:
    words, env = command(host, "collect", *args, "--output", "-")
    done = subprocess.run([*prefix, *words], env=env, capture_output=True, check=False, timeout=120)
    return Sent(done.stdout, done.returncode, done.stderr.decode())


def take(desk: Person, case: Path, data: bytes, *args: Any, code: int) -> tuple[Any, str]:
    """Receive a stream; gives the document and stderr."""
    words, env = command(
        desk, "receive", "-", "--case", case, "--from", WHO, "--json", *args
    )  # fmt: skip
    done = subprocess.run(words, env=env, input=data, capture_output=True, check=False, timeout=120)
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
    (one,) = json.loads(done.stdout)["bundles"]
    return one, done.stderr.decode()


@pytest.fixture
def sent(host: Person, logs: Path) -> Sent:
    """A stream of a few logs."""
    found = send(host, logs, "--collector", "H. Ost")
    assert found.code == 0, found.said
    return found


def members(data: bytes) -> list[str]:
    """What is in a stream, below the bundle's name, as Python's own reader sees it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [item.name.partition("/")[2] for item in archive]


def read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def bundle_name(data: bytes) -> str:
    return data[:100].rstrip(b"\0").decode().rstrip("/")


# ---- what is sent


def test_the_stream_is_a_bundle_in_the_order_of_promise(sent: Sent, tmp_path: Path) -> None:
    """Directories stand before what is in them, the payload first and the statement last, and tar
    and sha256sum are enough to read it."""
    names = members(sent.data)
    assert names[:2] == ["", "data"]
    assert names[-1] == "seal/statement.dsse.json"
    payload = [number for number, name in enumerate(names) if name.startswith("data")]
    assert (
        max(payload) < names.index("manifest-sha256.txt") < names.index("custody/inventory.jsonl")
    )
    assert names[-3:-1] == ["tagmanifest-sha256.txt", "seal"]
    assert len(set(names)) == len(names)
    subprocess.run(["tar", "-x", "-C", tmp_path], input=sent.data, check=True)
    (bundle,) = tmp_path.glob("*-*-??????")
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "-c", "--quiet", manifest], cwd=bundle, check=True)
    assert json.loads((bundle / "custody/acquisition.json").read_text())["streamed"] is True


def test_stdout_is_the_stream_and_nothing_else(host: Person, logs: Path) -> None:
    """Gaps, warnings and the two numbers are said on stderr, and gaps exit 3."""
    found = send(host, logs, logs / "gone")
    assert found.code == 3
    assert found.data.endswith(tarred.END)
    assert members(found.data)[-1] == "seal/statement.dsse.json"
    assert "nobody is named as the collector" in found.said
    assert "missing" in found.said
    assert found.numbers


def test_nothing_is_written_on_the_host(host: Person, logs: Path, tmp_path: Path) -> None:
    """No file is opened for writing, made, renamed or removed by a collection into a stream."""
    trace = tmp_path / "trace"
    kinds = "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link"
    found = send(host, logs, prefix=["strace", "-f", "-qq", "-e", kinds, "-o", str(trace)])
    if "strace" in found.said and not found.data:
        pytest.skip("strace cannot trace here")
    assert found.code == 0, found.said
    calls = [line for line in trace.read_text().splitlines() if " = -1 " not in line]
    wrote = [
        line for line in calls if re.search(r"O_WRONLY|O_RDWR|O_CREAT| (mk|re|un|cr|li)", line)
    ]
    assert [line for line in wrote if "/dev/null" not in line] == []


def test_what_cannot_go_into_a_stream(host: Person, logs: Path, tmp_path: Path) -> None:
    """What adds to a bundle on a disk, JSON on stdout, and a case beside are refused: exit 2, and
    nothing is sent."""
    for more in (["--json"], ["--tsa", "http://192.0.2.1/"], ["--case", tmp_path / "case"]):
        found = send(host, logs, *more)
        assert (found.code, found.data) == (2, b""), more


def test_a_terminal_is_refused(host: Person, desk: Person, case: Path, logs: Path) -> None:
    """A stream is neither written to a terminal nor read from one."""
    controller, terminal = os.openpty()
    try:
        for person, args in (
            (host, ["collect", logs, "--output", "-"]),
            (desk, ["receive", "-", "--case", case, "--from", WHO]),
        ):
            words, env = command(person, *args)
            done = subprocess.run(
                words, env=env, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE,
                text=True, check=False, timeout=60,
            )  # fmt: skip
            assert done.returncode == 2
            assert "is a terminal" in done.stderr
    finally:
        os.close(controller)
        os.close(terminal)


def test_a_stream_into_a_file_among_the_sources(host: Person, logs: Path) -> None:
    """Where stdout is a file below a source, that file is recorded as the destination itself."""
    words, env = command(host, "collect", logs, "--output", "-")
    with (logs / "self.tar").open("wb") as out:
        subprocess.run(words, env=env, stdout=out, stderr=subprocess.DEVNULL, check=True)
    with tarfile.open(logs / "self.tar") as archive:
        listed = archive.extractfile(next(m for m in archive if m.name.endswith("inventory.jsonl")))
        assert listed is not None
        records = [json.loads(line) for line in listed]
    (own,) = [one for one in records if one["path"].endswith("self.tar")]
    assert (own["outcome"], own["remark"]) == ("excluded", "the destination itself")


# ---- what is received


def test_a_stream_is_taken_in(desk: Person, case: Path, sent: Sent, logs: Path) -> None:
    """With the fingerprint that the host said it is verified, published and entered as a bundle
    from a directory is."""
    one, _ = take(desk, case, sent.data, "--fingerprint", sent.fingerprint, code=0)
    assert (one["outcome"], one["verdict"]) == ("received", "ok")
    assert one["statement"] == sent.numbers[0]
    inside = case / "bundles" / bundle_name(sent.data)
    copied = inside / "data" / str(logs).lstrip("/")
    assert content(copied) == content(logs)
    assert {path.stat().st_mode & 0o077 for path in (inside, *inside.rglob("*"))} == {0}
    assert kinds(desk, case) == ["case-opened", "key-added", "received"]
    desk("verify", case, exit_code=0)
    assert not list((case / "incoming").iterdir())


def test_an_unknown_key_can_be_vouched_for_afterwards(desk: Person, case: Path, sent: Sent) -> None:
    """Without the fingerprint it is received and not verified: 11; vouched for later, with the very
    command that the host was told, it is."""
    one, said = take(desk, case, sent.data, code=11)
    assert one["outcome"] == "not-verified"
    assert "the stream was received, and not verified" in said
    assert f"--bundle {case}/bundles/{bundle_name(sent.data)}" in one["hint"]
    bundle = case / "bundles" / bundle_name(sent.data)
    told = re.search(r"at the desk: custody (.*)", sent.said)
    assert told is not None
    words = [word.replace("CASE", str(case)) for word in told[1].split()]
    assert str(bundle) in words
    desk(*words, exit_code=0)
    desk("verify", case, exit_code=0)


def with_a_certificate(desk: Person, host: Person, base: Path, *more: str) -> bytes:
    """The host's own key `web01`, with the desk's word for it on the host."""
    host("key", "new", "web01", "--no-passphrase", exit_code=0)
    vkey = host.json("key", "show", "web01")["vkey"]
    desk("key", "certify", vkey, *more, "-o", base / "web01.json", exit_code=0)
    (host.home / "certificates").mkdir()
    shutil.copy(base / "web01.json", host.home / "certificates")
    return (base / "web01.json").read_bytes()


def test_the_word_of_a_desk_comes_along(
    host: Person, desk: Person, case: Path, logs: Path, tmp_path: Path
) -> None:
    """A stream that a host's own key signed carries the desk's certificate, before the statement,
    and is believed on arrival as the same bundle on a stick is."""
    certificate = with_a_certificate(desk, host, tmp_path, "--valid", "8h")
    found = send(host, logs, "--key", "web01")
    assert found.code == 0, found.said
    event = f"seal/events/{hashlib.sha256(certificate).hexdigest()}.dsse.json"
    assert members(found.data)[-3:] == ["seal/events", event, "seal/statement.dsse.json"]
    take(desk, case, found.data, code=11)  # such a key has an end, and there is no time stamp
    bundle = case / "bundles" / bundle_name(found.data)
    assert (bundle / event).read_bytes() == certificate
    judged = json.loads(desk("verify", bundle, "--json", exit_code=11).stdout)
    assert judged["checks"][7]["status"] == "ok"
    assert judged["signer"]["vouched_by"]


def test_a_certificate_that_says_nothing_stays_behind(
    host: Person, desk: Person, logs: Path, tmp_path: Path
) -> None:
    """One that is for another bundle is warned of and not sent."""
    with_a_certificate(desk, host, tmp_path, "--bundle", "20260101T000000Z-x-000000")
    found = send(host, logs, "--key", "web01")
    assert "is not put into the bundle: it is for the bundle 20260101T000000Z" in found.said
    assert not [name for name in members(found.data) if "events" in name]


def test_the_same_stream_again(desk: Person, case: Path, sent: Sent) -> None:
    """A bundle that the case holds is held, that it came again is entered, and what was written of
    it is taken out of incoming/, which is said: the bundle in the case was read and has it all."""
    key = ["--fingerprint", sent.fingerprint]
    first, _ = take(desk, case, sent.data, *key, code=0)
    before = content(Path(first["where"]))
    one, said = take(desk, case, sent.data, *key, code=0)
    assert (one["outcome"], one["where"]) == ("held", first["where"])
    assert "its second copy was taken out of incoming/ again" in one["why"]
    assert "its second copy was taken out of incoming/ again" in said
    assert not list((case / "incoming").iterdir())
    assert content(Path(first["where"])) == before
    assert kinds(desk, case) == ["case-opened", "key-added", "received", "received"]
    desk("verify", case, exit_code=0)


@pytest.mark.parametrize("harm", ["a byte", "a file"])
def test_the_same_stream_to_a_damaged_bundle(
    desk: Person, case: Path, sent: Sent, harm: str
) -> None:
    """Where the bundle in the case is not whole any more, what came is the better copy: it is kept
    in incoming/, verified, and that is said."""
    key = ["--fingerprint", sent.fingerprint]
    first, _ = take(desk, case, sent.data, *key, code=0)
    (log,) = Path(first["where"]).glob("data/**/auth.log")
    if harm == "a byte":
        log.write_bytes(b"one\ntwO\n")
    else:
        log.unlink()
    one, _ = take(desk, case, sent.data, *key, code=0)
    (kept,) = (case / "incoming").iterdir()
    assert f"its second copy is left in incoming/{kept.name}: the one in the case" in one["why"]
    (whole,) = kept.glob("data/**/auth.log")
    assert whole.read_bytes() == b"one\ntwo\n"


def test_the_same_stream_with_more_beside(
    host: Person, desk: Person, case: Path, logs: Path, tmp_path: Path
) -> None:
    """A second copy that brings a signed event which the bundle in the case has not is kept."""
    with_a_certificate(desk, host, tmp_path, "--valid", "8h")
    whole = send(host, logs, "--key", "web01").data
    begin, end = (
        whole.index(f"{bundle_name(whole)}/seal/{name}".encode())
        for name in ("events", "statement.dsse.json")
    )
    take(desk, case, whole[:begin] + whole[end:], code=11)
    one, _ = take(desk, case, whole, code=11)
    (kept,) = (case / "incoming").iterdir()
    assert f"is left in incoming/{kept.name}: " in one["why"]
    assert list((kept / "seal/events").iterdir())


def test_a_log_that_is_cut_while_it_is_sent(
    host: Person, desk: Person, case: Path, tmp_path: Path
) -> None:
    """What is missing is filled up in the stream, said in the record, and cut off on arrival: the
    bundle verifies, and no byte is made up."""
    log = tmp_path / "logs" / "huge.log"
    log.parent.mkdir()
    log.write_bytes(os.urandom(40 * MIB))
    kept = 30 * MIB + 123
    words, env = command(host, "collect", log, "--output", "-")
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        begun = process.stdout.read(MIB)  # the rest must wait for us: a pipe holds little
        os.truncate(log, kept)
        data = begun + process.stdout.read()
        said = process.stderr.read().decode()
    assert process.returncode == 3, said
    found = Sent(data, 3, said)
    one, _ = take(desk, case, data, "--fingerprint", found.fingerprint, code=0)
    assert one["verdict"] == "ok"
    bundle = case / "bundles" / bundle_name(data)
    (copy,) = bundle.glob("data/**/huge.log")
    assert copy.read_bytes() == log.read_bytes()
    records = [json.loads(line) for line in read_lines(bundle / "custody/inventory.jsonl")]
    (record,) = [one for one in records if one["path"] == str(log)]
    assert (record["outcome"], record["size"]) == ("truncated", kept)
    assert record["size_before"] == 40 * MIB


# ---- what breaks off


def test_a_collector_that_is_killed(host: Person, desk: Person, case: Path, tmp_path: Path) -> None:
    """A stream that breaks off is no bundle: 11, what came whole is kept and counted, and nothing
    is entered."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_bytes(b"whole\n" * 1_000)
    (logs / "huge.log").write_bytes(os.urandom(30 * MIB))
    words, env = command(host, "collect", logs, "--output", "-")
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout
        data = process.stdout.read(5 * MIB)
        process.send_signal(signal.SIGKILL)
        data += process.stdout.read()
    one, said = take(desk, case, data, code=11)
    assert one["outcome"] == "failed"
    assert "the stream broke off in data/" in one["why"]
    assert "(1 file, 6000 bytes)" in one["why"]
    assert "nothing is sealed" in one["why"]
    (kept,) = (case / "incoming").iterdir()
    (whole,) = kept.glob("data/**/a.log")
    assert whole.read_bytes() == b"whole\n" * 1_000
    assert kinds(desk, case) == ["case-opened"]
    assert not list((case / "bundles").iterdir())
    assert said


def test_a_receiver_that_goes_away(host: Person, tmp_path: Path) -> None:
    """A collector whose reader is gone says that nothing was sealed, and exits 1."""
    log = tmp_path / "huge.log"
    log.write_bytes(bytes(20 * MIB))
    words, env = command(host, "collect", log, "--output", "-")
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(MIB)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 1
    assert "whoever read the stream is gone; nothing was sealed" in said
    assert "write this down" not in said


def test_every_place_to_break_off(desk: Person, case: Path, sent: Sent) -> None:
    """Wherever it is cut, in a header, a content, a padding or the end, nothing is taken in."""
    whole = len(sent.data)
    for cut in (
        0,
        100,
        512,
        1_000,
        whole // 2,
        whole - 2_000,
        whole - 1_024,
        whole - 512,
        whole - 1,
    ):
        one, _ = take(desk, case, sent.data[:cut], code=11)
        assert one["outcome"] == "failed", cut
    assert kinds(desk, case) == ["case-opened"]


def take_from_an_open_pipe(
    desk: Person, case: Path, data: bytes, *args: Any, seconds: int = 1
) -> tuple[int, Any]:
    """Receive from a sender that falls silent after *data* and lives on."""
    words, env = command(
        desk, "receive", "-", "--case", case, "--from", WHO, "--json",
        "--stream-timeout", str(seconds), *args,
    )  # fmt: skip
    with subprocess.Popen(
        words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(data)
        process.stdin.flush()
        (one,) = json.loads(process.stdout.read())["bundles"]  # while our end of the pipe is open
        code = process.wait(timeout=120)
        with suppress(BrokenPipeError):
            process.stdin.close()
    return code, one


def test_a_sender_that_falls_silent(desk: Person, case: Path, sent: Sent) -> None:
    """A sender that stops and stays is given up: 11, with what came whole, and a part, kept."""
    cut = sent.data.index(b"one\ntwo\n") + 3
    code, one = take_from_an_open_pipe(desk, case, sent.data[:cut])
    assert (code, one["outcome"]) == (11, "failed")
    assert "the stream stood still: less than 65536 bytes came in 1 seconds" in one["why"]
    assert "nothing is sealed" in one["why"]
    assert "--stream-timeout" in one["hint"]
    (kept,) = (case / "incoming").iterdir()
    assert any(path.read_bytes() == b"one" for path in kept.glob("data/**/*") if path.is_file())
    code, one = take_from_an_open_pipe(desk, case, b"")
    assert code == 11
    assert "stood still" in one["why"]
    assert [path.name for path in (case / "incoming").iterdir()] == [kept.name]
    assert kinds(desk, case) == ["case-opened"]


def test_a_pipe_that_stays_open_behind_a_whole_stream(desk: Person, case: Path, sent: Sent) -> None:
    """A stream that came to its end is whole, though its pipe is not closed."""
    code, one = take_from_an_open_pipe(
        desk, case, sent.data, "--fingerprint", sent.fingerprint, seconds=5
    )  # fmt: skip
    assert (code, one["outcome"]) == (0, "received")


def test_a_sender_that_drips() -> None:
    """Bytes that come one by one keep nobody waiting beyond the time, and are all given; what is
    there already is given however short the time is."""
    reading, writing = os.pipe()
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.01):
            os.write(writing, b"x")

    sender = threading.Thread(target=drip)
    sender.start()
    inlet = Inlet(reading, 0.5)
    given = inlet.read(LEAST * 4)
    assert inlet.given_up
    assert given.strip(b"x") == b""
    assert inlet.read(1) == b""
    done.set()
    sender.join()
    os.write(writing, b"y" * 100)
    os.close(writing)
    hasty = Inlet(reading, 0)
    rest = hasty.read(LEAST)
    assert rest.endswith(b"y" * 100)
    assert not hasty.given_up
    os.close(reading)


# ---- what is no stream of ours


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> bytes:
    """A member as another program would write it."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, size, link, 0o600
    return info.tobuf(tarfile.USTAR_FORMAT)


START = tarred.dump(Member("B", None, 1)) + tarred.dump(Member("B/data", None, 1))
FILE = tarred.dump(Member("B/data/a", 3, 1)) + b"abc" + bytes(509)
BAD = {
    "a hard link": header("B/data/b", tarfile.LNKTYPE, link="B/data/a"),
    "a symbolic link": header("B/data/b", tarfile.SYMTYPE, link="/etc/passwd"),
    "a device": header("B/data/b", tarfile.CHRTYPE),
    "a FIFO": header("B/data/b", tarfile.FIFOTYPE),
    "leads elsewhere": header("B/data/../../../../escaped"),
    "a name that nothing": header("/escaped"),
    "not of the same bundle": tarred.dump(Member("C/data/b", 0, 1)),
    "it comes twice": FILE,
    "a file that no stream has": tarred.dump(Member("B/fetch.txt", 0, 1)),
    "a directory that no bundle has": tarred.dump(Member("B/elsewhere", None, 1)),
    "not written as": header("B/data/b"),
    "its directory did not come": tarred.dump(Member("B/data/d/b", 0, 1)),
    "with nothing in it": tarred.dump(Member("B/data/d", None, 1))
    + tarred.dump(Member("B/data/e", None, 1)),
    "its place is taken": tarred.dump(Member("B/data/a", None, 1)),
    "bytes are signed": tarred.dump(Member("B/seal", None, 1))
    + tarred.dump(Member("B/seal/events", None, 1))
    + tarred.dump(Member(f"B/seal/events/{'0' * 64}.dsse.json", 65_536, 1)),
    "a file that no stream": tarred.dump(Member("B/seal", None, 1))
    + tarred.dump(Member("B/seal/events", None, 1))
    + tarred.dump(Member("B/seal/events/other.json", 1, 1)),
    "hides behind": tarred.dump(Member("B/data/c", 1, 1)) + b"x" + b"y" * 511,
}


@pytest.mark.parametrize("why", BAD)
def test_members_that_no_bundle_has(desk: Person, case: Path, tmp_path: Path, why: str) -> None:
    """Links, devices, FIFOs, other places, second files and the like end the reading: 10, nothing
    is written outside, and what had come is kept."""
    before = {path for path in tmp_path.rglob("*") if case / "incoming" not in path.parents}
    one, _ = take(desk, case, START + FILE + BAD[why] + tarred.END, code=10)
    assert one["outcome"] == "failed"
    assert why in one["why"]
    after = {path for path in tmp_path.rglob("*") if case / "incoming" not in path.parents}
    assert after - before <= {case / "ledger" / "lock"}
    (kept,) = (case / "incoming").iterdir()
    assert (kept / "data/a").read_bytes() == b"abc"
    assert kinds(desk, case) == ["case-opened"]


def test_two_bundles_in_one_stream(desk: Person, case: Path, sent: Sent) -> None:
    """What comes after the end, or after the statement, is refused with all of it."""
    one, _ = take(desk, case, sent.data * 2, code=10)
    assert "more comes after its end" in one["why"]
    late = sent.data[: -len(tarred.END)] + FILE.replace(b"B/", b"C/")
    one, _ = take(desk, case, late, code=10)
    assert one["outcome"] == "failed"
    assert not list((case / "bundles").iterdir())


@pytest.mark.parametrize("data", [os.urandom(9_000), b"Welcome to web01!\n" * 100, bytes(9_000)])
def test_what_is_no_stream_at_all(desk: Person, case: Path, data: bytes) -> None:
    """Garbage, a greeting or zeros are no bundle: 12, and nothing is written."""
    one, _ = take(desk, case, data, code=12)
    assert "not the stream of a bundle" in one["why"]
    assert not list((case / "incoming").iterdir())


def test_a_stream_that_does_not_end(desk: Person, case: Path) -> None:
    """A member that claims more than there is room for is refused before it is read, and a pax
    header may not be long."""
    endless = START + tarred.dump(Member("B/data/z", 1 << 52, 1)) + b"x" * MIB
    one, _ = take(desk, case, endless, code=1)
    assert "bytes are to come" in one["why"]
    long = bytearray(tarred.dump(Member("B/" + "y" * 200, 0, 1)))
    long[124:136] = b"77777777777\0"
    one, _ = take(desk, case, START + bytes(long), code=10)
    assert "too long" in one["why"]


def test_a_byte_that_changes_on_the_way(desk: Person, case: Path, sent: Sent) -> None:
    """A payload that is another one on arrival is not what was sealed: 10, kept apart."""
    damaged = sent.data.replace(b"one\ntwo\n", b"one\ntvo\n")
    assert damaged != sent.data
    one, _ = take(desk, case, damaged, "--fingerprint", sent.fingerprint, code=10)
    assert one["outcome"] == "differs"
    assert not list((case / "bundles").iterdir())


def test_what_is_not_zero_is_never_cut_off(desk: Person, case: Path, sent: Sent) -> None:
    """A record that says less than came makes the receiver cut zeros alone, so that bytes which
    were slipped in stay and are found."""
    head = tarred.dump(Member(f"{bundle_name(sent.data)}/data/x", 4, 1))
    position = sent.data.index(f"{bundle_name(sent.data)}/manifest-sha256.txt".encode())
    slipped = sent.data[:position] + head + b"evil" + bytes(508) + sent.data[position:]
    one, _ = take(desk, case, slipped, "--fingerprint", sent.fingerprint, code=10)
    assert one["outcome"] in ("differs", "failed")
    assert not list((case / "bundles").iterdir())


def test_a_record_of_a_name_that_no_file_can_have(desk: Person, case: Path) -> None:
    """A record that says to cut off zeros of a file with a NUL in its name is no more than a
    finding: 10, kept apart."""
    record = {
        "path": "/x", "outcome": "changed", "payload": "data/a\0b", "sha256": "0" * 64,
        "size": 1, "size_before": 3,
    }  # fmt: skip
    line = inventory.dump(record)
    stream = b""
    for name, data in (("custody/inventory.jsonl", line), (layout.STATEMENT, b"{}")):
        above = name.partition("/")[0]
        stream += tarred.dump(Member(f"B/{above}", None, 1))
        stream += tarred.dump(Member(f"B/{name}", len(data), 1)) + data
        stream += bytes(tarred.padding(len(data)))
    one, _ = take(desk, case, START + FILE + stream + tarred.END, code=10)
    assert one["outcome"] == "differs"


def test_it_comes_alone(desk: Person, case: Path, sent: Sent, tmp_path: Path) -> None:
    """A stream beside other bundles, to be refused, or without a giver is a usage error."""
    words: tuple[tuple[Any, ...], ...] = (
        ("receive", "-", tmp_path, "--case", case, "--from", WHO),
        ("receive", "-", "--case", case, "--from", WHO, "--refuse", "no"),
        ("receive", "-", "--case", case),
    )
    for each in words:
        assert desk(*each, input="").returncode == 2
    assert kinds(desk, case) == ["case-opened"]


def test_an_ordinary_user_sends(host: Person, desk: Person, case: Path, ordinary_user: Any) -> None:
    """Whoever is not root sends what they may read; the rest is a gap that arrives with it."""
    logs = ordinary_user.home / "logs"
    logs.mkdir()
    (logs / "mine").write_text("mine\n")
    (logs / "theirs").write_text("theirs\n")
    (logs / "theirs").chmod(0o600)
    for path in (logs, logs / "mine"):
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    out = ordinary_user.home / "stream"
    done = host.custody(
        "collect", logs, "--output", "-", user=ordinary_user, exit_code=3,
        prefix=["sh", "-c", 'exec "$@" > stream', "sh"],
    )  # fmt: skip
    found = Sent(out.read_bytes(), 3, done.stderr)
    one, _ = take(desk, case, found.data, "--fingerprint", found.fingerprint, code=0)
    assert one["files"] == 1


def test_memory_stays_flat(host: Person, tmp_path: Path) -> None:
    """A large file goes through a stream in a part of its size of memory."""
    log = tmp_path / "huge.log"
    with log.open("wb") as stream:
        stream.truncate(600 * MIB)
        stream.write(b"not all of it is a hole")
    words, env = command(host, "collect", log, "--output", "-")
    # The address space is bounded, of which the interpreter and its threads take half.
    bounded = ["prlimit", f"--as={1_000 * MIB}", *words]
    with subprocess.Popen(bounded, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout
        size = 0
        while piece := process.stdout.read(MIB):
            size += len(piece)
    assert process.returncode == 0
    assert size > 600 * MIB


Remote = Callable[[str], list[str]]


def test_through_a_real_sshd(
    host: Person, desk: Person, case: Path, logs: Path, sshd: Remote, tmp_path: Path
) -> None:
    """Over ssh, as it is meant: the host's stream goes straight into the case, verified, and
    killing the connection in the middle leaves nothing that looks whole."""
    words, _ = command(host, "collect", str(logs), "--output", "-")
    remote = f"CUSTODY_HOME={host.home} {' '.join(words)}"
    done = subprocess.run(sshd(remote), capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = Sent(done.stdout, 0, done.stderr.decode())
    one, _ = take(desk, case, found.data, "--fingerprint", found.fingerprint, code=0)
    assert one["outcome"] == "received"
    log = tmp_path / "huge.log"
    log.write_bytes(os.urandom(60 * MIB))
    words, _ = command(host, "collect", str(log), "--output", "-")
    remote = f"CUSTODY_HOME={host.home} {' '.join(words)}"
    with subprocess.Popen(
        sshd(remote), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        data = process.stdout.read(3 * MIB)
        process.kill()
    one, _ = take(desk, case, data, code=11)
    assert "broke off" in one["why"]
