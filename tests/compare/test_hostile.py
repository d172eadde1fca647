"""Sides that are odd, planted, shut, or changed while they are compared; results kept in a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custody import clock
from custody.compare import Comparison, bundled, choose, live, run
from custody.compare.resume import Progress
from custody.errors import DifferenceError


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A mounted FAT image, by a driver in user space."""
    for program in ("mkfs.vfat", "fusefat", "fusermount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    point, image = tmp_path / "stick", tmp_path / "image"
    point.mkdir()
    subprocess.run(["truncate", "-s", "32M", image], check=True)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    command = ["fusefat", "-o", "rw+,umask=077", image, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not os.path.ismount(point):
        pytest.skip(f"a FAT image cannot be mounted here: {done.stderr.strip()}")
    yield point
    subprocess.run(["fusermount", "-u", "-z", point], check=True)


def compared(custody: Any, *args: Any, exit_code: int = 0) -> dict[str, Any]:
    done = custody("compare", *args, "--json", exit_code=exit_code)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    items = {item["path"]: item["status"] for item in found["items"]}
    return {path: status for path, status in items.items() if status != "identical"}


# ---- what is compared


@pytest.mark.parametrize("kind", ["device", "pipe", "loop"])
def test_what_has_no_content_is_no_side(
    custody: Any, logs: Path, tmp_path: Path, kind: str
) -> None:
    """A device, a pipe or a link to itself is neither opened nor found equal to another."""
    odd = [tmp_path / name for name in ("one", "other")]
    if kind == "device":
        odd = [Path("/dev/zero"), Path("/dev/null")]
    for path in odd:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "loop":
            path.symlink_to(path.name)
    custody("compare", odd[0], odd[1], exit_code=2)
    custody("compare", odd[0], logs / "auth.log", exit_code=2)


def test_paths_longer_than_the_system_takes(custody: Any, tmp_path: Path) -> None:
    """A tree too deep to be named by one path is compared to its last leaf."""
    for name in ("copy", "logs"):
        (tmp_path / name).mkdir()
        held = os.open(tmp_path / name, os.O_RDONLY)
        for _ in range(120):
            os.mkdir("d" * 50, dir_fd=held)
            below = os.open("d" * 50, os.O_RDONLY, dir_fd=held)
            os.close(held)
            held = below
        leaf = os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=held)
        os.write(leaf, name.encode())
        os.close(leaf)
        os.close(held)
    found = compared(custody, tmp_path / "copy", tmp_path / "logs", exit_code=10)
    assert list(statuses(found).values()) == ["modified"]
    for name in ("copy", "logs"):  # pytest's own way would be too long a path
        subprocess.run(["rm", "-r", tmp_path / name], check=True)


def test_a_copy_that_was_not_finished(custody: Any, copied: Path, logs: Path) -> None:
    """A grown original that nobody wrote to since the copy is told from a log that went on."""
    (copied / "auth.log").write_text("one\n")
    for path, when in ((copied / "auth.log", 50), (logs / "auth.log", 40)):
        os.utime(path, (when, when))
    found = compared(custody, copied, logs)
    (item,) = [item for item in found["items"] if item["path"] == "auth.log"]
    assert item["status"] == "grown"
    assert item["detail"].startswith("the original continues 4 bytes past the copy; ")
    assert "may be incomplete" in item["detail"]
    assert found["perhaps_incomplete"] == 1
    assert "was it made to its end?" in custody("compare", copied, logs, exit_code=0).stderr
    os.utime(logs / "auth.log", (60, 60))
    found = compared(custody, copied, logs)
    assert found["perhaps_incomplete"] == 0


def test_a_disk_that_cannot_tell_names_apart(custody: Any, logs: Path, stick: Path) -> None:
    """What a case-insensitive disk dropped is missing; what it could not note is metadata."""
    for name in ("Auth.log", "AUTH.LOG"):
        (logs / name).write_text(f"the log {name}\n")
    (logs / "NGINX").mkdir()
    (logs / "NGINX" / "error.log").write_text("oh\n")
    subprocess.run(["cp", "-r", logs, stick / "copy"], check=False, capture_output=True)
    found = compared(custody, stick / "copy", logs, exit_code=10)
    lost = {path for path, status in statuses(found).items() if status == "missing"}
    assert len(lost & {"auth.log", "Auth.log", "AUTH.LOG"}) == 2
    assert {status for path, status in statuses(found).items()} == {"missing", "metadata"}
    shutil.rmtree(logs / "NGINX")
    for name in ("Auth.log", "AUTH.LOG"):
        (logs / name).unlink()
    subprocess.run(["cp", "-r", logs, stick / "again"], check=False, capture_output=True)
    found = compared(custody, stick / "again", logs)
    assert set(statuses(found).values()) == {"metadata"}


def test_what_an_ordinary_user_may_not_read(
    custody: Any, logs: Path, tmp_path: Path, ordinary_user: Any
) -> None:
    """A directory that is shut is told once, with what the other side has in it, and is no
    difference; so on either side, in a bundle, and where it is the side itself."""
    home = ordinary_user.home
    for name in ("copy", "original"):
        shutil.copytree(logs, home / name)
    done = custody("collect", home / "original", "--output", home / "out", "--json", exit_code=0)
    bundle = Path(json.loads(done.stdout)["path"])
    for path in (home, *home.rglob("*")):
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    shut = home / "original" / "nginx"
    os.chown(shut, 0, 0)
    shut.chmod(0o700)
    for sides in ((home / "copy", home / "original"), (home / "original", home / "copy")):
        done = custody("compare", *sides, "--json", user=ordinary_user, exit_code=3)
        found = json.loads(done.stdout)
        assert sorted(one["path"] for one in found["not_compared"]) == ["nginx", "nginx/access.log"]
        assert set(statuses(found).values()) <= {"metadata"}
    done = custody("compare", bundle, "--live", "--json", user=ordinary_user, exit_code=3)
    assert set(statuses(json.loads(done.stdout)).values()) <= {"metadata"}
    for sides in ((home / "copy", shut), (home / "copy" / "auth.log", shut / "access.log")):
        done = custody("compare", *sides, user=ordinary_user, exit_code=1)
        assert "permission denied" in done.stderr
    for part in (bundle / "tagmanifest-sha256.txt", bundle / "custody"):
        os.chown(part, 0, 0)
        part.chmod(0o700)
        done = custody("compare", bundle, home / "copy", user=ordinary_user)
        assert done.returncode == 1
        assert "permission denied" in done.stderr
        assert "unexpected" not in done.stderr


# ---- what changes meanwhile

_UPHEAVAL = """
import os, random, sys
names = [f"d{i}/f{j}" for i in range(4) for j in range(20)]
random.seed(7)
os.chdir(sys.argv[1])
print("ready", flush=True)
while not os.path.exists("../enough"):
    name = random.choice(names)
    above, way = os.path.dirname(name), random.randrange(7)
    try:
        if way == 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
            fd = os.open(name, flags)
            os.write(fd, b"more" * random.randrange(300000))
            os.close(fd)
        elif way == 1:
            fd = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            os.ftruncate(fd, random.randrange(1000))
            os.close(fd)
        elif way == 2:
            os.rename(name, random.choice(names))
        elif way in (3, 4):
            os.unlink(name)
            os.mkfifo(name) if way == 3 else os.symlink("../../bait/secret", name)
        else:
            os.rename(above, above + ".x")
            if way == 6:
                os.symlink("../bait", above)
                os.unlink(above)
            os.rename(above + ".x", above)
    except OSError:
        pass
"""


def test_an_original_in_upheaval(custody: Any, tmp_path: Path) -> None:
    """Whatever happens to the original meanwhile, there is a verdict, and no link is followed."""
    root = tmp_path / "logs"
    for number in range(80):
        path = root / f"d{number // 20}" / f"f{number % 20}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(2_000_000 if number % 20 == 0 else 3_000))
    (tmp_path / "bait").mkdir()  # where the planted links lead: never out of the test's own place
    (tmp_path / "bait" / "secret").write_bytes(b"secret")
    shutil.copytree(root, tmp_path / "copy")
    done = custody("collect", root, "--output", tmp_path / "out", "--json", exit_code=0)
    bundle = json.loads(done.stdout)["path"]
    sides = (tmp_path / "copy", root)
    command = [sys.executable, "-c", _UPHEAVAL, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            for number in range(3):
                kept = ("--resume", tmp_path / f"kept{number}")
                for args in (sides, (bundle, "--live"), (*sides, *kept)):
                    done = custody("compare", *args, "--json")
                    assert done.returncode in (0, 3, 10), done.stderr
                    found = json.loads(done.stdout)
                    said = json.dumps(found["items"]) + json.dumps(found["not_compared"])
                    assert sum(found["totals"].values()) == len(found["items"])
                    assert "secret" not in said
        finally:
            (tmp_path / "enough").touch()


def test_a_bundle_exchanged_meanwhile(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inventory that is not the one that the tag manifest pinned at the start is found out."""
    inventory = bundle / "custody" / "inventory.jsonl"
    chosen = live(bundle)
    inventory.write_bytes(b"".join(inventory.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(DifferenceError, match="tag manifest"):
        list(run(chosen, Comparison(), now=clock.now()))


def test_a_line_exchanged_before_it_is_read_again(bundle: Path) -> None:
    """A record that is looked up again later is the one that was read, or none."""
    side = bundled.Bundle(bundle)
    entry = next(one for one in side.entries() if one.raw.endswith(b"auth.log"))
    assert side.again(entry.raw, entry.where()).sealed() == entry.sealed()
    inventory = bundle / "custody" / "inventory.jsonl"
    inventory.write_bytes(inventory.read_bytes().replace(entry.sealed().encode(), b"0" * 64))
    with pytest.raises(OSError, match="changed meanwhile"):
        side.again(entry.raw, entry.where())


def test_a_tag_manifest_that_is_damaged(custody: Any, bundle: Path) -> None:
    """Without a tag manifest that names the inventory, a bundle is exit 10 before all else."""
    for text in ("junk\n", "0" * 64 + "  bagit.txt\n", None):
        path = bundle / "tagmanifest-sha256.txt"
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
        done = custody("compare", bundle, "--live", exit_code=10)
        assert "custody verify" in done.stderr


# ---- where results are kept


def test_results_are_kept_nowhere_in_the_evidence(
    custody: Any, bundle: Path, copied: Path, logs: Path, tmp_path: Path
) -> None:
    """A file for --resume that lies on either side is refused, and nothing is written there."""
    (tmp_path / "way").symlink_to(logs)
    for args in ((copied, logs), (logs, copied), (bundle, "--live"), (bundle, copied)):
        for place in (logs, copied, bundle / "custody", tmp_path / "way" / "nginx"):
            inside = any(
                place.resolve().is_relative_to(side)
                for side in (args[0], logs if args[1] == "--live" else args[1])
            )
            if inside:
                done = custody("compare", *args, "--resume", place / "kept", exit_code=2)
                assert "lies in what is compared" in done.stderr
    custody("compare", copied / "auth.log", logs / "auth.log", "--resume", logs / "auth.log",
            exit_code=2)  # fmt: skip
    assert not list(tmp_path.rglob("kept"))
    assert (logs / "auth.log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_results_are_kept_in_a_file_only(
    custody: Any, copied: Path, logs: Path, tmp_path: Path, kind: str
) -> None:
    """A pipe, a link or a device takes no results, and what a link points at stays as it is."""
    kept, aim = tmp_path / "kept", tmp_path / "aim"
    aim.touch()
    if kind == "pipe":
        os.mkfifo(kept)
    elif kind == "link":
        kept.symlink_to(aim)
    else:
        kept = Path("/dev/null")
    custody("compare", copied, logs, "--resume", kept, exit_code=2)
    assert aim.read_bytes() == b""


def test_two_that_keep_their_results_in_one_file(
    custody: Any, copied: Path, logs: Path, tmp_path: Path
) -> None:
    """The second of two comparisons with one file for their results is told so (13)."""
    chosen = choose(copied, logs)
    with Progress(tmp_path / "kept", chosen.copy, chosen.original, clock.now()):
        custody("compare", copied, logs, "--resume", tmp_path / "kept", exit_code=13)
