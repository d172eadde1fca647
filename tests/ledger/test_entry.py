"""Entries as they are shown, and what may be entered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import FormatError, UsageError
from custody.formats import canonical, dsse
from custody.formats.dsse import Envelope, Signature
from custody.ledger import entry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["predicate", "type", "time", "actor", "name", "key", "item", "subject"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


def _envelope(payload: bytes, kind: str = dsse.IN_TOTO) -> bytes:
    return dsse.dump(Envelope(kind, payload, (Signature("00", b"sig"),)))


def test_published_envelope(vectors: Path) -> None:
    """The bytes under a signature are those of the protocol's own example, signature included."""
    case = json.loads((vectors / "dsse/protocol-md.json").read_text())
    pae = dsse.pae(case["payloadType"], case["body"].encode())
    assert pae == case["pae"].encode()
    raw = base64.b64decode(case["envelope"]["signatures"][0]["sig"])
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    x, y = int(case["key"]["x"]), int(case["key"]["y"])
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(encode_dss_signature(r, s), pae, ec.ECDSA(hashes.SHA256()))


def test_view(make_entry: Callable[[object], bytes]) -> None:
    """An entry is shown by its type, time, actor, item and words."""
    seen = entry.view(7, make_entry("one\n two"))
    assert (seen.index, seen.type, seen.actor) == (7, "noted", "Ada")
    assert seen.time == "2026-11-22T03:14:05Z"
    assert seen.summary == "note one two"
    assert list(seen.as_json()) == ["index", "type", "time", "actor", "item", "summary"]


@pytest.mark.parametrize(
    ("kind", "details", "said"),
    [
        ("received", {"verdict": "ok"}, "verified; by hand"),
        ("received", {"verdict": "cannot-verify"}, "not verified; by hand"),
        ("received", {"verdict": "ok", "already_held": True}, "held already; verified; by hand"),
        ("received", {"verdict": "failed", "kept": "transfers/differs-1", "why": "data/x: gone"},
         "differs, kept apart; data/x: gone; by hand"),
        ("refused", {"verdict": "failed"}, "differs; by hand"),
        ("received", {"paper": True}, "on paper, not countersigned; by hand"),
        ("received", {"verdict": ["ok"], "paper": "yes", "why": 7}, "by hand"),
        ("noted", {"verdict": "ok"}, "by hand"),
    ],
)  # fmt: skip
def test_view_says_what_became_of_what_changed_hands(kind: str, details: object, said: str) -> None:
    """A list of entries tells what was verified from what was kept apart or came on paper."""
    predicate = {"type": kind, "details": details, "method": "by hand"}
    assert entry.view(0, _envelope(canonical.dump({"predicate": predicate}))).summary == said


def test_view_of_unknown_type() -> None:
    """A type that is not known here is shown, not failed."""
    payload = canonical.dump({"predicate": {"type": "levitated", "item": "the bag"}})
    seen = entry.view(0, _envelope(payload))
    assert (seen.type, seen.item) == ("levitated", "the bag")


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe\n", b"[" * 60_000, b"x" * 70_000])
def test_view_of_anything(data: bytes) -> None:
    """What is no envelope is shown as unreadable, with the reason."""
    seen = entry.view(0, data)
    assert seen.type == entry.UNREADABLE
    assert seen.summary


@settings(deadline=None)
@given(JSON.map(canonical.dump) | st.binary(max_size=50))
def test_view_never_raises(payload: bytes) -> None:
    """Whatever the payload is, there is a line to show, and it is one line."""
    seen = entry.view(0, _envelope(payload))
    assert all("\n" not in str(value) for value in seen.as_json().values())


def test_require(make_entry: Callable[[object], bytes]) -> None:
    """Only a canonical envelope around a statement may be entered, and only one that fits."""
    assert entry.require(make_entry(1)).payload_type == dsse.IN_TOTO
    with pytest.raises(UsageError, match="65536 bytes"):
        entry.require(bytes(65_536))
    with pytest.raises(FormatError):
        entry.require(make_entry(1) + b"\n")
    with pytest.raises(FormatError, match="payload type"):
        entry.require(_envelope(b"{}", "text/plain"))
