"""Fuzz the ledger's parsers with atheris; run by hand, for as long as you like.

    pip install atheris
    python tests/fuzz/fuzz_ledger.py [CORPUS] [-max_total_time=600]

The rule: whatever bytes come in, a parser raises one of our own errors, or returns a value that
prints the same bytes again.  Anything else is a crash.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import atheris

with atheris.instrument_imports():
    from custody.errors import CustodyError
    from custody.formats import dsse, note, statement, strict, vkey
    from custody.ledger import (
        checkpoint,
        consistency,
        entry,
        export,
        policy,
        proof,
        tiles,
        witness_request,
    )

Parser = tuple[Callable[[bytes], Any], Callable[[Any], bytes] | None]


def text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A parser of text, fed with bytes."""
    return lambda data: parse(strict.utf8(data, "read text", len(data)))


PARSERS: tuple[Parser, ...] = (
    (note.load, note.dump),
    (text(checkpoint.load), lambda value: checkpoint.dump(value).encode()),
    (proof.load, proof.dump),
    (consistency.load, consistency.dump),
    (witness_request.load, witness_request.dump),
    (dsse.load, dsse.dump),
    (statement.load, statement.dump),
    (text(vkey.parse), lambda value: str(value).encode()),
    (text(tiles.parse), lambda value: value.path.encode()),
    (lambda data: tiles.decode_bundle(data[1:], data[0] + 1 if data else 1), None),
    (policy.load, None),
    (lambda data: entry.view(0, data), None),
    (lambda data: export.csv_row(0, data), None),
)


def one(data: bytes) -> None:
    """Feed one input to every parser."""
    for parse, dump in PARSERS:
        try:
            value = parse(data)
        except CustodyError:
            continue
        if dump is not None and dump(value) != data:
            raise AssertionError(f"{parse} does not print the same again")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
