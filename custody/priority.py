"""Letting everybody else go first: a lower priority for the processor and for the disk."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

LOWEST = 19
_PROCESS = 1
_BEST_EFFORT, _IDLE = 2, 3
_LAST_OF_BEST_EFFORT = 7
# ioprio_set(2) has no function in the C library; its numbers are from the kernel's tables.
_CALLS = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}


def lower(nice: int) -> None:
    """Lower the priority of this process, and of whatever it starts from now on.

    The disk serves us after the others, and at :data:`LOWEST` only when it has nothing else to
    do, where the system and its scheduler know of that.

    :param nice: as nice(1) takes it, from 0, which leaves everything as it is.
    """
    if nice <= 0 or not hasattr(os, "nice"):
        return
    os.nice(nice)
    kind, level = (_IDLE, 0) if nice >= LOWEST else (_BEST_EFFORT, _LAST_OF_BEST_EFFORT)
    call = _CALLS.get(platform.machine())
    if sys.platform == "linux" and call is not None and sys.maxsize > 1 << 32:
        ctypes.CDLL(None).syscall(call, _PROCESS, 0, kind << 13 | level)
