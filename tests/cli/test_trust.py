"""`custody trust`: whom we believe, added by hand and listed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
OTHER = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"


def test_a_signer_is_added_with_its_details(custody: Any) -> None:
    """What was typed is what the trust folder says."""
    done = custody(
        "trust", "add", "signer", VKEY, "--name", "Desk Clerk", "--role", "desk",
        "--organization", "City", "--title", "Clerk",
        "--valid-from", "2026-01-01T00:00:00Z", "--valid-until", "2027-01-01T00:00:00Z",
        exit_code=0,
    )  # fmt: skip
    assert "signer PeterNeumann is trusted" in done.stdout
    assert "compare the fingerprint" in done.stderr
    document = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    assert document["schema"] == "custody.trust/v1"
    (signer,) = document["signers"]
    assert signer.pop("fingerprint") in done.stdout
    assert signer == {
        "vkey": VKEY,
        "name": "Desk Clerk",
        "role": "desk",
        "organization": "City",
        "title": "Clerk",
        "valid_from": "2026-01-01T00:00:00Z",
        "valid_until": "2027-01-01T00:00:00Z",
    }


def test_a_ledger_and_a_file_of_certificates_are_added(custody: Any, tmp_path: Path) -> None:
    """Everything that is trusted is in one table and one document."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    pem = tmp_path / "city.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=t"]
    command += ["-keyout", str(tmp_path / "key"), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    custody("trust", "add", "ledger", VKEY, exit_code=0)
    custody("trust", "add", "tsa", pem, exit_code=0)
    document = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    assert document["ledgers"] == [{"name": "PeterNeumann", "vkey": VKEY, "url": ""}]
    assert document["tsa"] == ["city"]
    table = custody("trust", "list", exit_code=0).stdout
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["ledger", "tsa"]
    assert VKEY in table


def test_adding_twice_is_said(custody: Any) -> None:
    """The second time exits 0, says there is nothing to do, and `added` is false."""
    custody("trust", "add", "signer", VKEY, exit_code=0)
    done = custody("trust", "add", "signer", VKEY, exit_code=0)
    assert "nothing to do" in done.stderr
    document = json.loads(custody("trust", "add", "signer", VKEY, "--json", exit_code=0).stdout)
    assert document["added"] is False


def test_another_folder_can_be_named(custody: Any, tmp_path: Path) -> None:
    """`--trust` reads and writes there and leaves one's own folder alone."""
    custody("trust", "add", "signer", VKEY, "--trust", tmp_path / "t", exit_code=0)
    document = json.loads(custody("trust", "list", "--json", "--trust", tmp_path / "t").stdout)
    assert document["path"] == str(tmp_path / "t")
    assert len(document["signers"]) == 1
    assert not custody.home.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("signer", VKEY[:-1]), "read verifier key"),
        (("signer", VKEY, "--role", "boss"), "role is one of"),
        (("signer", VKEY, "--valid-from", "2026"), "--valid-from"),
        (
            ("signer", VKEY, "--valid-from", "2027-01-01T00:00:00Z",
             "--valid-until", "2026-01-01T00:00:00Z"),
            "valid_until is not after valid_from",
        ),
        (("signer", VKEY, "--name", "a\nb"), "--name"),
        (("witness", VKEY), "0x04"),
        (("tsa", "nowhere.pem"), "nowhere.pem"),
        (("tsa", "/dev/null"), "/dev/null"),
        (("somebody", VKEY), "no such command"),
        ((), "missing command"),
    ],
)  # fmt: skip
def test_a_wrong_request_trusts_nobody(custody: Any, args: Sequence[str], words: str) -> None:
    """Each mistake exits 2 with one clear line, and nothing is believed afterwards."""
    done = custody("trust", "add", *args, exit_code=2)
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert json.loads(custody("trust", "list", "--json", exit_code=0).stdout)["signers"] == []


def test_a_second_key_of_one_name_is_refused(custody: Any) -> None:
    """A different key under a known name, or a known key with other details, exits 2."""
    custody("trust", "add", "signer", VKEY, "--name", "Clerk", exit_code=0)
    done = custody("trust", "add", "signer", VKEY, "--name", "Examiner", exit_code=2)
    assert "other details" in done.stderr
    custody("trust", "add", "signer", OTHER, "--name", "Clerk", exit_code=0)


def test_a_folder_that_is_not_there_is_refused(custody: Any, tmp_path: Path) -> None:
    """A mistyped --trust is not taken for an empty folder."""
    custody("trust", "list", "--trust", tmp_path / "typo", exit_code=2)


def test_a_mistake_in_the_file_names_the_entry(custody: Any) -> None:
    """What was written by hand is refused with file, entry and field."""
    path = custody.home / "trust" / "signers.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[[signer]]\nkey = "{VKEY}"\nname = "x"\nrole = "desk"\nvalid = 1\n')
    done = custody("trust", "list", exit_code=2)
    assert f'"{path}"' in done.stderr
    assert 'signer 1: unknown field "valid"' in done.stderr
