"""The fixed header of a systemd journal file, as far as it says what the file is.

The layout is that of systemd's own description (JOURNAL_FILE_FORMAT): little-endian numbers at
fixed places.  Older files have shorter headers; the part that is read here is in all of them.
What it says is the word of whoever wrote the file: numbers are kept and never acted upon.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"LPKSHHRH"
SEALING_KEY_MAGIC = b"KSHHRHLP"
LENGTH = 208  # the shortest header that a journal has, up to the clocks of its last entry

OFFLINE, ONLINE, ARCHIVED = "offline", "online", "archived"
UNKNOWN = "unknown"
STATES = (OFFLINE, ONLINE, ARCHIVED)
_SEALED, _SEALED_CONTINUOUS = 1, 4
_FIXED = struct.Struct("<8sIIB7x16s16s16s16s15Q")


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a journal says.

    :ivar state: one of :data:`STATES`; :data:`UNKNOWN` for another number.
    :ivar sealed: entries carry forward-secure seals, by its compatible flags.
    :ivar sealed_continuous: the seals of all intervals are there, even of empty ones.
    :ivar file_id: in hex, as the other ids are.
    :ivar boot_id: of the last entry.
    :ivar entries: how many it claims to have.
    :ivar head_realtime: of the first entry, in microseconds since 1970; *tail* is the last.
    """

    state: str
    sealed: bool
    sealed_continuous: bool
    compatible_flags: int
    incompatible_flags: int
    file_id: str
    machine_id: str
    boot_id: str
    seqnum_id: str
    header_size: int
    arena_size: int
    objects: int
    entries: int
    head_seqnum: int
    tail_seqnum: int
    head_realtime: int
    tail_realtime: int

    def problem(self, size: int) -> str:
        """What the header claims that a file of *size* bytes cannot have; empty if nothing."""
        if self.header_size < LENGTH:
            return f"its header claims to have {self.header_size} bytes, and none has so few"
        if self.header_size + self.arena_size > size:
            claimed = self.header_size + self.arena_size
            return f"it claims {claimed} bytes and has {size}"
        return ""


def is_journal(data: bytes) -> bool:
    """Whether a file that begins with *data* is a journal, or was one."""
    return data.startswith(MAGIC)


def header(data: bytes) -> Header | None:
    """Read the header of a journal.

    :param data: the beginning of the file, at least :data:`LENGTH` bytes of it.
    :returns: None if there is less of it, or it is no journal.
    """
    if not is_journal(data) or len(data) < LENGTH:
        return None
    _, compatible, incompatible, state, file, machine, boot, seqnum, *numbers = _FIXED.unpack_from(
        data
    )
    header_size, arena_size, _, _, _, _, _, objects, entries, tail, head = numbers[:11]
    _, head_time, tail_time, _ = numbers[11:]
    return Header(
        state=STATES[state] if state < len(STATES) else UNKNOWN,
        sealed=bool(compatible & _SEALED),
        sealed_continuous=bool(compatible & _SEALED_CONTINUOUS),
        compatible_flags=compatible,
        incompatible_flags=incompatible,
        file_id=file.hex(),
        machine_id=machine.hex(),
        boot_id=boot.hex(),
        seqnum_id=seqnum.hex(),
        header_size=header_size,
        arena_size=arena_size,
        objects=objects,
        entries=entries,
        head_seqnum=head,
        tail_seqnum=tail,
        head_realtime=head_time,
        tail_realtime=tail_time,
    )
