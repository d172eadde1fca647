"""What was seen of a ledger before: each way it may be contradicted is found, in its own words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody.errors import DifferenceError
from custody.formats.vkey import VerifierKey
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint as checkpoints
from custody.ledger.check import Report, by_keys, check
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.log import Log
from custody.ledger.memory import Memory
from custody.ledger.reader import Published

Grow = Callable[..., None]


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """An empty memory."""
    return Memory(tmp_path / "memory")


@pytest.fixture
def grow(log_key: Signer, make_entry: Callable[[object], bytes]) -> Grow:
    """Appends so many entries to a ledger."""

    def more(log: Log, count: int, word: str = "true") -> None:
        log.append([make_entry(f"{word} {number}") for number in range(count)], log_key)

    return more


@pytest.fixture
def look(memory: Memory, log_key: Signer, person: Signer) -> Callable[..., Report]:
    """Checks a ledger and remembers it."""

    def verify(log: Log, keys: list[VerifierKey] | None = None, given: Any = ()) -> Report:
        known = by_keys([person.key])
        trusted = [log_key.key] if keys is None else keys
        return check(log.directory, None, trusted, known, memory=memory, given=given)

    return verify


def messages(report: Report) -> str:
    return " | ".join(finding.message for finding in report.findings)


def put_back(log: Log, saved: Path) -> None:
    shutil.rmtree(log.directory)
    shutil.copytree(saved, log.directory)


def save(log: Log, path: Path) -> Path:
    return Path(shutil.copytree(log.directory, path))


def test_a_ledger_that_only_grows_is_remembered(
    log: Log, grow: Grow, look: Callable[..., Report], memory: Memory, log_key: Signer
) -> None:
    """Each look must go on from the last one, and moves the memory forward."""
    assert look(log).remembered is None
    for size, before in ((3, 0), (300, 3), (300, 300)):
        if size > before:
            grow(log, size - before)
        report = look(log)
        assert (report.verdict, report.remembered) == ("ok", before)
        kept = memory.recall(log_key.key)
        assert kept is not None
        assert kept.size == size
    assert memory.troubles == []


def test_a_directory_put_back_is_found(
    tmp_path: Path, log: Log, grow: Grow, look: Callable[..., Report]
) -> None:
    """A restored backup is true in itself and shorter than what was seen."""
    grow(log, 3)
    saved = save(log, tmp_path / "backup")
    grow(log, 300)
    assert look(log).verdict == "ok"
    put_back(log, saved)
    report = look(log)
    assert report.verdict == "failed"
    assert "had 303 entries and has only 3 now" in messages(report)
    assert "backup" in messages(report)


def test_a_checkpoint_put_back_alone_is_found(
    log: Log, grow: Grow, look: Callable[..., Report]
) -> None:
    """Where the entries beyond the old checkpoint still lie there, it is said."""
    grow(log, 3)
    old = (log.directory / "checkpoint").read_bytes()
    grow(log, 5)
    assert look(log).verdict == "ok"
    (log.directory / "checkpoint").write_bytes(old)
    assert "entries beyond it are still there" in messages(look(log))


def test_a_fork_is_found(tmp_path: Path, log: Log, grow: Grow, look: Callable[..., Report]) -> None:
    """A longer ledger with other first entries was rewritten; so was one of the same size."""
    grow(log, 3)
    saved = save(log, tmp_path / "before")
    grow(log, 2)
    assert look(log).verdict == "ok"
    put_back(log, saved)
    grow(log, 2, "false")
    assert "two different ledgers of 5 entries" in messages(look(log))
    grow(log, 1, "false")
    report = look(log)
    assert report.verdict == "failed"
    assert "first 5 entries are not those that were seen" in messages(report)


def test_a_ledger_that_failed_is_not_remembered(
    tmp_path: Path, log: Log, grow: Grow, look: Callable[..., Report], memory: Memory,
    log_key: Signer,
) -> None:  # fmt: skip
    """A contradiction stays one: looking again does not make the forged ledger the known one."""
    grow(log, 3)
    saved = save(log, tmp_path / "before")
    grow(log, 1)
    assert look(log).verdict == "ok"
    put_back(log, saved)
    grow(log, 9, "false")
    for _ in range(2):
        assert look(log).verdict == "failed"
    kept = memory.recall(log_key.key)
    assert kept is not None
    assert kept.size == 4


def test_a_stranger_s_log_does_not_touch_the_memory(
    tmp_path: Path, log: Log, grow: Grow, look: Callable[..., Report], memory: Memory,
    stranger: Signer, make_entry: Callable[[object], bytes],
) -> None:  # fmt: skip
    """A log that bears the same name under another key is not believed and leaves no trace."""
    grow(log, 3)
    assert look(log).verdict == "ok"
    before = {path: path.read_bytes() for path in memory.directory.rglob("*") if path.is_file()}
    forged = Log.create(tmp_path / "forged", stranger)
    forged.append([make_entry("x") for _ in range(9)], stranger)
    assert look(forged).verdict == "failed"
    assert look(forged, []).verdict == "cannot-verify"
    after = {path: path.read_bytes() for path in memory.directory.rglob("*") if path.is_file()}
    assert after == before
    assert look(log).verdict == "ok"


def test_a_replaced_key_is_found(
    tmp_path: Path, log: Log, grow: Grow, look: Callable[..., Report], stranger: Signer,
    make_entry: Callable[[object], bytes],
) -> None:  # fmt: skip
    """Even where the new key is trusted, the change is told, and how to accept it."""
    grow(log, 3)
    assert look(log).verdict == "ok"
    other = Log.create(tmp_path / "other", stranger)
    other.append([make_entry("x")], stranger)
    report = look(other, [stranger.key])
    assert report.verdict == "failed"
    assert "its key was replaced" in messages(report)


def published(tree: Checkpoint, signer: Signer) -> Published:
    data = notes.sign(checkpoints.dump(tree), signer)
    return Published(data, *checkpoints.load_signed(data))


def test_a_checkpoint_from_elsewhere_is_compared(
    log: Log, grow: Grow, look: Callable[..., Report], log_key: Signer, stranger: Signer
) -> None:
    """One from paper or another office counts like memory; a forged one is not compared."""
    grow(log, 3)
    kept = log.checkpoint()
    grow(log, 4)
    assert look(log, given=[kept]).verdict == "ok"
    ahead = published(Checkpoint(log.origin, 9, bytes(32)), log_key)
    assert "has only 7 now" in messages(look(log, given=[ahead]))
    other = published(Checkpoint("elsewhere", 2, bytes(32)), stranger)
    report = look(log, given=[other])
    assert report.verdict == "cannot-verify"
    assert "not compared" in report.not_checked[0].message
    forged = published(Checkpoint(log.origin, 3, bytes(32)), stranger)
    assert look(log, given=[forged]).verdict == "cannot-verify"


def test_a_ledger_put_back_is_not_written_to(
    tmp_path: Path, memory: Memory, log_key: Signer, grow: Grow
) -> None:
    """The writer remembers what it published, and refuses a ledger that is behind it."""
    log = Log.create(tmp_path / "ledger", log_key, memory)
    grow(log, 3)
    saved = save(log, tmp_path / "backup")
    grow(log, 1)
    put_back(log, saved)
    before = {path: path.read_bytes() for path in log.directory.rglob("*") if path.is_file()}
    with pytest.raises(DifferenceError, match="had 4 entries and has only 3 now"):
        grow(log, 1)
    after = {path: path.read_bytes() for path in log.directory.rglob("*") if path.is_file()}
    assert after == before


def test_a_memory_that_cannot_be_written_is_said(
    log: Log, grow: Grow, log_key: Signer, person: Signer
) -> None:
    """The check itself still holds; that nothing was remembered is not kept quiet."""
    if not Path("/proc").is_dir():
        pytest.skip("no /proc, where nobody can make a directory")
    memory = Memory(Path("/proc/custody-memory"))
    grow(log, 1)
    known = by_keys([person.key])
    assert check(log.directory, None, [log_key.key], known, memory=memory).verdict == "ok"
    assert memory.troubles
    assert "could not be remembered" in memory.troubles[-1]


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint\n", "other"])
def test_a_changed_memory_is_a_finding(
    log: Log, grow: Grow, look: Callable[..., Report], memory: Memory, stranger: Signer,
    damage: bytes | str,
) -> None:  # fmt: skip
    """Whoever changes the memory does not make it forget quietly."""
    grow(log, 1)
    assert look(log).verdict == "ok"
    (path,) = memory.directory.rglob("*.checkpoint")
    if isinstance(damage, str):
        damage = published(Checkpoint(log.origin, 1, bytes(32)), stranger).data
    path.write_bytes(damage)
    report = look(log)
    assert report.verdict == "failed"
    assert "cannot be used" in messages(report)
    assert path.read_bytes() == damage


def test_an_older_look_does_not_move_the_memory_back(
    log: Log, grow: Grow, memory: Memory, log_key: Signer
) -> None:
    """Two looks at once: the newest checkpoint is kept, whichever is written last."""
    grow(log, 1)
    old = (log.directory / "checkpoint").read_bytes()
    grow(log, 1)
    memory.keep((log.directory / "checkpoint").read_bytes(), log_key.key)
    memory.keep(old, log_key.key)
    kept = memory.recall(log_key.key)
    assert kept is not None
    assert kept.size == 2
