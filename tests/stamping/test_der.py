"""DER is read strictly: what is read prints the same again, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.stamping import der

TAGS = st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F)


@given(TAGS, st.binary(max_size=70_000))
def test_what_is_written_is_read_again(tag: int, content: bytes) -> None:
    """Tag, content and the very bytes come back, for lengths of every form."""
    data = der.write(tag, content)
    found = der.read(data)
    assert (found.tag, found.content, found.encoded) == (tag, content, data)


@given(st.binary(max_size=40))
def test_whatever_is_read_prints_the_same(data: bytes) -> None:
    """There is one spelling: no two different inputs are the same element."""
    try:
        found = der.read(data)
    except FormatError:
        return
    assert der.write(found.tag, found.content) == data


@given(st.integers(-(2**500), 2**500))
def test_numbers_have_one_form(number: int) -> None:
    """The shortest one, of either sign."""
    content = number.to_bytes(64, "big", signed=True)
    while len(content) > 1 and content[0] in (0, 255) and (content[0] ^ content[1]) < 0x80:
        content = content[1:]
    assert der.integer(der.read(der.write(der.INTEGER, content)), "n") == number
    longer = (b"\xff" if number < 0 else b"\x00") + content
    with pytest.raises(FormatError):
        der.integer(der.read(der.write(der.INTEGER, longer)), "n")


WRONG = {
    "nothing": "",
    "no length": "30",
    "two elements": "0500 0500",
    "cut off": "3002 05",
    "more behind": "0500 00",
    "a length without end": "3080 0000",
    "a length that could be shorter": "308105 0201020500",
    "a length with a zero in front": "30820005 0201020500",
    "a length of five bytes": "308500000000 00",
    "a tag of two bytes": "1f8101 00",
}


@pytest.mark.parametrize("defect", WRONG)
def test_other_spellings_are_refused(defect: str) -> None:
    """BER, cut off, or more than one element: it is not read."""
    with pytest.raises(FormatError):
        der.read(bytes.fromhex(WRONG[defect]))


@pytest.mark.parametrize(
    ("data", "name"), [("06062b0601040105", "1.3.6.1.4.1.5"), ("0603550403", "2.5.4.3"),
                       ("0602 8837", "2.999")],
)  # fmt: skip
def test_object_identifiers_are_read(data: str, name: str) -> None:
    """In dots, also those under 2 whose second number is over 39."""
    assert der.oid(der.read(bytes.fromhex(data)), "id") == name


@pytest.mark.parametrize("data", ["0600", "0602 5581", "0500"])
def test_what_is_no_object_identifier_is_refused(data: str) -> None:
    """Empty, cut off, or something else."""
    with pytest.raises(FormatError):
        der.oid(der.read(bytes.fromhex(data)), "id")


def test_a_set_is_sorted_and_without_doubles() -> None:
    """Whatever order its elements came in."""
    items = [der.write(der.INTEGER, bytes([n])) for n in (3, 1, 2, 1)]
    assert der.write_set(der.SET, items) == bytes.fromhex("3109 020101 020102 020103")
