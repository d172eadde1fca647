"""Whether two very long lists of names hold the same names, in flat memory.

Each list is summed up in a number that does not depend on the order: the sum, modulo 2**128, of
a keyed hash of each name.  The key is random and new for each sum that is compared, so nobody
can prepare two lists that agree.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

_BYTES = 16
_MODULUS = 1 << (8 * _BYTES)


class Summary:
    """The sums of two or more lists under one random key."""

    def __init__(self) -> None:
        self._keyed = hashlib.blake2b(digest_size=_BYTES, key=secrets.token_bytes(32))

    def of(self, names: Iterable[bytes]) -> int:
        """What *names* add up to; sums of parts of a list may be added up."""
        total, keyed = 0, self._keyed
        for name in names:
            each = keyed.copy()
            each.update(name)
            total += int.from_bytes(each.digest(), "little")
        return total % _MODULUS


def is_same(one: int, other: int) -> bool:
    """Whether two sums stand for the same names."""
    return (one - other) % _MODULUS == 0
