"""A second reader of ledgers, which shares no line with ours.

Written from the texts of RFC 6962 and of C2SP signed-note, tlog-checkpoint, tlog-tiles,
tlog-proof and tlog-cosignature alone; it imports nothing of custody.  Slow and plain on purpose:
trees are hashed by the recursive definition.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, over leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), tree_hash(leaves[k:])]
    return [*path(index - k, leaves[k:]), tree_hash(leaves[:k])]


def proof(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*proof(old, leaves[:k], whole=whole), tree_hash(leaves[k:])]
    return [*proof(old - k, leaves[k:], whole=False), tree_hash(leaves[:k])]


def open_note(data: bytes, vkey: str) -> str:
    """The text of a signed note, if the key signed it (signed-note; cosignatures by 0x04)."""
    name, key_hash, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    assert key[0] in (1, 4)
    assert sha(name.encode() + b"\n" + key)[:4].hex() == key_hash
    text, _, block = data.decode().rpartition("\n\n")
    text += "\n"
    for line in block.splitlines():
        dash, signer, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if dash != "\u2014" or signer != name or raw[:4].hex() != key_hash:
            continue
        message, raw = text.encode(), raw[4:]
        if key[0] == 4:
            time, raw = int.from_bytes(raw[:8], "big"), raw[8:]
            message = f"cosignature/v1\ntime {time}\n".encode() + message
        try:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw, message)
        except InvalidSignature:
            raise ValueError("a wrong signature") from None
        return text
    raise ValueError("not signed by this key")


def read_checkpoint(data: bytes, vkey: str) -> tuple[str, int, bytes]:
    origin, size, root = open_note(data, vkey).split("\n")[:3]
    return origin, int(size), base64.b64decode(root)


def tile_name(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def read_tile(ledger: Path, level: str, index: int, width: int) -> bytes:
    partial = "" if width == 256 else f".p/{width}"
    return (ledger / "tile" / level / f"{tile_name(index)}{partial}").read_bytes()


def read_entries(ledger: Path, size: int) -> list[bytes]:
    entries: list[bytes] = []
    for index in range((size + 255) // 256):
        data = read_tile(ledger, "entries", index, min(256, size - index * 256))
        while data:
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
    return entries


def check_ledger(ledger: Path, vkey: str) -> list[bytes]:
    """The leaf hashes of a ledger whose tiles, root and signature all agree."""
    origin, size, root = read_checkpoint((ledger / "checkpoint").read_bytes(), vkey)
    assert origin == vkey.partition("+")[0]
    leaves = [sha(b"\x00" + entry) for entry in read_entries(ledger, size)]
    assert len(leaves) == size
    assert tree_hash(leaves) == root
    level, hashes = 0, leaves
    while hashes:
        for start in range(0, len(hashes), 256):
            some = hashes[start : start + 256]
            assert read_tile(ledger, str(level), start // 256, len(some)) == b"".join(some)
        full = range(0, len(hashes) // 256 * 256, 256)
        hashes = [tree_hash(hashes[start : start + 256]) for start in full]
        level += 1
    return leaves


def check_receipt(data: bytes, entry: bytes, vkey: str) -> int:
    """The index that a tlog-proof shows, by RFC 9162 section 2.1.3.2."""
    head, _, checkpoint = data.decode().partition("\n\n")
    first, index_line, *lines = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    index = int(index_line.removeprefix("index "))
    _, size, root = read_checkpoint(checkpoint.encode(), vkey)
    node, last, found = index, size - 1, sha(b"\x00" + entry)
    for line in lines:
        if node & 1 or node == last:
            found = sha(b"\x01" + base64.b64decode(line) + found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = sha(b"\x01" + found + base64.b64decode(line))
        node, last = node >> 1, last >> 1
    assert (last, found) == (0, root)
    return index
