"""A software token in place of the hardware: SoftHSM, with a PIN in a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MODULES = ("softhsm/libsofthsm2.so", "x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "aarch64-linux-gnu/softhsm/libsofthsm2.so")  # fmt: skip
PIN = "4711-pin"
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Token:
    """A software token: the module, and the environment that leads to it."""

    module: str
    env: dict[str, str]
    folder: Path
    custody: Run

    def options(self, label: str = "k1") -> list[str]:
        """What `key new` takes to find, or make, a key in it."""
        return ["--pkcs11", self.module, "--token", "desk", "--label", label]

    def run(self, *arguments: str | Path, **named: Any) -> subprocess.CompletedProcess[str]:
        """Run custody with the token plugged in."""
        env = {**self.env, **named.pop("env", {})}
        return self.custody(*arguments, env=env, **named)

    def new(self, *more: str, name: str = "ada", **named: Any) -> dict[str, Any]:
        """Make a key in it; what `key new` says of it."""
        command = ["key", "new", name, "--json", *self.options(), *more]
        found: dict[str, Any] = json.loads(self.run(*command, exit_code=0, **named).stdout)
        return found


def made(custody: Run, base: Path) -> Token:
    """A fresh token with a PIN, and the PIN in a file."""
    tool = shutil.which("softhsm2-util")
    found = next((path for name in MODULES if (path := Path("/usr/lib") / name).is_file()), None)
    if tool is None or found is None:
        pytest.skip("SoftHSM is not installed (softhsm2)")
    (base / "tokens").mkdir()
    settings = base / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {base / 'tokens'}\nlog.level = ERROR\n")
    (base / "pin").write_text(PIN + "\n")
    (base / "passphrase").write_text("of the other keys\n")
    for name in ("pin", "passphrase"):
        (base / name).chmod(0o600)
    env = {
        "SOFTHSM2_CONF": str(settings),
        "CUSTODY_PIN_FILE": str(base / "pin"),
        "CUSTODY_PASSPHRASE_FILE": str(base / "passphrase"),
    }
    set_up(env)
    return Token(str(found), env, base / "tokens", custody)


def set_up(env: dict[str, str]) -> None:
    """Write an empty token into the directory that *env* leads to."""
    command = ["softhsm2-util", "--init-token", "--free", "--label", "desk", "--pin", PIN,
               "--so-pin", "so-secret"]  # fmt: skip
    subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
