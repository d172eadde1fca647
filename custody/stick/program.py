"""The portable build that comes onto the stick, held against its own sums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from custody import reading
from custody.errors import CustodyError, FormatError, UsageError

SUMS, SIGNATURE, BUILD, LAUNCHER = "SHA256SUMS", "SHA256SUMS.sig", "BUILD.json", "custody"
RUN = (LAUNCHER, "lib/ld-linux-x86-64.so.2")
"""What the kernel starts; everything else is read."""
_LARGEST_SUMS, _LARGEST_FILE = 4 << 20, 256 << 20
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_+.-][A-Za-z0-9_+./ -]*)\Z", re.ASCII)


class Program:
    """A folder that ``make portable`` made.

    :ivar sha256: of its ``SHA256SUMS``, which names the build.
    :ivar signed: whether there is a signature; it is not checked here.
    :raises UsageError: if the folder is none, or its sums cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._sums = reading.read_regular(folder / SUMS, _LARGEST_SUMS)
            self._digests = dict(_lines(self._sums))
        except CustodyError as err:
            why = f"not a portable build: {SUMS}: {err.why}"
            hint = "make portable builds one in build/portable/custody"
            raise UsageError("copy program", folder, why, hint=hint) from err
        missing = [name for name in (*RUN, BUILD) if name not in self._digests]
        if missing:
            why = f"not a portable build: {missing[0]} is not in its {SUMS}"
            raise UsageError("copy program", folder, why)
        self.sha256 = hashlib.sha256(self._sums).hexdigest()
        self.signed = (folder / SIGNATURE).is_file()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file and its path in the folder, the sums last.

        :raises UsageError: if one is missing or is not what the sums say.
        """
        for name, digest in self._digests.items():
            try:
                data = reading.read_beneath(self.folder, name, _LARGEST_FILE)
            except CustodyError as err:
                raise UsageError("copy program", self.folder / name, err.why) from err
            if hashlib.sha256(data).hexdigest() != digest:
                why = f"it is not what {SUMS} says; the card was not written"
                raise UsageError("copy program", self.folder / name, why)
            yield name, data
        if self.signed:
            yield SIGNATURE, reading.read_beneath(self.folder, SIGNATURE, _LARGEST_SUMS)
        yield SUMS, self._sums


def _lines(sums: bytes) -> Iterator[tuple[str, str]]:
    for line in sums.decode("ascii", "replace").splitlines():
        match = _LINE.match(line)
        if match is None or ".." in match[2].split("/"):
            raise FormatError("read sums", line, "a line is not a digest and a name")
        yield match[2], match[1]
