"""The tree: RFC 6962's own recursion as the oracle, and the published vectors."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

import pytest

from custody.errors import FormatError
from custody.ledger import merkle
from custody.ledger.growth import Growth, leaf_hashes

UP_TO = 130
LEAVES = [b"leaf %d" % n for n in range(UP_TO)]


def _h(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _below(n: int) -> int:
    power = 1
    while power * 2 < n:
        power *= 2
    return power


@cache
def naive_root(low: int, high: int) -> bytes:
    """MTH of section 2.1, word for word."""
    if high == low:
        return _h(b"")
    if high - low == 1:
        return _h(b"\x00" + LEAVES[low])
    k = low + _below(high - low)
    return _h(b"\x01" + naive_root(low, k) + naive_root(k, high))


def naive_path(m: int, low: int, high: int) -> list[bytes]:
    """PATH of section 2.1.1."""
    if high - low == 1:
        return []
    k = _below(high - low)
    if m < k:
        return [*naive_path(m, low, low + k), naive_root(low + k, high)]
    return [*naive_path(m - k, low + k, high), naive_root(low, low + k)]


def naive_subproof(m: int, low: int, high: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.2."""
    if m == high - low:
        return [] if whole else [naive_root(low, high)]
    k = _below(high - low)
    if m <= k:
        return [*naive_subproof(m, low, low + k, whole=whole), naive_root(low + k, high)]
    return [*naive_subproof(m - k, low + k, high, whole=False), naive_root(low, low + k)]


def read(height: int, number: int) -> bytes:
    return naive_root(number << height, (number + 1) << height)


@pytest.mark.parametrize("size", range(UP_TO + 1))
def test_root(size: int) -> None:
    """The root equals the RFC's recursion, whether read from subtrees or grown leaf by leaf."""
    growth = Growth()
    for leaf in LEAVES[:size]:
        assert list(growth.add(leaf_hashes([leaf]))) == []
    assert growth.root() == merkle.root(size, read) == naive_root(0, size)


@pytest.mark.parametrize("size", range(1, UP_TO + 1))
def test_inclusion(size: int) -> None:
    """Every entry of every tree has the RFC's proof, which verifies and for no other entry."""
    root = naive_root(0, size)
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, read)
        assert proof == naive_path(index, 0, size)
        leaf = merkle.leaf_hash(LEAVES[index])
        merkle.verify_inclusion(index, size, leaf, proof, root)
        with pytest.raises(FormatError):
            merkle.verify_inclusion(index, size, merkle.leaf_hash(b"other"), proof, root)
        if size > 1:
            moved = (index + 1) % size
            with pytest.raises(FormatError):
                merkle.verify_inclusion(moved, size, leaf, proof, root)


@pytest.mark.parametrize("new", range(1, UP_TO + 1))
def test_consistency(new: int) -> None:
    """Every earlier tree has the RFC's proof, which verifies and for no other root."""
    new_root = naive_root(0, new)
    for old in range(1, new + 1):
        old_root = naive_root(0, old)
        proof = merkle.consistency_proof(old, new, read)
        assert proof == naive_subproof(old, 0, new, whole=True)
        merkle.verify_consistency(old, new, old_root, new_root, proof)
        for roots in ((bytes(32), new_root), (old_root, bytes(32))):
            with pytest.raises(FormatError):
                merkle.verify_consistency(old, new, *roots, proof)
        with pytest.raises(FormatError):
            merkle.verify_consistency(old, new, old_root, new_root, [*proof, bytes(32)])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, 2**63), (2**63, 2**64)])
def test_inclusion_bounds(index: int, size: int) -> None:
    """Impossible numbers are refused before anything is computed with them."""
    with pytest.raises(FormatError, match="no entry"):
        merkle.inclusion_proof(index, size, read)
    with pytest.raises(FormatError, match="no entry"):
        merkle.root_from_inclusion(index, size, bytes(32), [])


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 3), (4, 3), (-1, 3), (1, 2**63)])
def test_consistency_bounds(old: int, new: int) -> None:
    """Impossible sizes are refused; size 0 is the caller's case and proves nothing here."""
    with pytest.raises(FormatError, match="no consistency proof"):
        merkle.consistency_proof(old, new, read)
    with pytest.raises(FormatError, match="no consistency proof"):
        merkle.verify_consistency(old, new, bytes(32), bytes(32), [])


def test_short_hashes() -> None:
    """A hash that is not 32 bytes long is refused wherever it stands."""
    leaf = bytes(32)
    with pytest.raises(FormatError, match="31 bytes"):
        merkle.verify_inclusion(0, 1, bytes(31), [], leaf)
    with pytest.raises(FormatError, match="33 bytes"):
        merkle.verify_inclusion(0, 1, leaf, [], bytes(33))
    with pytest.raises(FormatError, match="31 bytes"):
        merkle.verify_inclusion(0, 2, leaf, [bytes(31)], leaf)
    with pytest.raises(FormatError, match="31 bytes"):
        merkle.verify_consistency(1, 2, leaf, leaf, [bytes(31)])


def _bytes(items: list[str] | None) -> list[bytes]:
    return [base64.b64decode(item) for item in items or []]


def _accepted(case: dict[str, object], kind: str) -> bool:
    proof = _bytes(case["proof"])  # type: ignore[arg-type]
    try:
        if kind == "inclusion":
            leaf, root = _bytes([case["leafHash"], case["root"]])  # type: ignore[list-item]
            merkle.verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root)  # type: ignore[arg-type]
        else:
            first, second = _bytes([case["root1"], case["root2"]])  # type: ignore[list-item]
            merkle.verify_consistency(case["size1"], case["size2"], first, second, proof)  # type: ignore[arg-type]
    except FormatError:
        return False
    return True


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_published_proofs(kind: str, vectors: Path) -> None:
    """Every published proof is accepted or refused as its authors say."""
    files = sorted((vectors / "merkle/testdata" / kind).rglob("*.json"))
    assert len(files) > 80
    for path in files:
        case = json.loads(path.read_text())
        assert _accepted(case, kind) is not case["wantErr"], path
