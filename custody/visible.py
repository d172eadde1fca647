"""Text from evidence made harmless to look at, in one place for terminals, tables and pages."""

from __future__ import annotations

import os


def visible(text: object) -> str:
    r"""Write *text* so that nothing in it can act or hide, and fit for one line.

    Control codes, invisible and direction-changing characters and bytes that are not UTF-8 are
    written ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``.  Doing it twice changes nothing more; so a
    backslash stays what it is, and the exact bytes are in the JSON documents.
    """
    if isinstance(text, bytes):
        shown = os.fsdecode(text)
    elif isinstance(text, os.PathLike):
        shown = os.fsdecode(os.fspath(text))
    else:
        shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(char if char.isprintable() else _escape(ord(char)) for char in shown)


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode gives it
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
