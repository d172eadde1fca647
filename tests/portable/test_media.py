"""The places a stick's bundles go to: full, shared, the host's own disk, FAT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WORDS = ("--collector", "A. Responder, Engineer, Example City", "--no-progress")


def test_the_stick_is_not_mounted(bare: Any) -> None:
    """A destination that turns out to be the host's own disk is said, and recorded."""
    done = bare("collect", "/logs", "--output", "/media/stick/evidence", *WORDS)
    assert "destination is on the same disk as the source" in done.stderr
    assert "is the disk mounted?" in done.stderr
    assert bare.record("media/stick/evidence")["destination_on_source_disk"]


def test_a_full_stick(mounted: Any) -> None:
    """Where there is too little room nothing is written, and what is needed is said."""
    (mounted.root / "logs" / "big.log").write_bytes(os.urandom(3 << 20))
    at = mounted.prefix.index("-c") + 1
    mounted.prefix[at] = 'mount -t tmpfs -o size=1m,mode=700 x "$0/out" && ' + mounted.prefix[at]
    done = mounted("collect", "/logs", "--output", "/out", *WORDS, exit_code=1)
    assert "bytes are needed and" in done.stderr
    assert "nothing was written" in done.stderr


def test_two_collections_at_once(bare: Any) -> None:
    """Two responders who write onto one stick at the same time get a whole bundle each."""
    chroot = shutil.which("chroot") or "chroot"
    command = ["env", "-i", "HOME=/nobody", chroot, str(bare.root), "/stick/custody/custody"]
    both = [
        subprocess.Popen([*command, "collect", "/logs", "--output", "/out", *WORDS],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    made = [path for path in (bare.root / "out").iterdir() if path.name[0].isdigit()]
    assert len(made) == 2
    for bundle in made:
        checked = bare("verify", f"/out/{bundle.name}", exit_code=11, env={"HOME": "/nobody"})
        assert "FAIL" not in checked.stdout


def test_a_file_over_4_gib_for_fat(bare: Any) -> None:
    """Where the host says that the stick has FAT, such a file is refused before the start."""
    device = os.stat(bare.root / "out").st_dev
    (bare.root / "proc" / "self").mkdir(parents=True)
    table = f"42 27 {os.major(device)}:{os.minor(device)} / /out rw - vfat /dev/sdb1 rw\n"
    root = f"27 1 {os.major(device)}:{os.minor(device)} / / rw - ext4 /dev/sda1 rw\n"
    (bare.root / "proc" / "self" / "mountinfo").write_text(root + table)
    with (bare.root / "logs" / "huge.log").open("wb") as stream:
        stream.truncate(4 << 30)
    done = bare("collect", "/logs", "--output", "/out", *WORDS, exit_code=1)
    assert "a file of 4294967296 bytes does not fit on vfat, which ends at 4 GiB" in done.stderr
    assert "use a disk with another file system, or leave it out with --max-size" in done.stderr
    assert list((bare.root / "out").iterdir()) == []


def test_laid_out_without_modes(custody: Any, tmp_path: Path) -> None:
    """A stick whose file system keeps no modes is laid out like any other."""
    for program in ("mkfs.vfat", "fusefat", "fusermount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    image, point = tmp_path / "image", tmp_path / "fat"
    point.mkdir()
    subprocess.run(["truncate", "-s", "32M", image], check=True)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    command = ["fusefat", "-o", "rw+,umask=077", image, point]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("fusefat cannot mount here")
    try:
        custody("init", tmp_path / "case", "--no-passphrase", exit_code=0)
        custody("init", "--on-stick", point, exit_code=0)
        names = {"CARD.html", "CARD.txt", "KEYS.txt", "evidence", "trust"}
        assert {path.name for path in point.iterdir()} == names
        assert (point / "trust" / "signers.toml").read_text().startswith("[[signer]]")
        custody("init", "--on-stick", point, exit_code=2)
    finally:
        subprocess.run(["fusermount", "-u", "-z", point], check=False)


@pytest.fixture
def fat(tmp_path: Path) -> Any:
    """A FAT file system of 64 MiB that the kernel mounts."""
    if "vfat" not in Path("/proc/filesystems").read_text():
        pytest.skip("the kernel has no vfat driver here")
    image, point = tmp_path / "image", tmp_path / "fat"
    point.mkdir()
    subprocess.run(["truncate", "-s", "256M", image], check=True)
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    mount = ["mount", "-o", "loop", "-t", "vfat", image, point]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a FAT image cannot be mounted here")
    yield point
    subprocess.run(["umount", point], check=False)


def test_a_stick_with_fat(fat: Path, custody: Any, portable: Path, tmp_path: Path) -> None:
    """A FAT stick is laid out, runs, and takes a bundle; a file over 4 GiB is refused first."""
    custody("init", tmp_path / "case", "--no-passphrase", exit_code=0)
    custody("init", "--on-stick", fat, "--program", portable, exit_code=0)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("x\n")
    start = [fat / "custody" / "custody", "collect", logs, "--output", fat / "evidence", *WORDS]
    assert subprocess.run(start, check=False, env={}).returncode == 0
    with (logs / "huge").open("wb") as stream:
        stream.truncate(4 << 30)
    before = sorted(os.listdir(fat / "evidence"))
    done = subprocess.run(start, capture_output=True, text=True, check=False, env={})
    assert done.returncode == 1
    assert "does not fit on vfat, which ends at 4 GiB" in done.stderr
    assert sorted(os.listdir(fat / "evidence")) == before


@pytest.fixture
def exfat(tmp_path: Path) -> Any:
    """An exFAT file system of 64 MiB, by the kernel's driver or by exfat-fuse."""
    if shutil.which("mkfs.exfat") is None:
        pytest.skip("mkfs.exfat (exfatprogs) is not installed")
    image, point = tmp_path / "image", tmp_path / "exfat"
    point.mkdir()
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    looped = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, text=True, check=False
    )
    device = looped.stdout.strip()
    if looped.returncode or not device:
        pytest.skip("there is no loop device here")
    try:
        for mount in (["mount", "-t", "exfat"], ["mount.exfat-fuse"]):
            if shutil.which(mount[0]) is None:
                continue
            done = subprocess.run([*mount, device, point], capture_output=True, check=False)
            if done.returncode == 0 and os.path.ismount(point):
                break
        else:
            pytest.skip("an exFAT image cannot be mounted here")
        yield point
        subprocess.run(["umount", point], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


def test_a_stick_with_exfat(exfat: Path, custody: Any, tmp_path: Path) -> None:
    """A stick with exFAT, which keeps no modes, is laid out, takes a bundle, and gives it back."""
    custody("init", tmp_path / "case", "--no-passphrase", exit_code=0)
    custody("init", "--on-stick", exfat, exit_code=0)
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("a.log", "A.LOG", "aux", "b: 1?.log", "c."):
        (logs / name).write_text(name)
    done = custody("collect", logs, "--output", exfat / "evidence", *WORDS, "--json", exit_code=0)
    found = json.loads(done.stdout)
    custody("verify", found["path"], "--signer", found["signer"]["fingerprint"], exit_code=0)
    custody("compare", found["path"], logs, exit_code=0)
