"""`custody init --on-stick`: what a responder finds, and what must never be there."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from custody.identity import trust
from custody.identity.keys import KeyFolder

NAMES = {"CARD.html", "CARD.txt", "KEYS.txt", "evidence", "trust"}


@pytest.fixture
def desk(custody: Any, tmp_path: Path) -> Any:
    """A desk with a case, whose keys are not encrypted; `custody` acts for it."""
    custody("init", tmp_path / "case", "--no-passphrase", "--person", "D. Sample",
            "--organization", "Example City", exit_code=0)  # fmt: skip
    return custody


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """An empty stick."""
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_laid_out(desk: Any, stick: Path, portable: Path) -> None:
    """The program as it was built, an empty place, a trust folder that loads, the card."""
    done = desk("init", "--on-stick", stick, "--program", portable, "--json", exit_code=0)
    said = json.loads(done.stdout)
    assert {path.name for path in stick.iterdir()} == NAMES | {"custody"}
    assert everything(stick / "custody") == everything(portable)
    assert list((stick / "evidence").iterdir()) == []
    believed = trust.load(stick / "trust")
    assert [str(signer.key) for signer in believed.signers] == said["signers"]
    assert [signer.role for signer in believed.signers] == ["desk"]
    assert [str(key) for key in believed.logs] == said["logs"]
    assert (stick / "KEYS.txt").read_text().count("\n") == 2
    started = subprocess.run([stick / "custody" / "custody", "--version"], check=False)
    assert started.returncode == 0


def test_no_private_key_is_on_it(desk: Any, stick: Path, portable: Path) -> None:
    """No file on the stick holds a private key of the desk, in any form that it is kept in."""
    desk("init", "--on-stick", stick, "--program", portable, exit_code=0)
    secrets = []
    for path in (desk.home / "keys").glob("*.pem"):
        pem = path.read_bytes()
        raw = load_pem_private_key(pem, None).private_bytes_raw()
        lines = [line for line in pem.splitlines() if b"-----" not in line]
        secrets += [*lines, raw, base64.b64encode(raw), raw.hex().encode()]
    assert len(secrets) >= 8
    for name, data in everything(stick).items():
        if not name.startswith("custody/"):  # the program's libraries know the word
            assert b"PRIVATE KEY" not in data, name
        assert not [secret for secret in secrets if secret in data], name


def test_nothing_is_overwritten(desk: Any, stick: Path) -> None:
    """Whatever of ours stands there is left as it is, and nothing else is written then."""
    for name in sorted(NAMES | {"custody"}):
        (stick / name).symlink_to("nowhere")
        done = desk("init", "--on-stick", stick, exit_code=2)
        assert f'{stick}/{name}": it exists already; nothing was written' in done.stderr
        assert os.listdir(stick) == [name]
        (stick / name).unlink()
    (stick / "theirs.txt").write_text("stays\n")
    desk("init", "--on-stick", stick, exit_code=0)
    assert (stick / "theirs.txt").read_text() == "stays\n"


def test_without_a_program(desk: Any, stick: Path) -> None:
    """What is missing is said, on the screen and on the card."""
    done = desk("init", "--on-stick", stick, exit_code=0)
    assert "no program on the stick: make portable builds it; then copy the folder" in done.stderr
    assert {path.name for path in stick.iterdir()} == NAMES
    assert "program: not on the stick yet" in (stick / "CARD.txt").read_text()


def test_a_program_that_is_not_what_its_sums_say(
    desk: Any, stick: Path, portable: Path, tmp_path: Path
) -> None:
    """A changed, missing or linked file of the program stops it, and nothing is left behind."""
    copied = tmp_path / "program"
    shutil.copytree(portable, copied, copy_function=os.link)
    start = copied / "app" / "start.py"
    whole = start.read_bytes()

    def refused(why: str) -> None:
        done = desk("init", "--on-stick", stick, "--program", copied, exit_code=2)
        assert why in done.stderr
        assert os.listdir(stick) == []

    start.unlink()
    refused("start.py")
    start.write_bytes(whole + b"# more\n")
    refused("it is not what SHA256SUMS says")
    start.unlink()
    start.symlink_to(portable / "app" / "start.py")
    refused("start.py")
    (copied / "SHA256SUMS").unlink()
    refused("not a portable build")
    (copied / "SHA256SUMS").write_text(f"{'0' * 64}  ../../outside\n")
    refused("not a portable build")


def test_words_that_do_not_go_together(desk: Any, stick: Path, tmp_path: Path) -> None:
    """A case and a stick at once, no stick there, no keys yet: refused, and nothing is written."""
    desk("init", tmp_path / "other", "--on-stick", stick, exit_code=2)
    desk("init", "--on-stick", stick, "--title", "x", exit_code=2)
    desk("init", tmp_path / "other", "--program", stick, exit_code=2)
    desk("init", exit_code=2)
    desk("init", "--on-stick", tmp_path / "unplugged", exit_code=2)
    nobody = {"CUSTODY_HOME": str(tmp_path / "empty")}
    done = desk("init", "--on-stick", stick, env=nobody, exit_code=12)
    assert "no signing key of yours counts" in done.stderr
    assert os.listdir(stick) == []
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "unplugged").exists()


def test_a_revoked_key_stays_at_home(desk: Any, stick: Path, tmp_path: Path) -> None:
    """Only keys that still count are handed out."""
    desk("key", "new", "second", "--no-passphrase", "--role", "desk", exit_code=0)
    first = next(k for k in KeyFolder(desk.home / "keys").list()
                 if k.use == "signer" and k.name != "second")  # fmt: skip
    desk("trust", "revoke", str(first.key), "--at", "2020-01-01T00:00:00Z", exit_code=0)
    desk("init", "--on-stick", stick, exit_code=0)
    assert [s.name for s in trust.load(stick / "trust").signers] == ["second"]


def test_the_card_does_what_it_says(desk: Any, bare: Any, portable: Path, tmp_path: Path) -> None:
    """The card's own commands, typed on a bare host, collect and verify; the desk takes it in."""
    mnt = bare.root / "mnt"
    mnt.mkdir()
    desk("init", "--on-stick", mnt, "--program", portable, exit_code=0)
    (bare.root / "var" / "log").mkdir(parents=True)
    (bare.root / "var" / "log" / "auth.log").write_text("Failed password\n")
    card = (mnt / "CARD.txt").read_text().replace("\\\n", " ")
    [collect] = [line.split("custody collect ")[1] for line in card.splitlines()
                 if "custody collect " in line]  # fmt: skip
    shutil.rmtree(bare.root / "stick")
    (mnt / "custody").rename(bare.root / "stick-custody")
    (bare.root / "stick").mkdir()
    (bare.root / "stick-custody").rename(bare.root / "stick" / "custody")
    done = bare("collect", *shlex.split(collect), exit_code=0)
    numbers = [word for word in done.stdout.split() if len(word) == 64]
    made = bare.bundle("mnt/evidence")
    home = {"HOME": "/nobody"}
    bare("verify", f"/mnt/evidence/{made.name}", "--signer", numbers[1], env=home)
    desk("receive", "--case", tmp_path / "case", "--from", "A. Responder", "--fingerprint",
         numbers[1], made, exit_code=0)  # fmt: skip


def test_the_card_is_one_sheet(desk: Any, stick: Path, tmp_path: Path) -> None:
    """As a browser prints it: one page, four commands, room for two numbers twice."""
    for program in ("chromium", "pdftotext"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    desk("init", "--on-stick", stick, exit_code=0)
    pdf = tmp_path / "card.pdf"
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'browser'}",
         f"--print-to-pdf={pdf}", (stick / "CARD.html").as_uri()],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    done = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True)
    pages = done.stdout.decode().split("\f")[:-1]
    assert len(pages) == 1
    for word in ("mount -o", "custody collect", "custody verify", "umount /mnt", "Collection 2"):
        assert word in pages[0]
    assert "\\x" not in pages[0]
    assert all(line.isascii() and len(line) <= 90
               for line in (stick / "CARD.txt").read_text().splitlines())  # fmt: skip
