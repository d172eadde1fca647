"""The writer and the reader: what an append does, what it refuses, what can be asked after."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.errors import (
    DifferenceError,
    ExistsError,
    FormatError,
    NotFoundError,
    UsageError,
)
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import checkpoint, merkle, tiles
from custody.ledger.check import Report
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.entry import view as entry_view
from custody.ledger.log import Log
from custody.ledger.reader import LedgerReader
from custody.ledger.receipt import verify_receipt

MakeEntry = Callable[[object], bytes]
Checked = Callable[[Path], Report]


def files(directory: Path) -> dict[str, bytes]:
    """Every file below, by its relative path."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def test_create(log: Log, log_key: Signer, checked: Checked) -> None:
    """A new ledger has a signed checkpoint of size 0 and nothing else, and checks clean."""
    assert list(files(log.directory)) == ["checkpoint"]
    assert log.checkpoint().checkpoint == Checkpoint(log_key.key.name, 0, merkle.EMPTY_ROOT)
    assert checked(log.directory).verdict == "ok"
    assert list(log.entries()) == []


def test_create_twice(log: Log, log_key: Signer) -> None:
    """A ledger is never made over another one, not even over its remains."""
    with pytest.raises(ExistsError):
        Log.create(log.directory, log_key)
    (log.directory / "tile").mkdir()
    (log.directory / "checkpoint").unlink()
    with pytest.raises(ExistsError):
        Log.create(log.directory, log_key)


def test_private(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Directories are 0700 and files 0600, whatever the umask."""
    log.append([make_entry(n) for n in range(300)], log_key)
    for path in log.directory.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_append_in_any_portions(
    tmp_path: Path, log_key: Signer, make_entry: MakeEntry, checked: Checked
) -> None:
    """However the appends are cut, the tree is the same, and each checks clean."""
    entries = [make_entry(n) for n in range(600)]
    roots = set()
    for name, portions in {"a": [600], "b": [1, 255, 1, 255, 88], "c": [300, 212, 88]}.items():
        log = Log.create(tmp_path / name, log_key)
        start = 0
        for portion in portions:
            done = log.append(entries[start : start + portion], log_key)
            assert (done.first_index, done.size) == (start, start + portion)
            assert done.checkpoint == log.checkpoint().data
            start += portion
        report = checked(log.directory)
        assert (report.verdict, report.size, report.remarks) == ("ok", 600, ())
        roots.add(report.root)
        assert list(log.entries()) == entries
    assert len(roots) == 1


def test_never_written_again(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """What a checkpoint covers keeps its bytes; partial tiles go once the full one is there."""
    log.append([make_entry(n) for n in range(250)], log_key)
    for n in range(250, 265):
        before = files(log.directory)
        log.append([make_entry(n)], log_key)
        after = files(log.directory)
        for path in before.keys() - {"checkpoint"}:
            if path in after:
                assert after[path] == before[path]
            else:
                assert path.partition(".p/")[0] in after
    assert not any("/000.p/" in path for path in after if not path.startswith("tile/1"))
    assert "tile/0/001.p/9" in after


def test_reads(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Single entries, ranges and searches answer from the tiles."""
    entries = [make_entry(n) for n in range(520)]
    log.append(entries, log_key)
    assert log.entry(519) == entries[519]
    assert list(log.entries(250, 515)) == entries[250:515]
    assert list(log.entries(5, 5)) == []
    assert [log.find(entries[n]) for n in (0, 255, 256, 519)] == [0, 255, 256, 519]
    assert log.find(b"never entered") is None
    for start, end in ((0, 521), (-1, 2), (3, 2)):
        with pytest.raises(UsageError):
            log.entries(start, end)


def test_proofs(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Inclusion and growth are proved between any two sizes, pruned partial tiles or not."""
    entries = [make_entry(n) for n in range(520)]
    for start in range(0, 520, 130):
        log.append(entries[start : start + 130], log_key)
    now = log.checkpoint().checkpoint
    assert log.root_at(520) == now.root
    assert log.root_at(0) == merkle.EMPTY_ROOT
    for size in (1, 130, 255, 256, 257, 390, 520):
        root = log.root_at(size)
        merkle.verify_consistency(size, 520, root, now.root, log.prove_consistency(size))
        leaf = merkle.leaf_hash(entries[size - 1])
        proof = log.prove_inclusion(size - 1, size)
        merkle.verify_inclusion(size - 1, size, leaf, proof, root)
    for index, size in ((0, 521), (520, 520), (-1, 3), (3, 3)):
        with pytest.raises(UsageError):
            log.prove_inclusion(index, size)
    for old, new in ((0, 3), (4, 3), (3, 521)):
        with pytest.raises(UsageError):
            log.prove_consistency(old, new)


def test_earlier_size_from_full_tile(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """A reader that holds an older checkpoint finds its partial tiles inside the full ones."""
    log.append([make_entry(n) for n in range(100)], log_key)
    narrow, bundle = log.read_tile(0, 0, 100), log.read_tile(tiles.ENTRIES, 0, 100)
    log.append([make_entry(n) for n in range(100, 300)], log_key)
    assert not (log.directory / "tile/0/000.p").exists()
    assert log.read_tile(0, 0, 100) == narrow
    assert log.read_tile(tiles.ENTRIES, 0, 100) == bundle


def test_receipts(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """Every entry gets a receipt that verifies; a number not covered gets none."""
    entries = [make_entry(n) for n in range(260)]
    log.append(entries, log_key)
    for index in (0, 100, 255, 256, 259):
        assert verify_receipt(log.receipt(index), entries[index], [log_key.key]).verdict == "ok"
    with pytest.raises(UsageError):
        log.receipt(260)


def test_no_receipt_from_a_damaged_ledger(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """A receipt that would not verify is not given out."""
    log.append([make_entry(n) for n in range(3)], log_key)
    tile = log.directory / "tile/0/000.p/3"
    tile.write_bytes(bytes(96))
    with pytest.raises(DifferenceError):
        log.receipt(1)


def test_refuses_entries(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """What may not be entered is refused before anything is written."""
    before = files(log.directory)
    for entries, error, why in (
        ([], UsageError, "there are none"),
        ([make_entry(0), bytes(65_536)], UsageError, "65536 bytes"),
        ([b"not an envelope"], FormatError, "newline"),
    ):
        with pytest.raises(error, match=why):
            log.append(entries, log_key)
    with pytest.raises(UsageError, match="not its log key"):
        log.append([make_entry(0)], Signer.generate("elsewhere"))
    assert files(log.directory) == before


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "path",
    ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44", "checkpoint"],
)
@pytest.mark.parametrize("damage", [_truncate, _flip, Path.unlink])
def test_refuses_to_append(
    path: str,
    damage: Callable[[Path], None],
    log: Log,
    log_key: Signer,
    make_entry: MakeEntry,
) -> None:
    """Nothing is appended to a ledger whose right edge or checkpoint is not what was published."""
    log.append([make_entry(n) for n in range(300)], log_key)
    damage(log.directory / path)
    before = files(log.directory)
    if path == "tile/0/000":  # not at the right edge: found by a check, not by every append
        log.append([make_entry("new")], log_key)
        return
    missing = path == "checkpoint" and damage is Path.unlink
    with pytest.raises(NotFoundError if missing else DifferenceError):
        log.append([make_entry("new")], log_key)
    assert files(log.directory) == before


def test_refuses_other_key(
    log: Log, log_key: Signer, stranger: Signer, make_entry: MakeEntry
) -> None:
    """Another key of the same name may not go on with the ledger."""
    log.append([make_entry(0)], log_key)
    with pytest.raises(DifferenceError, match="not signed by this log key"):
        log.append([make_entry(1)], stranger)


def test_refuses_other_origin(log: Log, make_entry: MakeEntry) -> None:
    """A ledger of another origin than was asked for is not read, and not written."""
    other = Signer.generate("other.example")
    with pytest.raises(DifferenceError, match=r"and not other\.example"):
        Log(log.directory, "other.example").append([make_entry(0)], other)
    with pytest.raises(DifferenceError):
        LedgerReader(log.directory, "other.example").checkpoint()


def test_refuses_extensions(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """A checkpoint of ours never has extension lines, so one that has is not ours to continue."""
    text = checkpoint.dump(Checkpoint(log_key.key.name, 0, merkle.EMPTY_ROOT, ("more",)))
    (log.directory / "checkpoint").write_bytes(notes.sign(text, log_key))
    with pytest.raises(DifferenceError, match="extension"):
        log.append([make_entry(0)], log_key)


def test_missing_ledger(tmp_path: Path, log_key: Signer, make_entry: MakeEntry) -> None:
    """Where there is no ledger, that is what is said."""
    log = Log(tmp_path / "nowhere", log_key.key.name)
    with pytest.raises(NotFoundError):
        log.checkpoint()
    with pytest.raises(NotFoundError):
        log.append([make_entry(0)], log_key)


def test_leftovers_are_replaced(
    tmp_path: Path, log: Log, log_key: Signer, make_entry: MakeEntry, checked: Checked
) -> None:
    """Whatever a crashed attempt left beyond the checkpoint, later appends of others succeed."""
    log.append([make_entry(n) for n in range(200)], log_key)
    ahead = tmp_path / "ahead"
    shutil.copytree(log.directory, ahead)
    Log(ahead, log_key.key.name).append([make_entry(f"lost {n}") for n in range(700)], log_key)
    Log(ahead, log_key.key.name).append([make_entry("lost")], log_key)
    shutil.copy(log.directory / "checkpoint", ahead / "checkpoint")
    for part in ("0", "entries"):  # the new attempt prunes only what it covers itself
        source, target = (base / f"tile/{part}/000.p" for base in (log.directory, ahead))
        shutil.copytree(source, target)
    again = Log(ahead, log_key.key.name)
    entries = [make_entry(n) for n in range(200)]
    report = checked(ahead)
    assert report.verdict == "ok"
    assert report.remarks
    for portion in (1, 54, 1, 300, 500, 1):
        fresh = [make_entry(f"fresh {len(entries) + n}") for n in range(portion)]
        again.append(fresh, log_key)
        entries += fresh
        assert checked(ahead).findings == ()
    assert list(again.entries()) == entries
    assert checked(ahead).remarks == ()


def test_stale_partials_do_not_count(
    log: Log, log_key: Signer, make_entry: MakeEntry, checked: Checked
) -> None:
    """A crashed attempt's wider partial tile is gone before the ledger grows past its width."""
    log.append([make_entry(0)], log_key)
    for part in ("0", "entries"):
        (log.directory / f"tile/{part}/000.p/3").write_bytes(b"stale")
        (log.directory / f"tile/{part}/000.p/2").symlink_to("3")
    log.append([make_entry(n) for n in range(1, 300)], log_key)
    assert checked(log.directory).findings == ()


def test_hard_linked_leftover(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """A leftover is replaced and not written into: it may be another file's second name."""
    log.append([make_entry(0)], log_key)
    precious = log.directory.parent / "precious"
    precious.write_bytes(b"keep")
    (log.directory / "tile/0/000.p/2").hardlink_to(precious)
    log.append([make_entry(1)], log_key)
    assert precious.read_bytes() == b"keep"


def test_read_only(log: Log, log_key: Signer, make_entry: MakeEntry, checked: Checked) -> None:
    """Reading and checking write nothing and need no right to write."""
    log.append([make_entry(n) for n in range(3)], log_key)
    everything = [log.directory, *log.directory.rglob("*")]
    times = [path.stat().st_mtime_ns for path in everything]
    for path in everything:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        assert checked(log.directory).verdict == "ok"
        log.receipt(1)
    finally:
        for path in everything:
            path.chmod(0o700)
    assert [path.stat().st_mtime_ns for path in everything] == times


@pytest.mark.parametrize("kind", ["link", "second name", "fifo"])
def test_what_lies_where_the_checkpoint_is_staged(
    kind: str, log: Log, log_key: Signer, make_entry: MakeEntry, checked: Checked, tmp_path: Path
) -> None:
    """It is put out of the way, and what it leads to is neither written to nor waited for."""
    log.append([make_entry(0)], log_key)
    staged, other = log.directory / "checkpoint.new", tmp_path / "other"
    other.write_text("not ours\n")
    if kind == "link":
        staged.symlink_to(other)
    elif kind == "second name":
        os.link(other, staged)
    else:
        os.mkfifo(staged)
    assert log.append([make_entry(1)], log_key).size == 2
    assert (other.read_text(), other.stat().st_nlink) == ("not ours\n", 1)
    assert not os.path.lexists(staged)
    assert checked(log.directory).verdict == "ok"


@pytest.mark.parametrize(
    ("writers", "appends"), [(6, 20), pytest.param(32, 200, marks=pytest.mark.full)]
)
def test_many_writers(
    tmp_path: Path, log: Log, log_key: Signer, checked: Checked, writers: int, appends: int
) -> None:
    """Processes that take the lock append one after the other: nothing lost, one history."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from datetime import UTC, datetime\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as K\n"
        "from custody import durable\n"
        "from custody.formats import statement\n"
        "from custody.identity.signing import Signer, seal\n"
        "from custody.ledger.log import Log\n"
        "base, who = Path(sys.argv[1]), sys.argv[2]\n"
        f"log_key = Signer.of({log_key.key.name!r}, K.from_private_bytes(bytes([1]) * 32))\n"
        "ada = Signer.of('ada', K.from_private_bytes(bytes([2]) * 32))\n"
        "log = Log(base / 'ledger', log_key.key.name)\n"
        f"for n in range({appends}):\n"
        "    actor = statement.Actor(str(ada.key))\n"
        "    when = datetime(2026, 1, 1, tzinfo=UTC)\n"
        "    words = {'comment': f'{who} {n}'}\n"
        "    event = statement.Event('noted', when, actor, words=words)\n"
        "    with durable.lock(base / 'lock', wait_seconds=600):\n"
        "        log.append([seal(ada, statement.dump(event))], log_key)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(n)])
        for n in range(writers)
    ]
    assert [worker.wait(900) for worker in workers] == [0] * writers
    report = checked(log.directory)
    assert (report.verdict, report.size) == ("ok", writers * appends)
    said = [entry_view(n, data).summary for n, data in enumerate(log.entries())]
    assert set(said) == {f"{who} {n}" for who in range(writers) for n in range(appends)}
    for who in range(writers):  # each writer's own entries stand in its own order
        mine = [word for word in said if word.startswith(f"{who} ")]
        assert mine == [f"{who} {n}" for n in range(appends)]
