"""A number of things in words: ``1 file``, ``1,234 files``, ``2 entries``."""

from __future__ import annotations

_VOWELS = "aeiou"


def counted(count: int, noun: str) -> str:
    """*count* of what *noun* names, in the singular or the plural.

    :param noun: one of them; its plural ends with ``s``.
    """
    return f"{count:,} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"
