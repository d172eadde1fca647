"""The headers of a stream: one way to write each, which other programs read too."""

from __future__ import annotations

import io
import tarfile

import pytest

from custody.errors import FormatError
from custody.formats import tarred
from custody.formats.tarred import Member

MEMBERS = (
    Member("B", None, 1_000),
    Member("B/data/a", 5, 1_000),
    Member("B/data/" + "x" * 93, 5, 1_000),
    Member("B/data/" + "x" * 94, 5, 1_000),
    Member("B/" + "y" * 200 + "/" + "z" * 800, 5, 1_000),
    Member("B/" + "y" * 97, None, 1_000),
    Member("B/" + "y" * 98, None, 1_000),
    Member("B/e=20(1) ~@+,-_.log", 0, 0),
)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_header_comes_back(member: Member) -> None:
    """What is printed is read as the same member, and by Python's own reader too."""
    head = tarred.dump(member)
    assert tarred.load(head) == member
    size = member.size or 0
    archive = head + bytes(size + tarred.padding(size)) + tarred.END
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        (other,) = read
    assert (other.name, other.size, other.mtime) == (member.name, size, member.modified)
    assert (other.isdir(), other.isreg()) == (member.size is None, member.size is not None)


def test_a_size_over_eight_gibibytes() -> None:
    """A size that eleven octal digits cannot say is said by the pax header."""
    member = Member("B/data/a", (8 << 30) + 1, 1_000)
    head = tarred.dump(member)
    assert tarred.load(head) == member
    assert len(head) == 3 * tarred.BLOCK
    assert tarred.extended_size(head[: tarred.BLOCK]) == tarred.BLOCK
    with tarfile.open(fileobj=io.BytesIO(head)) as read:
        other = read.next()
    assert other is not None
    assert other.size == member.size


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a FIFO"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
    ],
)
def test_what_no_bundle_has(kind: bytes, what: str) -> None:
    """A header of anything but a file or a directory is refused, and said."""
    info = tarfile.TarInfo("B/data/a")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(FormatError, match=what):
        tarred.load(info.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize(
    "name", ["../a", "B/../a", "/etc/passwd", "B//a", "B/./a", "", "B/\u00e9", "B/a\\b", "B/a\n"]
)
def test_names_that_lead_elsewhere(name: str) -> None:
    """A name with a step that is no name is refused, both ways."""
    with pytest.raises(FormatError):
        tarred.dump(Member(name, 0, 0))
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    with pytest.raises(FormatError):
        tarred.load(info.tobuf(tarfile.PAX_FORMAT)[-512:])


@pytest.mark.parametrize("member", MEMBERS[:5])
def test_no_flipped_bit_is_read(member: Member) -> None:
    """A header in which any one bit differs is refused, or is another member's, byte for byte."""
    head = tarred.dump(member)
    for position in range(len(head)):
        damaged = bytearray(head)
        damaged[position] ^= 1 << (position % 8)
        try:
            read = tarred.load(bytes(damaged))
        except FormatError:
            continue
        assert tarred.dump(read) == damaged
        assert read.name != member.name
        assert len(member.name) > 100, "a checksum is over every name that is short"
