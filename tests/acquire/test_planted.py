"""What somebody else on the host may plant before or while we collect."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from custody.acquire import mounts, sources


def outcomes(bundle: Path) -> dict[str, str]:
    lines = (bundle / "custody/inventory.jsonl").read_bytes().splitlines()
    return {item["path"]: item["outcome"] for item in map(json.loads, lines)}


@pytest.mark.parametrize("planted", ["link", "file"])
def test_a_planted_name_turns_no_glob_off(custody: Any, tmp_path: Path, planted: str) -> None:
    """A name that is spelt like the pattern is one more match; a link so named leads nowhere."""
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("auth.log", "sys.log"):
        (logs / name).write_text("line\n")
    if planted == "link":
        (logs / "*.log").symlink_to("/etc/hostname")
    else:
        (logs / "*.log").touch()
    custody("collect", f"{logs}/*.log", "--output", tmp_path / "out", exit_code=0)
    found = outcomes(next((tmp_path / "out").iterdir()))
    assert found[f"{logs}/auth.log"] == found[f"{logs}/sys.log"] == "collected"
    assert found[f"{logs}/*.log"] == ("symlink" if planted == "link" else "empty")
    assert "/etc/hostname" not in found


def test_a_literal_name_with_brackets_is_found(tmp_path: Path) -> None:
    """A file whose name is a pattern that does not match it is collected all the same."""
    (tmp_path / "a[1].log").touch()
    found = sources.resolve([str(tmp_path / "a[1].log")])
    assert found.asked[0].paths == (os.fsencode(tmp_path / "a[1].log"),)


@pytest.mark.parametrize("planted", ["open to all", "a link", "open parent"])
def test_a_planted_incoming_is_refused(custody: Any, tmp_path: Path, planted: str) -> None:
    """Nothing is collected to where somebody else could lead it elsewhere."""
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    (logs / "a.log").write_text("secret\n")
    out.mkdir()
    if planted == "a link":
        (tmp_path / "elsewhere").mkdir()
        (out / "incoming").symlink_to(tmp_path / "elsewhere")
    else:
        (out / "incoming").mkdir()
        (out / "incoming" if planted == "open to all" else out).chmod(0o777)
    done = custody("collect", logs, "--output", out, exit_code=1)
    assert "others can write there; nothing was collected" in done.stderr
    assert not [path for path in tmp_path.rglob("*.log") if path.parent != logs]


def test_a_passphrase_behind_a_descriptor_stays_out(custody: Any, tmp_path: Path) -> None:
    """A passphrase given by descriptor is left out of the bundle, as one in a named file is."""
    logs = tmp_path / "logs"
    logs.mkdir()
    secret = logs / "pw"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    custody("init", tmp_path / "case", "--passphrase-file", secret, exit_code=0)
    shell = ["sh", "-c", 'exec "$@" 3<"$0"', str(secret)]
    custody(
        "collect", logs, "--case", tmp_path / "case", "--passphrase-fd", "3",
        prefix=shell, exit_code=0,
    )  # fmt: skip
    found = outcomes(next((tmp_path / "case/bundles").iterdir()))
    assert found[str(secret)] == "excluded"


def test_programs_that_answer_for_a_file_system_may_hang() -> None:
    """Every FUSE file system is left out unless named; a disk served by fuseblk is a disk."""
    assert all(map(mounts.may_hang, ("nfs4", "fuse", "fuse.sshfs", "fuse.anything")))
    assert not any(map(mounts.may_hang, ("ext4", "fuseblk", "vfat", "tmpfs")))
