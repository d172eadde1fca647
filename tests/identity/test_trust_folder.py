"""The trust folder: strict about every mistake, careful with what was written by hand."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import InputError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signers, trust, trusting
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


GONE = f"[[revoked]]\nfingerprint = '{KEY.fingerprint()}'\nat = 2026-01-01T00:00:00Z\n"


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
    assert trusting.add_signer(tmp_path / "t", added)
    assert trusting.add_log(tmp_path / "t", OTHER)
    assert trusting.add_witness(tmp_path / "t", WITNESS, "w1")
    known = trust.load(tmp_path / "t")
    assert known.signers == (added,)
    assert known.signer_for(KEY.fingerprint()) == added
    assert known.logs == (OTHER,)
    assert known.policy.witnesses["w1"].key == WITNESS


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    """The second time is no error, says so, and leaves the files as they are."""
    for adding in (
        lambda: trusting.add_signer(tmp_path, signer()),
        lambda: trusting.add_log(tmp_path, OTHER),
        lambda: trusting.add_witness(tmp_path, WITNESS, "w1"),
    ):
        assert adding() is True
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert adding() is False
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    """Adding a signer keeps every byte that stood there, comments included."""
    by_hand = "# compared by telephone\nrequire_timestamp = true\n\n" + entry().rstrip("\n")
    (tmp_path / "signers.toml").write_text(by_hand)
    assert trusting.add_signer(tmp_path, signer(OTHER, "Examiner"))
    assert (tmp_path / "signers.toml").read_text().startswith(by_hand)
    known = trust.load(tmp_path)
    assert [item.name for item in known.signers] == ["Evidence Clerk", "Examiner"]
    assert known.require_timestamp


def test_another_key_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """A name stands for one key; a second one must be looked into by a person."""
    twin = one_time("desk").key
    trusting.add_signer(tmp_path, signer())
    trusting.add_log(tmp_path, OTHER)
    with pytest.raises(UsageError, match=r"another key of that name is in .*signer 1") as refused:
        trusting.add_signer(tmp_path, signer(twin))
    assert f"trust add signer {twin.fingerprint()}" in refused.value.hint
    with pytest.raises(UsageError, match="another key of that name"):
        trusting.add_log(tmp_path, one_time("other").key)
    with pytest.raises(UsageError, match="another key of that name"):
        trusting.refuse_taken_name(tmp_path, "desk")
    with pytest.raises(UsageError, match="other details"):
        trusting.add_signer(tmp_path, signer(name="Somebody Else"))
    by_fingerprint = TrustedSigner(twin.fingerprint(), None, name="The other desk", role="desk")
    assert trusting.add_signer(tmp_path, by_fingerprint)
    known = trust.load(tmp_path)
    assert [item.name for item in known.signers] == [signer().name, "The other desk"]
    assert known.signer_for(twin.fingerprint()) == by_fingerprint


def test_a_key_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    """A witness's key signs no evidence and no ledger, and the other way round."""
    with pytest.raises(UsageError, match="witness"):
        trusting.add_signer(tmp_path, signer(WITNESS))
    with pytest.raises(UsageError, match="witness"):
        trusting.add_log(tmp_path, WITNESS)
    with pytest.raises(UsageError, match="0x04"):
        trusting.add_witness(tmp_path, KEY, "w1")
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("signer = 1", "[[signer]]"),
        ("[signer]\nkey = 'x'", "[[signer]]"),
        ("signers = []", 'unknown field "signers"'),
        ("require_timestamp = 1", "true or false"),
        ("[[signer]]\nkey = 1", "key is not a text"),
        ("[[signer]]\nname = 'x'\nrole = 'desk'", "key (or fingerprint) and name must be there"),
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
        (entry() + entry(one_time("desk").key), "belongs to Evidence Clerk already (signer 1)"),
        (entry() + entry(), "signer 2: this key is listed already (signer 1)"),
        (entry(more="revoked_because = 'x'"), "signer 1: revoked_because is there without"),
        (entry(more="fingerprint = 'x'"), "fingerprint is not 64"),
        (entry(more=f"fingerprint = '{'0' * 64}'"), "fingerprint is not that of key"),
        (f"{GONE}\n{entry()}", "this key was revoked at 2026-01-01T00:00:00Z (revoked 1)"),
        ("[[revoked]]\nfingerprint = 'x'\nat = 2026-01-01T00:00:00Z", "revoked 1: fingerprint"),
        (GONE.replace("at =", "because ="), "revoked 1: fingerprint (64 hex digits) and at"),
        (GONE + "since = 1\n", 'revoked 1: unknown field "since"'),
        ("require_roles = 'collector'", "require_roles is a list of roles"),
        ("require_roles = ['boss']", "require_roles is a list of roles"),
        ("key_quorum = 0", "key_quorum is a number of desks"),
        ("key_quorum = true", "key_quorum is a number of desks"),
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
    written = signers.quoted(text)
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
    assert trusting.add_anchor(folder, "city", pem) is True
    assert trusting.add_anchor(folder, "city", pem) is False
    assert trust.load(folder).anchors == (trust.Anchor("city", pem),)
    with pytest.raises(UsageError, match="another"):
        trusting.add_anchor(folder, "city", other)
    for bad in (b"", b"junk", pem + key.read_bytes()):
        with pytest.raises(InputError):
            trusting.add_anchor(folder, "bad", bad)
    with pytest.raises(UsageError):
        trusting.add_anchor(folder, "../city", pem)
    assert [path.name for path in (folder / "tsa").iterdir()] == ["city.pem"]


# ---- revoking, and other changes of one entry

HAND_WRITTEN = f"""\
# compared by telephone
require_roles = ["collector", "examiner"]  # both
key_quorum = 2

[[signer]]  # the desk
name = "Evidence Clerk" # Ada
key = "{KEY}"
role = "desk"

# the examiner, see the letter of 3 May
[[signer]]
key = "{OTHER}"
name = "Examiner"
role = "examiner"
"""


def test_a_revocation_keeps_what_was_written_by_hand(tmp_path: Path) -> None:
    """Only the lines of the one entry change, and no comment is lost or moved to another entry."""
    path = tmp_path / "signers.toml"
    path.write_text(HAND_WRITTEN)
    assert trusting.revoke(tmp_path, KEY.fingerprint(), END, 'the "token" was lost')
    expected = HAND_WRITTEN.replace(
        'role = "desk"\n',
        'role = "desk"\nrevoked_at = 2027-01-01T00:00:00Z\n'
        'revoked_because = "the \\"token\\" was lost"\n',
    )
    assert path.read_text() == expected
    known = trust.load(tmp_path)
    assert known.signers[0].revoked_at == END
    assert known.revoked == {KEY.fingerprint(): END}
    assert (known.require_roles, known.key_quorum) == (("collector", "examiner"), 2)
    assert trusting.revoke(tmp_path, KEY.fingerprint(), END) is False
    assert trusting.revoke(tmp_path, KEY.fingerprint(), START)  # earlier: less is believed
    assert path.read_text() == expected.replace("2027-01-01", "2026-01-01")
    with pytest.raises(UsageError, match="revoked already"):
        trusting.revoke(tmp_path, KEY.fingerprint(), END)
    assert path.read_text() == expected.replace("2027-01-01", "2026-01-01")


@pytest.mark.parametrize("end", ["", "\n", "\n\n# the end\n", "\n[[signer]]\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_last_entry_can_be_revoked_too(tmp_path: Path, end: str, newline: str) -> None:
    """Whatever ends the file: no line end, a comment, or another system's line ends."""
    if "[[" in end:
        end = f"\n{entry(OTHER, 'Other')}"
    text = (entry().rstrip("\n") + end).replace("\n", newline)
    (tmp_path / "signers.toml").write_bytes(text.encode())
    trusting.revoke(tmp_path, KEY.fingerprint(), START)
    assert trust.load(tmp_path).signers[0].revoked_at == START


@pytest.mark.parametrize(
    "text",
    [
        f'signer = [{{key = "{KEY}", name = "x", role = "desk"}}]\n',
        f'[[signer]]\nkey = "{KEY}"\nrole = "desk"\nname = """\n[[signer]]\nx = 1"""\n',
        entry(more='"revoked_at" = 2027-01-01T00:00:00Z'),
    ],
)
def test_an_entry_written_otherwise_is_left_to_its_owner(tmp_path: Path, text: str) -> None:
    """What the program cannot change for certain it does not change, and says what to write."""
    path = tmp_path / "signers.toml"
    path.write_text(text)
    before = trust.load(tmp_path)
    with pytest.raises(UsageError) as caught:
        trusting.revoke(tmp_path, KEY.fingerprint(), START)
    assert "revoked_at = 2026-01-01T00:00:00Z" in caught.value.hint
    assert path.read_text() == text
    assert trust.load(tmp_path) == before


def test_a_key_that_is_not_listed_can_be_revoked(tmp_path: Path) -> None:
    """It is written down as revoked, trusted by nobody, and cannot be added any more."""
    assert trusting.revoke(tmp_path, KEY.fingerprint(), END, "stolen")
    known = trust.load(tmp_path)
    assert (known.signers, known.revoked) == ((), {KEY.fingerprint(): END})
    assert known.with_signer(str(KEY)).signers[0].revoked_at == END
    assert trusting.revoke(tmp_path, KEY.fingerprint(), START)
    assert trust.load(tmp_path).revoked == {KEY.fingerprint(): START}
    assert "stolen" in (tmp_path / "signers.toml").read_text()
    with pytest.raises(UsageError, match=r"was revoked at 2026-01-01T00:00:00Z: .*, revoked 1"):
        trusting.add_signer(tmp_path, signer())


def test_a_revoked_key_is_not_added_again(tmp_path: Path) -> None:
    """Neither with the same details nor with others; the entry is named."""
    trusting.add_signer(tmp_path, signer(OTHER, "Other"))
    trusting.add_signer(tmp_path, signer())
    trusting.revoke(tmp_path, KEY.fingerprint(), START)
    before = (tmp_path / "signers.toml").read_bytes()
    for again in (signer(), signer(name="Another")):
        with pytest.raises(UsageError, match=r"was revoked at 2026-01-01T00:00:00Z: .*, signer 2"):
            trusting.add_signer(tmp_path, again)
    assert (tmp_path / "signers.toml").read_bytes() == before


def test_a_fingerprint_becomes_a_key(tmp_path: Path) -> None:
    """Whoever was known by the fingerprint alone is known by the key, once that is added."""
    by_paper = TrustedSigner(KEY.fingerprint(), None, "Evidence Clerk", "desk")
    assert trusting.add_signer(tmp_path, by_paper)
    path = tmp_path / "signers.toml"
    path.write_text("# from the form\n" + path.read_text())
    assert trust.load(tmp_path).signers == (by_paper,)
    with pytest.raises(UsageError, match="other details"):
        trusting.add_signer(tmp_path, signer(name="Somebody Else"))
    assert trusting.add_signer(tmp_path, signer())
    assert trust.load(tmp_path).signers == (signer(),)
    assert path.read_text().startswith("# from the form\n[[signer]]\nname")
    assert trusting.add_signer(tmp_path, TrustedSigner("0" * 64, None, "Two", "desk"))


def test_two_who_change_the_folder_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each waits for the other: every signer and every revocation is there afterwards."""
    keys = [one_time(f"key{number}").key for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: trusting.add_signer(tmp_path, signer(key, key.name)), keys))
        list(pool.map(lambda key: trusting.revoke(tmp_path, key.fingerprint(), START), keys))
    known = trust.load(tmp_path)
    assert {item.fingerprint for item in known.signers} == {key.fingerprint() for key in keys}
    assert all(item.revoked_at == START for item in known.signers)


def test_a_ledger_is_not_believed_under_a_signer_s_key(tmp_path: Path) -> None:
    """A ledger's key signs checkpoints and nothing else."""
    trusting.add_signer(tmp_path, signer())
    with pytest.raises(UsageError, match="it is a signer's key"):
        trusting.add_log(tmp_path, KEY)
    assert not (tmp_path / "ledger.policy").exists()
