"""The trust folder: strict about every mistake, careful with what was written by hand."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import InputError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signers, trust
from custody.identity.keys import one_time
from custody.identity.signers import TrustedSigner
from custody.identity.trust import Trust

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
KEY = one_time("desk").key
OTHER = one_time("other").key
WITNESS = VerifierKey("witness.example/w1", vkey.COSIGNATURE, KEY.public)


def entry(key: VerifierKey = KEY, name: str = "Evidence Clerk", more: str = "") -> str:
    return f'[[signer]]\nkey = "{key}"\nname = "{name}"\nrole = "desk"\n{more}\n'


def signer(key: VerifierKey = KEY, name: str = "Evidence Clerk") -> TrustedSigner:
    return TrustedSigner(key.fingerprint(), key, name=name, role="desk")


def test_an_absent_folder_believes_nobody(tmp_path: Path) -> None:
    """No folder is empty trust, not an error."""
    assert trust.load(tmp_path / "nothing") == Trust()


def test_what_is_added_is_loaded(tmp_path: Path) -> None:
    """Signers, ledgers and witnesses come back as they were added."""
    added = TrustedSigner(
        KEY.fingerprint(), KEY, 'Évidence "Clerk"', "desk", "City\\Hall", "\U0001f600", START, END
    )
    assert trust.add_signer(tmp_path / "t", added)
    assert trust.add_log(tmp_path / "t", OTHER)
    assert trust.add_witness(tmp_path / "t", WITNESS, "w1")
    known = trust.load(tmp_path / "t")
    assert known.signers == (added,)
    assert known.signer_for(KEY.fingerprint()) == added
    assert known.logs == (OTHER,)
    assert known.policy.witnesses["w1"].key == WITNESS


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    """The second time is no error, says so, and leaves the files as they are."""
    for adding in (
        lambda: trust.add_signer(tmp_path, signer()),
        lambda: trust.add_log(tmp_path, KEY),
        lambda: trust.add_witness(tmp_path, WITNESS, "w1"),
    ):
        assert adding() is True
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert adding() is False
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    """Adding a signer keeps every byte that stood there, comments included."""
    by_hand = "# compared by telephone\nrequire_timestamp = true\n\n" + entry().rstrip("\n")
    (tmp_path / "signers.toml").write_text(by_hand)
    assert trust.add_signer(tmp_path, signer(OTHER, "Examiner"))
    assert (tmp_path / "signers.toml").read_text().startswith(by_hand)
    known = trust.load(tmp_path)
    assert [item.name for item in known.signers] == ["Evidence Clerk", "Examiner"]
    assert known.require_timestamp


def test_another_key_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """A name stands for one key; a second one must be looked into by a person."""
    twin = one_time("desk").key
    trust.add_signer(tmp_path, signer())
    trust.add_log(tmp_path, KEY)
    with pytest.raises(UsageError, match="another key of that name"):
        trust.add_signer(tmp_path, signer(twin))
    with pytest.raises(UsageError, match="another key of that name"):
        trust.add_log(tmp_path, twin)
    with pytest.raises(UsageError, match="another key of that name"):
        trust.refuse_taken_name(tmp_path, "desk")
    with pytest.raises(UsageError, match="other details"):
        trust.add_signer(tmp_path, signer(name="Somebody Else"))


def test_a_key_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    """A witness's key signs no evidence and no ledger, and the other way round."""
    with pytest.raises(UsageError, match="witness"):
        trust.add_signer(tmp_path, signer(WITNESS))
    with pytest.raises(UsageError, match="witness"):
        trust.add_log(tmp_path, WITNESS)
    with pytest.raises(UsageError, match="0x04"):
        trust.add_witness(tmp_path, KEY, "w1")
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("signer = 1", "[[signer]]"),
        ("[signer]\nkey = 'x'", "[[signer]]"),
        ("signers = []", 'unknown field "signers"'),
        ("require_timestamp = 1", "true or false"),
        ("[[signer]]\nkey = 1", "key is not a text"),
        ("[[signer]]\nname = 'x'\nrole = 'desk'", "key and name must be there"),
        (entry(more="rolle = 'desk'"), 'signer 1: unknown field "rolle"'),
        (entry(more="role = 'desk'"), "line"),
        (entry().replace('desk"\n', 'boss"\n'), "role is one of"),
        (entry() + entry(name="Evidence Clerk"), "signer 2: this key is listed already"),
        (entry() + entry(one_time("desk").key, "Another"), "belongs to Evidence Clerk already"),
        (entry(more="valid_from = 2027-01-01T00:00:00Z\nvalid_until = 2026-01-01T00:00:00Z"),
         "valid_until is not after valid_from"),
        (entry(more="valid_from = 2027-01-01"), "valid_from is not a time"),
        (entry(more="valid_from = 2027-01-01T00:00:00"), "valid_from is not a time"),
        (entry(more="revoked_at = 'yesterday'"), "not in the form"),
        (entry().replace("+", "-"), "name+hhhhhhhh+base64"),
        (entry(WITNESS), "witness"),
        ("\x00", "line 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """Every mistake in signers.toml is refused with the file, the entry and the field."""
    path = tmp_path / "signers.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        trust.load(tmp_path)
    assert words in caught.value.why
    assert caught.value.thing == str(path)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    """A file that is not text is an input error, not a crash."""
    (tmp_path / "signers.toml").write_bytes(b"\xff")
    with pytest.raises(InputError):
        trust.load(tmp_path)


def test_a_mistake_in_the_policy_names_file_and_line(tmp_path: Path) -> None:
    """The policy's own refusals come with the file they are about."""
    (tmp_path / "ledger.policy").write_text("quorum none\nlog nonsense\n")
    with pytest.raises(InputError, match="line 2") as caught:
        trust.load(tmp_path)
    assert caught.value.thing == str(tmp_path / "ledger.policy")


def test_a_link_in_the_trust_folder_is_not_followed(tmp_path: Path) -> None:
    """Trust is read from regular files only."""
    (tmp_path / "signers.toml").symlink_to("/dev/null")
    with pytest.raises(InputError, match="a link"):
        trust.load(tmp_path)


def test_the_bounds_of_validity() -> None:
    """From the first moment, until before the last; nothing counts from the revocation on."""
    item = TrustedSigner("0" * 64, valid_from=START, valid_until=END)
    middle = datetime(2026, 6, 1, tzinfo=UTC)
    second = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert [item.is_valid_at(moment) for moment in (second, START, middle, END)] == [
        False, True, True, False,
    ]  # fmt: skip
    revoked = TrustedSigner("0" * 64, revoked_at=middle)
    assert revoked.is_valid_at(START)
    assert not revoked.is_valid_at(middle)
    assert "revoked" in revoked.why_not_valid_at(END)
    assert item.needs_time_stamp
    assert revoked.needs_time_stamp
    assert not TrustedSigner("0" * 64, valid_from=START).needs_time_stamp


def test_trust_from_the_command_line() -> None:
    """A signer is named by verifier key or by fingerprint, as it stands on the paper form."""
    digits = KEY.fingerprint()
    spaced = "SHA256: " + ":".join(digits[n : n + 4].upper() for n in range(0, 64, 4))
    for text in (str(KEY), f" {KEY}\n", digits, f"sha256:{digits}", spaced):
        found = Trust().with_signer(text).signer_for(digits)
        assert found is not None
        assert found.is_valid_at(START)
    assert Trust().with_log(KEY).with_log(KEY).logs == (KEY,)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "sha512:" + "0" * 64, "0" * 63, str(KEY)[:-1]],
    ids=["empty", "word", "another-digest", "too-short", "cut-key"],
)
def test_a_mistyped_signer_is_refused(text: str) -> None:
    """Half a fingerprint, or a verifier key with a typing mistake, trusts nobody."""
    with pytest.raises(UsageError):
        Trust().with_signer(text)


def test_the_command_line_cannot_undo_a_revocation() -> None:
    """A signer who is known already keeps the end and the revocation that the folder says."""
    revoked = TrustedSigner(KEY.fingerprint(), KEY, "Clerk", "desk", revoked_at=START)
    known = Trust((revoked,))
    assert known.with_signer(str(KEY)) == known
    assert known.with_signer(KEY.fingerprint()) == known


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text: str) -> None:
    """Whatever a name holds, the file is ASCII and reads back the same."""
    written = signers._quoted(text)
    assert written.isascii()
    assert written.isprintable()
    assert tomllib.loads(f"x = {written}") == {"x": text}


def test_time_stamp_certificates_are_checked(tmp_path: Path) -> None:
    """Only PEM certificates are pinned, never a private key, and never over others."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "k", tmp_path / "c"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=t"]
    for serial in (1, 2):
        files = ["-keyout", key, "-out", f"{certificate}{serial}", "-set_serial", str(serial)]
        subprocess.run([*command, *files], check=True, capture_output=True)
    pem, other = (Path(f"{certificate}{serial}").read_bytes() for serial in (1, 2))
    folder = tmp_path / "trust"
    assert trust.add_anchor(folder, "city", pem) is True
    assert trust.add_anchor(folder, "city", pem) is False
    assert trust.load(folder).anchors == (trust.Anchor("city", pem),)
    with pytest.raises(UsageError, match="another"):
        trust.add_anchor(folder, "city", other)
    for bad in (b"", b"junk", pem + key.read_bytes()):
        with pytest.raises(InputError):
            trust.add_anchor(folder, "bad", bad)
    with pytest.raises(UsageError):
        trust.add_anchor(folder, "../city", pem)
    assert [path.name for path in (folder / "tsa").iterdir()] == ["city.pem"]
