"""Writing a bundle: a bag that grows in a staging directory until it can be sealed.

The order is the order of what is promised: payload, manifest and inventory, everything synced
and the payload read back from the device, the other tag files, the tag manifest, the statement.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Self

from custody import __version__, durable
from custody.beside import beside
from custody.bundle import content, layout
from custody.bundle.content import Share, Totals
from custody.bundle.payload import Payload
from custody.bundle.verify_text import VERIFY_TEXT
from custody.errors import StorageError
from custody.findings import Finding
from custody.formats import bagit, canonical, inventory

_BUFFER = 1 << 20
_READ_BACK_WORKERS = 4
_MOST_FINDINGS = 1_000
_WORTH_A_PROCESS = 4 << 20

Tick = Callable[[int, int], None]


def _silent(_files: int, _size: int) -> None:
    """Say nothing: a process beside has nobody to tell."""


def tag_files(
    bundle_id: str, day: str, totals: Totals, acquisition: Mapping[str, Any]
) -> dict[str, bytes]:
    """The tag files that are written when all payload is known, but for the tag manifest.

    :param day: the date for ``Bagging-Date``, as YYYY-MM-DD.
    """
    info = {
        "Bag-Software-Agent": f"custody {__version__}",
        "Bagging-Date": day,
        "External-Identifier": bundle_id,
        "Payload-Oxum": totals.oxum(),
        layout.FORMAT_LABEL: layout.FORMAT,
    }
    return {
        bagit.DECLARATION_NAME: bagit.DECLARATION,
        bagit.INFO_NAME: bagit.dump_info(info),
        layout.VERIFY_TEXT: VERIFY_TEXT,
        layout.ACQUISITION: canonical.dump(dict(acquisition)) + b"\n",
    }


class Draft:
    """A bundle in the making, in a private directory of its own.

    Use it as a context manager under :func:`custody.durable.private_umask`; leaving it closes
    its files and removes nothing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.totals = Totals()
        self.pour = None  # large files are written where they are to stay
        self._open = ExitStack()
        durable.make_directory(directory)
        durable.make_directory(directory / "data")
        durable.make_directory(directory / "custody")
        durable.make_directory(directory / layout.SEAL)
        self.payload = Payload(directory)
        self._open.callback(self.payload.close)
        self._manifest = self._stream(bagit.MANIFEST_NAME)
        self._inventory = self._stream(layout.INVENTORY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._open.close()
        except OSError as err:  # what a stream still held could not be written
            raise durable.storage_error("write", self.directory, err) from err

    def _stream(self, name: str) -> BinaryIO:
        return self._open.enter_context((self.directory / name).open("xb", _BUFFER))

    def add(self, record: inventory.Record) -> None:
        """Enter one record, and its payload in the manifest.

        :raises StorageError: if it cannot be written.
        """
        try:
            self._inventory.write(inventory.dump(record))
            if "payload" in record:
                self._manifest.write(bagit.manifest_line(record["sha256"], record["payload"]))
                self.totals.files += 1
                self.totals.bytes += record["size"]
        except OSError as err:
            raise durable.storage_error("write", self.directory, err) from err

    def beginning(self, name: str) -> bytes:
        """The first bytes of a finished payload file, as many as :data:`layout.BEGINNING`.

        :raises StorageError: if they cannot be read.
        """
        copy = self.payload.reopen(name)
        try:
            return os.read(copy, layout.BEGINNING)
        except OSError as err:
            raise durable.storage_error("read back", name, err) from err
        finally:
            os.close(copy)

    def read_back(self, tick: Tick) -> list[Finding]:
        """Make all of it durable, then read the payload from the device and compare.

        :returns: what differs; anything at all means that the disk cannot be relied on.
        :raises StorageError: if something could not be written.
        """
        try:
            self._manifest.flush()
            self._inventory.flush()
            durable.sync_file_system(self._manifest.fileno())
        except OSError as err:
            raise durable.storage_error("write", self.directory, err) from err
        findings, again = self._read_all(tick)
        if not findings and again != self.totals:
            why = "what was read back is not as much as was written"
            findings.append(Finding("data", self.totals.oxum(), again.oxum(), why))
        return findings

    def _read_all(self, tick: Tick) -> tuple[list[Finding], Totals]:
        """All of it; half in a process beside, where threads would wait for each other.

        Not for a little, and not where other threads run: those a fork would leave in the middle.
        """
        if self.totals.bytes < _WORTH_A_PROCESS or threading.active_count() > 1:
            return self._read_share(content.WHOLE, tick)
        with beside(partial(self._read_share, Share(1, 2), _silent)) as other:
            findings, again = self._read_share(Share(0, 2), tick)
            others, rest = other()
        return findings + others, Totals(again.files + rest.files, again.bytes + rest.bytes)

    def _read_share(self, share: Share, tick: Tick) -> tuple[list[Finding], Totals]:
        seen = Totals()
        found = content.compare_payload(
            self.directory,
            seen,
            fresh=True,
            workers=_READ_BACK_WORKERS,
            # The other half is about as far.
            tick=lambda files, size: tick(files * share.of, size * share.of),
            share=share,
        )
        return list(islice(found, _MOST_FINDINGS)), seen

    def close_bag(self, bundle_id: str, day: str, acquisition: Mapping[str, Any]) -> str:
        """Write every tag file and the tag manifest, durably.

        :param day: the date for ``Bagging-Date``, as YYYY-MM-DD.
        :returns: the SHA-256 of the tag manifest, in hex: the digest that pins the whole bag.
        :raises StorageError: if something could not be written.
        """
        files = tag_files(bundle_id, day, self.totals, acquisition)
        for name, data in files.items():
            durable.create(self.directory / name, data)
        lines = (bagit.manifest_line(self._digest(name), name) for name in layout.TAG_FILES)
        tag_manifest = b"".join(lines)
        durable.create(self.directory / bagit.TAG_MANIFEST_NAME, tag_manifest)
        return hashlib.sha256(tag_manifest).hexdigest()

    def _digest(self, name: str) -> str:
        try:
            with (self.directory / name).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as err:
            raise StorageError("read back", self.directory / name, str(err.strerror)) from err

    def seal(self, statement: bytes) -> None:
        """Write the signed statement and make every name durable; nothing is added after it."""
        durable.create(self.directory / layout.STATEMENT, statement)
        durable.sync_directory(self.directory / "custody")
        durable.sync_directory(self.directory)
