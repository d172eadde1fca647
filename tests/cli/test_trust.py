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
    done = custody("trust", "add", "tsa", pem, exit_code=0)
    shown = ["openssl", "x509", "-in", str(pem), "-noout", "-fingerprint", "-sha256"]
    digest = subprocess.run(shown, check=True, capture_output=True, text=True).stdout.split("=")[1]
    assert digest.strip().replace(":", "").lower() in done.stdout
    assert "compare these digests" in done.stderr
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


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("signer", VKEY), "with the paper form before"),
        (("signer", VKEY, "--role", "desk"), "with whoever holds the key"),
        (("ledger", VKEY), "with whoever holds the key"),
    ],
    ids=["collector", "desk", "ledger"],
)
def test_what_the_fingerprint_is_compared_with(
    custody: Any, words: tuple[str, ...], wanted: str
) -> None:
    """Only who collects stands on a paper form; a desk and a ledger are asked."""
    done = custody("trust", "add", *words, exit_code=0)
    assert f"compare the fingerprint {wanted}" in done.stderr


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
        (("somebody", VKEY), "hint: there are: signer, ledger, witness, tsa"),
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


# ---- by a fingerprint, shown, revoked

FINGERPRINT = "1b4fdd5e8c0a2a4c7b1a6b6d2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"


def test_a_signer_is_added_by_the_fingerprint_from_paper(custody: Any) -> None:
    """Spaces and colons as people write them; the key is added later under the same entry."""
    spaced = " ".join(FINGERPRINT[at : at + 8] for at in range(0, 64, 8)).upper()
    done = custody("trust", "add", "signer", spaced, "--name", "Host", exit_code=0)
    assert f"fingerprint {FINGERPRINT}" in done.stdout
    (signer,) = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)["signers"]
    assert signer == {"fingerprint": FINGERPRINT, "name": "Host", "role": "collector"}
    assert FINGERPRINT in custody("trust", "list", exit_code=0).stdout


def test_a_ledger_with_a_person_s_name_is_warned_about(custody: Any) -> None:
    """A signer's key typed in the wrong place is noticed; a listed signer's is refused."""
    done = custody("trust", "add", "ledger", VKEY, exit_code=0)
    assert "looks like a person's" in done.stderr
    custody("trust", "add", "signer", OTHER, exit_code=0)
    done = custody("trust", "add", "ledger", OTHER, exit_code=2)
    assert "it is a signer's key" in done.stderr
    done = custody("trust", "add", "signer", VKEY, exit_code=2)
    assert "it is a ledger's key" in done.stderr


def test_a_signer_with_a_ledger_s_name_is_warned_about(custody: Any, tmp_path: Path) -> None:
    """And a ledger's own key, once it is known as that, is nobody's signing key."""
    done = custody("init", tmp_path / "case", "--no-passphrase", "--json", exit_code=0)
    vkey = json.loads(done.stdout)["log_vkey"]
    done = custody("trust", "add", "signer", vkey, "--trust", tmp_path / "t", exit_code=0)
    assert "looks like a ledger's name" in done.stderr
    assert "it is a ledger's key" in custody("trust", "add", "signer", vkey, exit_code=2).stderr
    assert "looks like" not in custody("trust", "add", "signer", VKEY, exit_code=0).stderr


def test_show_tells_all_of_one_key(custody: Any) -> None:
    """By name, by key or by fingerprint; nobody of that name is exit 12."""
    custody("trust", "add", "signer", VKEY, "--name", "Desk Clerk", "--role", "desk", exit_code=0)
    text = custody("trust", "show", "Desk Clerk", exit_code=0).stdout
    assert VKEY in text
    assert "desk" in text
    for name in ("PeterNeumann", VKEY):
        assert custody("trust", "show", name, exit_code=0).stdout == text
    document = json.loads(custody("trust", "show", "Desk Clerk", "--json", exit_code=0).stdout)
    assert document["schema"] == "custody.trust-entries/v1"
    (entry,) = document["entries"]
    assert (entry["kind"], entry["role"]) == ("signer", "desk")
    fingerprint = entry["fingerprint"]
    assert custody("trust", "show", f"sha256:{fingerprint}", exit_code=0).stdout == text
    assert "nobody of that name" in custody("trust", "show", "x", exit_code=12).stderr


def test_a_key_is_revoked_in_the_own_folder(custody: Any) -> None:
    """By its name, from a moment on, with a reason; listed as such, and not added again."""
    custody("trust", "add", "signer", VKEY, exit_code=0)
    at = ("--at", "2026-01-01T00:00:00Z")
    done = custody("trust", "revoke", "PeterNeumann", *at, "--reason", "laptop gone", exit_code=0)
    assert "from        2026-01-01T00:00:00Z" in done.stdout
    (signer,) = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)["signers"]
    assert signer["revoked_at"] == "2026-01-01T00:00:00Z"
    assert signer["revoked_because"] == "laptop gone"
    assert "REVOKED 2026-01-01T00:00:00Z" in custody("trust", "list", exit_code=0).stdout
    again = json.loads(custody("trust", "revoke", VKEY, *at, "--json", exit_code=0).stdout)
    assert (again["schema"], again["changed"]) == ("custody.trust-revoked/v1", False)
    done = custody("trust", "add", "signer", VKEY, exit_code=2)
    assert "was revoked at 2026-01-01T00:00:00Z" in done.stderr
    assert "signer 1" in done.stderr


def test_a_key_of_nobody_can_be_revoked(custody: Any) -> None:
    """A stolen host key is struck out before any desk vouches for it."""
    done = custody("trust", "revoke", FINGERPRINT, "--at", "2026-01-01T00:00:00Z", exit_code=0)
    assert "nobody trusted this key here" in done.stderr
    document = json.loads(custody("trust", "list", "--json", exit_code=0).stdout)
    assert document["signers"] == []
    gone = {"fingerprint": FINGERPRINT, "revoked_at": "2026-01-01T00:00:00Z"}
    assert document["revoked"] == [gone]
    assert "revoked" in custody("trust", "show", FINGERPRINT, exit_code=0).stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("PeterNeumann",), "--at 20"),
        (("PeterNeumann", "--at", "yesterday"), "--at"),
        (("PeterNeumann", "--at", "2999-01-01T00:00:00Z"), "in the future"),
        (("Nobody", "--at", "2026-01-01T00:00:00Z"), "no signer of that name"),
        (("PeterNeumann", "--at", "2026-01-01T00:00:00Z", "--reason", "a\nb"), "--reason"),
    ],
)
def test_a_wrong_revocation_changes_nothing(custody: Any, args: Sequence[str], words: str) -> None:
    """Exit 2, one clear line, and the folder as it was."""
    custody("trust", "add", "signer", VKEY, exit_code=0)
    before = (custody.home / "trust/signers.toml").read_bytes()
    done = custody("trust", "revoke", *args, exit_code=2)
    assert words in done.stderr
    assert (custody.home / "trust/signers.toml").read_bytes() == before


def test_a_revocation_is_entered_in_the_case(custody: Any, tmp_path: Path) -> None:
    """Signed by the desk; whoever trusts that desk then judges the key so, by name and time."""
    case = tmp_path / "case"
    custody("init", case, "--no-passphrase", exit_code=0)
    custody("key", "new", "sam", "--no-passphrase", exit_code=0)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").write_text("a")
    custody("collect", tmp_path / "logs", "--case", case, "--key", "sam", exit_code=0)
    desk = next(path.stem for path in (custody.home / "keys").glob("*.json")
                if path.stem != "sam" and not path.stem.startswith("log-"))  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(custody.home / "trust", elsewhere)
    custody("verify", case, "--trust", elsewhere, exit_code=0)
    revoke = ("trust", "revoke", "sam", "--at", "2026-01-01T00:00:00Z", "--case", case)
    done = custody(*revoke, "--key", "sam", exit_code=2)
    assert "cannot sign that it is" in done.stderr
    done = custody(*revoke, "--key", desk, "--json", exit_code=0)
    assert json.loads(done.stdout)["entry"] == 2
    done = custody(*revoke, "--key", desk, "--json", exit_code=0)
    again = json.loads(done.stdout)
    assert (again["entry"], again["changed"]) == (2, False)  # said once, entered once
    listed = custody("ledger", "list", "--case", case, exit_code=0).stdout
    assert "key-revoked" in listed
    done = custody("verify", case, "--trust", elsewhere, exit_code=10)
    assert "was revoked at 2026-01-01T00:00:00Z" in done.stdout + done.stderr


def test_a_ledger_s_key_is_not_revoked_as_a_signer(custody: Any, tmp_path: Path) -> None:
    """It would seem done and change nothing: refused, with what to do instead."""
    made = custody("init", tmp_path / "case", "--no-passphrase", "--json", exit_code=0)
    vkey = json.loads(made.stdout)["log_vkey"]
    before = (custody.home / "trust/signers.toml").read_bytes()
    done = custody("trust", "revoke", vkey, "--at", "2026-01-01T00:00:00Z", exit_code=2)
    assert "take its line out of" in done.stderr
    assert (custody.home / "trust/signers.toml").read_bytes() == before


def test_a_key_that_its_owner_revoked_signs_nothing(custody: Any, tmp_path: Path) -> None:
    """Said before anything is read or written."""
    custody("key", "new", "sam", "--no-passphrase", exit_code=0)
    done = custody("trust", "revoke", "sam", "--at", "2026-01-01T00:00:00Z", exit_code=0)
    assert 'warning: "sam" is a key of your own: it signs nothing more here' in done.stderr
    done = custody("init", tmp_path / "case", "--no-passphrase", "--key", "sam", exit_code=2)
    assert "you revoked it, from 2026-01-01T00:00:00Z on" in done.stderr
    assert not (tmp_path / "case").exists()


def test_only_a_desk_enters_a_revocation(custody: Any, tmp_path: Path) -> None:
    """A collector's word about keys would be believed by nobody, so it is not entered."""
    case = tmp_path / "case"
    custody("key", "new", "sam", "--no-passphrase", exit_code=0)
    custody("init", case, "--no-passphrase", "--key", "sam", exit_code=0)
    custody("trust", "add", "signer", VKEY, exit_code=0)
    before = (custody.home / "trust/signers.toml").read_bytes()
    revoke = ("trust", "revoke", VKEY, "--at", "2026-01-01T00:00:00Z", "--case", case)
    done = custody(*revoke, exit_code=2)
    assert "only a desk's word" in done.stderr
    assert 'write role = "desk"' in done.stderr
    assert (custody.home / "trust/signers.toml").read_bytes() == before
