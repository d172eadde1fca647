"""The folder of our own keys: private on disk, strict on reading, plain about what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custody.errors import ExistsError, InputError, KeyAccessError, NotFoundError, UsageError
from custody.identity import keys, pkcs8, protection
from custody.identity.keys import KeyFolder
from custody.identity.passphrases import FixedPassphrase

NOW = datetime(2026, 11, 22, 3, 14, 5, tzinfo=UTC)
SECRET = FixedPassphrase(b"correct horse")


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "home" / "keys")


def make(folder: KeyFolder, name: str = "desk", secret: bytes | None = SECRET.secret) -> Path:
    folder.new(name, use="signer", passphrase=secret, now=NOW, person="Evidence Clerk")
    return folder.path(name)


def test_a_new_key_is_listed_and_signs(folder: KeyFolder) -> None:
    """What `new` returns is what `list`, `get` and `unlock` find again."""
    made = folder.new("desk", use="signer", passphrase=b"x", now=NOW, title="Clerk").stored
    assert folder.list() == (made,)
    assert folder.get("desk") == made
    unlocked = folder.unlock("desk", FixedPassphrase(b"x"))
    assert unlocked.signer.key == made.key
    assert unlocked.remarks == ()


def test_key_files_are_private_whatever_the_umask(folder: KeyFolder) -> None:
    """Directory 0700 and files 0600, also under umask 0."""
    before = os.umask(0)
    try:
        path = make(folder)
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {item.stat().st_mode & 0o777 for item in path.parent.iterdir()} == {0o600}


def test_a_ledgers_key_is_named_by_its_origin(folder: KeyFolder) -> None:
    """The name in the verifier key may hold what a file name may not."""
    origin = "city.example/2026/case-7"
    made = folder.new("case-7", use="log", passphrase=None, now=NOW, key_name=origin).stored
    assert made.key.name == origin
    assert folder.find(made.key) == made
    assert folder.pick(None, "log") == made


def test_nothing_is_overwritten(folder: KeyFolder) -> None:
    """A second key of the same name is refused and the first stays as it was."""
    path = make(folder)
    before = path.read_bytes()
    with pytest.raises(ExistsError):
        make(folder)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-n", "a/b", "..", "a b", "a\n", "a" * 65, "é", "a+b"]
)
def test_names_that_could_mislead_are_refused(folder: KeyFolder, name: str) -> None:
    """A key's name is a plain file name on every system."""
    with pytest.raises(UsageError):
        make(folder, name)
    assert not folder.directory.exists()


def test_the_wrong_passphrase_is_said(folder: KeyFolder) -> None:
    """A passphrase that does not fit is called wrong, after every try that there is."""

    class Typist:
        tries = 0

        def __call__(self, *_: object) -> bytes:
            return b"first"

        def another(self, *_: object) -> bytes | None:
            self.tries += 1
            return SECRET.secret if self.tries == 2 else b"second"

    make(folder)
    assert folder.unlock("desk", Typist()).signer.key.name == "desk"
    with pytest.raises(KeyAccessError, match="wrong passphrase"):
        folder.unlock("desk", FixedPassphrase(b"no"))


def test_an_unencrypted_key_asks_for_no_passphrase(folder: KeyFolder) -> None:
    """Whether a key is encrypted is found out by trying, not by believing its public half."""

    class Nobody:
        def __call__(self, *_: object) -> bytes:
            raise AssertionError("asked")

        def another(self, *_: object) -> bytes | None:
            raise AssertionError("asked")

    make(folder, secret=None)
    assert folder.unlock("desk", Nobody()).signer.key.name == "desk"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_reach_is_not_used(folder: KeyFolder, mode: int) -> None:
    """The hint is the very command that repairs it."""
    path = make(folder)
    path.chmod(mode)
    with pytest.raises(KeyAccessError, match="others can reach it") as caught:
        folder.unlock("desk", SECRET)
    assert caught.value.hint.startswith(f"chmod 600 {path}")


def test_a_key_of_another_user_is_not_used(folder: KeyFolder) -> None:
    """A key belongs to us or to root."""
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root")
    path = make(folder)
    os.chown(path, 65534, -1)
    with pytest.raises(KeyAccessError, match="belongs to another user"):
        folder.unlock("desk", SECRET)


def test_a_link_in_place_of_a_key_is_not_followed(folder: KeyFolder, tmp_path: Path) -> None:
    """The private half is a regular file, not a link to one."""
    path = make(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyAccessError, match="a link"):
        folder.unlock("desk", SECRET)


def test_a_fifo_in_place_of_a_key_does_not_block(folder: KeyFolder) -> None:
    """A FIFO is refused without waiting for a writer."""
    path = make(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyAccessError, match="not a regular file"):
        folder.unlock("desk", SECRET)


def test_halves_that_do_not_belong_together_are_refused(folder: KeyFolder) -> None:
    """An exchanged private half is noticed before it signs anything."""
    first, second = make(folder, "first"), make(folder, "second")
    shutil.copy(second, first)
    with pytest.raises(KeyAccessError, match="does not belong"):
        folder.unlock("first", SECRET)


@pytest.mark.parametrize("content", [b"", b"not PEM", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_damaged_private_half_is_said(folder: KeyFolder, content: bytes) -> None:
    """What is not a key is called damaged, not wrongly unlocked."""
    path = make(folder)
    path.write_bytes(content)
    with pytest.raises(KeyAccessError, match="damaged"):
        folder.unlock("desk", SECRET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"use":"signer"', b'"use":"other!"'),
        (b'"encrypted":true', b'"encrypted":1234'),
        (b'"name":"desk"', b'"name":"disk"'),
        (b"+", b"-"),
        (b"2026-11-22T03", b"2026-11-22 03"),
        (b'"fingerprint":"', b'"fingerprint":"0'),
        (b'"person":', b'"persona":'),
        (b"{", b" {"),
        (b"}\n", b'}\n"more"'),
    ],
)
def test_a_public_half_that_is_not_as_written_is_refused(
    folder: KeyFolder, old: bytes, new: bytes
) -> None:
    """The public half is strict: unknown, missing or misspelt fields are named with the file."""
    path = make(folder).with_suffix(".json")
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        folder.list()
    assert caught.value.thing == str(path)


def test_an_unfinished_key_is_explained(folder: KeyFolder) -> None:
    """A private half without a public one comes from a crash, and the hint says what to do."""
    path = make(folder)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="not finished"):
        folder.get("desk")


def test_a_failed_write_leaves_no_half_key(
    folder: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the public half cannot be written, the private one does not stay behind."""
    create = keys.durable.create

    def fail_on_public(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise keys.durable.storage_error("create", path, OSError(28, "full"))
        create(path, data)

    monkeypatch.setattr(keys.durable, "create", fail_on_public)
    with pytest.raises(OSError, match="disk is full"):
        make(folder)
    assert list(folder.directory.iterdir()) == []


def test_pick_needs_a_name_when_there_are_several(folder: KeyFolder) -> None:
    """One key of a kind is used without a name; of several, one must be named."""
    with pytest.raises(NotFoundError):
        folder.pick(None, "signer")
    make(folder, "first", None)
    assert folder.pick(None, "signer").name == "first"
    make(folder, "second", None)
    with pytest.raises(UsageError, match="first, second"):
        folder.pick(None, "signer")
    with pytest.raises(UsageError, match="not a log key"):
        folder.pick("first", "log")


def test_a_one_time_key_never_touches_the_disk(tmp_path: Path) -> None:
    """The key for one collection exists in memory only."""
    assert keys.one_time("host").key.name == "host"
    assert list(tmp_path.iterdir()) == []


def test_openssl_reads_the_encrypted_key(folder: KeyFolder, tmp_path: Path) -> None:
    """The private half is ordinary PKCS#8: openssl opens it and finds the same public key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = make(folder)
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET.secret + b"\n")
    done = subprocess.run(
        ["openssl", "pkey", "-in", path, "-passin", f"file:{secret}", "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    assert done.stdout.endswith(folder.get("desk").key.public)


def test_guessing_a_passphrase_is_slow(folder: KeyFolder) -> None:
    """The envelope really asks for 600,000 rounds of PBKDF2 with HMAC-SHA-256, and AES-256."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "asn1parse", "-in", make(folder)]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"INTEGER           :{pkcs8.ROUNDS:06X}" in shown
    for word in (":PBES2", ":PBKDF2", ":hmacWithSHA256", ":aes-256-cbc"):
        assert word in shown
    assert pkcs8.ROUNDS >= 600_000


def test_a_key_made_by_openssl_is_read(tmp_path: Path) -> None:
    """Keys that openssl made and encrypted are read too."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "made.pem"
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:abcd"]
    subprocess.run([*command, "-out", path], check=True, capture_output=True)
    with pytest.raises(pkcs8.Encrypted):
        pkcs8.load(path.read_bytes(), None)
    assert pkcs8.load(path.read_bytes(), b"abcd").private_bytes_raw()


# ---- a stick


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A real FAT file system: the kernel's own driver, else one in user space, else a skip."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a FAT image needs root on Linux")
    if shutil.which("mkfs.vfat") is None:
        pytest.skip("mkfs.vfat (dosfstools) is not installed")
    image, mount = tmp_path / "stick.img", tmp_path / "stick"
    image.write_bytes(bytes(8 << 20))
    mount.mkdir()
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True)
    for command in (["mount", "-t", "vfat", "-o", "loop"], ["fusefat", "-o", "rw+"]):
        if shutil.which(command[0]) is None:
            continue
        tried = subprocess.run([*command, image, mount], capture_output=True, check=False)
        if tried.returncode == 0 and mount.is_mount():
            break
    else:
        pytest.skip("neither the kernel nor fusefat can mount a FAT image here")
    yield mount
    subprocess.run(["umount", mount], check=True)


def on_stick(stick: Path, folder: KeyFolder) -> KeyFolder:
    moved = KeyFolder(stick / "keys")
    moved.directory.mkdir()
    for path in folder.directory.iterdir():
        shutil.copyfile(path, moved.directory / path.name)
    return moved


def test_an_encrypted_key_on_a_stick_is_used_with_a_remark(stick: Path, folder: KeyFolder) -> None:
    """FAT keeps no modes, so the passphrase is all that protects the key, and that is said."""
    make(folder)
    unlocked = on_stick(stick, folder).unlock("desk", SECRET)
    assert unlocked.signer.key == folder.get("desk").key
    assert "keeps no file modes" in unlocked.remarks[0]


def test_an_unencrypted_key_on_a_stick_is_refused(stick: Path, folder: KeyFolder) -> None:
    """Whoever holds the stick could sign, so such a key is neither used nor made there."""
    make(folder, secret=None)
    there = on_stick(stick, folder)
    with pytest.raises(KeyAccessError, match="not encrypted"):
        there.unlock("desk", SECRET)
    with pytest.raises(KeyAccessError, match="not encrypted"):
        make(there, "another", None)
    assert not there.path("another").exists()


def test_the_type_of_a_mount_tells_whether_it_has_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device number is looked up among the mounts; an unknown one is taken to have modes."""
    found = tmp_path.stat()
    device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(protection, "_MOUNTS", mounts)
    for kind, expected in [("vfat", True), ("fuseblk", True), ("ext4", False), ("tmpfs", False)]:
        mounts.write_text(
            f"1 0 9999:1 / / rw - vfat x rw\n42 27 {device} / /a\\040b rw shared:1 - {kind} x rw\n"
        )
        assert protection.has_no_modes(found) is expected
    mounts.unlink()
    assert protection.has_no_modes(found) is False
