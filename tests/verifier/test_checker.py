"""The checker as a program: what it is made of, how it is handed out, how it leaves."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agreeing import CHECK, both, checked, plain
from test_seal import add, attach
from verify_bench import ACTOR, LOG, NOW, SIGNER, TRUST, check_case

from custody import verifier
from custody.bundle import layout
from custody.bundle.verify_text import VERIFY_TEXT
from custody.formats import dsse, statement
from custody.formats.statement import Event
from custody.identity import signing
from custody.ledger.log import Log

TREE = ast.parse(verifier.program(), feature_version=(3, 8))
ARGUMENTS = ["--signer", str(SIGNER.key), "--log", str(LOG.key)]
LONGEST = 1_000  # lines
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
    assert max(map(len, lines)) <= 110


def test_it_knows_the_text_of_verify_txt() -> None:
    """The digest in it is that of the text which every bundle carries, and stands in FORMAT.md."""
    assert hashlib.sha256(VERIFY_TEXT).hexdigest() == CHECK.VERIFY_TXT


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
    """Started by itself it checks a bundle, a case and a ledger: ok is 0."""
    for path in (case, entered, case / "ledger"):
        code, out, err = run(program, path, *ARGUMENTS)
        assert (code, err) == (0, "")
        assert out.splitlines()[-1].split() == ["verdict", "ok"]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_it_runs_on_other_pythons(program: Path, case: Path, version: str) -> None:
    """Every Python from 3.8 on that is here gives the same answers."""
    if run(program, "--help", version=version)[0]:
        pytest.skip(f"no python{version} here")
    assert run(program, case, *ARGUMENTS, version=version)[0] == 0
    path = next((case / "bundles").rglob("x.log"))
    path.write_bytes(b"Deep\n")
    code, out, _ = run(program, case, *ARGUMENTS, version=version)
    assert (code, "x.log" in out) == (10, True)


def test_numbers_and_names_are_custodys(case: Path, entered: Path) -> None:
    """The checks bear the numbers and names that `custody verify` and FORMAT.md give them."""
    for path, judged in ((case, check_case(case)), (entered, check_case(case).bundles[0])):
        _, said = checked(path, *ARGUMENTS)
        ours = [(each["number"], each["name"]) for each in said["checks"]]
        assert ours == [(each.number, each.name) for each in judged.checks]


def test_without_trust_nothing_is_ok(entered: Path) -> None:
    """Nobody named on the command line is nobody believed."""
    code, said = checked(entered)
    assert (code, said["verdict"]) == (11, "cannot-verify")


def test_the_expected_digest_decides(entered: Path) -> None:
    """`--expect` is the digest of the statement, as it was written down."""
    digest = hashlib.sha256((entered / layout.STATEMENT).read_bytes()).hexdigest()
    assert both(entered, expect=digest) == 0
    assert both(entered, expect="0" * 64) == 10
    assert checked(entered, *ARGUMENTS, "--expect", "sha256: " + digest.upper())[0] == 0


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
    """Neither a bundle nor a case nor a ledger: exit 12; so is a format that is not known."""
    assert run(program, tmp_path / "nothing")[0] == 12
    (tmp_path / "empty").mkdir()
    assert run(program, tmp_path / "empty")[0] == 12
    assert run(program, program)[0] == 12
    assert run(program, case, "--expect", "0" * 64)[0] == 2


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


def test_time_stamps_are_not_judged(bag: Path) -> None:
    """A token is only looked at as far as its name, and whether it is over a signature here."""
    add(bag, layout.TIMESTAMPS, b"a token", ".tsr")
    code, said = checked(bag, *ARGUMENTS)
    assert (code, said["checks"][9]["status"]) == (10, "fail")


def test_an_assessment_is_left_to_custody(bag: Path) -> None:
    """What only custody can work out again is never ok here."""
    folder = attach(bag)
    event = statement.load(dsse.load((folder / "statement.dsse.json").read_bytes()).payload)
    made = replace(event, details={"kind": "obligations"})
    data = signing.seal(SIGNER, statement.dump(made))
    (folder / "statement.dsse.json").write_bytes(data)
    folder.rename(folder.with_name(hashlib.sha256(data).hexdigest()))
    code, said = checked(bag, *ARGUMENTS)
    assert (code, said["checks"][12]["status"]) == (11, "not-checked")


def test_a_ledger_of_many_tiles(tmp_path: Path) -> None:
    """Full tiles, partial ones and a second level are made again."""
    log = Log.create(tmp_path / "ledger", LOG)
    entry = [signing.seal(SIGNER, statement.dump(Event("noted", NOW, ACTOR)))]
    log.append(entry * MANY, LOG)
    log.append(entry * (MANY - 256 + 5), LOG)
    assert checked(tmp_path / "ledger", *plain(TRUST)[1])[0] == 0
    for path in sorted((tmp_path / "ledger" / "tile").rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            assert checked(tmp_path / "ledger", *plain(TRUST)[1])[0] == 10, path
            path.write_bytes(whole)
