"""What the file system says of a file, as the inventory keeps it."""

from __future__ import annotations

import base64
import errno
import grp
import os
import pwd
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.acquire import host, metadata, mounts
from custody.acquire.image import Image
from custody.acquire.metadata import Accounts
from custody.acquire.mounts import Mount
from custody.acquire.rules import Rules


def described(path: Path) -> dict[str, Any]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return metadata.describe_open(fd, os.fstat(fd), Accounts.read())
    finally:
        os.close(fd)


def printed(path: Path, form: str) -> str:
    done = subprocess.run(["stat", "-c", form, path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    mode=st.integers(0o400, 0o7777).map(lambda mode: mode | 0o400),
    times=st.tuples(*[st.integers(-(2**31) * 10**9, 2**33 * 10**9)] * 2),
    values=st.dictionaries(
        st.from_regex(r"user\.[a-z]{1,8}", fullmatch=True), st.binary(max_size=64), max_size=3
    ),
)
def test_modes_times_and_attributes(
    mode: int, times: tuple[int, int], values: dict[str, bytes], tmp_path: Path
) -> None:
    """Mode, nanosecond times and attributes are kept to the bit, as stat prints them too."""
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    path.write_bytes(b"x")
    try:
        for name, value in values.items():
            os.setxattr(path, name, value)
    except OSError as err:
        if err.errno == errno.ENOTSUP:
            pytest.skip("no extended attributes on this file system")
        raise
    path.chmod(mode)
    os.utime(path, ns=times)
    status, record = path.stat(), described(path)
    assert record["mode"] == f"{status.st_mode:07o}"
    assert int(record["mode"], 8) & 0o7777 == status.st_mode & 0o7777
    assert record["modified"] == str(status.st_mtime_ns)
    assert record["accessed"] == str(status.st_atime_ns)
    assert record["changed"] == str(status.st_ctime_ns)
    kept = {name: base64.b64decode(value) for name, value in record.get("xattrs", {}).items()}
    assert {name: value for name, value in kept.items() if name.startswith("user.")} == values


def test_numbers_as_stat_prints_them(tmp_path: Path) -> None:
    """Inode, links, device, owner and birth time agree with the system's own stat program."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    os.link(path, tmp_path / "other")
    record = described(path)
    assert record["inode"] == printed(path, "%i")
    assert record["nlink"] == int(printed(path, "%h")) == 2
    assert record["device"] == printed(path, "%Hd:%Ld")
    assert (record["uid"], record["gid"]) == (os.getuid(), os.getgid())
    assert record["user"] == pwd.getpwuid(os.getuid()).pw_name == printed(path, "%U")
    assert record["group"] == grp.getgrgid(os.getgid()).gr_name == printed(path, "%G")
    born = printed(path, "%W")
    if born in ("0", "-"):
        pytest.skip("no birth times here")
    assert int(record["born"]) // 10**9 == int(born)


def test_access_control_lists(tmp_path: Path) -> None:
    """An ACL is kept in its exact bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    done = subprocess.run(
        ["setfacl", "-m", "u:12345:r,g:54321:rw", path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no ACLs here")
    value = base64.b64decode(described(path)["xattrs"]["system.posix_acl_access"])
    assert value == os.getxattr(path, "system.posix_acl_access")
    entries = {struct.unpack_from("<HHI", value, offset) for offset in range(4, len(value), 8)}
    assert {(0x02, 4, 12345), (0x08, 6, 54321)} <= entries


def test_attributes_of_what_is_not_opened(tmp_path: Path) -> None:
    """A FIFO and a link have their own attributes, and none of what a link points at."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    try:
        os.setxattr(tmp_path / "fifo", "trusted.x", b"fifo", follow_symlinks=False)
        os.setxattr(tmp_path / "file", "trusted.x", b"file")
        os.setxattr(tmp_path / "link", "trusted.x", b"link", follow_symlinks=False)
    except OSError as err:
        pytest.skip(f"such attributes cannot be set here: {err}")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in (b"fifo", b"link"):
            about = metadata.describe_unopened(directory, name, Accounts({}, {}))
            assert base64.b64decode(about["xattrs"]["trusted.x"]) == name
    finally:
        os.close(directory)


def test_a_large_attribute_is_given_by_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attribute beyond the limit is named with its size, and the others are kept."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    monkeypatch.setattr(metadata, "_LARGEST_XATTR", 10)
    try:
        os.setxattr(path, "user.large", b"x" * 11)
        os.setxattr(path, "user.small", b"x" * 10)
    except OSError:
        pytest.skip("no extended attributes on this file system")
    found = described(path)["xattrs"]
    assert found["user.large"] == {"size": 11}
    assert base64.b64decode(found["user.small"]) == b"x" * 10


def test_names_of_attributes_are_ascii(tmp_path: Path) -> None:
    """A name of an attribute that is not ASCII is escaped: keys in records are ASCII."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    try:
        os.setxattr(path, os.fsdecode("user.ä".encode()), b"1")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    assert described(path)["xattrs"] == {"user.\\xc3\\xa4": "MQ=="}


# ---- the host's own files, which an attacker may have written


@pytest.mark.parametrize(
    "line",
    [
        b"x", b"::::", b"a:b:notanumber", b"a:b:-1", b"a:b:" + b"9" * 5_000, b"\xff\xfe:x:7:",
        b"a:b:\xc2\xb2:", b"\0" * 100,
    ],
)  # fmt: skip
def test_strange_account_files(line: bytes, tmp_path: Path) -> None:
    """Junk in /etc/passwd neither ends a collection nor hides the good lines."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(line + b"\nsyslog:x:104:111::/home/syslog:/bin/false\n")
    assert Accounts.read(Image(os.fsencode(tmp_path))).users[104] == "syslog"


def test_an_account_file_that_blocks(tmp_path: Path) -> None:
    """A FIFO in place of an account file is not waited for."""
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    os.mkfifo(tmp_path / "etc/machine-id")
    (tmp_path / "etc/group").mkdir()
    assert Accounts.read(Image(os.fsencode(tmp_path))) == Accounts({}, {})
    assert "machine_id" not in host.facts(Image(os.fsencode(tmp_path)))


def test_facts_of_a_strange_host(tmp_path: Path) -> None:
    """Facts that are not UTF-8 or much too long stay printable records."""
    from custody.formats import canonical

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_bytes(b"\xff" * 70_000)
    (tmp_path / "etc/os-release").write_bytes(b'PRETTY_NAME="\xffOS \x1b[2J"\n')
    os.symlink(b"/usr/share/zoneinfo/\xff", os.fsencode(tmp_path / "etc/localtime"))
    found = host.facts(Image(os.fsencode(tmp_path)))
    assert len(found["machine_id"]) <= 200
    assert found["time_zone"] == "\\xff"
    assert canonical.load(canonical.dump(found)) == found


def test_facts_of_this_host() -> None:
    """The names, kernel and clock of a real host are there, and nothing is asked of a network."""
    found = host.facts()
    assert found["hostname"] == os.uname().nodename
    assert os.uname().release in found["kernel"]
    assert "127.0.0.1" not in found.get("ips", [])


# ---- mounts

INFO = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
24 22 0:31 / /srv/share rw shared:9 - nfs4 files:/export rw,hard
25 22 8:1 / /mnt/a\040stick rw - vfat /dev/sda1 rw
26 22 0:40 / /data rw master:1 propagate_from:2 - fuse.sshfs me@files:/x rw
27 22 0:41 / /data/local rw - tmpfs tmpfs rw
short line
28 22 0:42 / /auto rw - autofs systemd-1 rw
"""


@pytest.fixture
def table(tmp_path: Path) -> dict[bytes, Mount]:
    (tmp_path / "mountinfo").write_bytes(INFO)
    return mounts.read(str(tmp_path / "mountinfo"))


def test_mountinfo(table: dict[bytes, Mount], tmp_path: Path) -> None:
    """Points, devices, kinds and sources are read, escapes undone, junk passed over."""
    assert set(table) == {
        b"/", b"/proc", b"/srv/share", b"/mnt/a stick", b"/data", b"/data/local", b"/auto",
    }  # fmt: skip
    assert table[b"/mnt/a stick"] == Mount(b"/mnt/a stick", "8:1", "vfat", "/dev/sda1")
    assert mounts.of(b"/mnt/a stick/deep/file", table) == table[b"/mnt/a stick"]
    assert mounts.of(b"/mnt/a", table) == table[b"/"]
    assert mounts.read(str(tmp_path / "none")) == {}
    assert mounts.of(b"/x", {}) is None


@pytest.mark.parametrize(
    ("path", "alone", "left"),
    [
        (b"/srv/share", False, "nfs4"), (b"/data", False, "fuse.sshfs"),
        (b"/auto", False, "autofs"),
        (b"/proc", False, "kernel"), (b"/data/local", False, None),
        (b"/data/local", True, "on request"), (b"/mnt/a stick", False, None),
        (b"/srv", False, None),
        (b"/srv/share/below", False, None), (b"/srv/share", True, "nfs4"),
    ],
)  # fmt: skip
def test_mounts_that_are_left_out(
    path: bytes, alone: bool, left: str | None, table: dict[bytes, Mount]
) -> None:
    """Other machines' disks and the kernel's are left out, all others only on request."""
    found = Rules(mounts=table, one_file_system=alone).mounted(path)
    assert (found is None) == (left is None)
    if found is not None and left is not None:
        assert found.outcome == "not-local"
        assert left in found.reason
    named = Rules(mounts=table, one_file_system=alone, named=frozenset((path,)))
    assert named.mounted(path) is None


def test_whether_a_link_leads_out() -> None:
    """Inside means: a source, or below one, as the path is written."""
    rules = Rules(named=frozenset((b"/var/log", b"/etc/hosts")))
    for path in (b"/var/log", b"/var/log/a/b", b"/etc/hosts"):
        assert rules.inside(path)
    for path in (b"/", b"/var", b"/var/logs", b"/etc", b"", b"relative"):
        assert not rules.inside(path)
    assert Rules(named=frozenset((b"/",))).inside(b"/anything")
