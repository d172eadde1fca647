"""`custody ledger receipt`: bundles keep their first receipt and get better ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def case(custody: Any, tmp_path: Path) -> Path:
    """A case with one bundle."""
    directory = tmp_path / "case"
    custody("init", directory, "--no-passphrase", "--person", "Ada", exit_code=0)
    collect(custody, directory, "one\n")
    return directory


def collect(custody: Any, case: Path, text: str) -> None:
    source = case.parent / "source.log"
    source.write_text(text)
    custody("collect", source, "--case", case, exit_code=0)


def receipts(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (bundle / "seal" / "receipts").iterdir()}


def cosign(custody: Any, case: Path) -> None:
    """A witness in the same home signs the case's checkpoint, and the policy asks for it."""
    if not (custody.home / "keys" / "w1.pem").exists():
        custody("ledger", "witness", "new", "w1", "--no-passphrase", exit_code=0)
        keys = json.loads(custody("key", "list", "--json", exit_code=0).stdout)["keys"]
        (vkey,) = [key["vkey"] for key in keys if key["use"] == "witness"]
        policy = custody.home / "trust" / "ledger.policy"
        lines = policy.read_text().replace("quorum none\n", "")
        policy.write_text(f"{lines}witness w1 {vkey}\nquorum w1\n")
    lines_file = case.parent / "lines"
    lines_file.unlink(missing_ok=True)
    custody("ledger", "witness", "sign", case / "ledger", "-o", lines_file, exit_code=0)
    custody("ledger", "witness", "add", lines_file, "--case", case, exit_code=0)


def test_a_later_receipt_stands_beside_the_first(custody: Any, case: Path) -> None:
    """After the ledger grew, the new receipt is a new file and the old one is untouched."""
    (bundle,) = (case / "bundles").iterdir()
    before = receipts(bundle)
    collect(custody, case, "two\n")
    done = custody("ledger", "receipt", bundle.name, "--json", "--case", case, exit_code=0)
    document = json.loads(done.stdout)
    assert (document["index"], document["size"], document["new"]) == (1, 3, True)
    after = receipts(bundle)
    assert len(after) == 2
    assert before.items() <= after.items()
    custody("verify", bundle, exit_code=0)
    again = custody("ledger", "receipt", bundle, "--case", case, exit_code=0)
    assert "already" in again.stderr
    assert receipts(bundle) == after


def test_a_witnessed_receipt_makes_the_bundle_verify(custody: Any, case: Path) -> None:
    """Where the policy asks for a witness, only the cosigned receipt is enough."""
    (bundle,) = (case / "bundles").iterdir()
    cosign(custody, case)
    custody("verify", bundle, exit_code=11)
    custody("ledger", "receipt", bundle.name, "--case", case, exit_code=0)
    custody("verify", bundle, exit_code=0)
    assert len(receipts(bundle)) == 1  # the same tree, with a signature more
    assert not list((case / "incoming").iterdir())
    custody("verify", case, exit_code=0)


def test_a_copy_elsewhere_gets_its_receipt(custody: Any, case: Path, tmp_path: Path) -> None:
    """A bundle and a ledger that lie alone are enough."""
    (bundle,) = (case / "bundles").iterdir()
    collect(custody, case, "two\n")
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    custody("ledger", "receipt", copy, "--ledger", case / "ledger", exit_code=0)
    assert len(receipts(copy)) == 2


def test_what_cannot_have_a_receipt(custody: Any, case: Path, tmp_path: Path) -> None:
    """No bundle, or one that is not in this ledger, is exit 12, and nothing is written."""
    custody("ledger", "receipt", "nothing", "--case", case, exit_code=12)
    (tmp_path / "source.log").write_text("x\n")
    custody("collect", tmp_path / "source.log", "--output", tmp_path / "out", exit_code=0)
    (other,) = (tmp_path / "out").glob("2*")
    done = custody("ledger", "receipt", other, "--case", case, exit_code=12)
    assert "is not in the ledger" in done.stderr
    assert receipts(other) == {} if (other / "seal" / "receipts").exists() else True


def test_a_rewritten_ledger_gives_no_receipt(custody: Any, case: Path, tmp_path: Path) -> None:
    """A ledger that does not go on from the bundle's first receipt is exit 10."""
    shutil.copytree(case, tmp_path / "old")
    collect(custody, case, "two\n")
    bundle = next(path for path in (case / "bundles").iterdir() if "-3." in str(receipts(path)))
    before = receipts(bundle)
    shutil.rmtree(case / "ledger")
    shutil.copytree(tmp_path / "old" / "ledger", case / "ledger")
    done = custody("ledger", "receipt", bundle, "--case", case, exit_code=10)
    assert "has only 2 now" in done.stderr
    assert receipts(bundle) == before


@pytest.mark.parametrize("harm", ["a link", "garbage", "a stamp that is none"])
def test_a_damaged_receipt_is_not_replaced(custody: Any, case: Path, harm: str) -> None:
    """It is blamed and left as it is, for whoever asks what happened; the ledger is not."""
    (bundle,) = (case / "bundles").iterdir()
    (path,) = (bundle / "seal" / "receipts").iterdir()
    before = path.read_bytes()
    if harm == "a link":
        path.rename(case.parent / "aside")
        path.symlink_to(case.parent / "aside")
    elif harm == "garbage":
        path.write_bytes(before[:40])
    else:
        path.write_bytes(before.replace(b"\nindex", b"\nextra AAAA\nindex"))
    harmed = receipts(bundle)
    done = custody("ledger", "receipt", bundle, "--case", case, exit_code=10)
    assert f'"{path}": the receipt that is there is damaged, and it is not replaced' in done.stderr
    assert "custody verify judges it" in done.stderr
    assert receipts(bundle) == harmed
