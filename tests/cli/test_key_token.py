"""Keys in a PKCS#11 token: SoftHSM stands in for the hardware."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import softhsm
from softhsm import PIN, Run, Token

from custody.formats import canonical, dsse, statement, vkey
from custody.identity import signing
from custody.identity.signing import Signer

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")


@pytest.mark.parametrize(
    ("algorithm", "kind", "size"), [("p256", vkey.ECDSA, 91), ("ed25519", vkey.ED25519, 32)]
)
def test_a_key_is_made_in_the_token_and_signs_a_case(
    token: Token, tmp_path: Path, algorithm: str, kind: int, size: int
) -> None:
    """Opening a case, collecting and verifying work with a key that is in no file."""
    made = token.new("--algorithm", algorithm, "--person", "Ada Example")
    key = vkey.parse(made["vkey"])
    assert (key.kind, len(key.public), made["pkcs11"]["token"]) == (kind, size, "desk")
    assert not list((tmp_path / "custody-home" / "keys").glob("*.pem"))
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.log").write_text("one\n")
    case = tmp_path / "case"
    token.run("init", case, "--number", "7", exit_code=0)
    token.run("collect", tmp_path / "log", "--case", case, exit_code=0)
    assert token.run("verify", case).returncode == 0
    (bundle,) = (case / "bundles").iterdir()
    log = json.loads(token.run("ledger", "verify", "--case", case, "--json").stdout)
    assert log["verdict"] == "ok"
    other = {"CUSTODY_HOME": str(tmp_path / "elsewhere")}
    for signer in (made["vkey"], made["fingerprint"]):
        assert token.run("verify", bundle, "--signer", signer, env=other).returncode == 0
    assert token.run("verify", bundle, env=other).returncode == 11
    openssl_agrees(token, tmp_path, bundle, kind)
    the_checker_judges(token, tmp_path, case, bundle, made["vkey"], kind)


def openssl_agrees(token: Token, base: Path, bundle: Path, kind: int) -> None:
    """What the token signed, openssl verifies over the encoding that DSSE signs."""
    if shutil.which("openssl") is None:
        return
    envelope = dsse.load((bundle / "seal" / "statement.dsse.json").read_bytes())
    pem = token.run("key", "show", "ada", "--pem", exit_code=0).stdout
    for name, data in (("pem", pem.encode()), ("signed", envelope.signed_bytes()),
                       ("sig", envelope.signatures[0].sig)):  # fmt: skip
        (base / name).write_bytes(data)
    if kind == vkey.ECDSA:
        how = ["dgst", "-sha256", "-verify", "pem", "-signature", "sig", "signed"]
    else:
        how = ["pkeyutl", "-verify", "-pubin", "-inkey", "pem", "-rawin", "-in", "signed",
               "-sigfile", "sig"]  # fmt: skip
    done = subprocess.run(["openssl", *how], cwd=base, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def the_checker_judges(
    token: Token, base: Path, case: Path, bundle: Path, signer: str, kind: int
) -> None:
    """The checker in one file says the same of Ed25519; P-256 it cannot judge, and says so."""
    program = base / "check.py"
    program.write_text(token.run("verifier").stdout)
    policy = (base / "custody-home" / "trust" / "ledger.policy").read_text()
    log = policy.split("log ")[1].split()[0]
    for path in (bundle, case / "ledger"):
        command = ["python3", "-I", str(program), str(path), "--signer", signer, "--log", log]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == (11 if kind == vkey.ECDSA else 0), done.stdout + done.stderr
        assert ("P-256" in done.stdout) == (kind == vkey.ECDSA)


def test_a_key_that_is_there_is_registered(token: Token) -> None:
    """A key in the token is made once: then it is found, and one name for it is enough."""
    first = token.new()
    done = token.run("key", "new", "bob", "--json", *token.options())
    assert (done.returncode, "it is your key ada already" in done.stderr) == (2, True)
    listed = json.loads(token.run("key", "list", "--json").stdout)["keys"]
    assert [item["fingerprint"] for item in listed] == [first["fingerprint"]]
    (token.folder.parent / "custody-home" / "keys" / "ada.json").unlink()
    (token.folder.parent / "custody-home" / "trust" / "signers.toml").unlink()
    assert token.new()["fingerprint"] == first["fingerprint"]


def logins(trace: Path) -> int:
    return trace.read_text(errors="replace").count("C_Login\n") if trace.exists() else 0


def spy(token: Token, tmp_path: Path) -> tuple[str, dict[str, str], Path]:
    """A module in front of the token that writes down every call (from OpenSC)."""
    found = next(Path("/usr/lib").glob("**/pkcs11-spy.so"), None)
    if found is None:
        pytest.skip("OpenSC is not installed (opensc)")
    trace = tmp_path / "spy.log"
    return str(found), {"PKCS11SPY": token.module, "PKCS11SPY_OUTPUT": str(trace)}, trace


def test_a_wrong_pin_is_tried_once(token: Token, tmp_path: Path) -> None:
    """One wrong PIN is one try: exit 14, nothing written, and the token counts one."""
    module, env, trace = spy(token, tmp_path)
    token.module = module
    token.new(env=env)
    right = logins(trace)
    (tmp_path / "pin").write_text("wrong\n")
    (tmp_path / "log").mkdir()
    trace.unlink()
    done = token.run(
        "collect", tmp_path / "log", "--output", tmp_path / "out", "--key", "ada", env=env
    )
    assert done.returncode == 14, done.stderr
    assert "wrong PIN" in done.stderr
    assert "not tried again" in done.stderr
    assert PIN not in done.stderr
    assert (right, logins(trace)) == (1, 1)
    assert not (tmp_path / "out").exists()


def test_a_wrong_pin_makes_no_key(token: Token, tmp_path: Path) -> None:
    """Where the PIN is wrong nothing is registered, and nothing trusted."""
    (tmp_path / "pin").write_text("wrong\n")
    done = token.run("key", "new", "ada", *token.options())
    assert done.returncode == 14
    assert json.loads(token.run("key", "list", "--json").stdout)["keys"] == []
    assert not (tmp_path / "custody-home" / "trust" / "signers.toml").exists()


def test_a_token_that_is_gone_signs_nothing(token: Token, tmp_path: Path) -> None:
    """Without its token a key is known and signs nothing: exit 14, and nothing is written."""
    token.new()
    (tmp_path / "log").mkdir()
    shutil.rmtree(token.folder)
    token.folder.mkdir()
    done = token.run("collect", tmp_path / "log", "--output", tmp_path / "out", "--key", "ada")
    assert (done.returncode, 'no token "desk" is there' in done.stderr) == (14, True)
    assert not (tmp_path / "out").exists()
    assert token.run("key", "show", "ada").returncode == 0


def test_a_token_with_another_key_of_that_label_is_refused(token: Token, tmp_path: Path) -> None:
    """A token that was set up again under the same name and serial label is another token."""
    token.new()
    shutil.rmtree(token.folder)
    token.folder.mkdir()
    softhsm.set_up(token.env)
    (tmp_path / "log").mkdir()
    done = token.run("collect", tmp_path / "log", "--output", tmp_path / "out", "--key", "ada")
    assert done.returncode == 14
    assert not (tmp_path / "out").exists()


def test_no_pin_is_asked_for_without_its_token(token: Token, tmp_path: Path) -> None:
    """What cannot be tried is not asked for; there is no PIN here to be read."""
    token.new()
    (tmp_path / "pin").unlink()
    (tmp_path / "log").mkdir()
    shutil.rmtree(token.folder)
    token.folder.mkdir()
    done = token.run("collect", tmp_path / "log", "--output", tmp_path / "out", "--key", "ada")
    assert (done.returncode, "is there" in done.stderr) == (14, True)


def test_nobody_else_says_which_program_is_loaded(token: Token, tmp_path: Path) -> None:
    """The file that names the token's library is used only if nobody else can write it."""
    made = token.new("--label", "k1")
    path = tmp_path / "custody-home" / "keys" / "ada.json"
    assert Path(made["pkcs11"]["module"]).is_absolute()
    (tmp_path / "log").mkdir()
    path.chmod(0o666)
    command = ["collect", tmp_path / "log", "--output", tmp_path / "out", "--key", "ada"]
    done = token.run(*command)
    assert (done.returncode, "others can write it" in done.stderr) == (14, True)
    path.chmod(0o600)
    relative = json.loads(path.read_text())
    relative["pkcs11"]["module"] = Path(token.module).name
    path.write_bytes(canonical.dump(relative) + b"\n")
    assert token.run(*command).returncode == 2
    assert not (tmp_path / "out").exists()


def test_no_key_leaves_its_token(token: Token, tmp_path: Path) -> None:
    """Export and a new passphrase are refused, and no PIN is tried for it."""
    token.new()
    (tmp_path / "pin").unlink()
    out = tmp_path / "key.pem"
    done = token.run("key", "export", "ada", "-o", out)
    assert (done.returncode, out.exists()) == (2, False)
    assert "never leaves" in done.stderr
    assert token.run("key", "change-passphrase", "ada").returncode == 2


@pytest.mark.parametrize(
    "wrong",
    [["--token", "desk"], ["--label", "k"], ["--algorithm", "p256"],
     ["--pkcs11", "x.so"], ["--pkcs11", "x.so", "--token", "desk"],
     ["--pkcs11", "x.so", "--token", "t", "--label", "l", "--algorithm", "rsa"],
     ["--pkcs11", "x.so", "--token", "t", "--label", "l", "--no-passphrase"],
     ["--pkcs11", "x.so", "--token", "t", "--label", "l", "--for-host"],
     ["--pkcs11", "/nowhere.so", "--token", "t", "--label", "l"]],
)  # fmt: skip
def test_half_a_token_is_usage(custody: Run, tmp_path: Path, wrong: list[str]) -> None:
    """Options that do not go together, and a module that is none, are exit 2."""
    done = custody("key", "new", "ada", *wrong, input="")
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "custody-home" / "keys").exists()


class _Flagged:
    """A token's answer about its own state; SoftHSM never locks, so this is not the real one."""

    label, serial = "desk", b"1"

    def __init__(self, flags: int) -> None:
        self.flags = flags


@pytest.mark.parametrize(("flag", "said"), [("USER_PIN_LOCKED", "locked"),
                                            ("USER_PIN_FINAL_TRY", "last try")])  # fmt: skip
def test_a_locked_token_is_not_tried(flag: str, said: str) -> None:
    """A token that is locked, or has one try left, is left alone."""
    from custody.errors import KeyAccessError
    from custody.identity import token as tokens

    place = tokens.Place("m", "desk", "k1")
    with pytest.raises(KeyAccessError, match=said):
        tokens._refuse_locked(place, _Flagged(int(pkcs11.TokenFlag[flag])))


# ---- the algorithm comes from the trusted key


def p256() -> Signer:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = ec.derive_private_key(7, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    class Low:
        def sign(self, data: bytes, /) -> bytes:
            found = private.sign(data, ec.ECDSA(hashes.SHA256()))
            return signing.ecdsa_signature(*utils.decode_dss_signature(found))

    return Signer(vkey.VerifierKey("ec", vkey.ECDSA, spki), Low())


def test_no_key_takes_the_other_kind_of_signature() -> None:
    """An Ed25519 key never accepts an ECDSA signature, nor the other way round."""
    ours, other = p256(), Signer.generate("ed")
    for signer, wrong in ((ours, other), (other, ours)):
        assert signing.is_signed(signer.key, signer.sign(b"x"), b"x")
        assert not signing.is_signed(signer.key, wrong.sign(b"x"), b"x")
        assert not signing.is_signed(signer.key, signer.sign(b"x"), b"y")


def test_there_is_one_spelling_of_an_ecdsa_signature() -> None:
    """S in the upper half, and DER with more bytes than it needs, are refused."""
    from cryptography.hazmat.primitives.asymmetric import utils

    signer = p256()
    good = signer.sign(b"x")
    r, s = utils.decode_dss_signature(good)
    high = utils.encode_dss_signature(r, signing._ORDER - s)
    long = bytes([0x30, 0x81, good[1]]) + good[2:]
    for wrong in (
        high,
        long,
        good + b"\0",
        good[:-1],
        b"",
        bytes(64),
        b"\x30\x06\x02\x01\0\x02\x01\0",
    ):
        assert not signing.is_signed(signer.key, wrong, b"x")


def test_ecdsa_verifier_keys_are_strict() -> None:
    """The key is a point of P-256 in its one encoding, under the hash of the specification."""
    import hashlib

    from custody.errors import FormatError

    key = p256().key
    text = str(key)
    assert vkey.parse(text) == key
    assert text.split("+")[1] == hashlib.sha256(key.public).hexdigest()[:8]
    for public in (key.public[:-1] + bytes([key.public[-1] ^ 1]), key.public[:-1],
                   key.public + b"\0", bytes(91), vkey.P256_SPKI + bytes([255]) * 64):  # fmt: skip
        with pytest.raises(FormatError):
            vkey.parse(str(vkey.VerifierKey("ec", vkey.ECDSA, public)))


def test_ledgers_and_witnesses_stay_ed25519(custody: Run, tmp_path: Path) -> None:
    """An ECDSA key is refused where a ledger's or a witness's is wanted, and says why."""
    text = str(p256().key)
    done = custody("trust", "add", "ledger", text)
    assert (done.returncode, "not Ed25519" in done.stderr) == (2, True)
    assert custody("trust", "add", "witness", text, "--name", "w").returncode == 2
    (tmp_path / "bag").mkdir()
    done = custody("verify", tmp_path / "bag", "--log", text)
    assert (done.returncode, "Ed25519" in done.stderr) == (2, True)
    custody("trust", "add", "signer", text, "--name", "EC", "--role", "desk", exit_code=0)
    assert text in custody("trust", "list", "--json").stdout


def test_an_event_may_be_signed_by_ecdsa() -> None:
    """The envelope is DSSE as before: the key id is the fingerprint, the signature DER."""
    from datetime import UTC, datetime

    from custody.formats.statement import Actor, Event
    from custody.verify import signed

    signer = p256()
    event = Event("noted", datetime(2026, 1, 1, tzinfo=UTC), Actor(str(signer.key)))
    envelope = dsse.load(signing.seal(signer, statement.dump(event)))
    assert envelope.signatures[0].keyid == signer.key.fingerprint()
    assert envelope.signatures[0].sig[0] == 0x30
    assert signed.is_by(signed.key_of(signed.event_in(envelope)), envelope)
