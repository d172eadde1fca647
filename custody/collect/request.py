"""What is asked for, and the words that go with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody.acquire import journalctl
from custody.acquire.rules import LARGEST_FILE
from custody.errors import UsageError

LONGEST_WORDS = 4_000

Progress = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done, and how many of each there are, where known."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be collected, and what is to be written about it.

    :ivar sources: files, directories and globs, as asked for.
    :ivar sets: names of sets of paths, or files that hold one.
    :ivar root: where the file system is mounted that they are on; None for this host's own.
    :ivar volatile: take the facts first that a reboot would end.
    :ivar volatile_commands: and after them what a fixed list of the host's programs says; only with
        *volatile*.
    :ivar exclude: globs of what to leave out.
    :ivar max_size: the largest file to read, in bytes.
    :ivar since: leave out files that were not changed since.
    :ivar rate: how many bytes to read a second; 0 for no limit.
    :ivar nice: by how much the priority was lowered, for the record.
    :ivar one_file_system: leave out mounts below a source.
    :ivar command: the command line, without secrets, for the record.
    :ivar secrets: our own keys and passphrases, which are left out wherever they lie.
    :ivar resume: take over what an interrupted run wrote, where it is what the source is now.
    :ivar journal_verify: have the copies of systemd's journals verified by the host's journalctl.
    :ivar journal_export: add an export of each journal.
    :ivar journalctl: where that program may be.
    :ivar watch_seconds: how often a watch seals what was appended; None where all is collected.
    """

    sources: Sequence[str] = ()
    sets: Sequence[str] = ()
    root: Path | None = None
    volatile: bool = False
    volatile_commands: bool = False
    exclude: Sequence[str] = ()
    max_size: int | None = None
    since: datetime | None = None
    rate: int = 0
    nice: int = 0
    one_file_system: bool = False
    note: str = ""
    authority: str = ""
    evidence_number: str = ""
    command: Sequence[str] = ()
    secrets: Sequence[Path] = ()
    resume: bool = False
    journal_verify: bool = True
    journal_export: bool = False
    journalctl: Sequence[str] = journalctl.PLACES
    watch_seconds: int | None = None


def check_words(request: Request) -> None:
    """Make sure that the request names something, in words that fit into a statement.

    :raises UsageError: otherwise.
    """
    if not (request.sources or request.sets or request.volatile):
        raise UsageError("collect", None, "no source is named", hint="custody collect SOURCE...")
    if not all(request.sources):
        raise UsageError(
            "collect", "", "a source's name is empty; nothing was written",
            hint="an unset variable on the command line?",
        )  # fmt: skip
    if request.max_size is not None and request.max_size > LARGEST_FILE:
        raise UsageError("collect", "--max-size", f"at most {LARGEST_FILE} bytes can be said")
    for name in ("note", "authority", "evidence_number"):
        text = getattr(request, name)
        if len(text.encode("utf-8", "surrogateescape")) > LONGEST_WORDS:
            option = "--" + name.replace("_", "-")
            raise UsageError("collect", option, f"longer than {LONGEST_WORDS} bytes")
