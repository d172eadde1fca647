"""A text as a QR code: inline SVG, exactly its bytes."""

from __future__ import annotations

from custody.errors import UsageError

HINT = "pip install 'custody[forms]'"


def svg(text: str, title: str) -> str:
    """An ``<svg>`` element for *text*; empty where it is longer than a code can hold.

    :param title: what a program that reads the page aloud says.
    :raises UsageError: if the library is not there.
    """
    try:
        import segno
    except ImportError as err:
        raise UsageError(
            "make a QR code", None, "the library segno is not installed", hint=HINT
        ) from err
    try:
        code = segno.make_qr(text.encode(), error="l", boost_error=True)
    except segno.DataOverflowError:
        return ""
    made: str = code.svg_inline(border=4, omitsize=True, title=title, svgclass=None, lineclass=None)
    return made
