"""Collecting real trees: every kind of thing, every kind of name, and nothing left behind."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.errors import StorageError, UsageError
from custody.formats import inventory, names

ROOT = os.geteuid() == 0


def state(top: Path) -> dict[str, tuple[Any, ...]]:
    """All that a look tells about a tree; access times of links apart, which readlink moves."""
    found = {}
    for path in [top, *top.rglob("*")]:
        s = path.lstat()
        accessed = None if path.is_symlink() else s.st_atime_ns
        found[str(path)] = (
            s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_ino, s.st_nlink,
            s.st_mtime_ns, s.st_ctime_ns, accessed,
        )  # fmt: skip
    return found


def test_every_kind_of_thing(gather: Any, source: Path) -> None:
    """Files, hard links, empty ones, directories, links, sockets and FIFOs have each its record."""
    (source / "log").write_bytes(b"line\n")
    os.link(source / "log", source / "again")
    (source / "empty").touch()
    (source / "nothing").mkdir()
    os.mkfifo(source / "fifo")
    (source / "inner").symlink_to("log")
    (source / "out").symlink_to("/etc/hostname")
    (source / "loop").symlink_to("loop")
    (source / "up").symlink_to("..")
    here = os.getcwd()
    os.chdir(source)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("sock")
    finally:
        os.chdir(here)
    found = gather(source)
    expected = {
        "log": "collected", "again": "collected", "empty": "empty", "nothing": "directory",
        "fifo": "special", "inner": "symlink", "out": "symlink", "loop": "symlink",
        "up": "symlink", "sock": "special",
    }  # fmt: skip
    assert {name: found.outcome(source / name) for name in expected} == expected
    assert found.content(source / "log") == found.content(source / "again") == b"line\n"
    assert found.one(source / "log")["inode"] == found.one(source / "again")["inode"]
    assert found.one(source / "log")["nlink"] == 2
    assert found.one(source / "out")["link_target"] == "/etc/hostname"
    assert "not followed" in found.one(source / "out")["remark"]
    assert "not followed" in found.one(source / "up")["remark"]
    assert "remark" not in found.one(source / "inner")
    assert found.collected.gap_count == 0
    assert not list(found.bundle.rglob("*hostname*"))


def test_a_fifo_is_never_opened(gather: Any, source: Path) -> None:
    """A program that waits to write into a FIFO goes on waiting: nobody opened it for reading."""
    os.mkfifo(source / "fifo")
    waiting = subprocess.Popen(["sh", "-c", 'echo secret > "$1"', "sh", str(source / "fifo")])
    try:
        assert gather(source).outcome(source / "fifo") == "special"
        assert gather(source / "fifo").outcome(source / "fifo") == "special"
        assert waiting.poll() is None
    finally:
        waiting.kill()
        waiting.wait()


@pytest.mark.skipif(not ROOT, reason="making a device needs root")
def test_devices_are_recorded_and_not_opened(gather: Any, source: Path) -> None:
    """A device file is special; an endless one does not feed the collection."""
    os.mknod(source / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(source / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 250))
    found = gather(source, "/dev/zero")
    assert {found.outcome(source / name) for name in ("zero", "disk")} == {"special"}
    assert found.outcome(b"/dev/zero") == "special"


def test_sparse_files_stay_sparse(gather: Any, source: Path) -> None:
    """The holes of a sparse file are zeros in its digest and holes in its copy."""
    with (source / "sparse").open("wb") as stream:
        stream.seek(64 << 20)
        stream.write(b"end")
        stream.truncate(96 << 20)
    found = gather(source)
    copy = found.bundle / found.one(source / "sparse")["payload"]
    assert found.outcome(source / "sparse") == "collected"
    assert copy.stat().st_size == 96 << 20
    assert copy.stat().st_blocks * 512 < 4 << 20
    assert subprocess.run(["cmp", copy, source / "sparse"], check=False).returncode == 0


def test_files_of_the_kernel(gather: Any) -> None:
    """A file that says size 0 and has content, as in /proc, is collected when it is named."""
    found = gather("/proc/version", "/proc/self/mountinfo")
    record = found.one(b"/proc/version")
    assert (record["outcome"], record["size_before"]) == ("collected", 0)
    assert found.content(b"/proc/version") == Path("/proc/version").read_bytes()


def test_an_endless_file_is_cut(gather: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a size that does not end is cut at a limit, and that is a gap."""
    from custody.acquire import reader

    monkeypatch.setattr(reader, "LARGEST_ENDLESS", 64)
    found = gather("/proc/self/status")
    record = found.all(b"/proc/%d/status" % os.getpid())[0]
    assert (record["outcome"], record["size"]) == ("limit-skipped", 64)
    assert "did not end" in record["remark"]
    assert found.collected.gap_count == 1


def test_a_source_that_is_a_link(gather: Any, source: Path) -> None:
    """A source that is a link is recorded, and what it points at is collected, however far."""
    (source / "real").mkdir()
    (source / "real/log").write_bytes(b"x")
    (source / "one").symlink_to("two")
    (source / "two").symlink_to("real")
    found = gather(source / "one")
    assert found.outcome(source / "one") == found.outcome(source / "two") == "symlink"
    assert found.content(source / "real/log") == b"x"
    assert "remark" not in found.one(source / "one")


def test_a_source_that_is_a_link_to_itself(gather: Any, source: Path) -> None:
    """Links in a circle end, and are recorded."""
    (source / "a").symlink_to("b")
    (source / "b").symlink_to("a")
    found = gather(source / "a")
    assert found.outcome(source / "a") == found.outcome(source / "b") == "symlink"


def test_a_planted_link_in_a_glob_is_not_followed(gather: Any, source: Path) -> None:
    """A link that fits a glob leads nowhere, neither on the way nor at the end."""
    (source / "site/log").mkdir(parents=True)
    (source / "site/log/a").write_bytes(b"a")
    (source / "evil").symlink_to("/etc")
    (source / "shadow").symlink_to("/etc/passwd")
    found = gather(f"{source}/*/log/*", f"{source}/*/hostname", f"{source}/*")
    assert found.content(source / "site/log/a") == b"a"
    assert found.outcome(source / "evil") == found.outcome(source / "shadow") == "symlink"
    assert "not followed" in found.one(source / "shadow")["remark"]
    assert not [record for record in found.records if record["path"].startswith("/etc")]
    assert found.outcome(source / "*/hostname") == "missing"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", "a.log b.txt d"), ("*.log", "a.log"), ("?.log", "a.log"), ("[ab].*", "a.log b.txt"),
        (".*", ".hidden"), ("**/*.log", "a.log d/c.log d/e/f.log"), ("d/**/f.log", "d/e/f.log"),
        ("**/e", "d/e"), ("d/*/..", ""), ("?.ö", "ä.ö"), ("[äü].*", "ä.ö"),
        ("**/.hidden", ".hidden"), ("[!a]*", "b.txt d"),
    ],
)  # fmt: skip
def test_globs(pattern: str, expected: str, source: Path) -> None:
    """Globs work as in a shell: within a component, across them, hidden names only on request."""
    from custody.acquire import globs

    (source / "d/e").mkdir(parents=True)
    for name in ("a.log", "b.txt", ".hidden", "d/c.log", "d/e/f.log"):
        (source / name).touch()
    if not pattern.isascii():
        (source / "ä.ö").touch()
    if pattern.endswith(".."):
        assert list(globs.expand(f"{source}/{pattern}")) == [os.fsencode(source / "d")]
        return
    found = [os.fsdecode(path) for path in globs.expand(f"{source}/{pattern}")]
    assert found == [str(source / name) for name in expected.split()]


def test_a_file_whose_name_looks_like_a_glob(gather: Any, source: Path) -> None:
    """A name with brackets that is there means itself, and the pattern holds all the same."""
    (source / "log[1]").write_bytes(b"itself")
    (source / "log1").write_bytes(b"other")
    found = gather(source / "log[1]")
    assert found.content(source / "log[1]") == b"itself"
    assert found.content(source / "log1") == b"other"


def test_overlapping_sources_are_read_once(gather: Any, source: Path) -> None:
    """However often and in whatever way something is named, it has one record."""
    (source / "d").mkdir()
    (source / "d/log").write_bytes(b"x")
    found = gather(
        source / "d/log", source, source / "d", f"{source}/d/../d/log", f"{source}//d/",
        f"{source}/*/log", source / "d/log",
    )  # fmt: skip
    assert found.outcome(source / "d/log") == "collected"
    assert found.collected.files == 1


def test_missing_sources_are_gaps(gather: Any, source: Path) -> None:
    """What is not there is recorded as missing, a pattern without a match too."""
    (source / "log").write_bytes(b"x")
    found = gather(source / "log", source / "no", source / "no/deeper", f"{source}/*.none")
    for name in ("no", "no/deeper", "*.none"):
        record = found.one(source / name)
        assert (record["outcome"], record["error"]["name"]) == ("missing", "ENOENT")
    assert found.collected.gap_count == 3


def test_all_sources_missing(gather: Any, source: Path) -> None:
    """That nothing was there is a fact worth sealing: the bundle says so, and so does a warning."""
    found = gather(source / "no")
    assert found.outcome(source / "no") == "missing"
    assert (found.collected.files, found.collected.gap_count) == (0, 1)
    assert "none of the sources is there" in found.plan.remarks[0]


def test_an_empty_name_is_no_source(gather: Any) -> None:
    """An empty source, from an unset variable, is refused and does not mean this directory."""
    with pytest.raises(UsageError, match="empty"):
        gather("")


def test_exclusions(gather: Any, source: Path) -> None:
    """What was excluded is recorded, in its place, and not read."""
    for name in ("a.log", "b.gz", "c.log", "d.gz/x", "e/f.gz", "e/g.log", "keep/k"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"x")
    found = gather(source, exclude=("*.gz", f"{source}/keep/*", "nothing"))
    excluded = {record["path"] for record in found.records if record["outcome"] == "excluded"}
    assert excluded == {str(source / name) for name in ("b.gz", "d.gz", "e/f.gz", "keep/k")}
    assert found.collected.files == 3
    assert found.collected.gap_count == 0


def test_exclusions_hold_for_what_a_glob_found(gather: Any, source: Path) -> None:
    """Files and directories that a glob or a shell named are excluded like all others."""
    (source / "journal").mkdir()
    (source / "journal/x").touch()
    (source / "a.gz").touch()
    (source / "log").touch()
    found = gather(f"{source}/*", exclude=("journal", "*.gz"))
    assert found.outcome(source / "journal") == found.outcome(source / "a.gz") == "excluded"
    assert not found.all(source / "journal/x")


def test_a_glob_to_exclude_may_be_any_bytes(gather: Any, source: Path) -> None:
    """A glob that is not UTF-8 works and is in the record of the acquisition."""
    path = os.fsencode(source) + b"/\xff.log"
    with open(path, "wb") as stream:
        stream.write(b"x")
    found = gather(source, exclude=(os.fsdecode(b"\xff*"),))
    assert found.outcome(path) == "excluded"
    assert b"\\\\xff*" in (found.bundle / "custody/acquisition.json").read_bytes()


def test_max_size(gather: Any, source: Path) -> None:
    """A file over the limit is a gap that says so; one at the limit is read."""
    (source / "at").write_bytes(b"12345")
    (source / "over").write_bytes(b"123456")
    found = gather(source, max_size=5)
    assert (found.outcome(source / "at"), found.outcome(source / "over")) == (
        "collected", "limit-skipped",
    )  # fmt: skip
    assert "over the limit of 5" in found.one(source / "over")["remark"]


def test_a_limit_that_no_record_can_say(gather: Any, source: Path) -> None:
    """A limit beyond the numbers of canonical JSON is refused before anything is read."""
    with pytest.raises(UsageError, match="--max-size"):
        gather(source, max_size=1 << 53)


def test_a_file_that_claims_exabytes(gather: Any, source: Path, mounted: Any) -> None:
    """A planted sparse file larger than any record can say is a gap, and harms nothing else."""
    mounted(source)
    (source / "log").write_bytes(b"x")
    with (source / "planted").open("wb") as stream:
        stream.truncate(1 << 60)
    found = gather(source)
    assert found.outcome(source / "planted") == "limit-skipped"
    assert found.outcome(source / "log") == "collected"


def test_other_file_systems(gather: Any, source: Path, mounted: Any) -> None:
    """A mount below a source is collected, or with --one-file-system is a gap that says so."""
    mount = mounted(source / "mount")
    (mount / "log").write_bytes(b"x")
    (source / "a").write_bytes(b"x")
    assert gather(source).outcome(mount / "log") == "collected"
    found = gather(source, one_file_system=True)
    assert (found.outcome(mount), found.all(mount / "log")) == ("not-local", [])
    assert gather(source, mount, one_file_system=True).outcome(mount / "log") == "collected"


def test_a_file_that_is_a_mount(gather: Any, source: Path) -> None:
    """A file with another mounted over it, as in containers, is no moved file."""
    (source / "hosts").write_bytes(b"below")
    (source / "other").write_bytes(b"above")
    command = ["mount", "--bind", str(source / "other"), str(source / "hosts")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        found = gather(source)
    finally:
        subprocess.run(["umount", str(source / "hosts")], check=True)
    assert found.content(source / "hosts") == b"above"
    assert found.collected.gap_count == 0


@pytest.mark.parametrize("made", ["before", "new"])
def test_a_destination_inside_the_source(made: str, gather: Any, source: Path) -> None:
    """The destination is skipped and recorded, also if the collection itself makes it."""
    output = source / "z/out"
    if made == "before":
        output.mkdir(parents=True)
        (output / "older").touch()
    (source / "log").write_bytes(b"x")
    found = gather(source, output=output)
    record = found.one(output)
    assert (record["outcome"], record["remark"]) == ("excluded", "the destination itself")
    assert found.collected.files == 1
    assert found.bundle.parent == output


@pytest.mark.parametrize("inside", ["", "deeper", "*"])
def test_a_source_inside_the_destination(inside: str, gather: Any, tmp_path: Path) -> None:
    """Collecting from where one collects into is refused, and nothing is written."""
    output = tmp_path / "out"
    (output / "deeper").mkdir(parents=True)
    with pytest.raises(UsageError, match="inside the destination"):
        gather(output / inside, output=output)
    assert os.listdir(output) == ["deeper"]


def test_our_own_secrets_stay_out(gather: Any, source: Path) -> None:
    """Key folders and passphrase files are left out wherever they lie, and recorded."""
    (source / ".config/custody/keys").mkdir(parents=True)
    (source / ".config/custody/keys/desk.pem").write_text("SECRET")
    (source / "passphrase").write_text("SECRET")
    (source / "log").write_text("x")
    secrets = (source / ".config/custody/keys", source / "passphrase", source / "not-there")
    found = gather(source, source / "passphrase", secrets=secrets)
    assert found.outcome(source / ".config/custody/keys") == "excluded"
    assert found.outcome(source / "passphrase") == "excluded"
    assert not [path for path in found.bundle.rglob("*") if path.is_file()
                and b"SECRET" in path.read_bytes()]  # fmt: skip


def test_nothing_is_touched(gather: Any, source: Path) -> None:
    """A collection leaves every mode, owner, size and time of its sources as it was."""
    (source / "d/e").mkdir(parents=True)
    (source / "log").write_bytes(b"x" * 100)
    (source / "d/large").write_bytes(b"x" * (3 << 20))
    (source / "d/e/empty").touch()
    (source / "d/link").symlink_to("large")
    os.mkfifo(source / "d/fifo")
    for path in [*source.rglob("*"), source]:
        os.utime(path, ns=(1, 2_000_000_000), follow_symlinks=False)
    before = state(source)
    gather(source, f"{source}/**/large", f"{source}/*/*")
    assert state(source) == before


AWKWARD = [
    b"new\nline", b"\x1b]0;title\x07", b"\x1b[2J", b"100%", b"%0A", b"a=b", b"=41", b"back\\slash",
    b"-rf", b"--", b" lead", b"trail ", b"trail.", b"\xff\xfe", b"\xc3\xa9", b"e\xcc\x81", b"\x01",
    b"$(id)", b"`id`", b"'", b'"', b"*", b"?", b"[a]", b"con", b"NUL.txt", b"...", b"~", b"#x",
    b"Case", b"case", b"CASE", b"\xe2\x80\xae", b"a" * 255, b"A" * 255, b"\xff" * 255, b":",
]  # fmt: skip


def test_awkward_names(gather: Any, source: Path) -> None:
    """Every name, as a file and as a directory, keeps its exact bytes and its own content."""
    raw = os.fsencode(source)
    for name in AWKWARD:
        with open(raw + b"/" + name, "wb") as stream:
            stream.write(b"file " + name)
        os.mkdir(raw + b"/d" + name[:200])
        with open(raw + b"/d" + name[:200] + b"/log", "wb") as stream:
            stream.write(b"in " + name)
    found = gather(source)
    for name in AWKWARD:
        assert found.content(raw + b"/" + name) == b"file " + name
        assert found.content(raw + b"/d" + name[:200] + b"/log") == b"in " + name
    folded = [record["payload"].lower() for record in found.records if "payload" in record]
    assert len(set(folded)) == len(folded) == 2 * len(AWKWARD)
    assert found.collected.gap_count == 0


def test_named_one_by_one_as_in_a_walk(gather: Any, source: Path) -> None:
    """Siblings that are given one by one are named like siblings found in a walk."""
    for name in ("Log", "log", "other"):
        (source / name).write_text(name)
    whole, single = gather(source), gather(*(source / name for name in ("log", "other", "Log")))
    for name in ("Log", "log", "other"):
        assert whole.one(source / name)["payload"] == single.one(source / name)["payload"]


RAW_NAME = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.tuples(st.binary(min_size=1, max_size=4), st.integers(180, 250)).map(
        lambda pair: (pair[0] * 250)[: pair[1]]
    ),
    st.text("aA.= \n\\%-", min_size=1, max_size=3).map(str.encode),
).map(lambda raw: raw.translate(None, b"/\0"))  # fmt: skip


NAMES = st.lists(
    RAW_NAME.filter(lambda raw: raw not in (b"", b".", b"..")),
    min_size=10,
    max_size=50,
    unique=True,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(raws=NAMES)
def test_a_thousand_odd_names_and_back(
    raws: list[bytes], gatherer: type[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the names are, the inventory leads back from each payload to path and content."""
    base = tmp_path_factory.mktemp("odd")
    top = os.fsencode(base) + b"/source"
    os.mkdir(top)
    for raw in raws:
        with open(top + b"/" + raw, "wb") as stream:
            stream.write(b"content of " + raw)
    found = gatherer(base)(top)
    payloads = [record for record in found.records if "payload" in record]
    back = {inventory.raw_path(record): record["payload"] for record in payloads}
    assert set(back) == {top + b"/" + raw for raw in raws}
    for raw in raws:
        copy = found.bundle / back[top + b"/" + raw]
        assert copy.read_bytes() == b"content of " + raw
    shutil.rmtree(base)


# ---- deep trees, made without ever using a long path


def dig(top: Path, name: bytes, levels: int) -> Iterator[int]:
    """Make so many directories inside each other; gives the descriptor of each."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(levels):
            os.mkdir(name, dir_fd=fd)
            child = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = child
            yield fd
    finally:
        os.close(fd)


def put(fd: int, name: bytes, content: bytes) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd)
    os.write(file, content)
    os.close(file)


def fill_up(top: Path, name: bytes, levels: int) -> None:
    """A tree of so many levels with a file on each, named so that it comes before and after."""
    for depth, fd in enumerate(dig(top, name, levels)):
        put(fd, b"log", b"%d" % depth)


def test_a_thousand_levels(gather: Any, source: Path) -> None:
    """A tree of 1,000 levels is collected whole."""
    fill_up(source, b"d", 1_000)
    found = gather(source)
    assert found.collected.files == 1_000
    assert found.collected.gap_count == 0
    deepest = os.fsencode(source) + b"/d" * 1_000 + b"/log"
    assert found.content(deepest) == b"999"
    assert found.one(deepest)["payload"] == names.long_name(deepest)


@pytest.mark.full
def test_a_thousand_levels_in_a_glob(gather: Any, source: Path) -> None:
    """A glob across directories reaches the bottom of a deep tree too."""
    fill_up(source, b"d", 1_000)
    found = gather(f"{source}/**/log")
    assert found.collected.files == 1_000


def test_paths_over_the_systems_limit(gather: Any, source: Path) -> None:
    """Paths over 4,096 bytes, which no system call takes, are collected all the same."""
    fill_up(source, b"\xff" * 200, 60)
    found = gather(source)
    assert found.collected.files == 60
    raw = os.fsencode(source) + (b"/" + b"\xff" * 200) * 60 + b"/log"
    assert len(raw) > 12_000
    assert found.content(raw) == b"59"


def test_a_glob_loses_nothing_beyond_the_systems_limit(gather: Any, source: Path) -> None:
    """Where a glob cannot look, because the path is too long, the walk goes on in its place."""
    fill_up(source, b"n" * 250, 30)
    found = gather(f"{source}/**/log")
    assert found.collected.files == 30


def test_deeper_than_we_follow(gather: Any, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies deeper than the limit is a gap with its own record."""
    from custody.acquire import rules

    monkeypatch.setattr(rules, "DEEPEST", source.resolve().as_posix().count("/") + 3)
    fill_up(source, b"d", 6)
    found = gather(source)
    gaps = [record for record in found.records if record["outcome"] == "limit-skipped"]
    assert len(gaps) == 1
    assert "deeper" in gaps[0]["remark"]


@pytest.mark.full
def test_the_longest_path_that_is_followed(gather: Any, source: Path) -> None:
    """A record of the longest path, every byte of it escaped, stays within the readers' limit."""
    for fd in dig(source, b"\x01" * 255, 1_023):
        last = os.dup(fd)
        os.close(last)
    found = gather(source)
    lengths = [len(inventory.dump(record)) for record in found.records]
    assert 1 << 20 < max(lengths) < 4 << 20


def test_deeper_than_open_files_allow(source: Path, tmp_path: Path) -> None:
    """With 100 open files a tree of 600 levels, with side branches, is collected whole."""
    for depth, fd in enumerate(dig(source, b"m", 600)):
        put(fd, b"log", b"%d" % depth)
        if depth % 50 == 0:
            os.mkdir(b"z", dir_fd=fd)
            side = os.open(b"z", os.O_RDONLY, dir_fd=fd)
            put(side, b"log", b"side")
            os.close(side)
    program = Path(sys.executable).with_name("custody")
    done = subprocess.run(
        [program, "collect", source, "--output", tmp_path / "out", "--json"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
        capture_output=True, text=True, check=False,
        env={**os.environ, "CUSTODY_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"files": 612' in done.stdout


# ---- as an ordinary user


@pytest.fixture
def as_nobody(gatherer: Any, tmp_path_factory: Any) -> Iterator[Callable[[], None]]:
    """Become an ordinary user for a while, in this thread."""
    if not ROOT:
        yield lambda: None
        return
    # What is imported late must be there by now: the user may not reach it.
    first = tmp_path_factory.mktemp("first")
    gatherer(first)(first)
    yield lambda: (os.setegid(65534), os.seteuid(65534))  # type: ignore[func-returns-value]
    os.seteuid(0)
    os.setegid(0)


def test_what_may_not_be_read(gather: Any, source: Path, tmp_path: Path, as_nobody: Any) -> None:
    """Unreadable files and directories are gaps with the system's reason; the rest is collected."""
    for name in ("a", "closed/in", "open/in", "searchable/in"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"x")
    (source / "secret").write_bytes(b"x")
    (source / "secret").chmod(0)
    (source / "closed").chmod(0)
    (source / "searchable").chmod(0o111)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o111)
    output = tmp_path / "theirs"
    output.mkdir()
    if ROOT:
        os.chown(output, 65534, 65534)
    sources = (
        source, source / "closed/in", source / "searchable/in", f"{source}/closed/*",
        f"{source}/*/in",
    )  # fmt: skip
    as_nobody()
    alone = gather(*sources[1:], output=output / "2")
    found = gather(source, output=output / "1")
    if ROOT:
        os.seteuid(0)
        os.setegid(0)
    for path in ("secret", "closed", "searchable"):
        records = found.all(source / path)
        assert records[-1]["outcome"] == "unreadable"
        assert records[-1]["error"]["name"] == "EACCES"
    assert found.outcome(source / "open/in") == found.outcome(source / "a") == "collected"
    assert alone.outcome(source / "searchable/in") == "collected"
    gaps = {(gap.path, gap.outcome) for gap in alone.collected.gaps}
    assert (str(source / "closed/in"), "missing") not in gaps
    assert any(path.startswith(str(source / "closed")) and outcome == "unreadable"
               for path, outcome in gaps)  # fmt: skip
    for path in (source / "secret", source / "closed"):
        path.chmod(0o700)


def test_a_destination_that_may_not_be_entered(
    gather: Any, source: Path, tmp_path: Path, as_nobody: Any
) -> None:
    """A destination behind a closed directory is one clear error."""
    wall = tmp_path / "wall"
    wall.mkdir(mode=0o700)
    wall.chmod(0o700 if ROOT else 0)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o111)
    as_nobody()
    with pytest.raises(StorageError, match="permission denied"):
        gather(source, output=wall / "out")
    wall.chmod(0o700) if not ROOT else None


def test_threads_are_gone_afterwards(gather: Any, source: Path) -> None:
    """No thread outlives a collection."""
    (source / "large").write_bytes(b"x" * (5 << 20))
    before = threading.active_count()
    gather(source)
    assert threading.active_count() == before
