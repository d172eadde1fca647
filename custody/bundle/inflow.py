"""Reading a bundle from a stream (:mod:`custody.bundle.outflow`) into a directory of one's own.

Whoever writes the stream is not trusted.  The members are one bundle's: its own directory first,
payload and tag files below it, each file once, the statement last.  Anything else ends the
reading; what had come by then stays where it was written.  Nothing is judged here but the form,
and nothing is promised: whoever asked verifies what lies there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from custody import durable, reading
from custody.bundle import content, layout
from custody.bundle.inlet import LEAST, Inlet
from custody.bundle.payload import Payload
from custody.counted import counted
from custody.errors import (
    DifferenceError,
    FormatError,
    NotFoundError,
    StorageError,
    TrustError,
)
from custody.formats import bagit, dsse, inventory, names, tarred
from custody.formats.tarred import Member

_CHUNK = 1 << 20
_KEPT_FREE = 16 << 20  # the ledger must still be able to say what came
_TAG_FILES = frozenset((*layout.TAG_FILES, bagit.TAG_MANIFEST_NAME, layout.STATEMENT))
_DIRECTORIES = frozenset(("", layout.PAYLOAD, "custody", layout.SEAL, layout.EVENTS))
_EVENT = re.compile(rf"{layout.EVENTS}/[0-9a-f]{{64}}\.dsse\.json", re.ASCII)

Progress = Callable[[int, int, int | None, int | None], None]


@dataclass(slots=True)
class Came:
    """How much has come whole, and the file that was under way: its name and how far."""

    files: int = 0
    bytes: int = 0
    torn: str = ""


def write(stream: Inlet, staged: Path, progress: Progress) -> None:
    """Write what a stream holds to the new directory *staged*, durably.

    :raises NotFoundError: if it is no such stream; *staged* is not made then.
    :raises TrustError: if it broke off before the statement and the end, or its sender was given
        up: nothing is sealed then.
    :raises DifferenceError: if it holds what no bundle has.
    :raises StorageError: if it cannot be written.
    """
    inflow = _Inflow(stream, staged, progress)
    name = inflow.begin()
    with durable.private_umask():
        durable.make_directory(staged)
        try:
            inflow.take(name)
        except EOFError as err:
            why = f"{inflow.ended()}{inflow.state()}; nothing is sealed"
            raise TrustError("receive", "-", why, hint=inflow.hint()) from err
        except FormatError as err:
            where = f'"{err.thing}": ' if err.thing else ""
            why = f"not what custody collect writes: {where}{err.why}{inflow.state()}"
            raise DifferenceError("receive", "-", why) from err
        except StorageError as err:
            err.hint = err.hint or f"make room where the case lies{inflow.state()}"
            raise
        finally:
            inflow.close()
            _sync(staged)
        _cut(staged)


class _Inflow:
    """One stream, from its first member to its end."""

    def __init__(self, stream: Inlet, staged: Path, progress: Progress) -> None:
        self._stream = stream
        self._staged = staged
        self._progress = progress
        self._came = Came()
        self._payload: Payload | None = None
        self._open_directory = ""

    def close(self) -> None:
        """Let the directory go."""
        if self._payload is not None:
            self._payload.close()

    def ended(self) -> str:
        """How a stream came to an end that is none."""
        if not self._stream.given_up:
            return "the stream broke off"
        return (
            f"the stream stood still: less than {LEAST} bytes came in"
            f" {self._stream.seconds:g} seconds of waiting"
        )

    def hint(self) -> str:
        """What to do about that."""
        if self._stream.given_up:
            return "run the whole pipe again; --stream-timeout SECONDS waits longer"
        return "what the collecting host said on stderr tells why; run the whole pipe again"

    def state(self) -> str:
        """What lies where, for a message."""
        came = self._came
        torn = f" in {came.torn}" if came.torn else ""
        return (
            f"{torn}; what came whole ({counted(came.files, 'file')}, {came.bytes} bytes)"
            f" is kept in {self._staged}"
        )

    def begin(self) -> str:
        """Read the bundle's own directory, and give its name."""
        hint = "at its other end: custody collect SOURCE... --output -"
        try:
            first = self._member()
        except EOFError as err:
            why = "nothing came, or not even the beginning of a bundle"
            if self._stream.given_up:
                why, hint = f"{self.ended()}; nothing was taken in", self.hint()
            raise TrustError("receive", "-", why, hint=hint) from err
        except FormatError as err:
            why = "what comes is not the stream of a bundle; nothing was taken in"
            raise NotFoundError("receive", "-", why, hint=hint) from err
        if first is None or first.size is not None or "/" in first.name:
            why = "what comes is not the stream of a bundle; nothing was taken in"
            raise NotFoundError("receive", "-", why, hint=hint)
        return first.name

    def take(self, bundle: str) -> None:
        """Take everything in, up to the stream's end.

        :raises EOFError: if that comes too early.
        :raises FormatError: for what no bundle has.
        """
        self._payload = Payload(self._staged)
        sealed = False
        while (member := self._member()) is not None:
            above, _, name = member.name.partition("/")
            if above != bundle or not name:
                raise FormatError("read", member.name, "it is not of the same bundle")
            if sealed:
                raise FormatError("read", member.name, "it comes after the statement")
            self._require_within(name)
            if member.size is None:
                self._directory(name)
            else:
                self._file(name, member.size)
                sealed = name == layout.STATEMENT
        if not sealed:
            raise EOFError
        if self._stream.read(1):
            raise FormatError("read", None, "more comes after its end, perhaps a second bundle")

    def _member(self) -> Member | None:
        """The next member; None at the end."""
        block = self._exactly(tarred.BLOCK)
        if block == tarred.END[: tarred.BLOCK]:
            if self._exactly(tarred.BLOCK) != block:
                raise FormatError("read", None, "half an end")
            return None
        rest = tarred.extended_size(block)
        return tarred.load(block + self._exactly(rest + tarred.BLOCK) if rest else block)

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as err:
            raise durable.storage_error("read", "stdin", err) from err

    def _require_within(self, name: str) -> None:
        """A directory is followed by what is in it, so that a stream of nothing else must end."""
        above = self._open_directory
        if above and above != layout.PAYLOAD and not name.startswith(f"{above}/"):
            raise FormatError("read", above, "a directory with nothing in it")

    def _directory(self, name: str) -> None:
        self._open_directory = name
        if name not in _DIRECTORIES and not name.startswith(f"{layout.PAYLOAD}/"):
            raise FormatError("read", name, "a directory that no bundle has")
        if len(name) > names.LONGEST_NAME:
            raise FormatError("read", name, "a name that is too long")
        path = self._staged / name
        if not path.is_dir():
            try:
                path.mkdir(durable.PRIVATE_DIRECTORY)
            except (FileExistsError, FileNotFoundError, NotADirectoryError) as err:
                raise FormatError("read", name, "its place is taken, or not there") from err
            except OSError as err:
                raise durable.storage_error("write", name, err) from err

    def _file(self, name: str, size: int) -> None:
        self._open_directory = ""
        is_event = _EVENT.fullmatch(name) is not None
        if not (name in _TAG_FILES or is_event or name.startswith(f"{layout.PAYLOAD}/")):
            raise FormatError("read", name, "a file that no stream has")
        if is_event and size > dsse.LARGEST_ENVELOPE:
            raise FormatError("read", name, f"at most {dsse.LARGEST_ENVELOPE} bytes are signed")
        if len(name) > names.LONGEST_NAME:
            raise FormatError("read", name, "a name that is too long")
        if os.path.lexists(self._staged / name):
            raise FormatError("read", name, "it comes twice")
        self._require_room(name, size)
        fd = self._create(name)
        try:
            self._content(fd, name, size)
        finally:
            os.close(fd)
        self._came.torn = ""
        self._came.files += 1
        self._came.bytes += size
        self._progress(self._came.files, self._came.bytes, None, None)

    def _create(self, name: str) -> int:
        if self._payload is None:
            raise FormatError("read", name, "the bundle did not begin")
        if not (self._staged / name).parent.is_dir():
            raise FormatError("read", name, "its directory did not come before it")
        return self._payload.create(name, False)

    def _content(self, fd: int, name: str, size: int) -> None:
        left = size
        while left:
            piece = self._read(min(left, _CHUNK))
            if not piece:
                self._came.torn = f"{name} ({size - left} of {size} bytes came, and are kept)"
                raise EOFError
            try:
                durable.write_all(fd, piece)
            except OSError as err:
                raise durable.storage_error("write", name, err) from err
            left -= len(piece)
        self._came.torn = name
        if self._exactly(tarred.padding(size)).strip(b"\0"):
            raise FormatError("read", name, "something hides behind its content")

    def _require_room(self, name: str, size: int) -> None:
        try:
            space = os.statvfs(self._staged)
        except OSError as err:
            raise durable.storage_error("write", name, err) from err
        free = space.f_bavail * space.f_frsize
        if size + _KEPT_FREE > free:
            why = f"{size} bytes are to come and {free} are free"
            raise StorageError("receive", name, why)


def _sync(staged: Path) -> None:
    try:
        fd = os.open(staged, os.O_RDONLY)
        try:
            durable.sync_file_system(fd)
        finally:
            os.close(fd)
    except OSError as err:
        raise durable.storage_error("write", staged, err) from err


def _cut(staged: Path) -> None:
    """Cut the files that were filled up with zeros to the sizes that their records say.

    Nothing but zeros is cut off.  What the records are worth is for verifying to say.
    """
    with suppress(FormatError, NotFoundError):
        for name, size, padded in _filled_up(staged):
            _cut_one(staged, name, size, padded)


def _filled_up(staged: Path) -> Iterator[tuple[str, int, int]]:
    for line in content.bounded_lines(staged, layout.INVENTORY, layout.LONGEST_RECORD):
        found = inventory.brief(line)
        name, before = found.payload, found.before
        if name and name.startswith("data/") and before is not None and found.size < before:
            yield name, found.size, before


def _cut_one(staged: Path, name: str, size: int, padded: int) -> None:
    with reading.open_beneath(staged, name) as fd:
        if os.fstat(fd).st_size != padded:
            return
        offset = size
        try:
            while piece := os.pread(fd, _CHUNK, offset):
                if piece.strip(b"\0"):
                    return
                offset += len(piece)
            os.truncate(staged / name, size)
        except OSError as err:
            raise durable.storage_error("write", name, err) from err
