"""Where a copy goes: odd, small, prepared or shared destinations, and runs that did not finish."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custody.errors import StorageError
from custody.transfer import copying


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    (root / "nginx").mkdir(parents=True)
    for number in range(30):
        (root / "nginx" / f"{number:02}.log").write_text(f"line {number}\n")
    return root


@pytest.fixture
def bundle(custody: Any, logs: Path, tmp_path: Path) -> Path:
    """A bundle by itself, in no case."""
    return collected(custody, logs, tmp_path / "out")


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A place to mount something, unmounted again."""
    point = tmp_path / "stick"
    point.mkdir()
    yield point
    while os.path.ismount(point):
        command = ["umount", "-l", point]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            subprocess.run(["fusermount", "-u", "-z", point], check=True)


def collected(custody: Any, source: Path, out: Path) -> Path:
    done = custody("collect", source, "--output", out, "--json", exit_code=0)
    return Path(json.loads(done.stdout)["path"])


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def small(point: Path, options: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    command = ["mount", "-t", "tmpfs", "-o", options, "none", point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")


def fat(point: Path, size: str) -> bool:
    """Mount a new FAT image; whether by the kernel's own driver."""
    for program in ("mkfs.vfat", "fusefat", "fusermount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    image = point.parent / "image"
    subprocess.run(["truncate", "-s", size, image], check=True)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    command = ["mount", "-o", "loop", "-t", "vfat", image, point]
    if not subprocess.run(command, capture_output=True, check=False).returncode:
        return True
    command = ["fusefat", "-o", "rw+,umask=077", image, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not os.path.ismount(point):
        pytest.skip(f"a FAT image cannot be mounted here: {done.stderr.strip()}")
    return False


# ---- what an earlier run, or somebody else, left in incoming/


@pytest.mark.parametrize("which", ["incoming", "incoming/ID", "incoming/ID/data"])
def test_a_link_leads_no_copy_away(custody: Any, bundle: Path, tmp_path: Path, which: str) -> None:
    """A link that lies where the copy would grow is refused, and nothing is written through it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "stick" / which.replace("ID", bundle.name)
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    done = custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert f"look at {link}, remove it" in done.stderr
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "stick" / bundle.name).exists()


def test_a_pipe_in_incoming_is_no_file(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """A FIFO where a file of the copy would be is refused and not opened."""
    staged = tmp_path / "stick" / "incoming" / bundle.name
    staged.mkdir(parents=True)
    os.mkfifo(staged / "bagit.txt")
    custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert [path.name for path in staged.iterdir()] == ["bagit.txt"]


def test_attachments_of_an_earlier_run_are_not_published(
    custody: Any, bundle: Path, tmp_path: Path
) -> None:
    """A copy without attachments does not take over those of an interrupted one with them."""
    staged = tmp_path / "stick" / "incoming" / bundle.name
    for root in (bundle, staged):
        (root / "attachments" / ("0" * 64)).mkdir(parents=True)
        (root / "attachments" / ("0" * 64) / "statement.dsse.json").write_text("counsel's own")
    done = custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert f"look at {staged / 'attachments'}, remove it" in done.stderr
    assert not (tmp_path / "stick" / bundle.name).exists()


def test_a_file_more_is_not_published(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """What lies in the unfinished copy and not in the bundle keeps it from being finished."""
    surplus = tmp_path / "stick" / "incoming" / bundle.name / "seal" / "events" / "more"
    surplus.parent.mkdir(parents=True)
    surplus.write_text("by somebody else")
    done = custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert "a file that the bundle does not have" in done.stderr
    assert not (tmp_path / "stick" / bundle.name).exists()


def test_killed_then_finished_then_left_alone(custody: Any, logs: Path, tmp_path: Path) -> None:
    """A killed copy publishes nothing, the same command finishes it, and a third is refused."""
    for number in range(40):
        (logs / f"large-{number}").write_bytes(os.urandom(2 << 20))
    bundle = collected(custody, logs, tmp_path / "out")
    command = custody.command("copy", bundle, tmp_path / "stick")
    staged, final = (tmp_path / "stick" / name for name in (f"incoming/{bundle.name}", bundle.name))
    with subprocess.Popen(command, env=custody.environment()) as process:
        while process.poll() is None and not list(staged.glob("data/**/large-*")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    if not final.exists():  # it may have been quicker than the signal
        custody("copy", bundle, tmp_path / "stick", exit_code=11)
    assert content(final) == content(bundle)
    custody("copy", bundle, tmp_path / "stick", exit_code=2)
    assert not staged.exists()


def test_two_at_once(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Who copies to where a copy is under way is told so (13), and does not disturb it."""
    plan = copying.prepare(bundle, tmp_path / "stick", attachments=False)
    with copying.held(plan):
        copying.make(plan)
        done = custody("copy", bundle, tmp_path / "stick", exit_code=13)
        assert "another process" in done.stderr
        copying.publish(plan)
    assert content(tmp_path / "stick" / bundle.name) == content(bundle)


def test_finished_by_another_meanwhile(bundle: Path, tmp_path: Path) -> None:
    """A copy that another has finished since the look at the place is not made once more."""
    from custody.errors import UsageError

    late = copying.prepare(bundle, tmp_path / "stick", attachments=False)
    with copying.held(late):
        copying.make(late)
        copying.publish(late)
    with pytest.raises(UsageError, match="nothing was overwritten"), copying.held(late):
        pytest.fail("it may not be held")


def test_the_manifest_that_is_parsed_is_the_one_compared(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that is exchanged while the copy is read back is found."""
    plan = copying.prepare(bundle, tmp_path / "stick", attachments=False)
    manifest = plan.staged / "manifest-sha256.txt"
    compared = copying._same

    def then_exchanged(plan: copying.Plan, name: str) -> str:
        digest = compared(plan, name)
        if name == manifest.name:
            manifest.write_bytes(b"".join(manifest.read_bytes().splitlines(True)[1:]))
        return digest

    monkeypatch.setattr(copying, "_same", then_exchanged)
    with pytest.raises(StorageError, match="something else"), copying.held(plan):
        copying.make(plan)


# ---- places that are wrong


def test_a_place_that_is_kept_whole(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """No copy goes into a case or into another bundle, which would not be what they were."""
    custody("init", tmp_path / "case", "--no-passphrase", exit_code=0)
    other = collected(custody, tmp_path / "logs", tmp_path / "other")
    for place in (tmp_path / "case" / "bundles", tmp_path / "case", other, other / "data" / "new"):
        before = content(place) if place.exists() else {}
        done = custody("copy", bundle, place, exit_code=2)
        assert "nothing was written" in done.stderr
        assert (content(place) if place.exists() else {}) == before


def test_a_place_that_is_no_directory(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """A file, or a path below one, takes no copy."""
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = custody("copy", bundle, place, exit_code=2)
        assert "is not a directory; nothing was written" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_what_an_ordinary_user_may_not(
    custody: Any, logs: Path, tmp_path: Path, ordinary_user: Any
) -> None:
    """No permission is said with the path, publishes nothing and is no crash, on either side."""
    bundle = collected(custody, logs, ordinary_user.home / "out")
    home = ordinary_user.home
    for path in (home, *home.rglob("*")):
        os.chown(path, ordinary_user.uid, ordinary_user.gid)
    (home / "shut").mkdir(mode=0o700)
    (home / "bare").mkdir(mode=0o755)
    payload = next(bundle.rglob("07.log"))
    for place in (home / "shut", home / "shut" / "a" / "b", home / "bare"):
        done = custody("copy", bundle, place, user=ordinary_user)
        assert done.returncode in (1, 2)
        assert "unexpected" not in done.stderr
    os.chown(payload, 0, 0)
    done = custody("copy", bundle, home / "mine", user=ordinary_user, exit_code=1)
    assert "permission denied" in done.stderr
    for directory in (bundle / "custody", bundle):
        os.chown(directory, 0, 0)
        done = custody("copy", bundle, home / "mine", user=ordinary_user)
        assert done.returncode in (1, 2)
        assert "unexpected" not in done.stderr
    assert not (home / "mine" / bundle.name).exists()


# ---- places that are too small, or cannot hold it


def test_a_read_only_place(custody: Any, bundle: Path, stick: Path) -> None:
    """A place that cannot be written is said in those words."""
    small(stick, "ro")
    done = custody("copy", bundle, stick, exit_code=1)
    assert "read-only" in done.stderr


def test_a_place_that_becomes_full(custody: Any, bundle: Path, stick: Path) -> None:
    """A disk that is full half-way publishes nothing; with room again, the copy is finished."""
    small(stick, "nr_inodes=20")
    done = custody("copy", bundle, stick, exit_code=1)
    assert "the disk is full" in done.stderr
    assert not (stick / bundle.name).exists()
    subprocess.run(["mount", "-o", "remount,nr_inodes=1000", stick], check=True)
    found = json.loads(custody("copy", bundle, stick, "--json", exit_code=11).stdout)
    assert found["taken_over"] > 0
    assert content(stick / bundle.name) == content(bundle)


def test_holes_need_no_room(custody: Any, logs: Path, tmp_path: Path, stick: Path) -> None:
    """A sparse file is copied to where its data fit, with its holes."""
    with (logs / "sparse").open("wb") as stream:
        stream.truncate(256 << 20)
        stream.seek(100 << 20)
        stream.write(b"here")
    if (logs / "sparse").stat().st_blocks * 512 > 32 << 20:
        pytest.skip("this file system keeps no holes")
    bundle = collected(custody, logs, tmp_path / "out")
    small(stick, "size=32m")
    custody("copy", bundle, stick, exit_code=11)
    copy = next((stick / bundle.name).rglob("sparse"))
    assert copy.stat().st_size == 256 << 20
    assert copy.stat().st_blocks * 512 < 32 << 20


def test_fat_takes_no_four_gigabytes(custody: Any, logs: Path, tmp_path: Path, stick: Path) -> None:
    """A file of 4 GiB is refused for a FAT disk before anything is written to it."""
    with (logs / "huge").open("wb") as stream:
        stream.truncate(4 << 30)
    if (logs / "huge").stat().st_blocks:
        pytest.skip("this file system keeps no holes")
    bundle = collected(custody, logs, tmp_path / "out")
    fat(stick, "6G")
    done = custody("copy", bundle, stick, exit_code=1)
    assert "ends at 4 GiB; nothing was written" in done.stderr
    assert list(stick.iterdir()) == []


def test_onto_a_fat_stick(custody: Any, bundle: Path, stick: Path) -> None:
    """A FAT stick takes a copy; a driver that loses it in the last rename is found out."""
    if fat(stick, "64M"):
        custody("copy", bundle, stick, exit_code=11)
        assert content(stick / bundle.name) == content(bundle)
    else:
        done = custody("copy", bundle, stick, exit_code=1)
        assert "lost its content when it was renamed" in done.stderr
