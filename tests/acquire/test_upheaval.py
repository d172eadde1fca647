"""Random trees that are turned upside down while they are read: what must hold whatever happens."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from custody.acquire import listing, walk
from custody.acquire.outcomes import ALL
from custody.formats import inventory

NAMES = [
    "log", "Log", "LOG", "log.1", "log.2.gz", "a", "A", "con", "x" * 210, "X" * 210, "n\nl", "=",
    "b b ", "dir", "Dir", "z.", "\udcff", "\u00e9",
]  # fmt: skip


def grow(dice: random.Random, top: Path, depth: int, bait: Path) -> None:
    """Lay a random tree."""
    for name in dice.sample(NAMES, dice.randint(1, 9)):
        path = top / name
        if os.path.lexists(path):
            continue
        kind = dice.choice(["file"] * 5 + ["dir"] * 3 + ["empty", "link", "fifo", "hard", "large"])
        if kind == "dir" and depth:
            path.mkdir()
            grow(dice, path, depth - 1, bait)
        elif kind == "link":
            path.symlink_to(dice.choice(["log", bait, "..", "nowhere"]))
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "large":
            path.write_bytes(b"L" * ((1 << 20) + dice.randint(1, 5_000)))
        else:
            path.write_bytes(b"" if kind == "empty" else dice.randbytes(dice.randint(1, 300)))
            if kind == "hard":
                with suppress(OSError):
                    os.link(path, top / dice.choice(NAMES))


def append(path: Path) -> None:
    if path.is_file():
        with path.open("ab") as stream:
            stream.write(b"more")


def disturb(dice: random.Random, top: Path, bait: Path) -> None:
    """Do something to one thing in the tree."""
    things: list[Path] = []
    with suppress(OSError):  # an ordinary user may have shut themselves out
        things = sorted(path for path in top.rglob("*") if not path.is_symlink())
    if not things:
        return
    one, other = dice.choice(things), dice.choice(things)
    new = one.with_name(dice.choice(NAMES))
    deeds: list[Callable[[], object]] = [
        lambda: one.rename(new),
        lambda: one.rename(other),
        lambda: shutil.rmtree(one) if one.is_dir() else one.unlink(),
        lambda: (one.rename(new), one.symlink_to(bait.parent)),
        lambda: os.truncate(one, 3) if one.is_file() else None,
        lambda: append(one),
        lambda: (one.unlink(), one.mkdir()),
        lambda: (one.unlink(), os.mkfifo(one)),
        lambda: one.write_bytes(b"anew") if one.is_file() else None,
        lambda: os.link(one, new),
        lambda: one.chmod(0o600),
    ]
    with suppress(OSError):
        dice.choice(deeds)()


def upheaval(seed: int, gather: Any, source: Path, patch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)  # noqa: S311 - test data
    bait = source.parent / "bait" / "secret"  # links lead here, never out of the test's place
    bait.parent.mkdir()
    bait.write_bytes(b"secret" * 999)
    grow(dice, source, 3, bait)
    listed: set[bytes] = set()
    real_contents, real_stat, real_open = walk._Walker.contents, os.stat, os.open
    chance = dice.choice([0, 0, 0.02, 0.2])
    thread, process = threading.get_ident(), os.getpid()  # the one that reads the sources

    def contents(self: Any, frame: Any, fd: int, packed: Any, when: int) -> Any:
        listed.update(frame.place.join(listing.name_of(item)) for item in packed)
        return real_contents(self, frame, fd, packed, when)

    def sometimes(real: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(path: Any, *args: Any, **kwargs: Any) -> Any:
            ours = threading.get_ident() == thread and os.getpid() == process
            if ours and kwargs.get("dir_fd") is not None and dice.random() < chance:
                patch.setattr(os, "stat", real_stat)
                patch.setattr(os, "open", real_open)
                disturb(dice, source, bait)
                hook()
            return real(path, *args, **kwargs)

        return hooked

    def hook() -> None:
        patch.setattr(os, "stat", sometimes(real_stat))
        patch.setattr(os, "open", sometimes(real_open))

    def before_run() -> None:
        patch.setattr(walk._Walker, "contents", contents)
        hook()

    everything = [source, *sorted(p for p in source.rglob("*") if not p.is_symlink())]
    sources = dice.choice([[source], dice.sample(everything, min(5, len(everything)))])
    exclude = tuple(dice.sample(["*.gz", "log", "con", "*/dir/*", "[A-Z]*"], dice.randint(0, 2)))
    found = gather(
        *sources, exclude=exclude, max_size=dice.choice([None, 200]),
        before_run=before_run, after_run=patch.undo,
    )  # fmt: skip
    assert listed <= found.names()
    assert {record["outcome"] for record in found.records} <= ALL
    assert sum(found.collected.outcomes.values()) == len(found.records)
    if not chance:
        paths = [inventory.raw_path(record) for record in found.records]
        assert len(paths) == len(set(paths))
    leaked = bait.read_bytes()
    for record in found.records:
        if "payload" in record and record["size"] == len(leaked):
            assert (found.bundle / record["payload"]).read_bytes() != leaked


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens(
    seed: int, gather: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle verifies, every listed name has a record, and no link led out."""
    upheaval(seed, gather, source, monkeypatch)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(25, 1_000))
def test_whatever_happens_more_often(
    seed: int, gather: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for many more trees and disturbances."""
    upheaval(seed, gather, source, monkeypatch)
