"""VERIFY.txt: the commands in it are run as they stand, on a real bundle."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from authority import Authority

from custody.bundle.verify_text import VERIFY_TEXT

SECTIONS = re.split(r"\n\n\n\d\. ", VERIFY_TEXT.decode("ascii"))


def commands(section: int, system: str) -> str:
    """The indented block after the first line that names *system*."""
    _, _, after = SECTIONS[section].partition(system)
    _, _, after = after.partition("\n")
    block = []
    for line in after.splitlines():
        if line.startswith("    "):
            block.append(line[4:])
        elif block and line.strip():
            break
    return "\n".join(block)


@pytest.fixture
def bundle(custody: Any, tmp_path: Path) -> Path:
    """A bundle with odd names, and its signer's key beside it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a  b\n%=").write_bytes(b"x")
    (logs / "empty").touch()
    custody("key", "new", "desk", "--no-passphrase", exit_code=0)
    custody("collect", logs, "--output", tmp_path / "out", "--key", "desk", exit_code=0)
    pem = custody("key", "show", "desk", "--pem", exit_code=0).stdout
    (tmp_path / "out/signer.pem").write_text(pem)
    found: Path = next(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    return found


def run(bundle: Path, section: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-eu", "-c", commands(section, "Linux")], cwd=bundle, capture_output=True, text=True,
        check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C", "T": str(bundle.parent)},
    )  # fmt: skip


def test_the_linux_commands_accept_a_bundle(bundle: Path) -> None:
    """Each block of commands says what the text promises, and changes nothing in the bundle."""
    before = sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*"))
    assert (run(bundle, 1).stdout, run(bundle, 1).stderr) == ("", "")
    counts = run(bundle, 2).stdout.split()
    assert counts == ["2", "2"]
    subject, digest = run(bundle, 3).stdout.split()
    assert subject == digest
    verified = run(bundle, 5)
    assert "Signature Verified Successfully" in verified.stdout, verified.stderr
    assert sorted((path, path.stat().st_mtime_ns) for path in bundle.rglob("*")) == before


def test_a_fingerprint_on_paper_is_enough(custody: Any, tmp_path: Path) -> None:
    """With a one-time key, the two numbers on the paper form and openssl show all there is."""
    custody(
        "collect", tmp_path / "gone", __file__, "--output", tmp_path / "out", exit_code=3
    )  # fmt: skip
    bundle = next((tmp_path / "out").iterdir())
    statement = (bundle / "seal/statement.dsse.json").read_bytes()
    keyid = json.loads(statement)["signatures"][0]["keyid"]
    run(bundle, 3)
    assert run(bundle, 4).stdout.split() == [keyid]
    assert "Signature Verified Successfully" in run(bundle, 5).stdout
    assert run(bundle, 6).stdout.split() == [hashlib.sha256(statement).hexdigest()]
    gaps = run(bundle, 7).stdout.splitlines()
    assert [json.loads(line)["outcome"] for line in gaps] == ["missing"]


def test_the_linux_commands_accept_a_time_stamp(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """With the authority's root, openssl says when the signature existed, and of no other bytes."""
    authority = Authority(tmp_path / "authority")
    with authority.serving() as url:
        custody("timestamp", bundle, "--tsa", url, "--tsa", f"{url}/again", exit_code=0)
    (bundle.parent / "tsa.pem").write_bytes(authority.root)
    run(bundle, 3)
    run(bundle, 5)
    done = run(bundle, 9)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Time stamp:") == 2
    assert (done.stdout + done.stderr).count("Verification: OK") == 2
    (bundle.parent / "signature.bin").write_bytes(b"another signature")
    assert "Verification: OK" not in run(bundle, 9).stdout
    for path in (bundle / "seal/timestamps").iterdir():
        path.unlink()
    assert (run(bundle, 9).returncode, run(bundle, 9).stdout) == (0, "")


@pytest.mark.parametrize("harm", ["payload", "tag", "extra", "list", "statement"])
def test_the_linux_commands_find_each_harm(harm: str, bundle: Path) -> None:
    """What was changed, added or swapped is seen by one of the blocks."""
    if harm == "payload":
        next(path for path in bundle.glob("data/**/a*") if path.is_file()).write_bytes(b"y")
        assert run(bundle, 1).returncode
    elif harm == "tag":
        (bundle / "bag-info.txt").write_bytes(b"Bag-Count: 1\n")
        assert run(bundle, 1).returncode
    elif harm == "extra":
        (bundle / "data/more").touch()
        assert len(set(run(bundle, 2).stdout.split())) == 2
    elif harm == "list":
        (bundle / "tagmanifest-sha256.txt").write_bytes(b"")
        assert len(set(run(bundle, 3).stdout.split())) == 2
    else:
        run(bundle, 3)
        text = (bundle.parent / "payload.json").read_bytes()
        (bundle.parent / "payload.json").write_bytes(text.replace(b"sealed", b"sealeD"))
        assert run(bundle, 5).returncode


def test_the_text_is_plain() -> None:
    """ASCII, short lines, and a section each for Linux, macOS and PowerShell."""
    text = VERIFY_TEXT.decode("ascii")
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\t" not in text
    for system in ("Linux", "macOS", "PowerShell"):
        assert text.count(system) >= 3
