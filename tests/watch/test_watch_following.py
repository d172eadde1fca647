"""What is appended is sealed, whatever happens to the file's name."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watching import Watching, append

Start = Callable[..., Watching]
Restore = Callable[[Path], list[bytes]]


def records(case: Path) -> list[dict[str, Any]]:
    """Every inventory record of every bundle, oldest bundle first."""
    found = []
    for bundle in sorted((case / "bundles").iterdir()):
        lines = (bundle / "custody" / "inventory.jsonl").read_text().splitlines()
        found += [json.loads(line) for line in lines]
    return found


def test_what_was_there_and_what_is_appended_come_back_as_one_file(
    watch: Start, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """A file is restored from its pieces byte for byte, and the case verifies."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    append(log, b"two\n")
    it.sealed(8)
    append(log, b"three\n")
    it.stop()
    assert restored(log) == [b"one\ntwo\nthree\n"]
    verified()


def test_an_interval_without_change_makes_no_bundle(watch: Start, case: Path, logs: Path) -> None:
    """Nothing is sealed while nothing happens."""
    append(logs / "auth.log", b"one\n")
    it = watch()
    it.sealed(4)
    it.passes(4)
    it.stop()
    assert len(list((case / "bundles").iterdir())) == 1
    assert it.kinds() == []


def test_rotation_by_rename_finishes_the_old_file_and_follows_the_new(
    watch: Start, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """What the old file still gets after it was renamed is its own; the new one begins at 0."""
    log, old = logs / "auth.log", logs / "auth.log.1"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    log.rename(old)
    append(old, b"late\n")
    append(log, b"new\n")
    it.sealed(13)
    it.stop()
    assert restored(log) == [b"new\n", b"one\nlate\n"]
    assert restored(old) == [b"one\nlate\n"]
    assert it.kinds() == []
    verified()


def test_rotation_by_copy_and_truncate_loses_nothing_and_collects_nothing_twice(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """The copy goes on where the log was truncated, with what was written in between."""
    log, old = logs / "auth.log", logs / "auth.log.1"
    append(log, b"one\n" * 1_000)
    it = watch()
    it.sealed(4_000)
    append(log, b"in between\n")
    shutil.copy(log, old)
    os.truncate(log, 0)
    append(log, b"new\n")
    it.sealed(4_015)
    it.stop()
    assert restored(log) == [b"new\n", b"one\n" * 1_000 + b"in between\n"]
    assert it.kinds() == []
    sealed = sum(r.get("size", 0) for r in records(case) if "payload" in r)
    assert sealed == 4_015
    verified()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_compressed_copy_of_what_is_known_is_not_collected_again(
    watch: Start, case: Path, logs: Path, suffix: str, verified: Callable[[], None]
) -> None:
    """Compression after rotation is recognised by content, and the original may then go."""
    import bz2
    import lzma

    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    old = logs / "auth.log.1"
    append(old, b"one\n" * 1_000)
    it = watch()
    it.sealed(4_000)
    packed = packers[suffix](old.read_bytes())
    old.with_name(f"auth.log.1.{suffix}").write_bytes(packed)
    old.unlink()
    it.passes(4)
    it.stop()
    assert it.kinds() == []
    remarks = [r.get("remark", "") for r in records(case) if r["path"].endswith(suffix)]
    assert len(remarks) == 1
    assert remarks[0].startswith("the same content, compressed")
    verified()


def packed_otherwise(watch: Start, logs: Path) -> tuple[Watching, Path, bytes]:
    """A watch of a log beside which another content, compressed, has just been put."""
    old, packed = logs / "auth.log.1", logs / "auth.log.1.gz"
    append(old, b"one\n" * 1_000)
    it = watch()
    it.sealed(4_000)
    data = gzip.compress(b"one\n" * 999 + b"two\n")
    packed.write_bytes(data)
    return it, packed, data


def test_a_compressed_file_with_anything_else_in_it_is_collected(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """Only the very same content counts as the same."""
    it, packed, data = packed_otherwise(watch, logs)
    it.sealed(4_000 + len(data))
    it.stop()
    assert restored(packed) == [data]


def test_what_is_written_to_a_deleted_file_is_still_preserved(
    watch: Start, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """A file that was deleted while it is written to is followed to its end."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    with log.open("ab", buffering=0) as stream:
        stream.write(b"two\n")
        it.sealed(8)
        log.unlink()
        it.cried("deleted")
        stream.write(b"after\n")
        it.sealed(14)
    it.stop()
    assert restored(log) == [b"one\ntwo\nafter\n"]
    verified()


def test_new_files_in_new_directories_are_found(
    watch: Start, logs: Path, restored: Restore
) -> None:
    """A directory that appears is watched, with everything in it."""
    it = watch()
    log = logs / "new" / "deep" / "site.log"
    log.parent.mkdir(parents=True)
    append(log, b"one\n")
    it.sealed(4)
    append(log, b"two\n")
    it.sealed(8)
    shutil.rmtree(logs / "new")
    it.cried("deleted")
    it.stop()
    assert restored(log) == [b"one\ntwo\n"]


def test_one_file_under_two_names_is_collected_once(
    watch: Start, case: Path, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """A second name is recorded and points at the first; a symbolic link is not followed."""
    log = logs / "a.log"
    append(log, b"one\n")
    os.link(log, logs / "b.log")
    (logs / "c.log").symlink_to("a.log")
    it = watch()
    it.sealed(4)
    append(logs / "b.log", b"two\n")
    it.sealed(8)
    it.stop()
    outcomes = {Path(r["path"]).name: r["outcome"] for r in records(case)}
    assert outcomes["b.log"] == "rotated"
    assert outcomes["c.log"] == "symlink"
    assert restored(log) == [b"one\ntwo\n"]
    verified()


def test_a_link_put_in_the_place_of_a_log_is_not_followed(
    watch: Start, case: Path, logs: Path, tmp_path: Path, restored: Restore
) -> None:
    """What a planted link leads to never comes into a bundle."""
    secret, log = tmp_path / "secret", logs / "auth.log"
    secret.write_text("secret\n")
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    log.unlink()
    log.symlink_to(secret)
    assert it.cried("deleted")["path"] == str(log)
    it.passes(2)
    it.stop()
    assert restored(log) == [b"one\n"]
    assert not any(p.read_bytes() == b"secret\n" for p in case.rglob("data/**/*") if p.is_file())


def test_a_path_that_is_not_text_is_followed_and_restored(
    watch: Start, logs: Path, restored: Restore, verified: Callable[[], None]
) -> None:
    """Names are bytes; any of them can be followed and asked for."""
    name = os.fsdecode(b"caf\xe9 \n=~.log")
    append(logs / name, b"one\n")
    it = watch()
    it.sealed(4)
    append(logs / name, b"two\n")
    it.stop()
    assert restored(logs / name) == [b"one\ntwo\n"]
    verified()


def test_what_waits_to_be_known_as_a_copy_is_sealed_when_the_watch_ends(
    watch: Start, case: Path, logs: Path
) -> None:
    """A file that may still turn out to be a rotated copy is collected at the end all the same."""
    it, _, data = packed_otherwise(watch, logs)
    it.stop()
    assert data in [path.read_bytes() for path in case.rglob("data/=~pieces/*.gz=~*")]
