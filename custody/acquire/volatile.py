"""Facts that are gone with the next reboot, or the next minute: what is read, and from where.

Everything comes from files of ``/proc``, ``/sys`` and ``/run``; no command is started and nothing
is changed.  The names are in the order of volatility (RFC 3227).  Raw copies are the kernel's own
text; what has many sources is one JSON object a line.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from custody.acquire import host
from custody.acquire.apart import Pieces
from custody.acquire.metadata import text

SECONDS = 20.0
MOST = 32 << 20
_BLOCK = 1 << 16
_LONGEST = 1 << 16  # of one file of a process
_MOST_SOCKETS = 10_000
_UTMP = struct.Struct("=hxxi32s4s32s256shhiii4I20x")  # utmp(5), where times have 32 bits
_KINDS = (
    "empty", "run-level", "boot", "new-time", "old-time", "init", "login", "user", "dead",
)  # fmt: skip
_NET = (
    "arp route ipv6_route tcp tcp6 udp udp6 raw raw6 icmp packet unix netlink dev nf_conntrack"
).split()


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: its *name* in the bundle, the *source* in words, and how it is read."""

    name: str
    source: str
    pieces: Pieces
    seconds: float = SECONDS
    most: int = MOST


def facts(root: str = "/") -> tuple[Fact, ...]:
    """Every fact, in the order in which they are taken.

    :param root: what the paths are below, for tests.
    """
    base = root.rstrip("/")

    def raw(name: str, path: str) -> Fact:
        return Fact(name, path, partial(_raw, base + path))

    return (
        Fact("10-time.json", "the kernel's clocks and adjtimex(2)", partial(_time, base)),
        *(raw(f"{20 + at}-net-{name.replace('_', '-')}.txt", f"/proc/self/net/{name}")
          for at, name in enumerate(_NET)),
        Fact(
            "40-processes.jsonl",
            "/proc/[pid]/stat, status, cmdline, cgroup, loginuid, exe, cwd, root, ns, fd",
            partial(_processes, base),
        ),
        raw("50-utmp", "/run/utmp"),
        Fact("51-logins.jsonl", "/run/utmp", partial(_logins, base + "/run/utmp")),
        Fact("52-sessions.jsonl", "/run/systemd/sessions", partial(_sessions, base)),
        raw("60-modules.txt", "/proc/modules"),
        raw("61-tainted.txt", "/proc/sys/kernel/tainted"),
        raw("62-cmdline.txt", "/proc/cmdline"),
        raw("70-mounts.txt", "/proc/self/mountinfo"),
        raw("71-swaps.txt", "/proc/swaps"),
    )  # fmt: skip


def _open(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(1, "not a regular file")
    return fd


def _raw(path: str) -> Iterator[bytes]:
    fd = _open(path)
    try:
        while piece := os.read(fd, _BLOCK):
            yield piece
    finally:
        os.close(fd)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _first(path: str) -> str:
    """The beginning of a small file.

    :raises OSError: if it cannot be read.
    """
    fd = _open(path)
    try:
        return text(os.read(fd, _LONGEST))
    finally:
        os.close(fd)


def _time(base: str) -> Iterator[bytes]:
    found: dict[str, Any] = {
        "realtime": str(time.time_ns()),
        "monotonic": str(time.monotonic_ns()),
        "boottime": str(time.clock_gettime_ns(time.CLOCK_BOOTTIME)),
    } | host.kernel_clock()
    for name, path in (
        ("uptime", "/proc/uptime"),
        ("clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    ):
        _try(found, name, partial(_first, base + path))
    found["timesyncd_synchronized"] = os.path.exists(f"{base}/run/systemd/timesync/synchronized")
    yield _line(found)


def _try(found: dict[str, Any], name: str, read: Callable[[], Any]) -> None:
    """Enter what *read* gives, or among ``unread`` why it gives nothing."""
    try:
        found[name] = read()
    except OSError as err:
        found.setdefault("unread", {})[name] = err.strerror or str(err)


def _processes(base: str) -> Iterator[bytes]:
    numbers = sorted(int(name) for name in os.listdir(f"{base}/proc") if name.isdigit())
    for number in numbers:
        yield _line(_process(f"{base}/proc/{number}", number))


def _process(place: str, number: int) -> dict[str, Any]:
    """One process; its environment, which holds secrets, is not taken."""
    found: dict[str, Any] = {"pid": number}
    for name in ("stat", "status", "cgroup", "loginuid"):
        _try(found, name, partial(_first, f"{place}/{name}"))
    if "stat" not in found and not os.path.lexists(place):
        return {"pid": number, "vanished": True}
    _try(found, "cmdline", partial(_words, f"{place}/cmdline"))
    for name in ("exe", "cwd", "root", "ns/net", "ns/mnt", "ns/pid"):
        _try(found, name, partial(_link, f"{place}/{name}"))
    _try(found, "sockets", partial(_sockets, f"{place}/fd"))
    return found


def _words(path: str) -> list[str]:
    """A command line, whose words end with zero bytes."""
    return _first(path).split("\0")[:-1]


def _link(path: str) -> str:
    return text(os.readlink(os.fsencode(path)))


def _sockets(folder: str) -> list[str]:
    """The inodes of the sockets that a process holds: they are in ``/proc/net/tcp`` too."""
    found = []
    for name in os.listdir(folder)[:_MOST_SOCKETS]:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            found.append(target[8:-1])
    return sorted(found, key=int)


def _logins(path: str) -> Iterator[bytes]:
    data = b"".join(_raw(path))
    if len(data) % _UTMP.size:
        yield _line({"unread": f"{len(data)} bytes are no records of {_UTMP.size} bytes"})
        return
    for start in range(0, len(data), _UTMP.size):
        kind, pid, line, _id, user, name, _, _, session, seconds, micro, *address = (
            _UTMP.unpack_from(data, start)
        )
        yield _line(
            {
                "type": _KINDS[kind] if 0 <= kind < len(_KINDS) else str(kind),
                "pid": pid,
                "line": _string(line),
                "user": _string(user),
                "host": _string(name),
                "session": session,
                "time": f"{seconds}.{micro:06d}",
                "address": struct.pack("=4I", *address).hex(),
            }
        )


def _string(field: bytes) -> str:
    return text(field.partition(b"\0")[0])


def _sessions(base: str) -> Iterator[bytes]:
    folder = f"{base}/run/systemd/sessions"
    for name in sorted(os.listdir(folder)):
        found: dict[str, Any] = {"session": text(os.fsencode(name))}
        if not name.endswith(".ref"):  # a FIFO beside each
            _try(found, "content", partial(_first, f"{folder}/{name}"))
            yield _line(found)
