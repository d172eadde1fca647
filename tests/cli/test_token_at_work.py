"""A key in a token at the desk's daily work, and a token that is pulled out in the middle of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from softhsm import Token

from custody.errors import KeyAccessError
from custody.identity import token as tokens

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")

PULLED = """
import json, os, shutil, sys
from pathlib import Path

from custody import case as cases, clock, collect
from custody.collect import Destination, Request
from custody.errors import KeyAccessError
from custody.identity.keys import KeyFolder
from custody.keeping import Keeper
from custody.watch.running import Settings, Watch

base, tokens = Path(sys.argv[1]), Path(sys.argv[2])
keys = KeyFolder(base / "custody-home" / "keys")

class Secret:
    def __call__(self, label, new):
        return b"of the other keys"
    def another(self, label):
        return None
    def pin(self, label):
        return (base / "pin").read_bytes().strip()

ada = keys.unlock("ada", Secret()).signer
ada.sign(b"it is there")
said = {}

def now():  # asked a second time when everything has been read
    if said:
        shutil.rmtree(tokens)
        tokens.mkdir()
    said.setdefault("began", True)
    return clock.now()

request = Request((str(base / "log"),))
out = Destination(base / "out")
try:
    collect.run(collect.prepare(request, out), ada, keys.get("ada").actor(), now=now)
except KeyAccessError as err:
    said["collect"], said["hint"] = err.why, err.hint

class Told:
    troubles = 0
    def sealed(self, collected):
        raise AssertionError("a token that is gone signs nothing")
    def alarm(self, alarm):
        pass
    def trouble(self, err):
        self.troubles += 1
        said["watch"] = err.why
        if self.troubles == 3:
            running.stop()
    def state(self, watch):
        pass

case = cases.open_case(base / "case")
log = next(item for item in keys.list() if item.use == "log")
keeper = Keeper(case, ada, keys.get("ada").actor(), keys.unlock(log.name, Secret()).signer)
running = Watch(request, keeper, Settings(0.05, base / "notes.json"), Told(), clock.now)
try:
    running.run()
except KeyAccessError as err:
    said["end"] = err.why
print(json.dumps(said))
"""


def listed(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_a_token_that_is_pulled_out_in_the_middle_seals_nothing(
    token: Token, tmp_path: Path
) -> None:
    """What was copied is said and kept, a watch keeps trying without filling the disk, and no
    bundle is published that its key has not signed."""
    token.new()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.log").write_text("one\n")
    token.run("init", tmp_path / "case", "--number", "7", exit_code=0)
    done = subprocess.run(
        [sys.executable, "-I", "-c", PULLED, tmp_path, token.folder],
        env={**os.environ, **token.env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    gone = "the token is gone: it was pulled out, or started again"
    assert (said["collect"], said["watch"], said["end"]) == (gone, gone, gone)
    assert "nothing was sealed; what was copied so far is in" in said["hint"]
    assert "--resume" in said["hint"]
    assert listed(tmp_path / "out") == ["incoming"]
    assert listed(tmp_path / "case" / "incoming") == listed(tmp_path / "case" / "bundles") == []


def test_a_case_is_kept_and_handed_over_with_keys_in_tokens(token: Token, tmp_path: Path) -> None:
    """Countersigning, releasing, receiving and recording take a key in a token as any other."""
    ada = token.new("--person", "Ada Example")
    other = {"CUSTODY_HOME": str(tmp_path / "other-home")}
    command = ["key", "new", "eve", "--person", "Eve Example", "--role", "examiner", "--json"]
    eve = json.loads(token.run(*command, *token.options("k2"), env=other, exit_code=0).stdout)
    case, out = tmp_path / "case", tmp_path / "out"
    for folder in (tmp_path / "log", out):
        folder.mkdir()
    (tmp_path / "log" / "a.log").write_text("one\n")
    token.run("init", case, "--number", "7", exit_code=0)
    token.run("collect", tmp_path / "log", "--case", case, exit_code=0)
    token.run("trust", "add", "signer", eve["vkey"], "--role", "examiner", exit_code=0)
    token.run("trust", "add", "signer", ada["vkey"], env=other, exit_code=0)
    (bundle,) = (case / "bundles").iterdir()
    words = ("--to", "Eve Example", "--purpose", "a look", "--authority", "order 9")
    words += ("--to-key", eve["vkey"], "--copy-to", str(out), "--case", str(case))
    token.run("release", bundle, *words, exit_code=0)
    copy, signed = out / bundle.name, tmp_path / "eve.json"
    token.run("countersign", copy, "-o", signed, env=other, exit_code=0)
    token.run("countersign", bundle, "--from", signed, "--case", case, exit_code=0)
    token.run("receive", copy, env=other, exit_code=0)
    (receipt,) = out.glob("*.receipt.dsse.json")
    token.run("record", receipt, "--case", case, exit_code=0)
    token.run("verify", case, exit_code=0)


class _Answering:
    """A token that is there and answers a login as it is told to."""

    def __init__(self, answer: Exception) -> None:
        self.answer = answer
        self.logins = 0

    def open(self, **_: object) -> None:
        self.logins += 1
        raise self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [("PinLocked", "the token is locked"), ("PinExpired", "the token refuses: PinExpired"),
     ("PinIncorrect", "wrong PIN; it is not tried again"), ("DeviceRemoved", "the token is gone"),
     ("UserPinNotInitialized", "has no PIN yet")],
)  # fmt: skip
def test_whatever_a_token_answers_it_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, answer: str, said: str
) -> None:
    """A PIN is read once and tried once, also where the token locks at that very moment."""
    there, pins = _Answering(getattr(pkcs11.exceptions, answer)()), []
    monkeypatch.setattr(tokens, "_token", lambda _: there)
    monkeypatch.setattr(tokens, "_left", lambda _: "")
    key = tokens.VerifierKey("ada", tokens.vkey.ED25519, bytes(32))

    def pin() -> bytes:
        pins.append(1)
        return b"4711"

    with pytest.raises(KeyAccessError, match=said):
        tokens.unlock(tokens.Place("/m.so", "desk", "k1"), key, pin)
    assert (there.logins, len(pins)) == (1, 1)
