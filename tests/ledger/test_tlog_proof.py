"""Receipts: their one spelling, and what checking one comes to."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.errors import FormatError
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint, proof
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.log import Log
from custody.ledger.proof import HEADER, Proof
from custody.ledger.receipt import verify_receipt

HASH = base64.b64encode(bytes(32)).decode()
PROOFS = st.builds(
    Proof,
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.encode),
    st.binary(max_size=50),
)


def test_published_proofs(vectors: Path) -> None:
    """Every published proof prints as its authors say and reads back; the bad ones are refused."""
    cases = json.loads((vectors / "tlog-proof/cases.json").read_text())
    for case in cases["marshal"]:
        hashes = tuple(hashlib.sha256(item.encode()).digest() for item in case["hash_of"])
        extra = case.get("extra", "").encode()
        value = Proof(case["index"], hashes, case["checkpoint"].encode(), extra)
        data = proof.dump(value)
        assert proof.load(data) == value
        assert data.decode() == case.get("want", data.decode())
    for text in cases["bad"]:
        with pytest.raises(FormatError):
            proof.load(text.encode())


@settings(deadline=None)
@given(PROOFS)
def test_prints_what_it_reads(value: Proof) -> None:
    """Whatever prints reads back the same."""
    assert proof.load(proof.dump(value)) == value


WORDS = [HEADER, "index 0", "index 07", "extra AA==", "extra ", HASH, HASH[:-1], "", "log"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_reads_one_spelling_only(lines: list[str]) -> None:
    """Whatever is read prints back byte for byte; all else is refused with one error."""
    data = "\n".join([HEADER, *lines]).encode()
    try:
        value = proof.load(data)
    except FormatError:
        return
    assert proof.dump(value) == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no checkpoint"),
        (f"{HEADER}\nindex 0\n\n", "no checkpoint"),
        (f"{HEADER}\nindex 0\ncheckpoint\n", "no checkpoint"),
        (f"{HEADER}2\nindex 0\n\nc\n", "first line"),
        (f"{HEADER}\r\nindex 0\n\nc\n", "first line"),
        (f"{HEADER}\nindex 0\nextra AA==\n\nc\n", "base64"),
        (f"{HEADER}\nextra \nindex 0\n\nc\n", "empty"),
        (f"{HEADER}\nextra\nindex 0\n\nc\n", "index"),
        (f"{HEADER}\nextra AB==\nindex 0\n\nc\n", "canonical"),
        (f"{HEADER}\nextra AA==\nextra AA==\nindex 0\n\nc\n", "index"),
        (f"{HEADER}\nindex 00\n\nc\n", "plain decimal"),
        (f"{HEADER}\nindex  0\n\nc\n", "plain decimal"),
        (f"{HEADER}\nindex {2**63}\n\nc\n", "below 2"),
        (f"{HEADER}\nindex 0\nindex 1\n\nc\n", "base64"),
        (f"{HEADER}\nindex 0\n{HASH} \n\nc\n", "base64"),
        (f"{HEADER}\nindex 0\nAAAA\n\nc\n", "3 bytes"),
        (f"{HEADER}\nindex 0\n" + f"{HASH}\n" * 64 + "\nc\n", "more hashes"),
        (f"{HEADER}\nindex 0\n\n" + "c" * 2_000_000, "at most"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    """A receipt in any other spelling is refused, and the reason is said."""
    with pytest.raises(FormatError, match=why):
        proof.load(text.encode())


@pytest.fixture
def receipt(log: Log, log_key: Signer, make_entry: Callable[[object], bytes]) -> bytes:
    """The receipt of entry 3 of 5, whose bytes are make_entry(3)."""
    log.append([make_entry(n) for n in range(5)], log_key)
    return log.receipt(3)


def test_receipt_shows(
    receipt: bytes, log_key: Signer, make_entry: Callable[[object], bytes]
) -> None:
    """A receipt proves its entry to be in the log, with the log's key and nothing else."""
    result = verify_receipt(receipt, make_entry(3), [log_key.key])
    assert (result.verdict, result.step, result.index) == ("ok", 3, 3)
    assert result.checkpoint is not None
    assert result.checkpoint.size == 5


def test_receipt_of_another_entry(
    receipt: bytes, log_key: Signer, make_entry: Callable[[object], bytes]
) -> None:
    """A receipt proves nothing for other bytes."""
    result = verify_receipt(receipt, make_entry(2), [log_key.key])
    assert (result.verdict, result.step) == ("failed", 3)
    assert "another root" in result.detail


def test_receipt_without_trust(receipt: bytes, make_entry: Callable[[object], bytes]) -> None:
    """Without a key for the log the answer is that it cannot be verified, not that it failed."""
    result = verify_receipt(receipt, make_entry(3), [Signer.generate("elsewhere").key])
    assert (result.verdict, result.step) == ("cannot-verify", 2)


def test_receipt_of_a_stranger(
    receipt: bytes, stranger: Signer, make_entry: Callable[[object], bytes]
) -> None:
    """A log that bears a trusted log's name under another key has failed."""
    result = verify_receipt(receipt, make_entry(3), [stranger.key])
    assert (result.verdict, result.step) == ("failed", 2)


def test_receipt_of_another_log(log_key: Signer, make_entry: Callable[[object], bytes]) -> None:
    """A key is trusted for the origin that it is named after and for no other."""
    entry = make_entry(0)
    root = hashlib.sha256(b"\x00" + entry).digest()
    note = notes.sign(checkpoint.dump(Checkpoint("other.example", 1, root)), log_key)
    result = verify_receipt(proof.dump(Proof(0, (), note)), entry, [log_key.key])
    assert (result.verdict, result.step) == ("failed", 2)
    assert "other.example" in result.detail


def test_every_flipped_bit_of_a_receipt(
    receipt: bytes, log_key: Signer, make_entry: Callable[[object], bytes]
) -> None:
    """No flipped bit of a receipt goes unseen."""
    entry = make_entry(3)
    for place in range(len(receipt) * 8):
        data = bytearray(receipt)
        data[place // 8] ^= 1 << place % 8
        assert verify_receipt(bytes(data), entry, [log_key.key]).verdict == "failed", place
