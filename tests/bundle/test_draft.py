"""Writing a bundle: its files, its order, and what a lying disk or a full one does to it."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody import durable
from custody.bundle import layout
from custody.bundle.draft import Draft
from custody.bundle.payload import Payload
from custody.errors import ExistsError, StorageError

DIGEST = hashlib.sha256(b"").hexdigest()


def entered(draft: Draft, name: str, data: bytes) -> None:
    """Write one payload file and its record."""
    fd = draft.payload.create(name, False)
    os.write(fd, data)
    os.close(fd)
    draft.add(
        {
            "path": "/" + name, "outcome": "collected", "payload": name, "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )  # fmt: skip


@pytest.fixture
def draft_in(tmp_path: Path) -> Callable[[], Draft]:
    return lambda: Draft(tmp_path / "draft")


def silent(_files: int, _size: int) -> None:
    return


def test_a_whole_bundle(draft_in: Callable[[], Draft], tmp_path: Path) -> None:
    """Every tag file is in the tag manifest with its digest; the pin is that of the list."""
    with durable.private_umask(), draft_in() as draft:
        entered(draft, "data/a/b/c", b"1")
        entered(draft, "data/empty", b"")
        assert draft.read_back(silent) == []
        pinned = draft.close_bag("id", "2026-01-01", {"a": 1})
        draft.seal(b"statement")
    bag = tmp_path / "draft"
    listed = (bag / "tagmanifest-sha256.txt").read_bytes()
    assert hashlib.sha256(listed).hexdigest() == pinned
    lines = dict(reversed(line.split("  ")) for line in listed.decode().splitlines())
    assert set(lines) == set(layout.TAG_FILES)
    for name, digest in lines.items():
        assert hashlib.sha256((bag / name).read_bytes()).hexdigest() == digest
    assert "Payload-Oxum: 1.2\n" in (bag / "bag-info.txt").read_text()
    assert {path.name for path in bag.iterdir()} <= layout.TOP_LEVEL
    for path in [bag, *bag.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_a_draft_starts_with_nothing(draft_in: Callable[[], Draft], tmp_path: Path) -> None:
    """Where something stands no draft begins, and it is left as it is."""
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft/x").touch()
    with pytest.raises(ExistsError):
        draft_in()
    assert os.listdir(tmp_path / "draft") == ["x"]


@pytest.mark.parametrize("harm", ["changed", "shorter", "longer", "missing", "link"])
def test_a_disk_that_gives_back_other_bytes(
    harm: str, draft_in: Callable[[], Draft], tmp_path: Path
) -> None:
    """What is read back and differs is found before anything is sealed."""
    (tmp_path / "outside").write_bytes(b"12345")
    with durable.private_umask(), draft_in() as draft:
        entered(draft, "data/a", b"12345")
        entered(draft, "data/b", b"12345")
        path = tmp_path / "draft/data/b"
        if harm == "missing":
            path.unlink()
        elif harm == "link":
            path.unlink()
            path.symlink_to(tmp_path / "outside")
        else:
            path.write_bytes({"changed": b"12335", "shorter": b"1234", "longer": b"123456"}[harm])
        findings = draft.read_back(silent)
    assert findings[0].path == "data/b"


class TestPayload:
    """Making payload files below a bag."""

    @pytest.fixture
    def payload(self, tmp_path: Path) -> Any:
        (tmp_path / "bag/data").mkdir(parents=True)
        made = Payload(tmp_path / "bag")
        yield made
        made.close()

    @pytest.mark.parametrize("large", [False, True])
    def test_directories_are_made(self, large: bool, payload: Payload, tmp_path: Path) -> None:
        """Missing directories come into being on the way."""
        os.close(payload.create("data/a/b/c/d", large))
        os.close(payload.create("data/a/b/e", large))
        assert (tmp_path / "bag/data/a/b/c/d").is_file()

    @pytest.mark.parametrize("large", [False, True])
    def test_nothing_is_overwritten(self, large: bool, payload: Payload, tmp_path: Path) -> None:
        """A name that is taken, even by a link, is an error."""
        (tmp_path / "bag/data/file").write_text("mine")
        (tmp_path / "bag/data/link").symlink_to(tmp_path / "target")
        for name in ("data/file", "data/link"):
            with pytest.raises(StorageError):
                payload.create(name, large)
        assert (tmp_path / "bag/data/file").read_text() == "mine"
        assert not (tmp_path / "target").exists()

    def test_a_file_system_without_direct_writes(
        self, payload: Payload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where O_DIRECT is refused after the file was made, it is made all the same."""
        real = os.open
        direct = getattr(os, "O_DIRECT", 0)
        if not direct:
            pytest.skip("this system has no O_DIRECT")

        def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & direct:
                os.close(real(path, flags & ~direct, *args, **kwargs))
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return real(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", refuse)
        fd = payload.create("data/x/file", True)
        os.write(fd, b"x")
        os.close(fd)
        assert (tmp_path / "bag/data/x/file").read_bytes() == b"x"


def test_receipts_of_two_logs_have_two_names() -> None:
    """The name of a receipt is safe and tells the log and the size."""
    assert layout.receipt_name("custody/a-1", 7) == "custody=2Fa-1-7.tlog-proof"
    assert layout.receipt_name("x/../y", 1).count("/") == 0


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_at_each_tag_file(
    call: str, draft_in: Callable[[], Draft], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write or sync of the closing fails: an error in words, and no statement."""
    with durable.private_umask(), draft_in() as draft:
        entered(draft, "data/a", b"1")

        def full(*args: Any) -> Any:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, call, full)
        with pytest.raises(StorageError, match="the disk is full"):
            draft.close_bag("id", "2026-01-01", {})
        monkeypatch.undo()
    assert not (tmp_path / "draft" / layout.STATEMENT).exists()


def test_a_full_disk_while_the_inventory_grows(tmp_path: Path) -> None:
    """Records that do not fit any more are an error in words, also when they are flushed."""
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(StorageError, match="the disk is full"):
            grow(small / "draft")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def grow(directory: Path) -> None:
    with durable.private_umask(), Draft(directory) as draft:
        for number in range(20_000):
            draft.add({"path": f"/{number}", "outcome": "vanished"})
