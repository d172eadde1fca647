"""What a collection into a case enters beside its own bundle, and what it leaves alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.bundle import layout
from custody.formats import bagit, dsse, statement
from custody.formats.statement import Subject
from custody.identity import keys, signing


def forge(bag: Path, home: Path, claimed: int | None = None) -> None:
    """Rewrite a sealed bundle under its name, with the signer's key and without the log's.

    :param claimed: the size of the ledger that its statement says it was signed after.
    """
    info = bag / "bag-info.txt"
    info.write_bytes(info.read_bytes() + b"Remark: forged\n")
    data = b"".join(
        bagit.manifest_line(hashlib.sha256((bag / name).read_bytes()).hexdigest(), name)
        for name in layout.TAG_FILES
    )
    (bag / bagit.TAG_MANIFEST_NAME).write_bytes(data)
    event = statement.load(dsse.load((bag / layout.STATEMENT).read_bytes()).payload)
    pinned = Subject(bagit.TAG_MANIFEST_NAME, hashlib.sha256(data).hexdigest())
    folder = keys.KeyFolder(home / "keys")
    signer = folder.unlock(folder.pick(None, "signer").name, lambda *_: "").signer
    event = replace(event, subjects=(pinned,))
    if claimed is not None:
        event = replace(event, ledger={**(event.ledger or {}), "size": claimed})
    sealed = signing.seal(signer, statement.dump(event))
    (bag / layout.STATEMENT).write_bytes(sealed)
    shutil.rmtree(bag / layout.RECEIPTS)


@pytest.mark.parametrize("claimed", [None, 2, 1 << 40])
def test_a_forgery_under_an_entered_name(custody: Any, tmp_path: Path, claimed: int | None) -> None:
    """The next collection does not enter it, says so, and the case fails before and after.

    However late it says that it was signed: its name is looked for in the whole ledger.
    """
    case, logs = tmp_path / "case", tmp_path / "logs"
    logs.mkdir()
    (logs / "auth.log").write_bytes(b"line 1\n")
    custody("init", case, "--number", "7", "--no-passphrase", "-q", exit_code=0)
    custody("collect", logs, "--case", case, exit_code=0)
    custody("verify", case, exit_code=0)
    (bag,) = (case / "bundles").iterdir()
    forge(bag, custody.home, claimed)
    before = custody("verify", case, exit_code=10)
    assert "the bundle of ledger entry 1 was replaced" in before.stdout + before.stderr
    done = custody("collect", logs, "--case", case, "--json", exit_code=0)
    assert f"the bundle {bag.name} in this case was not entered" in done.stderr
    assert "ledger entry 1 sealed another bundle under this name" in done.stderr
    assert json.loads(done.stdout)["ledger"]["size"] == 3
    after = custody("verify", case, exit_code=10)
    assert "the bundle of ledger entry 1 was replaced" in after.stdout + after.stderr
    assert not (bag / layout.RECEIPTS).exists()


def test_a_bundle_that_was_entered_and_got_no_receipt(custody: Any, tmp_path: Path) -> None:
    """Its entry is found again, and it is given a receipt for that one and no second entry."""
    case, logs = tmp_path / "case", tmp_path / "logs"
    logs.mkdir()
    (logs / "auth.log").write_bytes(b"line 1\n")
    custody("init", case, "--number", "7", "--no-passphrase", "-q", exit_code=0)
    for _ in range(2):
        custody("collect", logs, "--case", case, exit_code=0)
    for bag in (case / "bundles").iterdir():
        shutil.rmtree(bag / layout.RECEIPTS)
    done = custody("collect", logs, "--case", case, "--json", exit_code=0)
    assert json.loads(done.stdout)["ledger"] == json.loads(done.stdout)["ledger"] | {"index": 3}
    assert len(list((case / "bundles").glob(f"*/{layout.RECEIPTS}/*"))) == 3
    custody("verify", case, exit_code=0)
