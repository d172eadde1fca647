"""What desks have said of keys in a bundle's own ``seal/events/``: a part of check 8.

Nothing there is believed because it is there: a certificate counts only by a key that the
verifier's folder trusts as a desk (:mod:`custody.certifying`).  What is not believed is said, and
a bundle whose certificate was taken out is by a key that nobody trusts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from custody import certifying, reading
from custody.bundle import layout
from custody.errors import CustodyError
from custody.formats import dsse
from custody.formats.dsse import Envelope
from custody.identity.trust import Trust
from custody.verify.docket import Docket
from custody.verify.layout import Inside
from custody.verify.lines import Latest


def believe(bag: Path, inside: Inside, trust: Trust, docket: Docket, latest: Latest) -> Trust:
    """The verifier's trust, and what desks that it trusts said of keys in this bundle.

    :param latest: trusted times of their signatures.
    """
    listed = inside.additions.get(layout.EVENTS, [])
    if not listed:
        return trust

    def moment_of(_where: str, envelope: Envelope) -> datetime | None:
        known = (latest.get(line.sig) for line in envelope.signatures)
        return min((moment for moment in known if moment is not None), default=None)

    believed = certifying.believe(trust, _envelopes(bag, listed), moment_of=moment_of)
    for where, text in believed.said:
        docket.remark(where, text)
    return believed.trust


def _envelopes(bag: Path, names: list[str]) -> Iterator[tuple[str, Envelope]]:
    """Each event that can be read; of the others check 13 says what is wrong."""
    for name in names:
        path = f"{layout.EVENTS}/{name}"
        try:
            yield path, dsse.load(reading.read_beneath(bag, path, dsse.LARGEST_ENVELOPE))
        except CustodyError:
            continue
