"""The re-deriver: what it finds, what it remarks, what it cannot judge."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from custody.errors import NotFoundError
from custody.formats import dsse
from custody.formats.dsse import Envelope, Signature
from custody.identity import notes
from custody.identity.signing import Signer
from custody.ledger import check as checks
from custody.ledger import checkpoint, merkle, sweep, tiles
from custody.ledger.check import Report, by_keys, check
from custody.ledger.checkpoint import Checkpoint
from custody.ledger.log import Log

MakeEntry = Callable[[object], bytes]
Checked = Callable[[Path], Report]


@pytest.fixture
def filled(log: Log, log_key: Signer, make_entry: MakeEntry) -> Path:
    """A ledger of 300 entries, appended in three portions."""
    entries = [make_entry(n) for n in range(300)]
    for start, end in ((0, 100), (100, 290), (290, 300)):
        log.append(entries[start:end], log_key)
    return log.directory


def test_clean(filled: Path, checked: Checked, log_key: Signer) -> None:
    """A ledger as it was written has no finding, and progress goes to its end."""
    report = checked(filled)
    assert (report.verdict, report.origin, report.size) == ("ok", log_key.key.name, 300)
    seen = []
    check(filled, None, [log_key.key], lambda _i, _e: "trusted", lambda *at: seen.append(at))
    assert seen == [(256, 300), (300, 300)]


def test_every_flipped_bit(log: Log, log_key: Signer) -> None:
    """Every single-bit flip in every file of a ledger of three entries is found."""
    payloads = (b"{}", b"[]", b"0")
    entries = [
        dsse.dump(Envelope(dsse.IN_TOTO, payload, (Signature("00", b"sig"),)))
        for payload in payloads
    ]
    log.append(entries[:1], log_key)
    log.append(entries[1:], log_key)
    files = [path for path in log.directory.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        data = path.read_bytes()
        for place in range(len(data) * 8):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            path.write_bytes(changed)
            # Signatures are not looked at: the tree alone must show it.
            report = check(log.directory, None, [log_key.key], lambda _i, _e: "trusted")
            assert report.verdict == "failed", (path, place)
        path.write_bytes(data)


@pytest.mark.parametrize(
    "path", ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000",
             "tile/entries/001.p/44"],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["gone", "short", "long", "empty", "directory", "link", "fifo"])
def test_damaged_file(path: str, damage: str, filled: Path, checked: Checked) -> None:
    """A file that the checkpoint covers and that is not as it was is a finding at its path."""
    target = filled / path
    data = target.read_bytes()
    target.unlink()
    match damage:
        case "short":
            target.write_bytes(data[:-1])
        case "long":
            target.write_bytes(data + b"x")
        case "empty":
            target.write_bytes(b"")
        case "directory":
            target.mkdir()
        case "link":
            (filled.parent / "kept").write_bytes(data)
            target.symlink_to(filled.parent / "kept")
        case "fifo":
            os.mkfifo(target)
    report = checked(filled)
    assert report.verdict == "failed"
    assert path in {finding.path for finding in report.findings}


def test_missing_bundle_goes_on(filled: Path, checked: Checked) -> None:
    """A missing bundle is one finding; the rest of the tree is derived all the same."""
    (filled / "tile/entries/000").unlink()
    assert [finding.path for finding in checked(filled).findings] == ["tile/entries/000"]


def test_partials_are_prefixes(filled: Path, checked: Checked) -> None:
    """A covered partial tile that is no beginning of the wider one is a finding."""
    (filled / "tile/0/001.p/7").write_bytes((filled / "tile/0/001.p/44").read_bytes()[:224])
    assert checked(filled).verdict == "ok"
    (filled / "tile/0/001.p/7").write_bytes(bytes(224))
    (filled / "tile/entries/000.p").mkdir()
    (filled / "tile/entries/000.p/1").write_bytes(b"\0\0")
    paths = {finding.path for finding in checked(filled).findings}
    assert paths == {"tile/0/001.p/7", "tile/entries/000.p/1"}


@pytest.mark.parametrize(
    "path", ["note.txt", "tile/x", "tile/0/x000/001", "tile/64/000", "tile/0/1", "tile/00/000",
             "tile/entries/000.p/256", "tile/0/000.q/1", "checkpoint~", "tile/0/002.p/01"],
)  # fmt: skip
def test_strange_name(path: str, filled: Path, checked: Checked) -> None:
    """A name that the layout does not know is a finding."""
    (filled / path).parent.mkdir(exist_ok=True, parents=True)
    (filled / path).write_bytes(b"")
    assert checked(filled).verdict == "failed"


def test_links_are_strange(filled: Path, checked: Checked) -> None:
    """A link to a directory is a finding and is not entered."""
    shutil.move(filled / "tile/1", filled.parent / "elsewhere")
    (filled / "tile/1").symlink_to(filled.parent / "elsewhere")
    assert {finding.path for finding in checked(filled).findings} == {"tile/1", "tile/1/000.p/1"}


@pytest.mark.parametrize(
    "path", ["checkpoint.new", "tile/0/001", "tile/0/001.p/45", "tile/1/000.p/2", "tile/7/000",
             "tile/entries/x001/000", "tile/entries/002.p/1"],
)  # fmt: skip
def test_beyond_is_a_remark(path: str, filled: Path, checked: Checked) -> None:
    """What lies beyond the checkpoint was never promised: remarked on, and no failure."""
    (filled / path).parent.mkdir(exist_ok=True, parents=True)
    (filled / path).write_bytes(b"unfinished")
    report = checked(filled)
    assert report.verdict == "ok"
    assert [remark.path for remark in report.remarks] == [path]


def test_other_origin(filled: Path, log_key: Signer, person: Signer) -> None:
    """A ledger of another origin than was asked for is a finding."""
    report = check(filled, "other.example", [log_key.key], by_keys([person.key]))
    assert [finding.expected for finding in report.findings] == ["other.example"]


def test_nobody_trusted(filled: Path, stranger: Signer) -> None:
    """Without a key for the log or the signers nothing failed; it cannot be verified."""
    report = check(filled, None, [Signer.generate("elsewhere").key], by_keys([]))
    assert report.verdict == "cannot-verify"
    assert report.findings == ()
    checkpoint_finding, signer_finding = report.not_checked
    assert "no key is trusted for the log" in checkpoint_finding.message
    assert "300 entries" in signer_finding.message
    # A key that is trusted for this very name, and did not sign, is another matter.
    assert check(filled, None, [stranger.key], by_keys([])).verdict == "failed"


def test_bad_entry_signature(log: Log, log_key: Signer, person: Signer, checked: Checked) -> None:
    """An entry that names a trusted signer who did not sign it is a finding at its number."""
    signature = Signature(person.key.fingerprint(), bytes(64))
    log.append([dsse.dump(Envelope(dsse.IN_TOTO, b"{}", (signature,)))], log_key)
    report = checked(log.directory)
    assert [finding.path for finding in report.findings] == ["tile/entries/000#0"]


def _forge(directory: Path, log_key: Signer, bundle: list[bytes]) -> None:
    """A ledger whose owner signs a tree over whatever it likes."""
    leaves = [merkle.leaf_hash(item) for item in bundle]
    root = merkle.complete_root(b"".join(leaves))
    for path, data in (
        (f"tile/entries/000.p/{len(bundle)}", tiles.encode_bundle(bundle)),
        (f"tile/0/000.p/{len(bundle)}", b"".join(leaves)),
    ):
        (directory / path).parent.mkdir(parents=True)
        (directory / path).write_bytes(data)
    text = checkpoint.dump(Checkpoint(log_key.key.name, len(bundle), root))
    (directory / "checkpoint").write_bytes(notes.sign(text, log_key))


def test_entry_that_is_no_envelope(
    log: Log, log_key: Signer, make_entry: MakeEntry, checked: Checked
) -> None:
    """An entry that is not a canonical envelope is a finding, though the tree is right."""
    _forge(log.directory, log_key, [make_entry(0), make_entry(1) + b" "])
    report = checked(log.directory)
    assert [finding.path for finding in report.findings] == ["tile/entries/000#1"]


def test_huge_size(log: Log, log_key: Signer, checked: Checked) -> None:
    """A checkpoint that promises 2**63 - 1 entries costs no more than what is there."""
    text = checkpoint.dump(Checkpoint(log_key.key.name, 2**63 - 1, bytes(32)))
    (log.directory / "checkpoint").write_bytes(notes.sign(text, log_key))
    assert checked(log.directory).verdict == "failed"


def test_oversized_bundle(filled: Path, checked: Checked) -> None:
    """A bundle larger than any can be is a finding, and is not read."""
    os.truncate(filled / "tile/entries/000", tiles.LARGEST_BUNDLE + 1)
    finding = checked(filled).findings[0]
    assert finding.path == "tile/entries/000"
    assert "at most" in finding.found


def test_extension_lines(log: Log, log_key: Signer, checked: Checked) -> None:
    """Extension lines are a finding: our logs write none and no auditor could check them."""
    text = checkpoint.dump(Checkpoint(log_key.key.name, 0, merkle.EMPTY_ROOT, ("more",)))
    (log.directory / "checkpoint").write_bytes(notes.sign(text, log_key))
    assert checked(log.directory).verdict == "failed"


def test_empty_root(log: Log, log_key: Signer, checked: Checked) -> None:
    """An empty ledger must have the empty root."""
    text = checkpoint.dump(Checkpoint(log_key.key.name, 0, bytes(32)))
    (log.directory / "checkpoint").write_bytes(notes.sign(text, log_key))
    assert checked(log.directory).verdict == "failed"


def test_no_ledger(tmp_path: Path, checked: Checked) -> None:
    """No ledger is an error; tiles without a checkpoint are a finding."""
    with pytest.raises(NotFoundError):
        checked(tmp_path)
    (tmp_path / "tile").mkdir()
    report = checked(tmp_path)
    assert (report.verdict, report.size) == ("failed", None)


def test_many_findings(filled: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile ledger cannot fill the memory with findings; how many there were is said."""
    monkeypatch.setattr(checks, "MOST_FINDINGS", 5)
    for n in range(9):
        (filled / f"strange{n}").write_bytes(b"")
    report = checked(filled)
    assert len(report.findings) == 6
    assert report.findings[-1].found == "4 more"


def test_beside_a_writer(log: Log, log_key: Signer, make_entry: MakeEntry) -> None:
    """A ledger that grows while it is checked is checked again, and not accused."""
    log.append([make_entry(n) for n in range(500)], log_key)

    def grow(done: int, _of: int) -> None:
        if done == 256 and log.checkpoint().size == 500:
            log.append([make_entry(n) for n in range(500, 520)], log_key)

    report = check(log.directory, None, [log_key.key], lambda _i, _e: "trusted", grow)
    assert (report.verdict, report.size) == ("ok", 520)


@pytest.mark.parametrize("damage", ["none", "entry", "bundle", "missing", "partial"])
def test_several_processes_find_what_one_finds(
    damage: str, log: Log, log_key: Signer, person: Signer, make_entry: MakeEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The report is the same on one core and on two."""
    monkeypatch.setattr(sweep, "_TOO_FEW", 2)
    log.append([make_entry(n) for n in range(260)], log_key)
    log.append([make_entry(n) for n in range(3000)], log_key)
    bundle = log.directory / "tile/entries/003"
    if damage == "entry":
        bundle.write_bytes(bundle.read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))
    elif damage == "bundle":
        bundle.write_bytes(b"\0")
    elif damage == "missing":
        bundle.unlink()
        (log.directory / "tile/0/005").unlink()
    elif damage == "partial":
        (log.directory / "tile/entries/003.p").mkdir()
        (log.directory / "tile/entries/003.p/7").write_bytes(b"x")
    known = by_keys([person.key])
    one, two = (
        check(log.directory, None, [log_key.key], known, workers=workers) for workers in (1, 2)
    )
    assert one == two
    assert (one.verdict == "ok") == (damage == "none")
