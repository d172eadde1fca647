"""Pieces join into what was written, and nothing else does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import Watching, append

from custody.errors import FormatError
from custody.formats import inventory, names
from custody.formats.inventory import Piece
from custody.pieces import Chains, Part, WatchBundle

Start = Callable[..., Watching]
BUNDLE = WatchBundle(0, "b", Path("b"), datetime(2026, 11, 22, tzinfo=UTC), "0" * 64)


def cut(data: bytes, ends: list[int]) -> list[Part]:
    """The pieces of *data* that end at *ends*."""
    found, start, chain = [], 0, ""
    for end in [*sorted(set(ends)), len(data)]:
        sha256 = hashlib.sha256(data[start:end]).hexdigest()
        chain = inventory.chain(chain, sha256)
        piece = Piece("g-0", start, end - start, chain)
        found.append(Part(piece, BUNDLE, b"/l", "data/x", sha256))
        start = end
    return found


CUT = st.binary(min_size=1, max_size=60).flatmap(
    lambda data: st.builds(
        lambda ends: cut(data, ends), st.lists(st.integers(1, len(data)), max_size=6)
    )
)


def joined(parts: list[Part]) -> tuple[list[tuple[Part, str]], list[tuple[Part, int]]]:
    """What the pieces come to, given in this order."""
    chains = Chains()
    done = [one for part in parts for one in chains.take(part)]
    return done, list(chains.left())


@given(CUT, st.randoms())
def test_pieces_join_in_whatever_order_they_come(parts: list[Part], chance: Any) -> None:
    """Bundles of one moment may be entered the wrong way round; the file is the same."""
    parts = [part for part in parts if part.piece.length]
    shuffled = list(parts)
    chance.shuffle(shuffled)
    done, left = joined(shuffled)
    assert [part.piece.offset for part, _ in done] == sorted(p.piece.offset for p in parts)
    assert not left
    assert not any(problem for _, problem in done)


@given(CUT, st.randoms())
def test_an_empty_beginning_joins_in_whatever_order_it_comes(
    parts: list[Part], chance: Any
) -> None:
    """A file that was seen empty, and filled within the same second, has no gap."""
    sha256 = hashlib.sha256(b"").hexdigest()
    chain = inventory.chain("", sha256)
    empty = Part(Piece("g-0", 0, 0, chain), BUNDLE, b"/l", "data/x", sha256)
    listed = [empty]
    for part in parts:
        if part.piece.length:
            chain = inventory.chain(chain, part.sha256)
            place = Piece("g-0", part.piece.offset, part.piece.length, chain)
            listed.append(Part(place, BUNDLE, b"/l", "data/x", part.sha256))
    chance.shuffle(listed)
    done, left = joined(listed)
    assert len(done) == len(listed)
    assert not left
    assert not any(problem for _, problem in done)


@given(CUT, st.data())
def test_a_missing_piece_is_a_gap(parts: list[Part], data: Any) -> None:
    """Whatever is left out but the end is noticed."""
    parts = [part for part in parts if part.piece.length]
    if len(parts) < 2:
        return
    out = data.draw(st.integers(0, len(parts) - 2))
    done, left = joined(parts[:out] + parts[out + 1 :])
    assert left or any(problem for _, problem in done)


@given(CUT, st.data())
def test_a_piece_with_other_content_or_given_twice_does_not_fit(
    parts: list[Part], data: Any
) -> None:
    """The chain pins every piece before it; an overlap is a problem too."""
    number = data.draw(st.integers(0, len(parts) - 1))
    part = parts[number]
    other = Part(part.piece, BUNDLE, b"/l", "data/x", hashlib.sha256(b"other").hexdigest())
    if other.sha256 != part.sha256:
        done, _ = joined([*parts[:number], other, *parts[number + 1 :]])
        assert any(problem for _, problem in done)
    if part.piece.length:
        done, _ = joined([*parts, part])
        assert any("came before it" in problem for _, problem in done)


@given(st.binary(min_size=1, max_size=300).filter(lambda n: b"\0" not in n), st.text(max_size=60))
def test_a_pieces_name_is_safe_short_and_its_own(name: bytes, generation: str) -> None:
    """Every file system takes it, and another content of the same path has another."""
    made = names.piece_name(b"/var/log/" + name, generation)
    assert made.startswith("data/=~pieces/")
    assert len(made) <= 14 + 160 + 2 + 32
    assert set(made.removeprefix("data/")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+,@~() =/"
    )
    assert made != names.piece_name(b"/var/log/" + name, generation + "1")


@pytest.mark.parametrize(
    "fields",
    [
        {"generation": "g"},
        {"generation": "g", "offset": 0, "length": 3},
        {"generation": "g", "offset": 0, "length": 4, "chain_sha256": "0" * 64},
        {"generation": "g", "offset": 0, "length": 3, "chain_sha256": "0" * 63},
    ],
    ids=["generation alone", "no chain", "another length than its size", "short chain"],
)
def test_half_a_place_is_no_place(fields: dict[str, Any]) -> None:
    """A record says where its bytes stand wholly, or not at all."""
    with pytest.raises(FormatError):
        inventory.piece_of({"path": "/l", "outcome": "collected", "size": 3, **fields})


@pytest.fixture
def three(watch: Start, case: Path, logs: Path) -> list[Path]:
    """Three bundles of a watch, each with a piece of ``auth.log``, in order."""
    log = logs / "auth.log"
    append(log, b"one\n")
    it = watch()
    it.sealed(4)
    append(log, b"two\n")
    it.sealed(8)
    append(log, b"three\n")
    it.stop()
    found = [case / "bundles" / event["bundle_id"] for event in it.events[:-1]]
    assert len(found) == 3
    return found


def test_a_bundle_that_is_gone_is_found_and_nothing_is_restored_across_it(
    three: list[Path], custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """Whoever takes away the middle of a log leaves a gap; it is named, and disproves nothing."""
    shutil.move(three[1], tmp_path / "taken")
    custody("verify", case, exit_code=10)
    target = tmp_path / "restored"
    done = custody("restore", case, logs / "auth.log", "-o", target, exit_code=11)
    assert "the bytes from 4 to 8 are nowhere; bundles of the watch" in done.stderr
    assert three[1].name in done.stderr
    assert not list(tmp_path.glob("restored*"))


def test_a_last_bundle_that_is_gone_is_said_with_what_is_restored(
    three: list[Path], custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """The end of a log may be in a bundle that somebody took away: what comes out is not all."""
    shutil.move(three[2], tmp_path / "taken")
    target = tmp_path / "restored"
    listed = custody("restore", case, logs / "auth.log", "--json", exit_code=11)
    assert json.loads(listed.stdout)["bundles_missing"] == [three[2].name]
    done = custody("restore", case, logs / "auth.log", "-o", target, exit_code=11)
    assert target.read_bytes() == b"one\ntwo\n"
    assert three[2].name in done.stderr


@pytest.mark.parametrize("what", ["payload", "inventory"])
def test_a_changed_piece_is_refused_and_nothing_is_left_behind(
    three: list[Path], custody: Any, logs: Path, case: Path, tmp_path: Path, what: str
) -> None:
    """A restored file is made of sealed bytes or not at all."""
    place = three[1] / "custody/inventory.jsonl"
    if what == "payload":
        (place,) = (three[1] / "data/=~pieces").iterdir()
    place.chmod(0o600)
    place.write_bytes(place.read_bytes().replace(b"two", b"TWO").replace(b"root", b"Root"))
    target = tmp_path / "restored"
    custody("restore", case, logs / "auth.log", "-o", target, exit_code=10)
    assert not list(tmp_path.glob("restored*"))
    custody("verify", case, exit_code=10)


def test_a_file_is_restored_as_of_a_moment(
    three: list[Path], custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """``--at`` leaves out what was sealed later, and says so where nothing is left."""
    done = custody("verify", three[0], "--json")
    sealed_at = json.loads(done.stdout)["sealed_at"]
    target = tmp_path / "restored"
    custody("restore", case, logs / "auth.log", "--at", sealed_at, "-o", target, exit_code=0)
    assert target.read_bytes() in (b"one\n", b"one\ntwo\n")
    early = "2020-01-01T00:00:00Z"
    done = custody("restore", case, logs / "auth.log", "--at", early, exit_code=12)
    assert "no bundle of a watch" in done.stderr


def test_nothing_that_exists_is_overwritten(
    three: list[Path], custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """A file, or a link to nowhere, at the target is left as it is."""
    assert three
    target = tmp_path / "restored"
    target.symlink_to("nowhere")
    custody("restore", case, logs / "auth.log", "-o", target, exit_code=2)
    assert os.readlink(target) == "nowhere"


def test_pieces_are_not_compared_with_whole_files(
    three: list[Path], custody: Any, case: Path, logs: Path, tmp_path: Path
) -> None:
    """A piece differs from its file, and that says nothing: it is refused, with the way to do it.

    A copy of the bundle is compared with it all the same.
    """
    for other in (["--live"], [logs], [logs / "auth.log"]):
        done = custody("compare", three[1], *other, exit_code=2)
        assert "custody restore" in done.stderr
    shutil.copytree(three[1], tmp_path / "copy")
    custody("compare", tmp_path / "copy", three[1], exit_code=0)


def test_an_inode_that_is_used_again_is_another_content_where_no_birth_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems give a new file the old one's number and no time of birth."""
    from custody.acquire import metadata
    from custody.watch.followed import begin

    monkeypatch.setattr(metadata, "birth_time", lambda _fd: None)
    append(tmp_path / "log", b"one\n")
    fd = os.open(tmp_path / "log", os.O_RDONLY)
    first, second = begin(b"/log", fd), begin(b"/log", fd)
    os.close(fd)
    assert first.generation != second.generation
