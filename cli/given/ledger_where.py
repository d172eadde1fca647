"""Which ledger a command means, and which of its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import DifferenceError, FormatError, InputError, NotFoundError, UsageError

from . import options

if TYPE_CHECKING:
    from custody.case import Case
    from custody.ledger.entry import EntryView
    from custody.ledger.memory import Memory
    from custody.ledger.reader import LedgerReader, Published

LedgerOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        metavar="DIR",
        help="A ledger that lies alone, instead of the one in the case.",
        show_default=False,
    ),
]
CheckpointOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="A checkpoint that you hold: from paper, mail, another office. Repeatable.",
        show_default=False,
    ),
]
DAMAGED = "damaged"  # in place of the type, where the bytes are no entry
_READING = ("read", "read tile")
_LONGEST_NUMBER = 18  # digits: more than any ledger will have
_VERIFY = "custody ledger verify names all that is wrong with it"


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger that is there, and the case it belongs to, if it came with one."""

    reader: LedgerReader
    case: Case | None


def find(command: str, directory: Path | None) -> Place:
    """The ledger that ``--ledger`` names, else that of the case.

    :param command: what the user typed, for a hint: ``ledger list``.
    :raises UsageError: if none is named, or both are.
    :raises NotFoundError: if it is not there.
    """
    from custody import case as cases
    from custody.ledger.reader import CHECKPOINT, LedgerReader

    if directory is None:
        path = options.needed_case(command)
        try:
            case = cases.open_case(path)
        except NotFoundError as err:
            if (path / CHECKPOINT).is_file():
                hint = f"custody {command} --ledger {path}"
                raise NotFoundError(err.what, err.thing, "it is a ledger alone", hint=hint) from err
            raise
        return Place(case.ledger, case)
    chosen = options.case()
    if chosen is not None and not chosen.from_environment:
        raise UsageError("read the command line", "--case and --ledger", "choose one of them")
    if not (directory / CHECKPOINT).exists() and not (directory / "tile").is_dir():
        raise NotFoundError("read ledger", directory, "there is no ledger: no checkpoint, no tiles")
    return Place(LedgerReader(directory), None)


def memory() -> Memory | None:
    """What was seen of ledgers before; None, and said, where there is no home to keep it in."""
    from custody.ledger.memory import Memory

    try:
        return Memory(options.home() / "memory")
    except UsageError as err:
        console.warning(f"what was seen of ledgers before is not known: {err}")
        return None


def tell_troubles(remembered: Memory | None) -> None:
    """Say what could not be read from memory, or written to it."""
    for text in remembered.troubles if remembered is not None else ():
        console.warning(text)


def cosigned(times: Mapping[str, int]) -> dict[str, str]:
    """Witnesses and the times at which they say they signed, for people."""
    from custody import clock

    last = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
    return {
        name: clock.rfc3339(datetime.fromtimestamp(min(seconds, last), UTC))
        for name, seconds in times.items()
    }


def given_checkpoint(path: Path) -> Published:
    """A checkpoint that the user has on file, as it came from paper, mail or another office.

    :raises InputError: if it is not one.
    """
    from custody import reading
    from custody.formats import note
    from custody.ledger import checkpoint as checkpoints
    from custody.ledger.reader import Published

    try:
        data = reading.read_regular(path, note.LARGEST_NOTE)
        return Published(data, *checkpoints.load_signed(data))
    except (FormatError, NotFoundError) as err:
        raise InputError("read checkpoint", path, err.why or str(err)) from err


@contextmanager
def damage() -> Iterator[None]:
    """Say of a ledger that cannot be read as one that it is damaged: the evidence differs.

    :raises DifferenceError: in place of a malformed or missing file of the ledger.
    """
    try:
        yield
    except (FormatError, NotFoundError) as err:
        if isinstance(err, NotFoundError) and err.what not in _READING:
            raise
        why = f"{err.what} {err.thing or ''}".strip() + f": {err.why}"
        raise DifferenceError("read ledger", None, why, hint=_VERIFY) from err


def entry_number(text: str) -> int:
    """The number of an entry, as it is typed.

    :raises UsageError: if it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        why = f"{text} is not the number of an entry: a whole number, from 0"
        hint = "the numbers are in the first column of custody ledger list"
        raise UsageError("read the command line", "N", why, hint=hint)
    return int(text)


def require_entry(reader: LedgerReader, number: int) -> None:
    """Make sure that the ledger has an entry of this number.

    :raises UsageError: if it has not; says which it has.
    """
    size = reader.checkpoint().size
    if number >= size:
        numbers = f"0 to {size - 1}" if size > 1 else "number 0"
        count = f"{counted(size, 'entry')}, {numbers}" if size else "no entry"
        raise UsageError(
            "find entry", number, f"the ledger has {count}", hint="custody ledger list"
        )


def entry_filter(
    item: str, actor: str, type_: str, since: str, until: str
) -> Callable[[EntryView], bool]:
    """Whether an entry is wanted; an empty word asks for nothing.

    An entry that says no time cannot be shown to be outside of one, so times let it pass; and of
    a damaged entry nothing can be shown, so everything does.
    """
    begin = _moment("--since", since, end_of_day=False)
    end = _moment("--until", until, end_of_day=True)

    def wanted(view: EntryView) -> bool:
        if view.type == DAMAGED:
            return True
        words = ((item, view.item), (actor, view.actor), (type_, view.type))
        if any(asked and asked.casefold() != said.casefold() for asked, said in words):
            return False
        when = _time(view.time)
        if when is None:
            return True
        return (begin is None or when >= begin) and (end is None or when <= end)

    return wanted


def view(index: int, data: bytes) -> EntryView:
    """An entry to show: what it says was done, too, or that it is damaged."""
    import json
    from dataclasses import replace

    from custody.formats import dsse
    from custody.ledger import entry as entries
    from custody.obligations import deeds

    seen = entries.view(index, data)
    if seen.type not in (entries.UNREADABLE, *deeds.KINDS):
        return seen
    try:
        statement = json.loads(dsse.load(data).payload)
    except (ValueError, RecursionError):
        why = "these bytes are not an entry; custody ledger verify says more"
        return replace(seen, type=DAMAGED, summary=why)
    if seen.type == entries.UNREADABLE:
        return seen
    predicate = statement.get("predicate")
    details = predicate.get("details") if isinstance(predicate, dict) else None
    said = deeds.words(seen.type, details)
    return replace(seen, summary="; ".join(part for part in (said, seen.summary) if part))


def start(reader: LedgerReader, since: str) -> int:
    """Where to begin to read for ``--since``."""
    from custody.ledger import recent

    moment = _moment("--since", since, end_of_day=False)
    if moment is None or moment - datetime.min.replace(tzinfo=UTC) < recent.SLACK:
        return 0
    return recent.first_to_read(reader, moment)


def _time(text: str) -> datetime | None:
    from custody import clock

    try:
        return clock.parse_rfc3339(text)
    except FormatError:
        return None


def _moment(option: str, text: str, *, end_of_day: bool) -> datetime | None:
    if not text:
        return None
    when = _time(text)
    day = _time(f"{text}T00:00:00Z")
    if when is None and day is None:
        why = f"{text} is neither 2026-11-22 nor 2026-11-22T03:14:05Z (UTC)"
        raise UsageError("read the command line", option, why)
    if when is None and day is not None:
        return day + timedelta(days=1, seconds=-1) if end_of_day else day
    return when
