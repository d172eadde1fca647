"""Writing a bundle as a stream: the same bag as a draft's, and nothing of it on this host's disks.

The members come in the order of what is promised: payload, manifest, inventory, the other tag
files, the tag manifest, what desks say of the key, the statement last.  A member's size is said
before its content, so a large file that becomes shorter while it is read is filled up with zeros
to the size it had when it was opened; its record has the true size, and whoever receives the
stream cuts it there (:mod:`custody.bundle.inflow`).  Manifest and inventory are kept in memory,
compressed, until all payload is out.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Self

from custody import durable
from custody.bundle import layout
from custody.bundle.content import Totals
from custody.bundle.draft import tag_files
from custody.errors import StorageError
from custody.formats import bagit, inventory, tarred
from custody.formats.tarred import Member

_BUFFER = 1 << 20
_ZEROS = bytes(_BUFFER)

Take = Callable[[bytes | memoryview], None]
Beside = Callable[[], Iterable[bytes]]
"""Gives the signed events that go into ``seal/events/``; asked when the bag is closed."""


def _none() -> Iterable[bytes]:
    return ()


class Outflow:
    """A bundle on its way out; use it as a context manager.

    :param fd: an open descriptor, which stays open.
    :param name: the bundle's.
    :param began: seconds since 1970, the time of every member.
    :param beside: gives what goes into ``seal/events/``, when the statement is there.
    :raises StorageError: if this system has no files in memory.
    """

    def __init__(self, fd: int, name: str, began: int, beside: Beside = _none) -> None:
        self.totals = Totals()
        self.payload = self  # what makes payload files, as a draft has it
        self._name = name
        self._began = began
        self._beside = beside
        self._above: list[str] = []
        self._left = 0  # bytes that the member which is under way still needs
        self._made = ""
        self._beginning = b""
        self._manifest, self._inventory = _Spool(), _Spool()
        self._tags: dict[str, str] = {}
        self._memory = _memory()
        self._out: BinaryIO = os.fdopen(os.dup(fd), "wb", _BUFFER)

    def __enter__(self) -> Self:
        self._directory("")
        self._directory(layout.PAYLOAD)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._memory)
        with suppress(OSError):  # after the statement, nothing is left to be written
            self._out.close()

    def create(self, name: str, large: bool) -> int:
        """A file in memory for the small payload file *name*; the caller closes it."""
        del large
        os.ftruncate(self._memory, 0)
        os.lseek(self._memory, 0, os.SEEK_SET)
        self._made = name
        return os.dup(self._memory)

    def pour(self, name: str, size: int) -> Take:
        """Begin the payload file *name*, and give what takes in its content.

        What is missing of *size* when its record comes is filled up with zeros.
        """
        self._begin(name, size)
        return self._write

    def add(self, record: inventory.Record) -> None:
        """Enter one record, and end its payload.

        :raises StorageError: if nobody reads the stream any more.
        """
        self._inventory.write(inventory.dump(record))
        if "payload" not in record:
            return
        if self._made:
            self._send_made(record)
        while self._left:
            self._write(_ZEROS[: self._left])
        self._end(record["size"])
        self._manifest.write(bagit.manifest_line(record["sha256"], record["payload"]))
        self.totals.files += 1
        self.totals.bytes += record["size"]

    def beginning(self, _name: str) -> bytes:
        """The first bytes of the payload file that went out last."""
        return self._beginning

    def _send_made(self, record: inventory.Record) -> None:
        name, self._made = self._made, ""
        size = os.fstat(self._memory).st_size
        if (name, size) != (record["payload"], record["size"]):
            raise StorageError("write", name, "it is not what its record says")
        self._begin(name, size)
        offset = 0
        while piece := os.pread(self._memory, _BUFFER, offset):
            self._write(piece)
            offset += len(piece)

    def close_bag(self, bundle_id: str, day: str, acquisition: Mapping[str, Any]) -> str:
        """Send every tag file and the tag manifest.

        :returns: the SHA-256 of the tag manifest, in hex.
        """
        self._spooled(bagit.MANIFEST_NAME, self._manifest)
        self._spooled(layout.INVENTORY, self._inventory)
        files = tag_files(bundle_id, day, self.totals, acquisition)
        # What lies beside the inventory first: each directory is named once.
        for name in sorted(files, key=lambda name: "/" not in name):
            data = files[name]
            self._tags[name] = hashlib.sha256(data).hexdigest()
            self._whole(name, data)
        lines = (bagit.manifest_line(self._tags[name], name) for name in layout.TAG_FILES)
        tag_manifest = b"".join(lines)
        self._whole(bagit.TAG_MANIFEST_NAME, tag_manifest)
        return hashlib.sha256(tag_manifest).hexdigest()

    def seal(self, statement: bytes) -> None:
        """Send what lies beside the signed statement, that itself, and the end of the stream."""
        for data in self._beside():
            self._whole(layout.event(data), data)
        self._whole(layout.STATEMENT, statement)
        self._put(tarred.END)
        try:
            self._out.flush()
        except OSError as err:
            raise _broken(err) from err

    def _spooled(self, name: str, spool: _Spool) -> None:
        self._begin(name, spool.size)
        for piece in spool.pieces():
            self._write(piece)
        self._end(spool.size)
        self._tags[name] = spool.sha256()

    def _whole(self, name: str, data: bytes) -> None:
        self._begin(name, len(data))
        self._write(data)
        self._end(len(data))

    def _begin(self, name: str, size: int) -> None:
        parts = name.split("/")[:-1]
        kept = 0
        while kept < min(len(parts), len(self._above)) and parts[kept] == self._above[kept]:
            kept += 1
        for end in range(kept + 1, len(parts) + 1):
            self._directory("/".join(parts[:end]))
        self._above = parts
        self._size = self._left = size
        self._beginning = b""
        self._put(tarred.dump(Member(f"{self._name}/{name}", size, self._began)))

    def _directory(self, name: str) -> None:
        whole = f"{self._name}/{name}" if name else self._name
        self._put(tarred.dump(Member(whole, None, self._began)))
        self._above = name.split("/") if name else []

    def _write(self, data: bytes | memoryview) -> None:
        if not self._beginning:
            self._beginning = bytes(data[: layout.BEGINNING])
        self._left -= len(data)
        self._put(data)

    def _end(self, true_size: int) -> None:
        if self._left or true_size > self._size:
            raise StorageError("write the stream", None, "a file is not as long as was said")
        self._put(bytes(tarred.padding(self._size)))

    def _put(self, data: bytes | memoryview) -> None:
        try:
            self._out.write(data)
        except OSError as err:
            raise _broken(err) from err


class _Spool:
    """Lines that must wait, compressed in memory."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._packer = zlib.compressobj(1)
        self._packed: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.size += len(line)
        self._digest.update(line)
        if packed := self._packer.compress(line):
            self._packed.append(packed)

    def pieces(self) -> Iterator[bytes]:
        """All of it; what was given is let go."""
        self._packed.append(self._packer.flush())
        self._packed.reverse()
        unpacker = zlib.decompressobj()
        while self._packed:
            yield unpacker.decompress(self._packed.pop())
        yield unpacker.flush()

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _memory() -> int:
    """A file in memory: what is collected leaves no trace on the disks of the host.

    :raises StorageError: where the system has none.
    """
    try:
        return os.memfd_create("custody", os.MFD_CLOEXEC)
    except (AttributeError, OSError) as err:
        why = "this system has no files in memory; nothing was read"
        raise StorageError("collect", "-", why, hint="name a directory: --output DIR") from err


def _broken(err: OSError) -> StorageError:
    if isinstance(err, BrokenPipeError):
        why = "whoever read the stream is gone; nothing was sealed"
        return StorageError("write the stream", "stdout", why, hint="run the whole pipe again")
    return durable.storage_error("write the stream", "stdout", err)
