"""The systemd unit that a watch prints for itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from custody.cli import exit_codes


def unit(custody: Any, case: Path, *args: Any, **more: Any) -> list[str]:
    """The unit for a watch with these arguments, line by line."""
    done = custody("watch", *args, "--case", case, "--print-unit", exit_code=0, **more)
    return list(done.stdout.splitlines())


def command(lines: list[str]) -> str:
    """What the unit starts."""
    return next(line for line in lines if line.startswith("ExecStart="))


def test_the_unit_is_sandboxed_and_names_this_very_watch(
    custody: Any, case: Path, logs: Path
) -> None:
    """Sources are absolute, and no option of the command is forgotten."""
    given = [
        "--every", "1m", "--size", "8M", "--rate", "1M", "--nice", "7", "--on-alarm", "/bin/true",
        "--exclude", "*.tmp", "--exclude", "old", "--one-file-system", "--note", "a b",
        "--authority", "order 1",
    ]  # fmt: skip
    lines = unit(custody, case, logs.name, *given, cwd=logs.parent)
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateNetwork=yes"):
        assert line in lines
    assert f"RestartPreventExitStatus={exit_codes.KEY}" in lines  # no PIN is tried to lockout
    text = command(lines)
    assert f" watch {logs} --every 1m " in text
    for words in (
        "--size 8M", "--rate 1M", "--nice 7", "--on-alarm /bin/true", "--exclude *.tmp",
        "--exclude old", "--one-file-system", '--note "a b"', '--authority "order 1"',
        f"--case {case}",
    ):  # fmt: skip
        assert words in text
    assert f"ReadWritePaths={case} {custody.home}" in lines
    assert "passphrase" not in "\n".join(lines)


def test_the_unit_gives_the_passphrase_as_a_credential(
    custody: Any, case: Path, logs: Path
) -> None:
    """The service reads the file in its place; systemd reads where it lies."""
    secret = case.parent / "secret"
    lines = unit(custody, case, logs, "--passphrase-file", secret)
    assert command(lines).endswith(" --passphrase-file %d/passphrase")
    assert f"LoadCredential=passphrase:{secret}" in lines


@pytest.mark.parametrize("name", ["logs", 'a "b" $HOME %h; c\\d', os.fsdecode(b"caf\xe9")])
def test_systemd_accepts_the_unit(custody: Any, case: Path, tmp_path: Path, name: str) -> None:
    """Whatever the source is called, the unit is one that systemd can load."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    place = tmp_path / name
    place.mkdir(exist_ok=True)
    secret = case.parent / "secret"
    done = custody(
        "watch", place, "--case", case, "--print-unit", "--passphrase-file", secret, exit_code=0
    )
    file = tmp_path / "custody-watch.service"
    file.write_bytes(os.fsencode(done.stdout))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    said = [line for line in checked.stderr.splitlines() if file.name in line]
    assert said == []
    assert checked.returncode == 0, checked.stderr
