"""Collecting from a mounted image: everything inside it, and nothing of the running host."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from custody.acquire.globs import Pattern
from custody.acquire.image import Image

WORDS = ("--set", "linux-logs", "--set", "linux-accounts", "--set", "linux-web")


def test_sets_and_paths_of_an_image(image: Path, collect: Any) -> None:
    """Paths are those of the image's own host; its homes, journals and absolute links are found."""
    bundle = collect("--root", image, *WORDS, "--set", "database-logs", "/etc/hostname")
    outcomes = bundle.outcomes()
    for path in (
        "/etc/hostname", "/etc/passwd", "/home/ann/.bash_history", "/srv/app/.bash_history",
        "/var/log/auth.log.1", "/var/log/cron", "/var/log/journal/feed.work/system.journal",
        "/run/log/journal/feed/system.journal", "/var/log/apps/deep/a.log.logsig",
        "/var/www/shop/logs/access.log", "/var/log/samba/log.smbd.old",
        "/var/lib/docker/containers/c0ffee/c0ffee-json.log", "/opt/real/postgresql.log",
    ):  # fmt: skip
        assert outcomes[path] == "collected", path
    assert outcomes["/var/log/postgresql"] == "symlink"
    assert bundle.content("/etc/hostname") == b"web7\n"
    record = bundle.acquisition
    assert record["root"] == str(image)
    assert record["read_on"]["hostname"] == os.uname().nodename
    assert record["host"] == {
        "from_image": True, "fqdn": "web7.example.org", "hostname": "web7", "os": "Example OS 8",
        "machine_id": "0123456789abcdef0123456789abcdef", "time_zone": "America/Chicago",
    }  # fmt: skip
    assert "-web7-" in bundle.path.name


def test_a_hostile_image(image: Path, collect: Any, tmp_path: Path) -> None:
    """Links out, `..` links, loops, FIFOs and planted homes lead nowhere outside the image."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".bash_history").write_text("never collected")
    (outside / "auth.log").write_text("never collected")
    up = "../" * 40
    log = image / "var/log"
    (log / "secure").symlink_to(f"{up}{outside}/auth.log")
    (log / "messages").symlink_to(outside / "auth.log")
    (log / "syslog").symlink_to("syslog")
    os.mkfifo(log / "kern.log")
    (log / "nginx").symlink_to(outside)
    (image / "home/eve").symlink_to(outside)
    (image / "root").symlink_to(f"{up}{outside}")
    for name in ("machine-id", "os-release", "timezone", "group"):
        (image / "etc" / name).unlink(missing_ok=True)
    (image / "etc/machine-id").symlink_to("/proc/sys/kernel/random/boot_id")
    os.mkfifo(image / "etc/os-release")
    with (image / "etc/passwd").open("a") as stream:
        stream.write(f"m:x:2:2::/../..{outside}:/bin/sh\nn:x:3:3::{outside}:/bin/sh\n")
        stream.write("o:x:4:4::relative:/bin/sh\np:x:5:5::/home/*:/bin/sh\nq:x:6:6\n\xff::\n")
    bundle = collect("--root", image, *WORDS, "/var/log/messages", exit_code=3)
    for record in bundle.records:
        if "payload" in record:
            assert b"never" not in (bundle.path / record["payload"]).read_bytes()
    outcomes = bundle.outcomes()
    assert outcomes["/var/log/secure"] == outcomes["/var/log/nginx"] == "symlink"
    assert outcomes["/var/log/kern.log"] == "special"
    assert outcomes[f"{outside}/auth.log"] == "missing"  # in the image, and it was named
    assert "machine_id" not in bundle.acquisition["host"]
    refused = "\n".join(bundle.acquisition["homes_refused"])
    assert '"." or ".."' in refused
    assert "relative" in refused
    assert "a home is left out" in collect.said.stderr


@pytest.mark.parametrize("links", [1, 39, 40, 41, 60])
def test_no_chain_of_links_is_long_enough_to_leave_an_image(tmp_path: Path, links: int) -> None:
    """However many links there are, the last of which leads to the host, nothing there is seen."""
    outside, root = tmp_path / "outside", tmp_path / "image"
    (outside / "passwd.d").mkdir(parents=True)
    (outside / "passwd").write_text("never:x:1:1::/never:/bin/sh\n")
    root.mkdir()
    for number in range(1, links):
        (root / f"l{number}").symlink_to(f"/l{number + 1}")
    (root / f"l{links}").symlink_to(outside)
    inside = Image(os.fsencode(root))
    for path in (b"/l1/passwd", b"/l1/passwd.d"):
        for look in (inside.lstat, inside.readlink, inside.open_directory):
            for real in (path, inside.real(path), inside.real_parent(path)):
                with pytest.raises(OSError, match=r"\[Errno (2|20|40)\]"):
                    look(real)
    assert inside.open_file("/l1/passwd") is None
    assert Pattern(b"/l1", (b"*",)).expand(inside, set()) == []


def test_what_contradicts_an_image(image: Path, custody: Any, tmp_path: Path) -> None:
    """A relative source, a root that is no directory, and writing into the image are refused."""
    before = sorted(image.rglob("*"))
    for words in (
        ("--root", image, "var/log", "--output", tmp_path / "out"),
        ("--root", image / "etc/hostname", "/var/log", "--output", tmp_path / "out"),
        ("--root", tmp_path / "nothing", "/var/log", "--output", tmp_path / "out"),
        ("--root", image, "/var/log", "--output", image / "out"),
        ("--root", image, "/var/log", "--output", image),
    ):
        done = custody("collect", *words, exit_code=2)
        assert "nothing was written" in done.stderr or "absolute" in done.stderr
    assert sorted(image.rglob("*")) == before
    assert not (tmp_path / "out").exists()


def test_the_root_itself(image: Path, collect: Any) -> None:
    """All of an image can be named as `/`, and what is mounted around it is not in it."""
    (image / "var/log/postgresql").unlink()
    bundle = collect("--root", image, "/")
    paths = {record["path"] for record in bundle.records}
    assert {"/", "/etc/passwd", "/srv/app/.bash_history"} <= paths
    assert not any(path.startswith(str(image)) for path in paths)


def test_no_live_comparison_with_an_image(image: Path, collect: Any, custody: Any) -> None:
    """The running host is not the one that the image is of, and is not compared with it."""
    bundle = collect("--root", image, "/etc/hostname")
    done = custody("compare", bundle.path, "--live", exit_code=2)
    assert "image" in done.stderr
    custody("compare", bundle.path, image, exit_code=0)


@pytest.mark.parametrize("words", [("/etc/hostname",), ("--set", "linux-accounts")])
def test_a_dry_run(words: tuple[str, ...], image: Path, custody: Any) -> None:
    """A dry run looks into the image too, and writes nothing."""
    done = custody("collect", "--root", image, *words, "--dry-run", "--json", exit_code=0)
    document = json.loads(done.stdout)
    assert document["files"] >= 1
    assert all(not item["path"].startswith(str(image)) for item in document["items"])
