"""A process in which custody is imported already: a run of the program is a fork of it.

Most of what a short command costs is the start of the interpreter and its imports, and the tests
run thousands of commands.  A fork is a process of its own, with its own arguments, environment,
directory, umask and streams; what is the same in it as in a fresh process is not done again.
Run as a script, this is that process: ``warm.py FD``, where FD is its end of a socket.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LARGEST = 64 << 10  # of a request, and of what is given on stdin: a pipe takes as much at once
_READ_WHEN_USED = ("CUSTODY_", "XDG_", "HOME", "TZ", "NO_COLOR", "TERM", "COLUMNS", "PYTEST_")


class Warm:
    """The end of the socket that asks for runs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _fixed(environment)
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(other.fileno())],
                env=dict(environment),
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def end(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.wait()

    def can_run(self, command: Sequence[str], env: Mapping[str, str], given: str | None) -> bool:
        """Whether a fork is what a fresh process would be, and can be told all that is given."""
        size = max(len(json.dumps(list(command))), 4 * len(given or ""))
        return _fixed(env) == self._environment and size < _LARGEST

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None,
        given: str | None,
        timeout: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run *command*, whose first word is the program, as :func:`subprocess.run` would.

        :param given: what comes on stdin; None for a stdin without anything.
        """
        umask = os.umask(0o077)
        os.umask(umask)
        changed = {k: v for k, v in env.items() if k.startswith(_READ_WHEN_USED)}
        request = {"argv": list(command), "env": changed, "umask": umask}
        request["cwd"] = os.fspath(cwd or Path.cwd())
        pipes = [os.pipe() for _ in range(3)]
        theirs = [_stdin(given), *(end for _, end in pipes)]
        try:
            socket.send_fds(self._channel, [json.dumps(request).encode()], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        out, err, status = _read([end for end, _ in pipes], command, timeout)
        code = int(status.split()[1])
        return subprocess.CompletedProcess(list(command), code, _text(out), _text(err))


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process reads of its environment when it starts, and never again."""
    return {k: v for k, v in environment.items() if not k.startswith(_READ_WHEN_USED)}


def _stdin(given: str | None) -> int:
    """What a program reads this from."""
    if given is None:
        return os.open(os.devnull, os.O_RDONLY)
    stdin, to = os.pipe()
    os.write(to, given.encode("utf-8", "surrogateescape"))
    os.close(to)
    return stdin


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")


def _read(fds: list[int], command: Sequence[str], timeout: float) -> list[bytes]:
    """All that comes out of these pipes, the last of which begins with the process id."""
    found = [b""] * len(fds)
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for number, fd in enumerate(fds):
            selector.register(fd, selectors.EVENT_READ, number)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                found[key.data] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
            if not ready:
                for fd in selector.get_map():
                    os.close(fd)
                os.kill(int(found[-1].split()[0]), signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(command), timeout, found[0], found[1])
    return found


# ---- the process


def main() -> int:
    """Fork for every request; in the fork, run the program and return its exit code."""
    _import_everything()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        while True:
            message, fds, *_ = socket.recv_fds(channel, 2 * _LARGEST, 4)
            if not message:
                break
            if os.fork() == 0:
                return _one(channel, json.loads(message), fds)
            for fd in fds:
                os.close(fd)
            _reap(os.WNOHANG)
    _reap(0)
    return 0


def _reap(flags: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, flags)[0]:
            pass


def _one(channel: socket.socket, request: dict[str, Any], fds: list[int]) -> int:
    """In a fork that waits for its own: say which process runs, and how it ended."""
    channel.close()
    *streams, status = fds
    child = os.fork()
    if child:
        for fd in streams:
            os.close(fd)
        os.write(status, b"%d " % child)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(status, b"%d" % ended)
        os._exit(0)
    os.close(status)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    _open_streams()
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    for name in os.environ.keys() - _fixed(os.environ).keys():
        del os.environ[name]
    os.environ.update(request["env"])
    time.tzset()
    sys.argv = request["argv"]
    from custody.cli.main import main as program

    code = program()
    with contextlib.suppress(OSError):  # then Python's own end, which says so
        sys.stdout.flush()
        sys.stderr.flush()
        threading._shutdown()
        atexit._run_exitfuncs()
        os._exit(code)  # without taking every imported module apart
    return code


def _open_streams() -> None:
    """Streams over the first three descriptors, as Python makes them when it starts."""
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _import_everything() -> None:
    for top in ("custody", "custody.cli"):
        package = importlib.import_module(top)
        for found in pkgutil.walk_packages(package.__path__, f"{top}."):
            with contextlib.suppress(ImportError):  # what an optional library is missing for
                importlib.import_module(found.name)


if __name__ == "__main__":
    sys.exit(main())
