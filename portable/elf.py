"""What an ELF file needs, and taking away from it what leads out of the folder."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

_DYNAMIC, _LOAD = 2, 1
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29
# Where a program loader looks when it was told nothing, as it is built into it.
_SYSTEM_DIRECTORIES = re.compile(rb"(?<=\0)(?:/(?:usr/)?lib(?:64)?/(?:x86_64-linux-gnu/)?\0){2,}")
_PRELOAD = b"\0/etc/ld.so.preload\0"


class Dynamic(NamedTuple):
    """*needed*: names of libraries; *paths*: offset and text of each place to look for them."""

    needed: list[str]
    paths: list[tuple[int, str]]


def is_elf(path: Path) -> bool:
    """Whether the file is an ELF file."""
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def dynamic(path: Path) -> Dynamic:
    """The dynamic section of a 64-bit little-endian ELF file; empty for a static one."""
    data = path.read_bytes()
    start, size, count = struct.unpack_from("<32xQ14xHH", data)
    headers = [struct.unpack_from("<IIQQQQQQ", data, start + n * size) for n in range(count)]
    loads = [(vaddr, offset, held) for kind, _, offset, vaddr, _, held, *_ in headers
             if kind == _LOAD]  # fmt: skip

    def in_file(address: int) -> int:
        return next(address - v + o for v, o, held in loads if v <= address < v + held)

    entries = [
        struct.unpack_from("<qQ", data, offset + at)
        for kind, _, offset, _, _, held, *_ in headers
        if kind == _DYNAMIC
        for at in range(0, held, 16)
    ]
    strings = next((in_file(value) for tag, value in entries if tag == _STRTAB), 0)

    def text(value: int) -> str:
        return data[strings + value : data.index(b"\0", strings + value)].decode()

    return Dynamic(
        [text(value) for tag, value in entries if tag == _NEEDED],
        [(strings + value, text(value)) for tag, value in entries if tag in (_RPATH, _RUNPATH)],
    )


def stay_inside(path: Path) -> None:
    """Take away every built-in place to look for libraries that is not beside the file itself.

    An emptied path is no path to the loader.  Only the first byte changes, because other names
    may share the end of the text.
    """
    leading_out = [(at, text) for at, text in dynamic(path).paths if not _is_beside(text)]
    if not leading_out:
        return
    data = bytearray(path.read_bytes())
    for at, _ in leading_out:
        data[at] = 0
    path.write_bytes(data)


def _is_beside(text: str) -> bool:
    return not text or all(part.startswith("$ORIGIN") for part in text.split(":"))


def deafen(loader: Path) -> None:
    """Let our copy of the program loader look at nothing of the host.

    ``/etc/ld.so.preload`` is where a rootkit asks to be loaded into every program; and a library
    of the host, such as one for its user names, would run inside the collection.  The name of the
    first becomes empty, and the directories become names of the same length that nobody has.

    :raises SystemExit: where the loader is not as we know it.
    """
    data = loader.read_bytes()
    if data.count(_PRELOAD) != 1 or not _SYSTEM_DIRECTORIES.search(data):
        raise SystemExit(f"portable: {loader.name}: this C library's loader is not known")
    data = data.replace(_PRELOAD, b"\0\0" + _PRELOAD[2:])
    data = _SYSTEM_DIRECTORIES.sub(lambda found: re.sub(rb"[^/\0]", b"-", found[0]), data)
    loader.write_bytes(data)
