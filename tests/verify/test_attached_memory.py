"""Attachments by anybody: what they cost to verify does not grow with them."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from verify_bench import NOW, SIGNER, STRANGER, check, status

from custody.bundle import layout
from custody.formats import statement
from custody.formats.statement import Actor, Event, Subject
from custody.identity import signing
from custody.identity.signing import Signer
from custody.verify import additions

SIZE, COUNT = 8 << 20, 12


def attach(bag: Path, signer: Signer, size: int = SIZE) -> None:
    """An assessment of many sparse files."""
    digest = hashlib.sha256(bytes(size)).hexdigest()
    names = [f"{number:02}.pack.yaml" for number in range(COUNT)]
    pinned = hashlib.sha256((bag / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    subjects = [Subject(name, digest) for name in names]
    subjects.append(Subject("bundle/x/tagmanifest-sha256.txt", pinned))
    event = Event("attached", NOW, Actor(str(signer.key)), subjects)
    event = replace(event, details={"kind": "obligations"})
    data = signing.seal(signer, statement.dump(event))
    folder = bag / layout.ATTACHMENTS / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True)
    (folder / "statement.dsse.json").write_bytes(data)
    for name in names:
        (folder / name).touch()
        os.truncate(folder / name, size)


@pytest.mark.parametrize("signer", [SIGNER, STRANGER], ids=["trusted", "unknown"])
def test_large_attachments_are_not_held_in_memory(
    bag: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stranger nothing is kept, of a trusted signer no more than the limit, which is said."""
    monkeypatch.setattr(additions, "MOST_KEPT", SIZE)
    attach(bag, signer)
    tracemalloc.start()
    try:
        found = check(bag)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.verdict, status(found)[13]) == ("ok", "not-checked")
    assert peak < 4 * SIZE
    said = "too large to work out again" if signer is SIGNER else "signed by unknown keys"
    assert said in found.checks[12].detail
