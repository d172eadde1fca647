"""Finding where recent entries begin, without reading a large ledger from its start.

The order of entries is certain, their times are each signer's own word.  So the search goes back
from the end, one bundle of 256 at a time, and stops at one whose entries are all older by more
than a day; what lies before that is not read, and whoever asked is told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from custody import clock
from custody.errors import FormatError
from custody.ledger import entry as entries_
from custody.ledger.reader import LedgerReader
from custody.ledger.tiles import TILE_WIDTH

SLACK = timedelta(days=1)


def first_to_read(ledger: LedgerReader, since: datetime) -> int:
    """The number of the first entry that may be as late as *since*; 0 where all must be read.

    :raises FormatError: if a bundle is malformed.
    :raises NotFoundError: if one is missing.
    """
    end = ledger.checkpoint().size
    while end:
        start = (end - 1) // TILE_WIDTH * TILE_WIDTH
        whole = end - start == TILE_WIDTH
        found = ledger.entries(start, end)
        if whole and all(_is_older(data, since - SLACK) for data in found):
            return end
        end = start
    return 0


def _is_older(data: bytes, moment: datetime) -> bool:
    """Whether the entry says a time, and that time lies before *moment*."""
    try:
        return clock.parse_rfc3339(entries_.view(0, data).time) < moment
    except FormatError:
        return False
