"""Proof files: made only where they hold, and checked with nothing else at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import DifferenceError, FormatError, UsageError
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint as checkpoints
from custody.ledger import consistency, proving
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.consistency import ConsistencyProof, End, verify_growth
from custody.ledger.log import Log
from custody.ledger.policy import Known, Policy
from custody.ledger.proving import Wanted, prove_growth, verify_proof
from custody.ledger.reader import Published

Grow = Callable[[int], Published]


@pytest.fixture
def grow(log: Log, log_key: Signer, make_entry: Callable[[object], bytes]) -> Grow:
    """Appends so many entries, and gives the checkpoint that covers them."""

    def more(count: int) -> Published:
        size = log.checkpoint().size
        log.append([make_entry(number) for number in range(size, size + count)], log_key)
        return log.checkpoint()

    return more


@pytest.fixture
def policy(log_key: Signer) -> Policy:
    """Believes the log, and asks for no witness."""
    return Policy((Known(log_key.key),))


def test_growth_between_two_checkpoints_is_shown(log: Log, grow: Grow, policy: Policy) -> None:
    """Two signed checkpoints and the hashes between them are all a stranger needs."""
    old = grow(5)
    grow(300)
    data = prove_growth(log, Wanted(5, old), None)
    result = verify_proof(data, None, policy)
    assert (result.verdict, result.size) == ("ok", 305)
    assert [step.status for step in result.steps] == ["ok", "ok", "ok"]


def test_every_pair_of_sizes_is_proved(log: Log, grow: Grow, policy: Policy) -> None:
    """From each size to each later one, the proof leads, held or signed."""
    held = [grow(1).checkpoint for _ in range(12)]
    for old in held:
        for new in held[old.size - 1 :]:
            data = prove_growth(log, Wanted(old.size), Wanted(new.size))
            assert verify_growth(data, policy, held).verdict == "ok"
            assert consistency.dump(consistency.load(data)) == data


def test_an_end_that_nobody_holds_is_not_checked(log: Log, grow: Grow, policy: Policy) -> None:
    """A size without a signature proves nothing by itself: cannot-verify, the hashes checked."""
    grow(3)
    grow(4)
    data = prove_growth(log, Wanted(3), None)
    result = verify_proof(data, None, policy)
    assert result.verdict == "cannot-verify"
    assert [step.status for step in result.steps] == ["ok", "not-checked", "ok"]
    held = [Checkpoint(log.origin, 3, log.root_at(3))]
    assert verify_proof(data, None, policy, held).verdict == "ok"


def test_without_the_log_s_key_nothing_is_believed(log: Log, grow: Grow) -> None:
    """Trust comes from the verifier: an empty policy cannot verify."""
    old = grow(2)
    grow(2)
    assert verify_proof(prove_growth(log, Wanted(2, old), None), None, Policy(())).verdict == (
        "cannot-verify"
    )


def test_a_changed_proof_fails(log: Log, grow: Grow, policy: Policy) -> None:
    """Every single-bit flip in a consistency proof is found."""
    old = grow(3)
    grow(4)
    data = prove_growth(log, Wanted(3, old), None)
    assert verify_proof(data, None, policy).verdict == "ok"
    for place in range(len(data) * 8):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        verdict = verify_growth(bytes(changed), policy).verdict
        assert verdict != "ok", place


def test_a_forged_history_is_not_proved(
    tmp_path: Path, log: Log, grow: Grow, log_key: Signer, make_entry: Callable[[object], bytes]
) -> None:
    """A ledger cannot prove growth from a checkpoint of another history, or a longer one."""
    old = grow(3)
    other = Log.create(tmp_path / "other", log_key)
    other.append([make_entry(f"other {number}") for number in range(3)], log_key)
    with pytest.raises(DifferenceError, match="two different ledgers of 3 entries"):
        prove_growth(other, Wanted(3, old), None)
    other.append([make_entry("more")], log_key)
    with pytest.raises(DifferenceError, match="history was rewritten"):
        prove_growth(other, Wanted(3, old), None)
    longer = grow(3)
    with pytest.raises(UsageError):
        prove_growth(other, Wanted(longer.size), None)
    with pytest.raises(DifferenceError, match="cut off"):
        prove_growth(other, Wanted(3), Wanted(longer.size, longer))


def test_a_ledger_with_a_damaged_tile_proves_nothing(log: Log, grow: Grow) -> None:
    """Where the tiles do not agree with the checkpoint, no proof is given out."""
    grow(7)
    tile = log.directory / "tile/0/000.p/7"
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.write_bytes(data)
    with pytest.raises(DifferenceError, match="do not agree with its checkpoint"):
        prove_growth(log, Wanted(3), None)


def test_a_receipt_needs_its_entry(log: Log, grow: Grow, policy: Policy) -> None:
    """A receipt is checked against the entry's bytes, growth against none."""
    old = grow(4)
    grow(1)
    receipt = log.receipt(2)
    assert verify_proof(receipt, log.entry(2), policy).verdict == "ok"
    assert verify_proof(receipt, log.entry(3), policy).verdict == "failed"
    with pytest.raises(UsageError, match="none is named"):
        verify_proof(receipt, None, policy)
    with pytest.raises(UsageError):
        verify_proof(prove_growth(log, Wanted(4, old), None), log.entry(2), policy)


def test_a_stranger_s_checkpoint_inside_a_proof_fails(
    log: Log, grow: Grow, policy: Policy, stranger: Signer
) -> None:
    """A checkpoint that somebody else signed in the log's name is refused."""
    grow(3)
    grow(2)
    proof = consistency.load(prove_growth(log, Wanted(3), None))
    text = checkpoints.dump(Checkpoint(log.origin, proof.old.size, proof.old.root))
    forged = replace(proof, old=replace(proof.old, note=notes.sign(text, stranger)))
    result = verify_growth(consistency.dump(forged), policy)
    assert (result.verdict, result.step) == ("failed", 2)


ROOT = "A" * 43 + "="
GOOD = (
    f"{consistency.HEADER}\norigin log\nold 1 {ROOT}\nnew 2 {ROOT}\n{ROOT}\n"
    "old-checkpoint -\nnew-checkpoint -\n"
)


def test_the_smallest_proof_is_read() -> None:
    """The form at the top of the module is the one that is read."""
    assert consistency.load(GOOD.encode()) == ConsistencyProof(
        "log", End(1, bytes(32)), End(2, bytes(32)), (bytes(32),)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace("@v1", "@v2"),
        GOOD.replace("origin log", "origin "),
        GOOD.replace("origin log\n", ""),
        GOOD.replace("old 1", "old 01"),
        GOOD.replace("old 1", "old -1"),
        GOOD.replace("old 1", "old 9223372036854775808"),
        GOOD.replace("old 1 ", "old 1  "),
        GOOD.replace("new 2", "new"),
        GOOD.replace(f"\n{ROOT}\n", f"\n{ROOT[:-2]}B=\n"),
        GOOD.replace(f"\n{ROOT}\n", f"\n{ROOT} \n"),
        GOOD.replace(f"\n{ROOT}\n", f"\n{ROOT}\r\n"),
        GOOD.replace(f"\n{ROOT}\n", "\nAAAA\n"),
        GOOD.replace(f"\n{ROOT}\n", f"\n{ROOT}" * 200 + "\n"),
        GOOD.replace("old-checkpoint -", "old-checkpoint "),
        GOOD.replace("old-checkpoint -\nnew-checkpoint -", "new-checkpoint -\nold-checkpoint -"),
        GOOD.replace("old-checkpoint -", "old-checkpoint AAA"),
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    """A consistency proof has one spelling."""
    with pytest.raises(FormatError):
        consistency.load(text.encode())


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: (GOOD + text).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever comes in, the reader prints the same again or raises FormatError."""
    try:
        proof = consistency.load(data)
    except FormatError:
        return
    assert consistency.dump(proof) == data
    assert proving.is_proof(data)
