"""The card that goes with the stick: four commands, and a place to write the two numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.stick.desk import Desk

WHERE = "/mnt"  # where the card's commands have the stick mounted
_WHAT = "--volatile --set linux-logs --set linux-web"
_MORE = "--set linux-accounts"
_DIGITS = " ".join(["________"] * 8)
COLLECTIONS = 2  # forms on one sheet


@dataclass(frozen=True, slots=True)
class Card:
    """What is on the card.

    :ivar build: SHA-256 of the program's ``SHA256SUMS``; empty where no program was copied.
    """

    desk: Desk
    version: str
    made: str
    build: str = ""

    def facts(self) -> dict[str, Any]:
        """For the page."""
        return {
            "first": FIRST,
            "commands": [{**step, "lines": step["command"].splitlines()} for step in COMMANDS],
            "public_keys": [
                (line.partition("  ")[0], line.partition("  ")[2]) for line in self._keys()
            ],
            "build": self.build,
            "version": self.version,
            "made": self.made,
            "where": WHERE,
            "collections": COLLECTIONS,
        }

    def text(self) -> bytes:
        """The same for whoever has no printer: 80 columns of ASCII."""
        lines = ["CUSTODY: PRESERVE LOGS FROM THIS STICK", "=" * 38, ""]
        lines += textwrap.wrap(FIRST, 78)
        for number, step in enumerate(COMMANDS, 1):
            lines += ["", f"{number}. {step['title']}", ""]
            lines += [f"     {line}" for line in step["command"].splitlines()]
            lines += ["", *textwrap.wrap(step["note"], 75, initial_indent="   ",
                                         subsequent_indent="   ")]  # fmt: skip
        for number in range(1, COLLECTIONS + 1):
            lines += ["", f"COLLECTION {number}", ""]
            lines += [
                "  host _________________________  date and time on a watch _________________"
            ]
            lines += ["", "  first number (statement digest)", f"  {_DIGITS}", ""]
            lines += ["  second number (key fingerprint)", f"  {_DIGITS}", ""]
            lines += ["  exit code ____  name and signature __________________________________"]
        lines += ["", "THE DESK'S PUBLIC KEYS", "", *(f"  {line}" for line in self._keys()), ""]
        lines += [f"custody {self.version}, laid out {self.made}"]
        lines += [f"program {self.build}"] if self.build else ["program: not on the stick yet"]
        return ("\n".join(lines) + "\n").encode("ascii", "backslashreplace")

    def _keys(self) -> list[str]:
        return self.desk.lines()


FIRST = (
    "Change nothing else on the host: do not log in twice, restart, clean up or install. Everything"
    " is written to the stick. A root shell is needed. If a command fails, write down what it said"
    " and go on."
)
COMMANDS: tuple[Mapping[str, str], ...] = (
    {
        "title": "Mount the stick",
        "command": f"lsblk -o NAME,SIZE,LABEL,FSTYPE\nmount -o nosuid,nodev /dev/sdX1 {WHERE}",
        "note": "Put the name that lsblk shows in place of sdX1. If the desktop has mounted it"
        " already, unmount it there first.",
    },
    {
        "title": "Collect",
        "command": f"{WHERE}/custody/custody collect {_WHAT} \\\n"
        f"    {_MORE} --output {WHERE}/evidence \\\n"
        '    --collector "NAME, TITLE, ORGANISATION" --authority "WHO ASKED FOR IT"',
        "note": "Exit code 3 is no failure: something could not be read, and that is recorded."
        ' Write down both numbers under "write this down", below, by hand.',
    },
    {
        "title": "Check what was written",
        "command": f"{WHERE}/custody/custody verify {WHERE}/evidence/20* --signer SECOND-NUMBER",
        "note": "The verdict is ok. With several collections on the stick, name one of them.",
    },
    {
        "title": "Unmount, and hand it over",
        "command": f"umount {WHERE}",
        "note": "Wait until the command is done. The stick and this card go to the evidence desk"
        " by different hands or different ways, if you can.",
    },
)  # fmt: skip
