"""``custody watch``: keep preserving what is appended, until told to stop."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import certificates, desk, manners, options, source_options
from custody.cli.terminal import console, figures
from custody.cli.terminal.progress import StatusLine
from custody.counted import counted
from custody.errors import CustodyError, KeyAccessError, UsageError

from . import watch_status, watch_unit
from .watch_alarms import Commands

if TYPE_CHECKING:
    from datetime import datetime

    from custody.collect import Collected, Request
    from custody.keeping import Keeper
    from custody.watch.alarms import Alarm
    from custody.watch.running import Watch

app = Verb("Keep preserving what is appended to logs, and cry out when they are touched.")

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|)\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_LEAST_SECONDS = 1.0
_STATE_SECONDS = 10.0
_BEHIND_SECONDS = 60.0

EveryOption = Annotated[
    str, typer.Option(metavar="TIME", help="How often to seal what is new: 30s, 5m, 1h.")
]
SizeOption = Annotated[
    str, typer.Option("--size", metavar="SIZE", help="Seal sooner when so much is new.")
]
OnAlarmOption = Annotated[
    str,
    typer.Option(
        "--on-alarm",
        metavar="COMMAND",
        help="Run this on every alarm, without a shell; the alarm is JSON on its stdin.",
        show_default=False,
    ),
]
AuthorityOption = Annotated[
    str, typer.Option(metavar="TEXT", help="On whose authority, or why, it is watched.")
]
StatusOption = Annotated[bool, typer.Option("--status", help="Show how a running watch is doing.")]
PrintUnitOption = Annotated[
    bool, typer.Option("--print-unit", help="Print a systemd unit for this command.")
]


@app.command()
def watch(
    source: source_options.SourceArgument = None,
    sets: source_options.SetOption = None,
    every: EveryOption = "30s",
    size: SizeOption = "32M",
    rate: manners.RateOption = "",
    nice: manners.NiceOption = 5,
    on_alarm: OnAlarmOption = "",
    exclude: source_options.ExcludeOption = None,
    one_file_system: source_options.OneFileSystemOption = False,
    note: source_options.NoteOption = "",
    authority: AuthorityOption = "",
    status: StatusOption = False,
    print_unit: PrintUnitOption = False,
    key: options.KeyOption = None,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Keep preserving what is appended to logs.

    Every interval, what was appended to any of the files is sealed in one bundle and entered in
    the ledger of the case.  Ctrl-C or SIGTERM seals what is pending and ends.  An alarm (a log
    truncated, rewritten, deleted, ...) is entered at once, printed on stderr as one JSON line,
    and given to --on-alarm.
    """
    if status:
        return watch_status.show()
    if not (source or sets):
        hint = "custody watch /var/log/nginx --case DIR"
        raise UsageError("watch", None, "no source is named", hint=hint)
    from custody.cli.given import passphrase
    from custody.collect import Request, check_words

    request = Request(
        sources=tuple(source or ()),
        sets=tuple(sets or ()),
        exclude=tuple(exclude or ()),
        one_file_system=one_file_system,
        note=options.plain_text("--note", note),
        authority=options.plain_text("--authority", authority),
        command=tuple(sys.argv),
        # What we write there at every seal would be news, and so make the next one.
        secrets=(*passphrase.secrets(passphrase_file, passphrase_fd), options.home()),
    )
    check_words(request)
    seconds = _duration(every)
    if print_unit:
        given = [("--every", every), ("--size", size), ("--rate", rate), ("--nice", str(nice))]
        given += [("--on-alarm", on_alarm), ("--note", note), ("--authority", authority)]
        given += [("--set", _absolute(name)) for name in sets or ()]
        given += [("--key", key or ""), *(("--exclude", glob) for glob in exclude or ())]
        given = [(name, value) for name, value in given if value]
        if one_file_system:
            given.append(("--one-file-system", ""))
        watch_unit.show(request.sources, given, passphrase_file)
        return exit_codes.OK
    command = _command(on_alarm)
    largest = options.size("--size", size) or (32 << 20)
    fastest = options.size("--rate", rate) or 0
    places = _places(request)
    keeper = desk.ready("watch SOURCE...", key, passphrase.source(passphrase_file, passphrase_fd))
    from custody import clock, durable
    from custody.watch.running import Settings, Watch

    home, ends = watch_status.home(keeper.case.origin), _end_of(keeper)
    with durable.private_umask():
        durable.ensure_directory(home)
    with durable.lock(keeper.case.directory / "watch.lock", wait_seconds=options.wait_seconds(0)):
        settings = Settings(
            every=seconds,
            notes=home / "notes.json",
            largest=largest,
            rate=fastest,
            files=_most_files(),
            ends=ends,
        )
        manners.be_nice(nice)
        told = _Told(command, home / "status.json")

        def beside(done: Collected) -> None:
            certificates.lay(done.path, done.bundle_id, keeper.signer, done.sealed_at)

        running = Watch(request, keeper, settings, told, clock.now, beside)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: running.stop())
        told.begun(places, every)
        try:
            running.run()
        finally:
            told.end(running)
    if running.is_over and ends is not None:
        why = f"its key counts until {clock.rfc3339(ends)} only; what came before is sealed"
        hint = "go on with a new one: custody key new NAME --for-host --valid 8h"
        raise KeyAccessError("watch with", keeper.signer.key.name, why, hint=hint)
    return exit_codes.OK


def _end_of(keeper: Keeper) -> datetime | None:
    """When the key that signs counts no longer, which is said at the start."""
    from custody import clock
    from custody.identity.keys import KeyFolder

    stored = KeyFolder(options.home() / "keys").find(keeper.signer.key)
    ends = None if stored is None else stored.valid_until
    if ends is not None:
        console.warning(f"the key ends at {clock.rfc3339(ends)}, and a minute before the watch")
    return ends


def _duration(text: str) -> float:
    match = _DURATION.match(text)
    seconds = float(match.group(1)) * _SECONDS[match.group(2)] if match else 0.0
    if not _LEAST_SECONDS <= seconds <= 86_400:
        why = f"{text} is not a time from 1s to 24h, such as 30s"
        raise UsageError("read the command line", "--every", why)
    return seconds


def _command(text: str) -> list[str]:
    """The words of ``--on-alarm``; no shell will see them.

    :raises UsageError: if its quotes do not match, or there is no such program.
    """
    import shlex
    import shutil

    try:
        words = shlex.split(text)
    except ValueError as err:
        raise UsageError("read the command line", "--on-alarm", str(err).lower()) from err
    if words and shutil.which(words[0]) is None:
        raise UsageError("read the command line", "--on-alarm", f"there is no program {words[0]}")
    return words


def _most_files() -> int:
    """How many files to keep open: as many as the system lets us, less some for ourselves."""
    try:
        import resource
    except ImportError:
        return 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(64, wanted // 2)


class _Told:
    """Says what happens: JSON lines on stdout, or on a terminal lines and a status line."""

    def __init__(self, command: list[str], path: Path) -> None:
        self._commands = Commands(command)
        self._path = path
        self._written = 0.0
        self._caught_up = self._said_behind = time.monotonic()
        self._line = StatusLine("watching")
        self._is_deaf = False

    def begun(self, places: int, every: str) -> None:
        """The watch begins; what is there is sealed first, and that may take long."""
        if console.mode().json:
            self._say({"event": "watching", "places": places, "every": every})
        console.remark(f"watching {counted(places, 'place')}, every {every}; Ctrl-C ends it")

    def sealed(self, collected: Collected) -> None:
        """A bundle was sealed and entered."""
        self._written = 0.0
        entered = collected.ledger
        if self._line.is_shown:
            console.result(
                f"sealed   {collected.bundle_id}: {counted(collected.files, 'piece')},"
                f" {figures.amount(collected.bytes)}"
            )
            return
        document = {
            "event": "sealed",
            "bundle_id": collected.bundle_id,
            "files": collected.files,
            "bytes": collected.bytes,
            "gaps": collected.gap_count,
            "index": None if entered is None else entered.index,
            "statement_sha256": collected.statement_sha256,
        }
        self._say(document)

    def alarm(self, alarm: Alarm) -> None:
        """Something was seen that should not happen to a log."""
        self._written = 0.0
        console.alarm(alarm.as_json())
        self._commands.add(alarm.as_json())

    def trouble(self, err: CustodyError) -> None:
        """Something could not be done, and will be tried again."""
        console.warning(f"{err}; it will be tried again" + (f" ({err.hint})" if err.hint else ""))

    def state(self, watch: Watch) -> None:
        """A round is over."""
        self._commands.run()
        size, seconds = watch.follower.lag()
        self._say_behind(size, watch.settings.every)
        if self._line.is_shown:
            self._line.show(
                f"{counted(len(watch.follower.files), 'file')},"
                f" {figures.amount(watch.preserved)} preserved,"
                f" {figures.amount(size)} waiting {seconds:.0f} s,"
                f" {counted(watch.bundles, 'seal')}, {counted(watch.alarms, 'alarm')}"
            )
        if time.monotonic() - self._written >= _STATE_SECONDS:
            self._write(watch, running=True)

    def _say_behind(self, size: int, every: float) -> None:
        """Say that it falls behind, and by how much, as long as it does not catch up."""
        now = time.monotonic()
        if not size:
            self._caught_up = now
        behind = now - self._caught_up
        if behind > 2 * every and now - self._said_behind > max(_BEHIND_SECONDS, 2 * every):
            self._said_behind = now
            amount = figures.amount(size)
            console.warning(f"{amount} wait to be sealed; it has been behind for {behind:.0f} s")

    def end(self, watch: Watch) -> None:
        """The watch has ended."""
        self._line.wipe()
        self._commands.end()
        self._write(watch, running=False)
        self._say({"event": "ended", **_figures(watch)})

    def _say(self, document: dict[str, Any]) -> None:
        if self._line.is_shown or self._is_deaf:
            return
        try:
            console.result_json_line({"schema": "custody.watch/v1", **document})
            console.flush()
        except (console.StdoutClosed, CustodyError) as err:  # no reason to stop watching
            self._is_deaf = True
            console.warning(f"nobody reads stdout any more; the watch goes on: {err}")

    def _write(self, watch: Watch, *, running: bool) -> None:
        import json

        from custody import durable

        self._written = time.monotonic()
        document = {"running": running, "pid": os.getpid(), **_figures(watch)}
        try:
            with durable.private_umask():
                durable.replace(self._path, json.dumps(document).encode())
        except CustodyError as err:
            self.trouble(err)


def _figures(watch: Watch) -> dict[str, Any]:
    from custody import clock

    waiting, seconds = watch.follower.lag()
    return {
        "files": len(watch.follower.files),
        "bundles": watch.bundles,
        "bytes": watch.preserved,
        "alarms": watch.alarms,
        "waiting_bytes": waiting,
        "waiting_seconds": round(seconds, 1),
        "last_seal": None if watch.last_seal is None else clock.rfc3339(watch.last_seal),
        "at": clock.rfc3339(watch.now()),
    }


def _absolute(name: str) -> str:
    """What names a set wherever the service runs."""
    return os.path.abspath(name) if "/" in name or name.endswith(".yaml") else name


def _places(request: Request) -> int:
    """How many places are watched.

    What is not there is said: it may come, or be a slip.  What a set names need not be there.
    """
    from custody import sets
    from custody.acquire import sources
    from custody.collect import planning, rooted

    image = rooted.image(request, None)
    selection = sets.select(sets.choose(request.sets), image)
    found = sources.resolve(request.sources, selection.wanted, image)
    for path in found.missing:
        shown = path.decode("utf-8", "backslashreplace")
        console.warning(f"nothing is at {shown}; it is watched from the moment it comes")
    for text in planning.remarks_on_sets(selection, found.avoided):
        console.warning(text)
    return len(found.asked)
