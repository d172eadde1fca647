"""The Merkle tree of RFC 6962 section 2.1: hashes, proofs made, proofs checked.

A *complete subtree* of height ``h`` and number ``n`` covers the leaves from ``n * 2**h`` up to
``(n + 1) * 2**h``.  Proofs are made through a callback that gives the hash of one complete
subtree, so that whoever stores the tree reads no more than the proof needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from custody.errors import FormatError
from custody.formats.strict import LARGEST_SIZE

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

ReadHash = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree of this height and number."""

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return _sha256(b"\x01" + left + right).digest()


def complete_root(hashes: bytes) -> bytes:
    """The root over concatenated *hashes* whose count is a power of two."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([_sha256(b"\x01" + hashes[i : i + 64]).digest() for i in pairs])
    return hashes


def root(size: int, read: ReadHash) -> bytes:
    """The root of the first *size* leaves; of none, SHA-256 of nothing."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadHash) -> list[bytes]:
    """The path from leaf *index* to the root of the first *size* leaves (section 2.1.1).

    :raises FormatError: unless ``0 <= index < size``.
    """
    _require(0 <= index < size <= LARGEST_SIZE, f"no entry {index} in a tree of size {size}")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    path.reverse()
    return path


def consistency_proof(old: int, new: int, read: ReadHash) -> list[bytes]:
    """The proof that the first *old* leaves of the tree of size *new* are the old tree (2.1.2).

    :raises FormatError: unless ``0 < old <= new``; from size 0 everything follows, without proof.
    """
    _require(0 < old <= new <= LARGEST_SIZE, f"no consistency proof from {old} to {new}")
    path = []
    low, high = 0, new
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    if low:  # the old root itself is known to the verifier when it is a node of the new tree
        path.append(_range_hash(low, high, read))
    path.reverse()
    return path


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that *proof* leads to from the leaf hash (RFC 9162 section 2.1.3.2).

    :raises FormatError: if *index*, *size*, a hash's length or the proof's length is impossible.
    """
    _require(0 <= index < size <= LARGEST_SIZE, f"no entry {index} in a tree of size {size}")
    _require_hashes([leaf, *proof])
    inner, border = _proof_shape(index, size)
    _require(
        len(proof) == inner + border,
        f"{len(proof)} hashes where {inner + border} were expected",
    )
    result = leaf
    for height, sibling in enumerate(proof[:inner]):
        left = index >> height & 1
        result = node_hash(sibling, result) if left else node_hash(result, sibling)
    for sibling in proof[inner:]:
        result = node_hash(sibling, result)
    return result


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Check that the leaf hash stands at *index* in the tree with this root.

    :raises FormatError: if it is not shown.
    """
    _require_hashes([expected_root])
    found = root_from_inclusion(index, size, leaf, proof)
    _require(found == expected_root, "the inclusion proof leads to another root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree *new* grew out of the tree *old* (RFC 9162 section 2.1.4.2).

    Callers that start from size 0 need no proof and must not come here.

    :raises FormatError: if it is not shown, or the numbers are impossible.
    """
    _require(0 < old <= new <= LARGEST_SIZE, f"no consistency proof from {old} to {new}")
    if old == new:
        _require(not proof, "a consistency proof between equal sizes must be empty")
        _require(old_root == new_root, "two roots for one size")
        return
    _require_hashes([old_root, new_root, *proof])
    first, second = _roots_from_consistency(old, new, old_root, proof)
    _require(first == old_root, "the consistency proof leads to another old root")
    _require(second == new_root, "the consistency proof leads to another new root")


def _roots_from_consistency(
    old: int, new: int, old_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Both roots at once: the proof is an inclusion proof of the old tree's last subtree."""
    shift = (old & -old).bit_length() - 1  # the height of that subtree
    inner, border = _proof_shape(old - 1, new)
    inner -= shift
    # A lone complete subtree is the old root itself, which the proof leaves out.
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    _require(
        len(path) == 1 + inner + border,
        f"{len(proof)} hashes in the consistency proof, which is not the number it needs",
    )
    number = (old - 1) >> shift
    first = second = path[0]
    for height, sibling in enumerate(path[1 : 1 + inner]):
        if number >> height & 1:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
    for sibling in path[1 + inner :]:
        first = node_hash(sibling, first)
        second = node_hash(sibling, second)
    return first, second


def _proof_shape(index: int, size: int) -> tuple[int, int]:
    """How many siblings lie below the point where *index* meets the right edge, and above."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _split(count: int) -> int:
    """The largest power of two below *count* (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(low: int, high: int, read: ReadHash) -> bytes:
    """The hash of the leaves ``low .. high``, where *low* begins a subtree that holds them all."""
    result: bytes | None = None
    for height, number in reversed(list(_complete_subtrees(low, high))):
        piece = read(height, number)
        result = piece if result is None else node_hash(piece, result)
    if result is None:
        raise FormatError("hash a range", None, "it is empty")
    return result


def _complete_subtrees(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees, largest first, that cover ``low .. high``."""
    while low < high:
        height = (high - low).bit_length() - 1
        yield height, low >> height
        low += 1 << height


def _require_hashes(hashes: Sequence[bytes]) -> None:
    for item in hashes:
        _require(len(item) == HASH_BYTES, f"a hash of {len(item)} bytes where 32 were expected")


def _require(condition: bool, why: str) -> None:
    if not condition:
        raise FormatError("check proof", None, why)
