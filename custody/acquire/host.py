"""What the host says about itself and its clock; nobody is asked over a network."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import time
from datetime import datetime
from typing import Any

from custody.acquire import metadata
from custody.acquire.image import HOST, Image

_LARGEST = 1 << 16
_MOST_ADDRESSES = 64
_STA_UNSYNC = 0x40
_TIMEX_SIZE = 256
_TIMEX_ESTERROR = 32  # after modes, offset and freq, each padded to 8 bytes: maxerror, esterror


def facts(image: Image = HOST) -> dict[str, Any]:
    """The host's names, system, addresses and time zone, as far as files and the kernel tell."""
    system = platform.uname()
    name = metadata.text(os.fsencode(system.node))
    found: dict[str, Any] = {
        "hostname": name,
        "fqdn": _fqdn(image, name),
        "machine_id": _line(image, "/etc/machine-id"),
        "boot_id": _line(image, "/proc/sys/kernel/random/boot_id"),
        "os": _os_name(image),
        "kernel": f"{system.system} {system.release} {system.version} {system.machine}",
        "macs": _macs(image),
        "ips": _addresses(image),
        "time_zone": _time_zone(image),
    }
    return {key: value for key, value in found.items() if value}


def facts_of(image: Image) -> dict[str, Any]:
    """The same of the host that an image is of, by the files in it alone; marked ``from_image``.

    Its kernel, addresses and boot were in its memory and are not known.
    """
    name = _line(image, "/etc/hostname")
    found: dict[str, Any] = {
        "hostname": name,
        "fqdn": _fqdn(image, name) if name else "",
        "machine_id": _line(image, "/etc/machine-id"),
        "os": _os_name(image),
        "time_zone": _time_zone(image),
    }
    return {key: value for key, value in found.items() if value} | {"from_image": True}


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
    return found | kernel_clock()


def kernel_clock() -> dict[str, Any]:
    """Whether the kernel holds its clock to be right, and how far it thinks it may be off."""
    state = _adjtimex()
    if state is None:
        return {}
    status, error = state
    if status & _STA_UNSYNC:
        return {"ntp": "not synchronized"}
    return {"ntp": "synchronized", "estimated_error_microseconds": error}


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


def _read(image: Image, path: str) -> str:
    fd = image.open_file(path)
    if fd is None:
        return ""
    try:
        return metadata.text(os.read(fd, _LARGEST))
    except OSError:
        return ""
    finally:
        os.close(fd)


def _line(image: Image, path: str) -> str:
    return _read(image, path).strip()[:200]


def _fqdn(image: Image, name: str) -> str:
    """The dotted name that /etc/hosts gives for *name*; a name server is never asked."""
    if "." in name:
        return name
    for line in _read(image, "/etc/hosts").splitlines():
        names = line.partition("#")[0].split()[1:]
        if name in names:
            return next((other for other in names if other.startswith(f"{name}.")), "")
    return ""


def _os_name(image: Image) -> str:
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        for line in _read(image, place).splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip("\"'")
    return ""


def _macs(image: Image) -> list[str]:
    place = "/sys/class/net"
    try:
        listed = image.open_directory(image.real(os.fsencode(place)))
    except OSError:
        return []
    try:
        devices = sorted(os.listdir(listed))
    except OSError:
        return []
    finally:
        os.close(listed)
    found = [
        _line(image, f"{place}/{os.fsdecode(device)}/address")
        for device in devices[:_MOST_ADDRESSES]
    ]
    return [mac for mac in found if mac and mac != "00:00:00:00:00:00"]


def _addresses(image: Image) -> list[str]:
    """The host's own addresses, from the kernel's tables (``fib_trie``, ``if_inet6``)."""
    found: list[str] = []
    previous = ""
    for line in _read(image, "/proc/net/fib_trie").splitlines():
        if "/32 host LOCAL" in line and previous:
            found.append(previous)
        previous = line.split("-- ")[1].strip() if "-- " in line else previous
    for line in _read(image, "/proc/net/if_inet6").splitlines():
        digits = line.split()[0] if line.split() else ""
        if len(digits) == 32:
            found.append(_ipv6(digits))
    kept = [item for item in dict.fromkeys(found) if item not in ("127.0.0.1", "::1")]
    return kept[:_MOST_ADDRESSES]


def _ipv6(digits: str) -> str:
    import ipaddress

    return str(ipaddress.IPv6Address(int(digits, 16)))


def _time_zone(image: Image) -> str:
    named = _line(image, "/etc/timezone")
    if named:
        return named
    try:
        target = image.readlink(image.real_parent(b"/etc/localtime"))
    except OSError:
        return ""
    return metadata.text(target).partition("zoneinfo/")[2][:200]
