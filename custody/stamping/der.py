"""DER, as far as a time stamp needs it: reading elements strictly, and writing them again.

ITU-T X.690: a tag, a length in its one shortest form, a content.  Only tags of one byte are read,
which is all that time stamps and certificates have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from custody.errors import FormatError

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME, BOOLEAN = 0x17, 0x18, 0x01
_LONGEST_LENGTH = 4
_LONGEST_INTEGER = 64


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content, and the very bytes of the whole."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> list[Element]:
        """What is in a constructed element.

        :raises FormatError: if its content is not whole elements.
        """
        return list(_elements(self.content))

    def expect(self, tag: int, what: str) -> Element:
        """The same, if it is of this tag.

        :raises FormatError: if it is another.
        """
        if self.tag != tag:
            raise FormatError("read DER", what, f"tag {self.tag:#04x} where {tag:#04x} is needed")
        return self


def read(data: bytes) -> Element:
    """The one element that *data* is.

    :raises FormatError: if it is not exactly one.
    """
    found = list(_elements(data))
    if len(found) != 1:
        raise FormatError("read DER", None, f"{len(found)} elements where one is needed")
    return found[0]


def _elements(data: bytes) -> Iterator[Element]:
    at = 0
    while at < len(data):
        start, content_at, end = at, *_bounds(data, at)
        yield Element(data[start], data[content_at:end], data[start:end])
        at = end


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at *at* begins and ends."""
    head = data[at : at + 2]
    if len(head) < 2 or head[0] & 0x1F == 0x1F:
        raise FormatError("read DER", None, "an element is cut off, or its tag is a long one")
    first, at = head[1], at + 2
    if first < 0x80:
        length = first
    else:
        count = first & 0x7F
        digits = data[at : at + count]
        if not 0 < count <= _LONGEST_LENGTH or len(digits) != count:
            raise FormatError("read DER", None, "a length of no end, too long, or cut off")
        length, at = int.from_bytes(digits, "big"), at + count
        if digits[0] == 0 or length < 0x80:
            raise FormatError("read DER", None, "a length that is not in its shortest form")
    if at + length > len(data):
        raise FormatError("read DER", None, "an element is cut off")
    return at, at + length


def integer(element: Element, what: str, tag: int = INTEGER) -> int:
    """A whole number, under the given tag where that stands for INTEGER.

    :raises FormatError: if it is not one, or not in its shortest form.
    """
    content = element.expect(tag, what).content
    if not 0 < len(content) <= _LONGEST_INTEGER:
        raise FormatError("read DER", what, "a number of no bytes, or of too many")
    number = int.from_bytes(content, "big", signed=True)
    if len(content) != len(_integer_bytes(number)):
        raise FormatError("read DER", what, "a number that is not in its shortest form")
    return number


def _integer_bytes(number: int) -> bytes:
    bits = number.bit_length() if number >= 0 else (number + 1).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def oid(element: Element, what: str) -> str:
    """An object identifier, in dots.

    :raises FormatError: if it is not one.
    """
    content = element.expect(OID, what).content
    if not content or content[-1] & 0x80:
        raise FormatError("read DER", what, "an object identifier that is cut off")
    numbers, value = list[int](), 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    top = min(numbers[0] // 40, 2)
    return ".".join(map(str, [top, numbers[0] - 40 * top, *numbers[1:]]))


def write(tag: int, content: bytes) -> bytes:
    """Print one element."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def write_set(tag: int, encoded: Iterable[bytes]) -> bytes:
    """Print a SET OF these elements, each once and in DER's order, under the given tag."""
    return write(tag, b"".join(sorted(set(encoded))))
