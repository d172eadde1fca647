"""What the host says about itself and its clock; nobody is asked over a network."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from custody.acquire import metadata

_LARGEST = 1 << 16
_MOST_ADDRESSES = 64
_STA_UNSYNC = 0x40
_TIMEX_SIZE = 256
_TIMEX_ESTERROR = 32  # after modes, offset and freq, each padded to 8 bytes: maxerror, esterror


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """The host's names, system, addresses and time zone, as far as files and the kernel tell."""
    system = platform.uname()
    name = metadata.text(os.fsencode(system.node))
    found: dict[str, Any] = {
        "hostname": name,
        "fqdn": _fqdn(root, name),
        "machine_id": _line(root / "etc/machine-id"),
        "boot_id": _line(root / "proc/sys/kernel/random/boot_id"),
        "os": _os_name(root),
        "kernel": f"{system.system} {system.release} {system.version} {system.machine}",
        "macs": _macs(root),
        "ips": _addresses(root),
        "time_zone": _time_zone(root),
    }
    return {key: value for key, value in found.items() if value}


def clock_facts(now: datetime) -> dict[str, Any]:
    """What the host's clock showed, and whether the kernel holds it to be right.

    ``ntp`` is ``synchronized``, ``not synchronized`` or ``unknown`` (adjtimex(2)); the error
    estimate is in microseconds, the monotonic clock in nanoseconds since boot.
    """
    local = now.astimezone()
    offset = local.utcoffset()
    found: dict[str, Any] = {
        "utc_offset_seconds": int(offset.total_seconds()) if offset is not None else 0,
        "monotonic": str(time.monotonic_ns()),
        "ntp": "unknown",
    }
    state = _adjtimex()
    if state is not None:
        status, error = state
        found["ntp"] = "not synchronized" if status & _STA_UNSYNC else "synchronized"
        if not status & _STA_UNSYNC:
            found["estimated_error_microseconds"] = error
    return found


def _adjtimex() -> tuple[int, int] | None:
    """Status bits and estimated error of the kernel's clock; nothing is changed."""
    call = getattr(ctypes.CDLL(None), "adjtimex", None) if os.name == "posix" else None
    if call is None or struct.calcsize("P") != 8:
        return None
    buffer = ctypes.create_string_buffer(_TIMEX_SIZE)
    if call(buffer) < 0:
        return None
    esterror, status = struct.unpack_from("=qi", buffer.raw, _TIMEX_ESTERROR)
    return status, esterror


def _read(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return ""
    try:
        return metadata.text(os.read(fd, _LARGEST))
    except OSError:
        return ""
    finally:
        os.close(fd)


def _line(path: Path) -> str:
    return _read(path).strip()[:200]


def _fqdn(root: Path, name: str) -> str:
    """The dotted name that /etc/hosts gives for *name*; a name server is never asked."""
    if "." in name:
        return name
    for line in _read(root / "etc/hosts").splitlines():
        names = line.partition("#")[0].split()[1:]
        if name in names:
            return next((other for other in names if other.startswith(f"{name}.")), "")
    return ""


def _os_name(root: Path) -> str:
    for place in ("etc/os-release", "usr/lib/os-release"):
        for line in _read(root / place).splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip("\"'")
    return ""


def _macs(root: Path) -> list[str]:
    try:
        devices = sorted((root / "sys/class/net").iterdir())
    except OSError:
        return []
    found = [_line(device / "address") for device in devices[:_MOST_ADDRESSES]]
    return [mac for mac in found if mac and mac != "00:00:00:00:00:00"]


def _addresses(root: Path) -> list[str]:
    """The host's own addresses, from the kernel's tables (``fib_trie``, ``if_inet6``)."""
    found: list[str] = []
    previous = ""
    for line in _read(root / "proc/net/fib_trie").splitlines():
        if "/32 host LOCAL" in line and previous:
            found.append(previous)
        previous = line.split("-- ")[1].strip() if "-- " in line else previous
    for line in _read(root / "proc/net/if_inet6").splitlines():
        digits = line.split()[0] if line.split() else ""
        if len(digits) == 32:
            found.append(_ipv6(digits))
    kept = [item for item in dict.fromkeys(found) if item not in ("127.0.0.1", "::1")]
    return kept[:_MOST_ADDRESSES]


def _ipv6(digits: str) -> str:
    import ipaddress

    return str(ipaddress.IPv6Address(int(digits, 16)))


def _time_zone(root: Path) -> str:
    named = _line(root / "etc/timezone")
    if named:
        return named
    try:
        target = os.readlink(os.fsencode(root / "etc/localtime"))
    except OSError:
        return ""
    return metadata.text(target).partition("zoneinfo/")[2]
