"""The independent checker: a program in one file that checks evidence without this library.

``check.py`` beside this module is handed out as it is.  It needs nothing but Python's standard
library, shares no code with custody, and is written from FORMAT.md, so that a mistake here is not
made there again.  Nothing in custody imports it.
"""

from __future__ import annotations

import hashlib
from importlib import resources


def program() -> bytes:
    """The checker's bytes, byte for byte as they are published."""
    return resources.files(__name__).joinpath("check.py").read_bytes()


def digest() -> str:
    """The SHA-256 of the checker, in hex, as it stands in the release notes."""
    return hashlib.sha256(program()).hexdigest()
