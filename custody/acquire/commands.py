"""A short fixed list of the host's own programs that only look, for who asks for them.

They say what the kernel's files alone do not: rules of the packet filter, units, containers, and
what the host's administrators are used to read.  Each is an absolute path of the list and fixed
words, without a shell.  They are programs of the host, which an attacker may have changed, and
asking leaves traces: a module of the kernel loaded, a service woken, times of access.  So nothing
is run unless it is asked for, the facts from the kernel's files come first, and what was run is
recorded with its digest.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from custody.acquire import program
from custody.acquire.apart import Apart
from custody.acquire.program import Answer, Manner

SECONDS = 20.0
MOST = 32 << 20
_LONGEST_WORDS = 200
_FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_MANNER = Manner(
    {
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "NO_COLOR": "1",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SYSTEMD_COLORS": "0",
        "SYSTEMD_PAGER": "",
        "TERM": "dumb",
        "TZ": "UTC",
    },
    own_rights=True,
    largest_file=0,
)


@dataclass(frozen=True, slots=True)
class Command:
    """One program of the list: the *name* of what it says in the bundle, and its *words*.

    :ivar words: the program's own name, and what it is given.
    """

    name: str
    words: tuple[str, ...]
    seconds: float = SECONDS
    most: int = MOST

    @property
    def places(self) -> tuple[str, ...]:
        """Where the program may be; nothing else is looked at."""
        return tuple(f"{folder}/{self.words[0]}" for folder in _FOLDERS)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one command.

    :ivar found: its output, and why that is not all of it.
    :ivar about: what is recorded: ``command``, ``sha256``, ``exit``, ``said``.
    :ivar source: the command line, with the program's path.
    """

    found: Apart
    about: dict[str, Any]
    source: str


# After the facts from files (custody.acquire.volatile), in the order of volatility.
COMMANDS = (
    Command("80-ss.txt", ("ss", "-a", "-n", "-p", "-e")),
    Command("81-ip-address.txt", ("ip", "-details", "address", "show")),
    Command("82-ip-route.txt", ("ip", "route", "show", "table", "all")),
    Command("83-ip-rule.txt", ("ip", "rule", "show")),
    Command("84-ip-neighbour.txt", ("ip", "neighbour", "show")),
    Command("85-nft-ruleset.txt", ("nft", "list", "ruleset")),
    Command("86-iptables-save.txt", ("iptables-save",)),
    Command("87-ip6tables-save.txt", ("ip6tables-save",)),
    Command("88-lsof.txt", ("lsof", "-n", "-P", "-b", "-w"), seconds=60.0),
    Command("89-timedatectl.txt", ("timedatectl", "--no-pager", "status")),
    Command("90-chronyc-tracking.txt", ("chronyc", "-n", "tracking")),
    Command("91-chronyc-sources.txt", ("chronyc", "-n", "sources")),
    Command("92-ntpq-peers.txt", ("ntpq", "-p", "-n")),
    Command("93-last.txt", ("last", "-F", "-w", "-x")),
    Command("94-lastb.txt", ("lastb", "-F", "-w")),
    Command("95-lastlog.txt", ("lastlog",)),
    Command("96-dmesg.txt", ("dmesg",)),
    Command("97-systemctl-units.txt", ("systemctl", "--no-pager", "--full", "--all", "list-units")),
    Command(
        "98-systemctl-timers.txt", ("systemctl", "--no-pager", "--full", "--all", "list-timers")
    ),
    Command("99-docker-ps.txt", ("docker", "ps", "--all", "--no-trunc")),
)


def run(command: Command) -> Ran | None:
    """Run one command to its end, its time or its limit; None where this host has no such program.

    A program that others than root could have changed is not run.
    """
    found = program.find(command.places)
    if isinstance(found, str):
        return None if found.startswith(program.NONE) else _refused(command, found)
    line = (found.path, *command.words[1:])
    pieces = bytearray()

    def take(piece: bytes) -> bool:
        room = command.most - len(pieces)
        pieces.extend(piece[:room])
        return len(piece) <= room

    answer = program.run(found, line[1:], None, command.seconds, take, _MANNER)
    about = {
        "command": list(line),
        "sha256": found.sha256,
        "exit": answer.code,
        "said": answer.said or None,
    }
    told = {key: value for key, value in about.items() if value is not None}
    return Ran(_apart(bytes(pieces), answer), told, " ".join(line))


def _refused(command: Command, why: str) -> Ran:
    return Ran(
        Apart(b"", OSError(errno.EPERM, f"not run: {why}")),
        {"command": list(command.words)},
        " ".join(command.words),
    )


def _apart(data: bytes, answer: Answer) -> Apart:
    if answer.enough:
        return Apart(data, None, cut=True)
    if answer.code == 0:
        return Apart(data)
    why = answer.why or f"exit {answer.code}"
    words = answer.said.strip().splitlines()
    if words:
        why += f": {words[-1][:_LONGEST_WORDS]}"
    return Apart(data, OSError(errno.ETIMEDOUT if answer.late else errno.EIO, why))
