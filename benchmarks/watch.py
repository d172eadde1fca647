"""How a watch keeps up: a burst, a steady stream, many idle files, and an hour's worth of seals.

    python benchmarks/watch.py [--seconds 60] [--idle 10000]

Every line that was written is looked for in the restored files.  Beside it runs the plain man's
watch, `tail -F` into files, over the same logs at the same time; processor time is that of each
process, from the system.  Everything lies in a temporary directory and is removed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sysconfig.get_path("scripts")) / "custody"
TICKS = os.sysconf("SC_CLK_TCK")


class Place:
    """A case with its keys, and a directory of logs."""

    def __init__(self, base: Path) -> None:
        self.base, self.case, self.logs = base, base / "case", base / "logs"
        self.logs.mkdir()
        self.environment = os.environ | {"CUSTODY_HOME": str(base / "home")}
        self.run("init", self.case, "--number", "B-1", "--title", "benchmark", "--person", "B",
                 "--no-passphrase", "-q")  # fmt: skip

    def run(self, *args: object) -> str:
        command = [str(PROGRAM), *map(str, args)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              check=False)  # fmt: skip
        if done.returncode:
            sys.exit(f"{command}: {done.stderr}")
        return done.stdout

    def watch(self, every: str) -> Watch:
        return Watch(self, every)


class Watch:
    """A running watch; its events go to a file."""

    def __init__(self, place: Place, every: str) -> None:
        self.events = place.base / "events"
        command = [str(PROGRAM), "watch", str(place.logs), "--case", str(place.case), "--every",
                   every, "--nice", "0"]  # fmt: skip
        with self.events.open("wb") as out:
            self.process = subprocess.Popen(command, env=place.environment, stdout=out)

    def sealed(self) -> int:
        lines = self.events.read_text().splitlines()
        return sum(json.loads(line).get("bytes", 0) for line in lines if '"sealed"' in line)

    def wait(self, size: int, limit: float = 120) -> float:
        """Wait until so much is sealed; how long that took."""
        begun = time.monotonic()
        while self.sealed() < size:
            if time.monotonic() - begun > limit:
                sys.exit(f"only {self.sealed()} of {size} bytes were sealed in {limit} s")
            time.sleep(0.05)
        return time.monotonic() - begun

    def processor(self) -> float:
        return processor(self.process.pid)

    def memory(self) -> int:
        """Resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def processor(pid: int) -> float:
    """Seconds of processor time, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def tail(place: Place, logs: list[Path]) -> list[subprocess.Popen[bytes]]:
    """`tail -F` of each log into a file of its own."""
    target = place.base / "tail"
    target.mkdir(exist_ok=True)
    running = []
    for log in logs:
        with (target / log.name).open("wb") as out:
            command = ["tail", "-F", "-n", "+1", str(log)]
            running.append(subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL))
    return running


def stop_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
        process.wait()


def missing(place: Place, logs: list[Path]) -> int:
    """How many of the lines in the logs are not in the restored files."""
    lost = 0
    for number, log in enumerate(logs):
        target = place.base / f"restored-{number}"
        place.run("restore", place.case, log, "-o", target, "-q")
        if target.read_bytes() != log.read_bytes():
            lost += len(set(log.read_bytes().splitlines()) - set(target.read_bytes().splitlines()))
        target.unlink()
    return lost


def append(log: Path, number: int) -> int:
    line = b"%09d a line of an access log as long as they mostly are, and then some\n" % number
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line)
    os.close(fd)
    return len(line)


def burst(place: Place) -> None:
    logs = [place.logs / f"site{number}.log" for number in range(100)]
    written = sum(append(log, 0) for log in logs)
    watch = place.watch("5s")
    watch.wait(written)
    begun = watch.processor()
    for number in range(100_000):
        written += append(logs[number % 100], number)
    took = watch.wait(written)
    used = watch.processor() - begun
    watch.stop()
    print(f"burst: 100,000 lines over 100 files, --every 5s: all sealed {took:.1f} s after the last"
          f" was written; {missing(place, logs[:10])} lines lost in 10 files restored;"
          f" {used:.2f} s of processor time")  # fmt: skip


def steady(place: Place, seconds: int) -> None:
    logs = [place.logs / f"steady{number}.log" for number in range(20)]
    written = sum(append(log, 0) for log in logs)
    tails = tail(place, logs)
    watch = place.watch("5s")
    watch.wait(written)
    before, before_tail = watch.processor(), sum(processor(one.pid) for one in tails)
    begun, number, most = time.monotonic(), 0, 0
    while (now := time.monotonic() - begun) < seconds:
        while number < now * 2_000:
            written += append(logs[number % 20], number)
            number += 1
        time.sleep(0.01)
        most = max(most, written - watch.sealed()) if number % 50 == 0 else most
    lasted = time.monotonic() - begun
    used = watch.processor() - before
    beside = sum(processor(one.pid) for one in tails) - before_tail
    lag = watch.wait(written)
    watch.stop()
    stop_all(tails)
    print(f"steady: {number:,} lines in {lasted:.0f} s over 20 files: {used / lasted:.1%} of one"
          f" processor, tail -F {beside / lasted:.1%}; sealed {lag:.1f} s after the last line;"
          f" {missing(place, logs)} lines lost")  # fmt: skip


def idle(place: Place, count: int, seconds: int) -> None:
    begun = time.time() - 86_400
    for number in range(count):
        directory = place.logs / f"{number // 500:03d}"
        directory.mkdir(exist_ok=True)
        append(directory / f"{number:05d}.log", number)
        os.utime(directory / f"{number:05d}.log", (begun, begun))
    watch = place.watch("30s")
    watch.wait(count * 50)
    time.sleep(5)
    before, begun = watch.processor(), time.monotonic()
    time.sleep(seconds)
    share = (watch.processor() - before) / (time.monotonic() - begun)
    print(f"idle: {count:,} files, --every 30s: {share:.2%} of one processor,"
          f" {watch.memory() / 1024:.0f} MiB")  # fmt: skip
    watch.stop()


def hour(place: Place) -> None:
    log = place.logs / "hour.log"
    written = append(log, 0)
    watch = place.watch("1s")
    watch.wait(written)
    sizes = []
    for number in range(120):  # as many seals as an hour of --every 30s has
        written += append(log, number)
        watch.wait(written)
        sizes.append(watch.memory())
    watch.stop()
    print(f"an hour's seals (120): {sizes[9] / 1024:.1f} MiB after 10,"
          f" {sizes[-1] / 1024:.1f} MiB after 120")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--idle", type=int, default=10_000)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    print(f"open files: {soft} of {hard}; processors: {os.cpu_count()}")
    for what in (burst, lambda place: steady(place, options.seconds),
                 lambda place: idle(place, options.idle, options.seconds), hour):  # fmt: skip
        base = Path(tempfile.mkdtemp(prefix="custody-watch-"))
        try:
            what(Place(base))
        finally:
            shutil.rmtree(base)


if __name__ == "__main__":
    main()
