"""The checker as a program: what it is made of, how it is handed out, how it leaves."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agreeing import CHECK, NOTHING, both, checked, custodys, plain
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from doubling import DIFFERENT
from test_seal import add, signed_event
from verify_bench import ACTOR, LOG, NOW, SIGNER, STRANGER, check, gather, trusting

from custody import verifier
from custody.acquire import outcomes
from custody.bundle import layout
from custody.bundle.verify_text import VERIFY_TEXT
from custody.collect import Destination
from custody.formats import bagit, statement, vkey
from custody.formats.statement import Event
from custody.identity import signing
from custody.identity.signing import Signer
from custody.identity.trust import Trust
from custody.ledger.log import Log

TREE = ast.parse(verifier.program(), feature_version=(3, 8))
ARGUMENTS = ["--signer", str(SIGNER.key), "--log", str(LOG.key)]
LONGEST, WIDEST = 500, 100  # lines, columns
MANY = 300


def run(program: Path, *arguments: str | Path, version: str = "") -> tuple[int, str, str]:
    """Start the checker by itself, with this Python or with one of another version."""
    python = shutil.which(f"python{version}") if version else sys.executable
    done = subprocess.run(
        [python or "false", "-I", str(program), *(str(item) for item in arguments)],
        env={**os.environ, "PYENV_VERSION": version},  # where pyenv has them
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The checker as a file, away from the tree."""
    path = tmp_path / "check.py"
    path.write_bytes(verifier.program())
    return path


def test_it_needs_the_standard_library_alone() -> None:
    """It imports nothing of custody, and nothing that must be installed."""
    named = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert named <= set(sys.stdlib_module_names) | {"os.path"}
    assert not named & {"socket", "subprocess", "ctypes", "pickle", "importlib", "ssl", "urllib"}


def test_it_writes_and_runs_nothing() -> None:
    """No call in it writes, runs or evaluates anything; it opens files in one place, to read."""
    called = [ast.unparse(node.func) for node in ast.walk(TREE) if isinstance(node, ast.Call)]
    assert not set(called) & {"open", "eval", "exec", "compile", "__import__", "os.system"}
    assert [name for name in called if name in ("os.open", "os.fdopen")] == ["os.fdopen", "os.open"]
    assert not [
        name for name in called if name.endswith((".write", ".unlink", ".remove", ".mkdir"))
    ]


def test_it_is_one_sitting_long() -> None:
    """It stays short enough to be read before it is believed."""
    lines = verifier.program().decode("ascii").splitlines()
    assert len(lines) < LONGEST
    assert max(map(len, lines)) <= WIDEST


def test_it_knows_the_text_of_verify_txt() -> None:
    """The digest in it is that of the text which every bundle carries, and stands in FORMAT.md."""
    assert hashlib.sha256(VERIFY_TEXT).hexdigest() == CHECK.FIXED["VERIFY.txt"]
    assert hashlib.sha256(bagit.DECLARATION).hexdigest() == CHECK.FIXED["bagit.txt"]


def test_it_knows_every_outcome() -> None:
    """What became of a path is one of the words that FORMAT.md lists."""
    assert set(CHECK.OUTCOMES) == outcomes.ALL


def test_its_digest_is_published(root: Path) -> None:
    """The release notes have the digest of exactly the program that is handed out."""
    assert f"`{verifier.digest()}`" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_it_is_handed_out_byte_for_byte(custody: Callable[..., Any]) -> None:
    """`custody verifier` prints the program and nothing else; `--sha256` prints its digest."""
    done = custody("verifier")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.encode() == verifier.program()
    assert custody("verifier", "--sha256").stdout.split()[0] == verifier.digest()
    document = json.loads(custody("verifier", "--json").stdout)
    assert document["schema"] == "custody.verifier/v1"
    assert document["sha256"] == hashlib.sha256(document["program"].encode()).hexdigest()


def test_it_runs_on_its_own(program: Path, case: Path, entered: Path) -> None:
    """Started by itself it checks a bundle and a ledger: ok is 0."""
    for path in (entered, case / "ledger"):
        code, out, err = run(program, path, *ARGUMENTS)
        assert (code, err) == (0, "")
        assert out.splitlines()[-1].split() == ["verdict", "ok"]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_it_runs_on_other_pythons(program: Path, entered: Path, version: str) -> None:
    """Every Python from 3.8 on that is here gives the same answers."""
    if run(program, "--help", version=version)[0]:
        pytest.skip(f"no python{version} here")
    assert run(program, entered, *ARGUMENTS, version=version)[0] == 0
    path = next(entered.rglob("x.log"))
    path.write_bytes(b"Deep\n")
    code, out, _ = run(program, entered, *ARGUMENTS, version=version)
    assert (code, "x.log" in out) == (10, True)


def test_numbers_and_names_are_custodys(entered: Path) -> None:
    """The checks bear the numbers and names that `custody verify` and FORMAT.md give them."""
    judged = {each.number: each.name for each in check(entered).checks}
    ours = {number: name.replace("_", " ") for number, name in CHECK.Bundle.checks.items()}
    assert ours.items() <= judged.items()
    assert set(judged) - set(ours) == {9, 10}  # key validity and time stamps are not looked at


def test_what_it_does_not_check_it_says(entered: Path, case: Path) -> None:
    """Every time, in words, whatever the verdict is."""
    for path in (entered, case / "ledger"):
        text = checked(path, *ARGUMENTS).text
        for name, what in CHECK.NOT_DONE.items():
            assert f"{'NOT CHECKED':12}  -  {name:16} {what}" in text.splitlines()


def test_the_formats_page_has_the_same_list(root: Path) -> None:
    """What the output names as not checked has its line in FORMAT.md, and nothing else has."""
    text = (root / "FORMAT.md").read_text(encoding="utf-8")
    table = text.partition("| not checked | so that")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([a-z ]+) \|", table, re.MULTILINE) == list(CHECK.NOT_DONE)


def test_every_named_difference_is_a_test(request: pytest.FixtureRequest) -> None:
    """No entry of the list of differences is left over from a test that is gone."""
    if request.config.option.keyword:
        pytest.skip("only some of the tests are run")
    doubled = [item for item in request.session.items if "test_as_" in item.nodeid]
    modules = {item.path.name for item in doubled}
    if not modules >= {f"test_as_{each}.py" for each in ("bundle", "case", "inventory", "seal")}:
        pytest.skip("only some of the tests are run")
    assert set(DIFFERENT) <= {item.name for item in doubled}


def test_without_trust_nothing_is_ok(entered: Path, case: Path) -> None:
    """Nobody named on the command line is nobody believed."""
    for path in (entered, case / "ledger"):
        assert both(path, Trust()) == checked(path).code == 11


def test_another_signer_than_the_named_one_fails(entered: Path) -> None:
    """Whoever is named must have signed."""
    assert checked(entered, "--signer", str(STRANGER.key)).code == 10
    assert checked(entered, "--signer", STRANGER.key.fingerprint()).code == 10


def test_the_expected_digest_decides(entered: Path) -> None:
    """`--expect` is the digest of the statement, as it was written down."""
    digest = hashlib.sha256((entered / layout.STATEMENT).read_bytes()).hexdigest()
    assert both(entered, expect=digest) == 0
    assert both(entered, expect="0" * 64) == 10
    assert checked(entered, *ARGUMENTS, "--expect", "sha256: " + digest.upper()).code == 0


@pytest.mark.parametrize(
    "arguments",
    [["--signer", "nonsense"], ["--log", "x+y"], ["--log", "0" * 64], ["--expect", "12"], ["more"]],
)
def test_a_wrong_command_line_is_usage(program: Path, entered: Path, arguments: list[str]) -> None:
    """What cannot be understood is exit 2, and nothing is judged."""
    code, out, err = run(program, entered, *arguments)
    assert (code, out) == (2, "")
    assert "usage" in err


def test_what_is_nothing_is_twelve(program: Path, tmp_path: Path, case: Path) -> None:
    """Neither a bundle nor a ledger: exit 12.  For a case it says what to check instead."""
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nothing", tmp_path / "empty", program):
        assert checked(path).code == NOTHING
    code, out, err = run(program, case, *ARGUMENTS)
    assert (code, out) == (NOTHING, "")
    assert "of a case, check its ledger and each bundle" in err
    assert run(program, case / "ledger", "--expect", "0" * 64)[0] == 2


def test_names_from_evidence_are_escaped(program: Path, bag: Path) -> None:
    """No name in a bundle reaches the terminal as it is."""
    (bag / "data" / "\x1b[31m\nred").write_bytes(b"")
    code, out, _ = run(program, bag, *ARGUMENTS)
    assert code == 10
    assert "\x1b" not in out
    assert "\\x1b[31m\\nred" in out


@pytest.mark.parametrize(
    "name",
    ["auth.log", *(path.rpartition("/")[2] for path in (*layout.TAG_FILES, layout.STATEMENT)),
     "tagmanifest-sha256.txt"],
)  # fmt: skip
def test_what_may_not_be_read_is_no_proof_of_tampering(
    bag: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A file that the system does not give leaves checks undone: cannot verify, by both."""
    real = os.open

    def refuse(path: str | Path, *arguments: object, **more: object) -> int:
        if os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    assert both(bag) == 11


def test_a_folder_that_cannot_be_listed_is_no_proof_either(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even the names can be read, nothing is judged."""
    real = os.listdir

    def refuse(path: str) -> list[str]:
        if str(path).rstrip("/").endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert checked(bag, *ARGUMENTS).code == 11


def test_a_signature_on_p256_is_not_judged(tmp_path: Path) -> None:
    """By an ECDSA key, given or met: cannot verify, with the reason, and never ok."""
    signer = ecdsa_signer()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.log").write_bytes(b"one\n")
    bundle = gather(tmp_path / "log", Destination(tmp_path / "out"), signer)
    trust = trusting(signer)
    assert custodys(bundle, *plain(trust)[:1])[0] == 0
    for arguments in ((str(signer.key),), (signer.key.fingerprint(),)):
        said = checked(bundle, "--signer", *arguments)
        assert (said.code, said.status[8]) == (11, "CANNOT JUDGE")
        assert "P-256" in said.reason[8]
    assert (checked(bundle).code, checked(bundle, *ARGUMENTS).code) == (11, 11)
    assert run_usage(bundle, "--log", str(signer.key)) == 2
    (bundle / "data" / "more").write_bytes(b"")
    assert checked(bundle, "--signer", str(signer.key)).code == 10


def test_an_addition_on_p256_is_not_judged_either(bag: Path) -> None:
    """Custody takes a good one, and fails a wrong one; neither is ok to the checker."""
    signer = ecdsa_signer()
    event = add(bag, layout.EVENTS, signed_event("noted", signer=signer), ".dsse.json")
    said = checked(bag, *ARGUMENTS)
    assert (said.code, said.status[13]) == (11, "CANNOT JUDGE")
    event.unlink()
    assert checked(bag, *ARGUMENTS).code == 0


def run_usage(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        checked(Path(arguments[0]), *map(str, arguments[1:]))
    return int(str(caught.value.code))


def ecdsa_signer() -> Signer:
    private = ec.derive_private_key(7, ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    class Private:
        def sign(self, data: bytes, /) -> bytes:
            made = private.sign(data, ec.ECDSA(hashes.SHA256()))
            return signing.ecdsa_signature(*utils.decode_dss_signature(made))

    return Signer(vkey.VerifierKey("ec", vkey.ECDSA, spki), Private())


def test_a_time_stamp_is_not_read(bag: Path) -> None:
    """A token is held against its name alone, and the output says so."""
    token = add(bag, layout.TIMESTAMPS, b"a token", ".tsr")
    said = checked(bag, *ARGUMENTS)
    assert (said.code, "time stamps" in said.text) == (0, True)
    token.write_bytes(b"another")
    assert checked(bag, *ARGUMENTS).code == 10


def test_a_ledger_of_many_tiles(tmp_path: Path) -> None:
    """Full tiles, partial ones and a second level are made again."""
    log = Log.create(tmp_path / "ledger", LOG)
    entry = [signing.seal(SIGNER, statement.dump(Event("noted", NOW, ACTOR)))]
    log.append(entry * MANY, LOG)
    log.append(entry * (MANY - 256 + 5), LOG)
    assert checked(tmp_path / "ledger", *ARGUMENTS).code == 0
    for path in sorted((tmp_path / "ledger" / "tile").rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            assert checked(tmp_path / "ledger", *ARGUMENTS).code == 10, path
            path.write_bytes(whole)
