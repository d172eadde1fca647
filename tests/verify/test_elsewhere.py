"""Other people's tools agree with verify: bagit.py, sha256sum, openssl, and VERIFY.txt itself."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from verify_bench import SIGNER, STRANGER, check

from custody.bundle import layout
from custody.formats import bagit
from custody.identity.signing import Signer

_SPKI = bytes.fromhex("302a300506032b6570032100")


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def accepts_bagit(bag: Path) -> bool:
    done = run(sys.executable, "-W", "ignore", "-m", "bagit", "--validate", ".", cwd=bag)
    return done.returncode == 0


def accepts_sha256sum(bag: Path) -> bool:
    return all(
        run("sha256sum", "--quiet", "--strict", "-c", name, cwd=bag).returncode == 0
        for name in (bagit.TAG_MANIFEST_NAME, bagit.MANIFEST_NAME)
    )


def _payload(bag: Path) -> Path:
    return next(path for path in (bag / "data").rglob("auth.log"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def _append(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


# What is spoilt, and whether bagit.py and sha256sum see it too.
TAMPERING: dict[str, tuple[Callable[[Path], object], bool, bool]] = {
    "nothing": (lambda _bag: None, False, False),
    "a flipped bit in the payload": (lambda bag: _flip(_payload(bag)), True, True),
    "a missing payload file": (lambda bag: _payload(bag).unlink(), True, True),
    "a longer payload file": (lambda bag: _append(_payload(bag), b"x"), True, True),
    "an unlisted payload file": (
        lambda bag: (bag / "data" / "new.log").write_bytes(b"x"), True, False),
    "a flipped bit in the inventory": (lambda bag: _flip(bag / layout.INVENTORY), True, True),
    "a flipped bit in VERIFY.txt": (lambda bag: _flip(bag / layout.VERIFY_TEXT), True, True),
    "a flipped bit in the manifest": (lambda bag: _flip(bag / bagit.MANIFEST_NAME), True, True),
    "a flipped bit in the statement": (lambda bag: _flip(bag / layout.STATEMENT), False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_bagit_and_sha256sum_agree(bag: Path, name: str) -> None:
    """What these tools look at, they judge as verify does; verify looks at more."""
    spoil, by_bagit, by_sha256sum = TAMPERING[name]
    spoil(bag)
    ours = check(bag).verdict == "ok"
    assert ours == (name == "nothing")
    assert accepts_bagit(bag) == (not by_bagit)
    assert accepts_sha256sum(bag) == (not by_sha256sum)


def linux_commands(bag: Path) -> dict[str, str]:
    """The commands of VERIFY.txt that are for Linux, by the number of their step."""
    text = (bag / layout.VERIFY_TEXT).read_text(encoding="ascii")
    found: dict[str, list[str]] = {}
    step, wanted = "", False
    for line in text.splitlines():
        heading = re.match(r"([0-9])\. [A-Z]", line)
        if heading:
            step, wanted = heading.group(1), False
        elif line and not line.startswith(" "):
            system = re.match(r"(Linux|macOS|Windows)", line)
            if system:
                wanted = system.group(1) == "Linux"
        elif wanted and line:
            found.setdefault(step, []).append(line.removeprefix("    "))
    return {step: "\n".join(lines) for step, lines in found.items()}


def pem(signer: Signer) -> str:
    text = base64.b64encode(_SPKI + signer.key.public).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def followed(bag: Path, custody: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """A bundle with signer.pem beside it, as `custody key show --pem` prints it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    shown = custody("key", "show", str(SIGNER.key), "--pem", exit_code=0).stdout
    assert shown == pem(SIGNER)
    (bag.parent / "signer.pem").write_text(shown)
    return bag


def follow(bag: Path, step: str) -> subprocess.CompletedProcess[str]:
    return run("env", f"T={bag.parent}", "sh", "-c", linux_commands(bag)[step], cwd=bag)


def test_the_linux_commands_of_verify_txt_print_what_they_promise(followed: Path) -> None:
    """Typed one after the other, they accept a whole bundle and change nothing in it."""
    before = sorted(followed.rglob("*"))
    content = follow(followed, "1")
    assert (content.returncode, content.stdout, content.stderr) == (0, "", "")
    counted, listed = follow(followed, "2").stdout.split()
    assert counted == listed == "7"
    named, pinned = follow(followed, "3").stdout.split()
    assert named == pinned
    assert re.fullmatch("[0-9a-f]{64}", named)
    signed = follow(followed, "5")
    assert (signed.returncode, signed.stdout.strip()) == (0, "Signature Verified Successfully")
    assert sorted(followed.rglob("*")) == before


def _reseal_manifest(bag: Path) -> None:
    _append(bag / bagit.TAG_MANIFEST_NAME, b"\n")


@pytest.mark.parametrize(
    ("step", "spoil"),
    [
        ("1", lambda bag: _flip(_payload(bag))),
        ("1", lambda bag: _flip(bag / layout.ACQUISITION)),
        ("2", lambda bag: (bag / "data" / "new.log").write_bytes(b"")),
        ("3", _reseal_manifest),
        ("5", lambda bag: (bag.parent / "signer.pem").write_text(pem(STRANGER))),
    ],
)
def test_the_commands_of_verify_txt_see_tampering(
    followed: Path, step: str, spoil: Callable[[Path], object]
) -> None:
    """Each step of VERIFY.txt sees what it is there for."""
    for number in ("3", "5"):
        follow(followed, number)
    spoil(followed)
    done = follow(followed, step)
    equal = len(set(done.stdout.split())) == 1
    assert done.returncode != 0 or not equal
    assert "Signature Verified Successfully" not in done.stdout
