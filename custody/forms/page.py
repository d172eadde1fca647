"""Facts to a page of HTML that stands alone: no script, no link to anything, one style sheet.

Everything that a template prints is made visible (:mod:`custody.visible`) and escaped, so neither
a template nor a fact can forget it.  The page's own policy allows exactly its one style sheet, by
digest: should anything slip through all the same, a browser neither runs nor fetches it.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from custody.counted import counted
from custody.errors import UsageError
from custody.forms import qr
from custody.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = "custody.forms"
_LONGEST_RUNNING = 70  # characters that surely fit beside the others in a page's margin
_CORNERS = ("top-left", "top-right", "bottom-left")
_NEAR = {
    "top": "vertical-align: bottom; padding-bottom: 3mm;",
    "bottom": "vertical-align: top; padding-top: 3mm;",
}
_PLAIN = frozenset(" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def require() -> None:
    """Make sure that the libraries for pages are there, before any work is done.

    :raises UsageError: if they are not; says how to get them.
    """
    try:
        import jinja2  # noqa: F401 - only whether it is there
        import segno  # noqa: F401
    except ImportError as err:
        raise UsageError(
            "make the page", None, f"the library {err.name} is not installed", hint=qr.HINT
        ) from err


def render(name: str, facts: Mapping[str, Any], running: tuple[str, str, str]) -> bytes:
    """The page *name* (``form`` or ``certificate``) of these facts, as UTF-8.

    :param running: what stands on every page: top left, top right and bottom left.
    :raises UsageError: if the libraries are not there.
    """
    require()
    from markupsafe import Markup

    environment = _environment()
    style = environment.get_template(f"{name}.css").render() + _margins(running)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template(f"{name}.html").render(
        facts=facts,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none';"
        " form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file, and texts of which no byte is left plain
        running=running,
    )
    return page.encode()


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["several"] = counted
    made.filters["grouped"] = _grouped
    made.filters["moment"] = _moment
    made.filters["quoted"] = shlex.quote
    made.globals["qr"] = _qr
    return made


def _shown(value: Any) -> Any:
    """What a template is about to print: harmless to look at; markup of our own stays."""
    if hasattr(value, "__html__"):
        return value
    return "" if value is None else visible(value)


def _grouped(text: str) -> str:
    """A digest in groups of eight, as people compare them."""
    return " ".join(text[at : at + 8] for at in range(0, len(text), 8))


def _moment(text: str) -> str:
    """An RFC 3339 time in UTC as people read it; anything else as it is."""
    return f"{text[:10]} {text[11:19]} UTC" if len(text) == 20 and text[-1] == "Z" else text


def _qr(text: str, title: str) -> Any:
    from markupsafe import Markup

    return Markup(qr.svg(text, title))  # noqa: S704 - drawn by segno, holds no text of others


# ---- what stands on every page


def _margins(running: tuple[str, str, str]) -> str:
    """The margins' texts, near to the page's own, because printers do not reach the edge."""
    boxes = [
        f"@{corner} {{ content: {css_text(text)}; {_NEAR[corner.partition('-')[0]]} }}"
        for corner, text in zip(_CORNERS, running, strict=True)
    ]
    pages = '"Page " counter(page) " of " counter(pages)'
    number = f"@bottom-right {{ content: {pages}; {_NEAR['bottom']} }}"
    return "\n".join(["@page {", *boxes, number, "}", ""])


def css_text(text: str) -> str:
    """*text* as a string in a style sheet; every character that could mean anything is a number."""
    shown = visible(text)
    if len(shown) > _LONGEST_RUNNING:
        shown = shown[: _LONGEST_RUNNING - 3] + "..."
    return '"' + "".join(c if c in _PLAIN else f"\\{ord(c):06x} " for c in shown) + '"'
