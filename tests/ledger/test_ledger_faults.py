"""Every write of an append broken in turn: before it happened, after it happened, for good.

After each, the ledger on disk must check clean, hold what was acknowledged, and take an append
of other entries.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custody import durable
from custody.errors import CustodyError
from custody.identity.signing import Signer
from custody.ledger.check import Report, check
from custody.ledger.log import Log

MakeEntry = Callable[[object], bytes]
Checked = Callable[[Path], Report]


class KilledError(BaseException):
    """The process ends here: no handler for ordinary errors may run on."""


class FaultyOs:
    """The `os` that durable sees; one of its writing calls goes wrong."""

    WRITING = frozenset({"write", "fsync", "replace", "rename", "link", "unlink", "fchmod"})

    def __init__(self, fail_at: int, mode: str) -> None:
        self.fail_at = fail_at
        self.mode = mode
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name == "open":
            return lambda *args, **kw: self._call(real, args, kw, counts=args[1] & os.O_CREAT)
        if name in self.WRITING:
            return lambda *args, **kw: self._call(real, args, kw)
        return real

    def patched(self, patch: pytest.MonkeyPatch) -> None:
        """Lay it under everything that writes durably."""
        for room in (durable.basics, durable.group, durable.locks, durable.single):
            patch.setattr(room, "os", self)
        patch.setattr(Path, "mkdir", lambda *args, **kw: self._call(REAL_MKDIR, args, kw))

    def _call(self, real: Any, args: Any, kw: Any, *, counts: int = 1) -> Any:
        if not counts:
            return real(*args, **kw)
        self.calls.append(real.__name__)
        if len(self.calls) - 1 != self.fail_at:
            return real(*args, **kw)
        if self.mode == "torn" and real is os.write:
            real(args[0], bytes(args[1])[: len(args[1]) // 2])
            raise KilledError
        if self.mode in ("reported", "killed after"):
            real(*args, **kw)
        if self.mode in ("lost", "reported"):
            raise OSError(errno.EIO, "injected")
        raise KilledError


REAL_MKDIR = Path.mkdir
MODES = ("lost", "reported", "killed before", "killed after", "torn")


def attempt(log: Log, entries: list[bytes], signer: Signer, faulty: FaultyOs) -> bool:
    """Whether the append, with this fault in it, was acknowledged."""
    with pytest.MonkeyPatch.context() as patch:
        faulty.patched(patch)
        try:
            log.append(entries, signer)
        except (CustodyError, KilledError):
            return False
    return True


def faults(log: Log, entries: list[bytes], signer: Signer) -> Iterator[tuple[int, str]]:
    """Every fault that this append can meet; counted on a copy."""
    copy = log.directory.with_name("counted")
    shutil.copytree(log.directory, copy)
    counter = FaultyOs(-1, "")
    assert attempt(Log(copy, signer.key.name), entries, signer, counter)
    assert {"open", "write", "fsync", "replace"} <= set(counter.calls)
    for number, call in enumerate(counter.calls):
        for mode in MODES:
            if mode != "torn" or call == "write":
                yield number, mode


@pytest.mark.parametrize("before", [0, 2, 254])
def test_every_write_broken(before: int, log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Whichever write breaks, the old ledger or the new one is there, whole, and goes on."""
    old = [make_entry(n) for n in range(before)]
    if old:
        log.append(old, log_key)
    new = [make_entry(f"new {n}") for n in range(3)]
    others = [make_entry(f"other {n}") for n in range(2)]
    tried = 0

    def checked(directory: Path) -> Report:  # the tree alone; signatures would take the most time
        return check(directory, None, [log_key.key], lambda _index, _envelope: "trusted")

    for number, mode in faults(log, new, log_key):
        copy = log.directory.with_name("tried")
        shutil.copytree(log.directory, copy)
        hurt = Log(copy, log_key.key.name)
        acknowledged = attempt(hurt, new, log_key, FaultyOs(number, mode))
        place = (number, mode)
        assert checked(copy).findings == (), place
        kept = list(hurt.entries())
        assert kept in ([old + new] if acknowledged else [old, old + new]), place
        hurt.append(others, log_key)
        report = checked(copy)
        assert report.verdict == "ok", (place, report.findings)
        assert list(hurt.entries()) == kept + others, place
        shutil.rmtree(copy)
        tried += 1
    assert tried > 40


def test_creation_broken(tmp_path: Path, log_key: Signer, checked: Checked) -> None:
    """However the making of a ledger breaks, there is a whole empty one or none."""
    number, finished = 0, False
    while not finished:
        for mode in MODES:
            target = tmp_path / f"{number}-{mode}"
            with pytest.MonkeyPatch.context() as patch:
                FaultyOs(number, mode).patched(patch)
                try:
                    Log.create(target, log_key)
                    finished = True
                except (CustodyError, KilledError):
                    pass
            if (target / "checkpoint").exists():
                assert checked(target).verdict == "ok"
            else:
                Log.create(target, log_key)
        number += 1
    assert number > 4


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 1)])
def test_power_cut(
    damage: Callable[[Path], None],
    log: Log,
    log_key: Signer,
    make_entry: MakeEntry,
    checked: Checked,
) -> None:
    """Whatever becomes of files that no checkpoint covers yet, the ledger stays whole."""
    log.append([make_entry(n) for n in range(254)], log_key)
    before = set(log.directory.rglob("*"))

    new = [make_entry(f"new {n}") for n in range(600)]
    copy = shutil.copytree(log.directory, log.directory.with_name("counted"))
    counter = FaultyOs(-1, "")
    assert attempt(Log(copy, log_key.key.name), new, log_key, counter)
    at_the_promise = counter.calls.index("replace")
    assert not attempt(log, new, log_key, FaultyOs(at_the_promise, "killed before"))
    fresh = sorted(path for path in set(log.directory.rglob("*")) - before if path.is_file())
    assert len(fresh) == 10
    assert fresh[0].name == "checkpoint.new"
    for path in fresh[::2]:
        damage(path)
    assert checked(log.directory).verdict == "ok"
    for portion in (1, 2, 600):
        log.append([make_entry(f"other {n}") for n in range(portion)], log_key)
        assert checked(log.directory).findings == ()


def test_order_of_an_append(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Tiles are durable before the checkpoint's name is, and an append of one has few syncs."""
    log.append([make_entry(n) for n in range(2)], log_key)
    faulty = FaultyOs(-1, "")
    assert attempt(log, [make_entry(2)], log_key, faulty)
    order = [call for call in faulty.calls if call in ("write", "fsync", "replace")]
    files = ["write", "write", "write", "fsync", "fsync", "fsync"]
    assert order == [*files, "fsync", "fsync", "replace", "fsync"]


def test_prune_failure_is_no_failure(
    log: Log,
    log_key: Signer,
    make_entry: MakeEntry,
    checked: Checked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the checkpoint is durable nothing can undo the append: old partial tiles may stay."""
    log.append([make_entry(n) for n in range(255)], log_key)

    def refuse(_path: Path, **_kw: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert log.append([make_entry(255)], log_key).size == 256
    assert (log.directory / "tile/0/000.p/255").exists()
    assert checked(log.directory).verdict == "ok"
