"""Readers that are not ours: one written from the specifications alone, and the Go team's."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import merkle
from custody.ledger.log import Log

sys.path.insert(0, str(Path(__file__).parent))
import other_reader

MakeEntry = Callable[[object], bytes]
GO = Path(__file__).parent / "go"


def hash_of(leaves: list[bytes]) -> Callable[[int, int], bytes]:
    return lambda height, number: other_reader.tree_hash(
        leaves[number << height : (number + 1) << height]
    )


def test_the_other_reader_is_short_and_its_own() -> None:
    """It has under 150 lines and imports nothing of ours, or it would prove nothing."""
    text = Path(other_reader.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    assert "import custody" not in text
    assert "from custody" not in text


def test_both_agree_on_every_size(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """At every size up to 600: the ledger on disk, its root, and receipts."""
    vkey = str(log_key.key)
    for size in range(1, 601):
        log.append([make_entry(size)], log_key)
        if size % 23 == 0 or size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
            leaves = other_reader.check_ledger(log.directory, vkey)
            assert other_reader.tree_hash(leaves) == log.root_at(size)
        index = (size * 7919) % size
        for place in {0, index, size - 1}:
            receipt, entry = log.receipt(place), log.entry(place)
            assert other_reader.check_receipt(receipt, entry, vkey) == place
    leaves = other_reader.check_ledger(log.directory, vkey)
    for size in range(601):
        assert log.root_at(size) == other_reader.tree_hash(leaves[:size])


def test_both_make_the_same_proofs() -> None:
    """Inclusion and consistency proofs of each size, by the recursive definition and by ours."""
    leaves = [other_reader.sha(b"%d" % n) for n in range(70)]
    read = hash_of(leaves)
    for size in range(1, 71):
        for index in range(size):
            expected = other_reader.path(index, leaves[:size])
            assert merkle.inclusion_proof(index, size, read) == expected
        for old in range(1, size + 1):
            expected = other_reader.proof(old, leaves[:size])
            assert merkle.consistency_proof(old, size, read) == expected


def test_the_other_reader_finds_a_wrong_signature(log: Log, log_key: Signer) -> None:
    """It believes nobody: a changed checkpoint, or another key, is refused."""
    data = (log.directory / "checkpoint").read_bytes()
    with pytest.raises(ValueError, match="wrong signature"):
        other_reader.open_note(data.replace(b"\n0\n", b"\n1\n"), str(log_key.key))
    other = Signer.generate("elsewhere")
    with pytest.raises(ValueError, match="not signed"):
        other_reader.open_note(data, str(other.key))


def test_the_other_reader_takes_our_cosignature(log: Log) -> None:
    """What our witness signs verifies by the text of tlog-cosignature."""
    witness = Signer.of("w1", Signer.generate("w1").private, 4)
    text = log.checkpoint().note.text
    log.add_cosignatures(text, [notes.cosign(text, witness, 1_795_000_000)])
    data = (log.directory / "checkpoint").read_bytes()
    assert other_reader.open_note(data, str(witness.key)) == text


@pytest.fixture(scope="session")
def go_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built; skipped, saying so, where Go or its module is not to be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    folder = tmp_path_factory.mktemp("go")
    source = shutil.copytree(GO, folder / "source")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    for command in ([go, "mod", "download"], [go, "build", "-o", str(folder / "reader"), "."]):
        done = subprocess.run(
            command, cwd=source, env=environment, capture_output=True, text=True, check=False,
            timeout=240,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"golang.org/x/mod cannot be had or built: {done.stderr.strip()[-200:]}")
    return folder / "reader"


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_go_reads_our_ledger(
    go_reader: Path, log: Log, log_key: Signer, make_entry: MakeEntry, size: int
) -> None:
    """sumdb/note opens our checkpoint, sumdb/tlog derives our tiles and checks our proofs."""
    log.append([make_entry(n) for n in range(size)], log_key)
    proofs = {
        "receipts": [
            {
                "index": index,
                "hashes": [base64.b64encode(x).decode() for x in log.prove_inclusion(index)],
            }
            for index in sorted({0, size // 2, size - 1})
        ],
        "growth": [
            {
                "old": old,
                "root": base64.b64encode(log.root_at(old)).decode(),
                "hashes": [base64.b64encode(x).decode() for x in log.prove_consistency(old)],
            }
            for old in sorted({1, (size + 1) // 2, size})
        ],
    }
    done = subprocess.run(
        [go_reader, log.directory, str(log_key.key)],
        input=json.dumps(proofs),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"{log.origin} {size} ok" in done.stdout
