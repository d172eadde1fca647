"""Running one program of the host: no shell, few rights, an end, and few words kept of it.

It gets one open file as its input and nothing else of ours: an environment of our own, no other
descriptor, and, where we are root, a user id that nobody has.  So a program that a hostile file
leads astray can neither read our keys nor write to what was collected.  It is ended with its
process group; what detaches itself from that on purpose goes on, and nothing waits for it.
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from custody.acquire import mounts
from custody.acquire.metadata import text

MEMORY = "/dev/shm"  # noqa: S108 - where a program may note things without writing on a disk
MOST_SAID = 2_048
_HEAD_SAID = 512
_BLOCK = 1 << 16
_NAP = 0.01
_NOBODYS = 2_147_483_001  # a user and group id that no system gives to anybody
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TMPDIR": MEMORY, "TZ": "UTC"}
_LIMITS = {"RLIMIT_AS": 4 << 30, "RLIMIT_CORE": 0}
_MERCY = 1.0  # seconds in which what was killed is gone
_CONTROLS = re.compile(r"[^ -~\n]")
_TRUSTED_WRITERS = stat.S_IWGRP | stat.S_IWOTH

NONE = "there is none on this host"

Take = Callable[[bytes], bool]
"""Takes a piece of what a program writes; False when it has enough."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found: its absolute *path*, and the SHA-256 of it as it was then."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What running a program came to.

    :ivar code: its exit code; None if it did not end by itself.
    :ivar said: the beginning and the end of its words.
    :ivar why: why there is no exit code.
    :ivar enough: it was ended because what it wrote was enough.
    :ivar late: it was ended because its time was over.
    """

    code: int | None
    said: str
    why: str = ""
    enough: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Manner:
    """How a program is run.

    :ivar own_rights: it keeps our own user; else it is nobody's, where we may choose.
    :ivar largest_file: how many bytes it may write to a file.
    """

    environment: Mapping[str, str]
    own_rights: bool = False
    largest_file: int = 0


STRANGER = Manner(_ENVIRONMENT, largest_file=512 << 20)
"""For a program that reads what an attacker may have prepared, and notes things in memory."""


def find(places: Sequence[str]) -> Program | str:
    """The first of *places* that is a program which only root, or we, could have changed.

    :returns: the program, or in words why there is none.
    """
    refused = ""
    for place in places:
        try:
            with open(place, "rb", opener=_without_waiting) as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o111:
                    refused = refused or f"{place} is no program"
                elif status.st_uid not in (0, os.geteuid()) or status.st_mode & _TRUSTED_WRITERS:
                    refused = refused or f"{place} could have been changed by others than root"
                else:
                    return Program(place, hashlib.file_digest(stream, "sha256").hexdigest())
        except FileNotFoundError:
            continue
        except OSError as err:
            refused = refused or f"{place}: {err.strerror}"
    return refused or f"{NONE} ({', '.join(places)})"


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def has_memory() -> bool:
    """Whether what a program notes at :data:`MEMORY` stays off the disks."""
    mount = mounts.of(os.fsencode(MEMORY), mounts.read())
    return mount is not None and mount.kind == "tmpfs" and os.path.isdir(MEMORY)


def run(
    program: Program,
    words: Sequence[str],
    given: int | None,
    seconds: float,
    take: Take | None = None,
    manner: Manner | None = None,
) -> Answer:
    """Run it to its end, or for so many seconds.

    :param given: an open file that becomes its input; it is not closed here.
    :param take: takes what it writes to stdout; without it that counts as said.
    :param manner: how it is run; None for as a stranger.
    """
    manner = manner or STRANGER
    if sys.platform != "linux":
        return Answer(None, "", "it is run on Linux alone")
    nobody = _NOBODYS if os.geteuid() == 0 and not manner.own_rights else None
    try:
        process = subprocess.Popen(
            [program.path, *words],
            stdin=subprocess.DEVNULL if given is None else given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if take else subprocess.STDOUT,
            env=dict(manner.environment),
            cwd="/",
            start_new_session=True,
            user=nobody,
            group=nobody,
            extra_groups=None if nobody is None else (),
        )
    except (OSError, subprocess.SubprocessError) as err:
        return Answer(None, "", f"it cannot be started: {getattr(err, 'strerror', '') or err}")
    try:
        _limit(process.pid, seconds, manner.largest_file)
        return _Listener(process, take).until(time.monotonic() + seconds)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started; one that hangs in the kernel is left to the system."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_MERCY)


def _limit(process: int, seconds: float, largest_file: int) -> None:
    import resource

    limits = {getattr(resource, name): most for name, most in _LIMITS.items()}
    limits[resource.RLIMIT_FSIZE] = largest_file
    limits[resource.RLIMIT_CPU] = int(seconds) + 1
    for kind, most in limits.items():
        with suppress(OSError, ValueError):  # it may have ended already
            resource.prlimit(process, kind, (most, most))


class _Listener:
    """Hears a process out, however much it says."""

    def __init__(self, process: subprocess.Popen[bytes], take: Take | None) -> None:
        self._process = process
        self._take = take
        self._head = b""
        self._tail = b""
        self._omitted = False

    def until(self, deadline: float) -> Answer:
        with selectors.DefaultSelector() as ears:
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    ears.register(stream, selectors.EVENT_READ)
            while ears.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    return self._given_up()
                for key, _ in ears.select(left):
                    data = os.read(key.fd, _BLOCK)
                    if not data:
                        ears.unregister(key.fileobj)
                    elif not self._hear(data, is_content=key.fileobj is self._process.stdout):
                        return Answer(None, self._said(), "it wrote more", enough=True)
        return self._ended(deadline)

    def _ended(self, deadline: float) -> Answer:
        # Not waited for yet: until its group was ended, nobody else may get its number.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (found := os.waitid(os.P_PID, self._process.pid, look)) is None:
            if time.monotonic() >= deadline:
                return self._given_up()
            time.sleep(_NAP)
        if found.si_code != os.CLD_EXITED:
            return Answer(None, self._said(), f"it was ended by signal {found.si_status}")
        return Answer(found.si_status, self._said())

    def _given_up(self) -> Answer:
        return Answer(None, self._said(), "it did not end in time", late=True)

    def _hear(self, data: bytes, *, is_content: bool) -> bool:
        """Whether more is wanted."""
        if is_content and self._take is not None:
            return self._take(data)
        room = _HEAD_SAID - len(self._head)
        self._head += data[:room]
        tail = self._tail + data[room:]
        most = MOST_SAID - _HEAD_SAID
        self._omitted |= len(tail) > most
        self._tail = tail[-most:]
        return True

    def _said(self) -> str:
        between = b"\n...\n" if self._omitted else b""
        return _CONTROLS.sub("?", text(self._head + between + self._tail))
