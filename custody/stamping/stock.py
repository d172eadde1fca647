"""All the stamps of a case: which are entered in its ledger, when they end, what covers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from custody.case import Case
from custody.errors import CustodyError, FormatError
from custody.formats import dsse, statement
from custody.formats.vkey import is_fingerprint
from custody.identity.trust import Trust
from custody.stamping import bounds, opinion, places, telling
from custody.stamping.bounds import Bounds
from custody.stamping.places import LedgerToken, Sealed
from custody.stamping.telling import Told
from custody.stamping.token import Token


@dataclass(frozen=True, slots=True)
class Held:
    """A token that lies in a case.

    :ivar path: relative to the case.
    :ivar told: what an event about it says.
    :ivar authority: its name in the trust folder, or what it claims.
    :ivar ends: when its authority's certificate ends, as far as that can be known.
    :ivar index: the entry that names it; None where there is none.
    """

    path: str
    token: Token
    told: Told
    authority: str
    ends: datetime | None
    index: int | None


@dataclass(frozen=True, slots=True)
class Stock:
    """The tokens of a case, and the stamps over its ledger that are believed."""

    held: tuple[Held, ...]
    bounds: Bounds

    def not_entered(self) -> list[Held]:
        """Those that no entry of the ledger names."""
        return [item for item in self.held if item.index is None]

    def due(self, now: datetime, within: timedelta) -> list[Held]:
        """Those whose certificate ends within a time, and that no lasting stamp covers yet.

        One that has ended already cannot be covered any more.
        """
        return [
            item
            for item in self.held
            if item.ends is not None
            and now < item.ends <= now + within
            and not self._is_covered(item, now + within)
        ]

    def _is_covered(self, item: Held, until: datetime) -> bool:
        if item.index is None:
            return False
        above = (stamp for stamp in self.bounds.stamps if stamp.size > item.index)
        return any(stamp.opinion.ends is not None and stamp.opinion.ends > until for stamp in above)

    def next_end(self, now: datetime) -> datetime | None:
        """When the first certificate ends that has not ended yet."""
        ends = (item.ends for item in self.held if item.ends is not None and item.ends > now)
        return min(ends, default=None)


def take(case: Case, trust: Trust) -> Stock:
    """Look through the case; tokens that cannot be read are for ``verify`` to name."""
    entered = _entered(case)
    held: list[Held] = []
    for name in case.bundle_names():
        held += _of_bundle(case, name, trust, entered)
    for path, found in places.of_ledger(case.directory):
        if isinstance(found, LedgerToken):
            held.append(_of_ledger(case, path, found, trust, entered))
    return Stock(tuple(held), bounds.read(case.directory, case.ledger, trust.anchors))


def _of_bundle(case: Case, name: str, trust: Trust, entered: Mapping[str, int]) -> list[Held]:
    bundle = case.bundles / name
    tokens = list(places.of_bundle(bundle))
    try:
        signed = [places.statement_of(bundle), *places.others_of(bundle)] if tokens else []
    except CustodyError:
        return []
    held = []
    for path, token in tokens:
        if not isinstance(token, Token):
            continue
        sealed = next((item for item in signed if token.is_over(item.signature)), None)
        if sealed is not None:
            where = f"bundles/{name}/{path}"
            held.append(_held(where, token, trust, entered, name, sealed))
    return held


def _held(
    path: str, token: Token, trust: Trust, entered: Mapping[str, int], name: str, sealed: Sealed
) -> Held:
    found = opinion.judge(token, trust.anchors)
    told = telling.of_bundle(name, sealed, token, found.authority)
    ends = found.ends or opinion.ends_by_itself(token)
    return Held(path, token, told, found.authority, ends, entered.get(token.sha256))


def _of_ledger(
    case: Case, path: str, found: LedgerToken, trust: Trust, entered: Mapping[str, int]
) -> Held:
    token, judged = found.token, opinion.judge(found.token, trust.anchors)
    told = telling.of_ledger(case.case, found.tree, found.text, token, judged.authority)
    ends = judged.ends or opinion.ends_by_itself(token)
    return Held(path, token, told, judged.authority, ends, entered.get(token.sha256))


def _entered(case: Case) -> dict[str, int]:
    """The tokens that entries name, by digest: the number of the first."""
    found: dict[str, int] = {}
    for index, data in enumerate(case.ledger.entries()):
        try:
            payload = dsse.load(data).payload
            if b'"timestamped"' not in payload:  # spares the most of reading it
                continue
            event = statement.load(payload)
        except FormatError:
            continue
        token = event.details.get("token")
        if event.kind == telling.STAMPED and isinstance(token, str) and is_fingerprint(token):
            found.setdefault(token, index)
    return found
