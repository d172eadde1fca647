"""Fuzz the ledger's parsers with atheris; run by hand, for as long as you like.

    pip install atheris
    python tests/fuzz/fuzz_ledger.py                  names the parsers
    python tests/fuzz/fuzz_ledger.py NAME [CORPUS...] [-max_total_time=300]

The rule: whatever bytes come in, a parser raises one of our own errors, or returns a value that
prints the same bytes again.  Anything else is a crash.  It begins with one input that is right,
because nothing gets far into a strict parser by chance.

Last run for 70 seconds each on 2026-11-22 (atheris 3.0, Python 3.11): 0.7 million inputs for the
slowest parser, the policy, 8 million for the fastest; no crash.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import atheris
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

with atheris.instrument_imports():
    from custody.errors import CustodyError
    from custody.formats import dsse, note, statement, strict, vkey
    from custody.formats.statement import Actor, Event, Subject
    from custody.identity.signing import Signer, seal
    from custody.ledger import (
        checkpoint,
        consistency,
        entry,
        export,
        policy,
        proof,
        proving,
        tiles,
        witness_request,
    )
    from custody.ledger.log import Log
    from custody.ledger.witness_request import Request

Parser = tuple[Callable[[bytes], Any], Callable[[Any], bytes] | None]


def text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A parser of text, fed with bytes."""
    return lambda data: parse(strict.utf8(data, "read text", len(data)))


PARSERS: dict[str, Parser] = {
    "note": (note.load, note.dump),
    "checkpoint": (text(checkpoint.load), lambda value: checkpoint.dump(value).encode()),
    "proof": (proof.load, proof.dump),
    "consistency": (consistency.load, consistency.dump),
    "request": (witness_request.load, witness_request.dump),
    "envelope": (dsse.load, dsse.dump),
    "statement": (statement.load, statement.dump),
    "vkey": (text(vkey.parse), lambda value: str(value).encode()),
    "tile": (text(tiles.parse), lambda value: value.path.encode()),
    "bundle": (lambda data: tiles.decode_bundle(data[1:], data[0] + 1 if data else 1), None),
    "policy": (policy.load, None),
    "view": (lambda data: entry.view(0, data), None),
    "csv": (lambda data: export.csv_row(0, data), None),
}


def seeds(work: Path) -> dict[str, bytes]:
    """One input for each parser that it must take, from a ledger of five entries."""
    log_key, person = (
        Signer.of(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
        for number, name in enumerate(("fuzz.example/log", "ada"))
    )
    log = Log.create(work / "ledger", log_key)
    now, subject = datetime(2026, 11, 22, tzinfo=UTC), (Subject("x", "0" * 64),)
    words, ledger = {"item": "E-1"}, {"origin": "o", "root": "0" * 64, "size": 1}
    event = Event("noted", now, Actor(str(person.key), "Ada"), subject, words, ledger, {"n": [1]})
    item = seal(person, statement.dump(event))
    for count in (2, 3):
        log.append([item] * count, log_key)
    published = log.checkpoint()
    witness = vkey.VerifierKey("w.example", vkey.COSIGNATURE, person.key.public)
    old = proving.Wanted(2, None)
    made = {
        "note": published.data,
        "checkpoint": published.note.text.encode(),
        "proof": log.receipt(3),
        "consistency": proving.prove_growth(log, old, None),
        "request": witness_request.dump(
            Request(2, tuple(log.prove_consistency(2)), published.data)
        ),
        "statement": statement.dump(event),
        "vkey": str(log_key.key).encode(),
        "tile": b"tile/0/x001/x234/067.p/12",
        "bundle": b"\x01" + tiles.encode_bundle([item, item]),
        "policy": f"log {log_key.key}\nwitness w {witness}\ngroup g any w\nquorum g\n".encode(),
    }
    return {name: made.get(name, item) for name in PARSERS}


def main() -> None:
    """Check that every seed is taken, and fuzz the parser that is named."""
    if len(sys.argv) < 2 or sys.argv[1] not in PARSERS:
        sys.exit("name one of: " + " ".join(PARSERS))
    name = sys.argv.pop(1)
    parse, dump = PARSERS[name]

    def one(data: bytes) -> None:
        try:
            value = parse(data)
        except CustodyError:
            return
        if dump is not None and dump(value) != data:
            raise AssertionError(f"{name} does not print the same again")

    with tempfile.TemporaryDirectory() as work:
        corpus = Path(work) / "corpus"
        corpus.mkdir()
        seed = seeds(Path(work))[name]
        parse(seed)
        (corpus / "seed").write_bytes(seed)
        atheris.Setup([*sys.argv, str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
