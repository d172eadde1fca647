"""The people of the story, each with a home of their own, and what they do one after another."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

NUMBER = "E-003"
HOST = "Hal Host, Administrator, City of Example"
READER = "Rita Reader, Detective, Example Police"
SECOND = "Sam Second, Adjuster, Example Insurance"
_WRITTEN = re.compile(r"(?m) 1 statement +([0-9a-f]{64})\n +2 fingerprint ([0-9a-f]{64})$")
WHY = ("--purpose", "analysis of logins", "--authority", "search warrant 26-7")


class Person:
    """Somebody who types commands, in a home and on disks of their own."""

    def __init__(self, custody: Any, base: Path, name: str) -> None:
        self._custody = custody
        self.home = base / name

    def __call__(self, *args: str | os.PathLike[str], exit_code: int = 0) -> Any:
        """Run a command; returns what it said."""
        env = {"CUSTODY_HOME": str(self.home)}
        return self._custody(*args, env=env, exit_code=exit_code)

    def said(self, *args: str | os.PathLike[str], exit_code: int = 0) -> dict[str, Any]:
        """The same as a document."""
        done = self(*args, "--json", exit_code=exit_code)
        document: dict[str, Any] = json.loads(done.stdout)
        return document


class Story:
    """A directory with all their disks; every stop can be copied and gone on from."""

    def __init__(self, custody: Any, base: Path) -> None:
        self._custody = custody
        self.base = base
        self.host = Person(custody, base, "host")
        self.desk = Person(custody, base, "desk")
        self.reader = Person(custody, base, "reader")
        self.logs, self.stick = base / "logs", base / "stick"
        self.case, self.handed = base / "case", base / "handed"

    def copied_to(self, base: Path) -> Story:
        """The same people at the same point, elsewhere."""
        shutil.copytree(self.base, base, symlinks=True)
        return Story(self._custody, base)

    # ---- what is where

    @property
    def bundle(self) -> str:
        """The id of the bundle."""
        return next(path.name for path in self.stick.iterdir() if path.name != "incoming")

    @property
    def original(self) -> Path:
        """The bundle in the case."""
        return self.case / "bundles" / self.bundle

    def handed_over(self, number: str) -> Path:
        """Where a copy lies that was handed over."""
        return self.handed / number / self.bundle

    def paper(self, number: str, what: str) -> Path:
        """A release or a receipt beside a copy."""
        return self.handed / number / f"{self.bundle}.{what}.dsse.json"

    def history(self, item: str = "", exit_code: int = 0) -> dict[str, Any]:
        """What the desk is told of an item."""
        asked = (item,) if item else ()
        return self.desk.said("history", *asked, "--case", self.case, exit_code=exit_code)

    # ---- what they do

    def collect(self) -> tuple[str, str]:
        """On the host, without a key that is kept; returns what is written on the paper form."""
        self.logs.mkdir()
        (self.logs / "auth.log").write_text("Nov 22 03:14:05 web01 sshd[7]: Accepted password\n")
        (self.logs / "syslog").write_text("Nov 22 03:14:06 web01 cron[9]: started\n" * 40)
        done = self.host("collect", self.logs, "--output", self.stick, "--collector", HOST)
        written = _WRITTEN.search(done.stdout)
        if written is None:
            raise AssertionError(done.stdout)
        return written[1], written[2]

    def open_case(self) -> None:
        """The desk opens its case, and the investigator makes a key; each believes the other."""
        clerk = ("--person", "Ada Clerk", "--organization", "City of Example")
        opened = self.desk.said("init", self.case, "--number", "26-7", "--no-passphrase", *clerk)
        self.reader("key", "new", "rita", "--no-passphrase", "--person", "Rita Reader",
                    "--title", "Detective", "--organization", "Example Police")  # fmt: skip
        (desk,) = (key for key in self.keys(self.desk) if key["use"] == "signer")
        self.reader("trust", "add", "signer", desk["vkey"], "--name", "Ada Clerk", "--role", "desk")
        self.reader("trust", "add", "ledger", opened["log_vkey"])

    @staticmethod
    def keys(person: Person) -> list[dict[str, Any]]:
        """The keys that somebody has."""
        found: list[dict[str, Any]] = person.said("key", "list")["keys"]
        return found

    def take_in(self, fingerprint: str, exit_code: int = 0) -> dict[str, Any]:
        """The desk takes the stick in, and vouches for the key on the paper form."""
        return self.desk.said(
            "receive", self.stick / self.bundle, "--case", self.case, "--from", HOST,
            "--fingerprint", fingerprint, "--evidence-number", NUMBER,
            "--via", "by hand", "--place", "Room 4", exit_code=exit_code,
        )  # fmt: skip

    def release(self, number: str, to: str = READER, exit_code: int = 0) -> Any:
        """The desk makes a numbered copy and releases it."""
        own = (key["vkey"] for key in self.keys(self.reader) if key["use"] == "signer")
        key = ("--to-key", next(own)) if to == READER else ()
        (self.handed / number).mkdir(parents=True)
        return self.desk("release", self.original, "--to", to, *key, *WHY, "--copy-to",
                         self.handed / number, "--case", self.case, "--via", "by hand",
                         exit_code=exit_code)  # fmt: skip

    def receive(self, number: str, *more: str, exit_code: int = 0) -> Any:
        """The investigator signs for a copy."""
        return self.reader("receive", self.handed_over(number), *more, exit_code=exit_code)

    def record(self, number: str, exit_code: int = 0) -> Any:
        """The desk enters the receipt that came back."""
        paper = self.paper(number, "receipt")
        return self.desk("record", paper, "--case", self.case, exit_code=exit_code)

    def record_paper(self, number: str, at: str, exit_code: int = 0) -> Any:
        """The desk enters a paper that somebody signed by hand."""
        scan = self.base / "scan.pdf"
        scan.write_bytes(b"%PDF-1.4 a signature\n")
        return self.desk("record", "--paper", scan, "--received-by", SECOND, "--at", at,
                         self.paper(number, "release"), "--case", self.case,
                         exit_code=exit_code)  # fmt: skip

    def flip(self, path: Path, place: int = -3) -> None:
        """Change one bit of a file."""
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
