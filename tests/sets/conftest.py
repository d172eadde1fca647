"""A mounted image as an attacker may leave it, and bundles read by their files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


class Bundle:
    """A bundle's records, and what its acquisition record says."""

    def __init__(self, output: Path) -> None:
        (self.path,) = (one for one in output.iterdir() if one.name[:2] == "20")
        lines = (self.path / "custody/inventory.jsonl").read_text().splitlines()
        self.records = [json.loads(line) for line in lines]
        self.acquisition = json.loads((self.path / "custody/acquisition.json").read_text())

    def outcomes(self) -> dict[str, str]:
        """What became of each path that is no directory."""
        return {
            one["path"]: one["outcome"] for one in self.records if one["outcome"] != "directory"
        }

    def asked(self) -> dict[str, list[str]]:
        """The paths that each pattern led to."""
        found = self.acquisition["sources"]
        return {one["asked"]: [path["path"] for path in one["paths"]] for one in found}

    def content(self, path: str) -> bytes:
        """The bytes that were collected of a path."""
        (record,) = (one for one in self.records if one["path"] == path)
        return (self.path / record["payload"]).read_bytes()


class Collect:
    """Collects with the real program into a directory of its own, and verifies the bundle."""

    def __init__(self, custody: Any, base: Path) -> None:
        self.custody = custody
        self.base = base
        self.count = 0

    def __call__(self, *arguments: Any, exit_code: int | None = 0, **more: Any) -> Bundle:
        self.count += 1
        output = self.base / f"out{self.count}"
        self.said = self.custody(
            "collect", *arguments, "--output", output, "--json", exit_code=exit_code, **more
        )
        document = json.loads(self.said.stdout)
        self.custody(
            "verify", document["path"], "--signer", document["signer"]["fingerprint"],
            "--expect", document["statement_sha256"], exit_code=0,
        )  # fmt: skip
        return Bundle(output)


@pytest.fixture
def collect(custody: Any, tmp_path: Path) -> Collect:
    """Collects and verifies; see `Collect`."""
    return Collect(custody, tmp_path)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The mounted file system of a host, with two users and a few logs."""
    root = tmp_path / "image"
    for name, text in {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"
        "app:x:1001:1001::/srv/app:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "etc/hostname": "web7\n",
        "etc/hosts": "192.0.2.7 web7.example.org web7\n",
        "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "etc/os-release": 'PRETTY_NAME="Example OS 8"\n',
        "etc/timezone": "America/Chicago\n",
        "home/ann/.bash_history": "id\n",
        "srv/app/.bash_history": "ls\n",
        "var/log/auth.log": "one\n",
        "var/log/auth.log.1": "zero\n",
        "var/log/cron": "job\n",
        "var/log/journal/feed.work/system.journal": "J",
        "run/log/journal/feed/system.journal": "V",
        "var/log/apps/deep/a.log.logsig": "S",
        "var/www/shop/logs/access.log": "GET /\n",
        "var/log/samba/log.smbd.old": "smb\n",
        "var/lib/docker/containers/c0ffee/c0ffee-json.log": "{}\n",
        "opt/real/postgresql.log": "db\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "var/log/postgresql").symlink_to("/opt/real")
    return root
