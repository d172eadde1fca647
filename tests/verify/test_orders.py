"""Every order in which a key may sign, be stamped, be revoked and expire, by an injected clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from authority import Authority
from test_stamps import believing, signature
from verify_bench import NOW, SIGNER, failed, status, trusting

from custody.bundle import layout
from custody.formats import dsse
from custody.ledger.believed import by_trust
from custody.stamping import places, token
from custody.stamping.token import Token
from custody.verify import verify_bundle

DAY = timedelta(days=1)
EVENTS = ("sign", "stamp", "revoke", "expire")
# Each event is a day after the one before; what is not in an order never happened.
ORDERS = [
    order
    for length in range(1, len(EVENTS) + 1)
    for order in permutations(EVENTS, length)
    if "sign" in order
]
AS_ENTRY = {"ok": "trusted", "failed": "late", "cannot-verify": "undated"}


def expected(order: tuple[str, ...]) -> str:
    """What FORMAT.md's table says, read from the order alone."""
    ends = [order.index(event) for event in ("revoke", "expire") if event in order]
    if not ends:
        return "ok"
    end, signed = min(ends), order.index("sign")
    if "stamp" in order and order.index("stamp") < end:
        return "ok"
    return "cannot-verify" if signed < end else "failed"


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, dict[datetime, Token]]:
    """An authority, and its tokens over the one statement, by their moment."""
    return Authority(tmp_path_factory.mktemp("orders") / "a"), {}


def test_there_is_every_order() -> None:
    """Four events in every order, and every choice of those that came to pass."""
    assert len(ORDERS) == 1 + 3 * 2 + 3 * 6 + 24
    assert {expected(order) for order in ORDERS} == {"ok", "cannot-verify", "failed"}


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_every_order_is_judged_by_the_table(
    bag: Path, stamped: tuple[Authority, dict[datetime, Token]], order: tuple[str, ...]
) -> None:
    """In a bundle and as an entry of a ledger: only a stamp from before the key's end makes what
    it signed hold, what it signed afterwards fails, and where nobody can tell it stays open."""
    at = {event: NOW + (place - order.index("sign")) * DAY for place, event in enumerate(order)}
    authority, tokens = stamped
    if "stamp" in at:
        if at["stamp"] not in tokens:
            tokens[at["stamp"]] = token.read(authority.stamp(signature(bag), at["stamp"]))
        places.keep(bag, tokens[at["stamp"]])
    ends = {"revoked_at": at.get("revoke"), "valid_until": at.get("expire")}
    dates = {word: moment for word, moment in ends.items() if moment is not None}
    trust = believing(trusting(SIGNER, **dates), authority)
    found = verify_bundle(bag, trust, now=NOW + 30 * DAY)
    assert found.verdict == expected(order)
    assert failed(found) == ([9] if expected(order) == "failed" else [])
    assert status(found)[10] == ("ok" if "stamp" in order else "not-checked")
    entry = dsse.load((bag / layout.STATEMENT).read_bytes())
    latest = tokens[at["stamp"]].latest if "stamp" in at else None
    assert by_trust(trust, lambda _: latest)(0, entry) == AS_ENTRY[expected(order)]
