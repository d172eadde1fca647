"""Collect: from sources on a live host to a sealed bundle, entered in a ledger.

The order is the order of what is promised, and each step is durable before the next:

1. The keys are ready; the case answers; nothing has been opened yet.
2. A look at the sources: how much there is, against the room at the destination.
3. Every path is read once; payload, manifest and inventory grow in ``incoming/``.
4. One sync; then the payload is read back from the device and compared.
5. Tag files, tag manifest, signed statement.
6. The bundle gets its final name, in one step.
7. Its statement is entered in the ledger; the checkpoint comes last; the receipt follows.

A crash before 6 leaves ``incoming/``, which nobody trusts.  A crash between 6 and 7 leaves a
sealed bundle that is not entered; the next ``collect`` into the case enters it.
"""

from __future__ import annotations

from custody.collect.destination import WAIT_SECONDS, Destination
from custody.collect.planning import Plan, prepare
from custody.collect.records import ACQUISITION_SCHEMA, MOST_PATH_BYTES_KEPT
from custody.collect.request import LONGEST_WORDS, Progress, Request, check_words
from custody.collect.result import MOST_GAPS_KEPT, Collected, Gap
from custody.collect.running import Source, run

__all__ = [
    "ACQUISITION_SCHEMA",
    "LONGEST_WORDS",
    "MOST_GAPS_KEPT",
    "MOST_PATH_BYTES_KEPT",
    "WAIT_SECONDS",
    "Collected",
    "Destination",
    "Gap",
    "Plan",
    "Progress",
    "Request",
    "Source",
    "check_words",
    "prepare",
    "run",
]
