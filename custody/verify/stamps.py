"""Trusted time: tokens in a bundle, and whether the key counted then (checks 9 and 10).

A token is over the signature of the statement, or of a countersignature or an event beside it; or
it is wrong.  One by an authority that the
verifier has not pinned shows nothing, and never helps.  Beside tokens, the ledger may give a time:
the checkpoint under which the statement is entered was stamped, or signed by a witness.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from custody import clock, reading
from custody.bundle import layout
from custody.errors import CustodyError, FormatError, StorageError
from custody.formats import dsse
from custody.identity import moments
from custody.identity.signers import TrustedSigner
from custody.identity.trust import Trust
from custody.stamping import places
from custody.stamping import token as tokens
from custody.stamping.opinion import Opinion
from custody.stamping.token import Token
from custody.verify.carried import Stamp, judged
from custody.verify.clocks import Clocks, Reading, spelled
from custody.verify.docket import Docket
from custody.verify.layout import Inside
from custody.verify.result import Check
from custody.verify.seal import TIME_STAMP, VALIDITY, Sealed


class Ledgered(Protocol):
    """What the ledger of a case says of the time of what is entered in it."""

    def clocks(self, statement: str) -> Clocks:
        """The stamps and witnesses of checkpoints that cover a statement, by its digest."""

    def covers(self, token: str, ends: datetime) -> bool:
        """Whether a token, by its digest, was stamped over with the ledger before *ends*."""


class Unledgered:
    """A bundle on its own, beside no ledger."""

    def clocks(self, statement: str) -> Clocks:  # noqa: ARG002
        """None."""
        return Clocks()

    def covers(self, token: str, ends: datetime) -> bool:  # noqa: ARG002
        """It cannot be known."""
        return False


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the tokens of a bundle came to.

    :ivar good: those over the statement's own signature that are believed.
    :ivar unknown: why others could not be judged.
    :ivar latest: by when each signature existed at the latest, by its bytes; those of
        countersignatures and of events are among them.
    """

    good: tuple[Stamp, ...] = ()
    unknown: tuple[str, ...] = ()
    latest: Mapping[bytes, datetime] = field(default_factory=dict)


def read(bag: Path, inside: Inside, sealed: Sealed | None, trust: Trust, docket: Docket) -> Tokens:
    """Check 10, token by token; the checks of signatures need what it says."""
    good, unknown = [], []
    latest: dict[bytes, datetime] = {}
    signatures = _Signatures(bag, inside, sealed)
    for name in inside.additions.get(layout.TIMESTAMPS, []):
        path = f"{layout.TIMESTAMPS}/{name}"
        token, signature = _read(bag, path, signatures, docket)
        if token is None:
            continue
        found = judged(path, token, trust, docket)
        if found.standing == "unknown":
            unknown.append(f"{path}: {found.why}")
        elif found.standing == "good":
            latest[signature] = min(token.latest, latest.get(signature, token.latest))
            if signature == signatures.own:
                good.append(Stamp(path, token, found))
    return Tokens(tuple(good), tuple(unknown), latest)


class _Signatures:
    """The signatures in a bundle that a token may be over: of its statement, and of additions.

    The additions are read when the first token asks for one, and of them only the signatures are
    kept.

    :ivar own: the statement's, by the key that it names.
    :ivar are_whole: all of them could be read.
    """

    def __init__(self, bag: Path, inside: Inside, sealed: Sealed | None) -> None:
        self.own = b""
        self.are_whole = sealed is not None
        self._bag = bag
        self._inside = inside
        self._every: set[bytes] = set()
        self._found: dict[str, dict[bytes, bytes]] = {}
        if sealed is not None:
            self._every.update(line.sig for line in sealed.envelope.signatures)
            with suppress(FormatError):  # that check 8 says
                self.own = places.signature_of(sealed.envelope, sealed.event)

    def under(self, token: Token) -> bytes | None:
        """The signature that a token is over."""
        if not self._found:
            self._read_additions()
        if token.algorithm not in self._found:
            self._found[token.algorithm] = {
                hashlib.new(token.algorithm, sig).digest(): sig for sig in self._every
            }
        return self._found[token.algorithm].get(token.imprint)

    def _read_additions(self) -> None:
        for folder in (layout.COUNTERSIGNATURES, layout.EVENTS):
            for name in self._inside.additions.get(folder, []):
                path = f"{folder}/{name}"
                try:
                    data = reading.read_beneath(self._bag, path, dsse.LARGEST_ENVELOPE)
                    lines = dsse.load(data).signatures
                except StorageError:
                    self.are_whole = False
                except CustodyError:  # its own check says so
                    continue
                else:
                    self._every.update(line.sig for line in lines)


def _read(
    bag: Path, path: str, signatures: _Signatures, docket: Docket
) -> tuple[Token | None, bytes]:
    try:
        data = reading.read_beneath(bag, path, tokens.LARGEST_TOKEN)
        token = tokens.read(data)
    except CustodyError as err:
        docket.trouble(TIME_STAMP, path, "a time stamp", err)
        return None, b""
    # (10) over the bytes of a signature that is here
    signature = signatures.under(token)
    if signature is None and not signatures.are_whole:
        docket.unread(TIME_STAMP, path, "what it may be over cannot be read")
        return None, b""
    if signature is None:
        why = "the time stamp is over other bytes than the signatures here"
        docket.found(TIME_STAMP, path, "a stamp over a signature", token.imprint.hex(), why)
        return None, b""
    return token, signature


def settle(
    sealed: Sealed | None,
    signer: TrustedSigner | None,
    trust: Trust,
    found: Tokens,
    witnessed: Sequence[Clocks],
    carried: Sequence[Stamp],
    ledger: Ledgered,
    docket: Docket,
    now: datetime,
) -> Clocks:
    """Checks 9 and 10, once receipts are known.

    :param witnessed: what witnesses say on the receipts that prove the statement.
    :param carried: stamps over the checkpoints of those receipts.
    :param ledger: what the ledger of the case says, where the bundle lies in one.
    """
    stamps = (*found.good, *carried)
    more = [*witnessed, *([] if sealed is None else [ledger.clocks(sealed.sha256)])]
    clocks = Clocks(
        None if sealed is None else sealed.event.time,
        _each([[stamp.reading for stamp in stamps], *(item.authority for item in more)]),
        _each(item.witness for item in more),
        _each(item.seen for item in more),
    )
    if sealed is None:
        docket.left(VALIDITY, "there is no statement to judge")
    else:
        _validity(sealed, signer, clocks, docket, now)
    _time_stamp(signer, trust, found, clocks, docket)
    _remarks(stamps, clocks, ledger, docket, now)
    return clocks


def _each(listed: Iterable[Sequence[Reading]]) -> tuple[Reading, ...]:
    return tuple(dict.fromkeys(item for readings in listed for item in readings))


def _validity(
    sealed: Sealed, signer: TrustedSigner | None, clocks: Clocks, docket: Docket, now: datetime
) -> None:
    """(9) The key counted, by the trust folder's dates, when the statement was signed."""
    stated, first = sealed.event.time, clocks.first
    if stated > now:
        docket.remark(layout.STATEMENT, "its time lies in the future of this computer's clock")
    if signer is None:
        docket.left(VALIDITY, "there is no trusted signer to judge")
        return
    latest = None if first is None else first.latest
    judged = moments.judge(signer, stated, latest)
    if judged.standing == "open":
        docket.left(VALIDITY, judged.why)
        return
    if judged.standing == "did-not-count":
        said = clock.rfc3339(stated)
        if latest is not None:
            said += f", and at the latest {clock.rfc3339(latest)}"
        wanted = "a time at which the key counts"
        docket.found(VALIDITY, layout.STATEMENT, wanted, said, judged.why)
        return
    aside = signer.why_not_valid_at(stated)
    if aside and first is not None:
        said = f"its own time is {clock.rfc3339(stated)}, when {aside}; {first.name} shows another"
        docket.remark(layout.STATEMENT, said)
    moment = stated if latest is None else latest
    docket.shown(VALIDITY, f"the key counted at {clock.rfc3339(moment)}")


def _time_stamp(
    signer: TrustedSigner | None, trust: Trust, found: Tokens, clocks: Clocks, docket: Docket
) -> None:
    """(10) Required by the verifier alone: for a key that ends, or by ``require_timestamp``."""
    if clocks.authority:
        first = min(clocks.authority, key=lambda item: item.latest)
        shown = f"signed at the latest at {clock.rfc3339(first.latest)}, by {first.name}"
        others = len(clocks.authority) - 1
        docket.shown(TIME_STAMP, shown + (f" (and {others} more)" if others else ""))
        return
    ends = signer is not None and signer.needs_time_stamp
    there = found.unknown[0] if found.unknown else "there is none"
    if trust.require_timestamp:
        docket.left(TIME_STAMP, f"{there}; the trust folder requires one")
    elif ends and not clocks.seen:
        why = "one is required, because the key has an end or was revoked"
        docket.left(TIME_STAMP, f"{there}; {why}")
    elif clocks.seen:
        first = min(clocks.seen, key=lambda item: item.latest)
        by = f"the witness {first.name} saw it entered at {clock.rfc3339(first.time)}"
        docket.left(TIME_STAMP, f"{there}, but {by}", required=False)
    else:
        docket.left(TIME_STAMP, f"{there}; none is required", required=False)


def _remarks(
    stamps: Sequence[Stamp], clocks: Clocks, ledger: Ledgered, docket: Docket, now: datetime
) -> None:
    """What changes no verdict: a clock that ran ahead, and stamps that are growing old."""
    first = clocks.first
    if clocks.ahead and first is not None:
        docket.remark(
            layout.STATEMENT,
            f"the host's clock ran ahead of {first.name}'s by {spelled(clocks.ahead)}: the times"
            " that the host gives are at least that much too late",
        )
    for stamp in stamps:
        ends = stamp.opinion.ends
        if ends is not None and ends < now and not ledger.covers(stamp.token.sha256, ends):
            docket.remark(stamp.path, f"{ended(stamp.opinion)}; {_lasting(stamps, ends, now)}")


def _lasting(stamps: Sequence[Stamp], ends: datetime, now: datetime) -> str:
    """What still holds where an authority's certificate ended: a later stamp, if there is one."""
    for other in stamps:
        its_end = other.opinion.ends
        if other.token.latest < ends and (its_end is None or its_end >= now):
            shown = clock.rfc3339(other.token.latest)
            return (
                f"a stamp of {other.opinion.authority} that still holds shows {shown} at the latest"
            )
    return UNCOVERED


def hint(
    path: Path, signer: TrustedSigner | None, found: Tokens, checks: Sequence[Check], now: datetime
) -> str:
    """What would date the signature, where a trusted time is all that is missing."""
    missed = [item.number for item in checks if item.required and item.status == "not-checked"]
    if signer is None or not missed or not {VALIDITY, TIME_STAMP}.issuperset(missed):
        return ""
    if any(item.status == "fail" for item in checks):
        return ""
    if found.unknown:
        return (
            "get the root certificate of the stamp's authority from a channel that you trust, then:"
            " custody trust add tsa FILE"
        )
    if found.good or signer.why_not_valid_at(now):
        return ""  # a stamp of today would come too late
    return (
        "while the key counts, a stamp still shows that it signed before its end:"
        f" custody timestamp {shlex.quote(str(path))} --tsa URL"
    )


UNCOVERED = (
    "no later stamp of a ledger shows here that the token is older than that: whoever has the"
    " authority's old key could have made it since"
)


def ended(found: Opinion) -> str:
    """That the certificate of an authority has ended since it stamped."""
    shown = "" if found.ends is None else clock.rfc3339(found.ends)
    return f"the certificate of {found.authority} ended at {shown}"
