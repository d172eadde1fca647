"""Random damage to every file of bundles and ledgers: both judges say the same.

Each number is one mutation, the same in every run.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from agreeing import CANNOT_VERIFY, FAILED, both, checked, custodys, plain
from test_seal import add, attach, countersign, signed_event
from verify_bench import ACTOR, LOG, NOW, SIGNER, STRANGER, TRUST, gather, trusting

from custody import case as cases
from custody.bundle import layout
from custody.collect import Destination
from custody.identity.trust import Trust

Rng = random.Random
SAMPLE, WHOLE = 60, 3_000


@pytest.fixture(scope="session")
def masters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle with everything that can be added to one, a plain one, a case, and a ledger."""
    base = tmp_path_factory.mktemp("small")
    source = base / "log"
    (source / "Sub").mkdir(parents=True)
    (source / "sub").mkdir()
    for name, data in {
        "a.log": b"one\n",
        "empty": b"",
        "sub/b.log": b"two",
        "Sub/b.log": b"3",
    }.items():
        (source / name).write_bytes(data)
    (source / "link").symlink_to("a.log")
    directory = base / "case"
    case = cases.create(directory, "7", "", log_key=LOG, signer=SIGNER, actor=ACTOR, now=NOW)
    gather(source, Destination(directory, case, LOG, [SIGNER.key]))
    gather(source / "sub", Destination(directory, case, LOG, [SIGNER.key]))
    full = base / "full"
    shutil.copytree(min((directory / "bundles").iterdir()), full)
    countersign(full, STRANGER)
    add(full, layout.EVENTS, signed_event("noted"), ".dsse.json")
    pinned = hashlib.sha256((full / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    attach(full, about=pinned)
    plain_bundle = gather(source, Destination(base / "out"))
    entered = max((directory / "bundles").iterdir())
    return {"full": full, "plain": plain_bundle, "entered": entered, "ledger": directory / "ledger"}


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def _flip(root: Path, rng: Rng) -> None:
    path = rng.choice([path for path in files(root) if path.stat().st_size])
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _swap_bytes(root: Path, rng: Rng) -> None:
    path = rng.choice([path for path in files(root) if path.stat().st_size])
    data = bytearray(path.read_bytes())
    first, second = rng.randrange(len(data)), rng.randrange(len(data))
    data[first], data[second] = data[second], data[first]
    path.write_bytes(data)


def _swap_lines(root: Path, rng: Rng) -> None:
    path = rng.choice(files(root))
    lines = path.read_bytes().splitlines(keepends=True)
    rng.shuffle(lines)
    path.write_bytes(b"".join(lines))


def _cut(root: Path, rng: Rng) -> None:
    path = rng.choice(files(root))
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data) + 1)])


def _grow(root: Path, rng: Rng) -> None:
    path = rng.choice(files(root))
    data = path.read_bytes()
    place = rng.choice((0, len(data), rng.randrange(len(data) + 1)))
    more = rng.choice((b"\n", b" ", b"\0", b"}", data[:20], rng.randbytes(5)))
    path.write_bytes(data[:place] + more + data[place:])


def _drop_byte(root: Path, rng: Rng) -> None:
    path = rng.choice([path for path in files(root) if path.stat().st_size])
    data = path.read_bytes()
    place = rng.randrange(len(data))
    path.write_bytes(data[:place] + data[place + 1 :])


def _remove(root: Path, rng: Rng) -> None:
    rng.choice(files(root)).unlink()


def _remove_tree(root: Path, rng: Rng) -> None:
    shutil.rmtree(rng.choice(sorted(path for path in root.rglob("*") if path.is_dir())))


def _rename(root: Path, rng: Rng) -> None:
    path = rng.choice(sorted(root.rglob("*")))
    name = rng.choice((path.name + "x", path.name.upper(), "x", "0" * 64, "0" * 64 + ".tsr"))
    if not os.path.lexists(path.with_name(name)):
        path.rename(path.with_name(name))


def _exchange(root: Path, rng: Rng) -> None:
    first, second = rng.sample(files(root), 2)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def _copy(root: Path, rng: Rng) -> None:
    first, second = rng.sample(files(root), 2)
    data = first.read_bytes()
    rng.choice((second, second.with_name("copy"), root / first.name)).write_bytes(data)


def _add(root: Path, rng: Rng) -> None:
    folder = rng.choice([root, *(path for path in sorted(root.rglob("*")) if path.is_dir())])
    name = rng.choice(("x", "fetch.txt", "=2E", "a\nb", "0" * 64 + ".tsr", "checkpoint.new", "001"))
    if not os.path.lexists(folder / name):
        (folder / name).write_bytes(rng.choice((b"", b"x")))


def _add_directory(root: Path, rng: Rng) -> None:
    folder = rng.choice([root, *(path for path in sorted(root.rglob("*")) if path.is_dir())])
    name = rng.choice(("x", "0" * 64, "attachments", "000.p", "x001", "receipts"))
    (folder / name).mkdir(exist_ok=True)


def _link(root: Path, rng: Rng) -> None:
    path = rng.choice(sorted(root.rglob("*")))
    aside = root.parent / f"aside-{rng.random()}"
    path.rename(aside)
    path.symlink_to(rng.choice((aside, Path("/dev/null"), Path("nowhere"))))


def _special(root: Path, rng: Rng) -> None:
    path = rng.choice(files(root))
    path.unlink()
    rng.choice((lambda: os.mkfifo(path), path.mkdir))()


DAMAGES: list[Callable[[Path, Rng], None]] = [
    _flip, _flip, _flip, _flip, _swap_bytes, _swap_lines, _cut, _grow, _drop_byte, _remove,
    _remove_tree, _rename, _exchange, _copy, _add, _add_directory, _link, _special,
]  # fmt: skip
TRUSTS = [TRUST, TRUST, TRUST, trusting(SIGNER, STRANGER), trusting(SIGNER, log=False), Trust(),
          Trust().with_signer(SIGNER.key.fingerprint()), trusting(STRANGER)]  # fmt: skip


def damaged(master: Path, place: Path, rng: Rng) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    copy = Path(shutil.copytree(master, place / "copy", symlinks=True))
    for _ in range(rng.choice((1, 1, 1, 2))):
        with suppress(IndexError, ValueError):  # the first one left nothing to spoil
            rng.choice(DAMAGES)(copy, rng)
    return copy


def sweep(
    master: Path, place: Path, numbers: range, trusts: list[Trust] = TRUSTS
) -> dict[int, int]:
    """How often each exit code was given, by both."""
    codes: dict[int, int] = {}
    for number in numbers:
        rng = random.Random(number)  # noqa: S311
        copy = damaged(master, place, rng)
        trust = rng.choice(trusts)
        try:
            code = both(copy, trust)
        except AssertionError as err:
            raise AssertionError(f"mutation {number} of {master.name}: {err}") from err
        codes[code] = codes.get(code, 0) + 1
    return codes


@pytest.mark.parametrize("kind", ["full", "plain", "entered"])
def test_both_judges_agree_on_what_is_whole(masters: dict[str, Path], kind: str) -> None:
    """Undamaged, each kind of evidence gets one verdict under every trust."""
    assert [both(masters[kind], trust) for trust in TRUSTS[:3]] == [0, 0, 0]
    for trust in TRUSTS:
        both(masters[kind], trust)


@pytest.mark.parametrize("kind", ["full", "plain", "entered"])
def test_both_judges_agree_on_sampled_damage(
    masters: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """Bits, bytes, lines, files and names spoilt at random: one verdict, and mostly failed."""
    codes = sweep(masters[kind], tmp_path / "place", range(SAMPLE))
    assert codes[FAILED] > SAMPLE // 2


@pytest.mark.full
@pytest.mark.parametrize("kind", ["full", "plain", "entered"])
def test_both_judges_agree_on_thousands_of_damages(
    masters: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """The same, thousands of times."""
    codes = sweep(masters[kind], tmp_path / "place", range(SAMPLE, SAMPLE + WHOLE))
    assert sum(codes.values()) == WHOLE


def ledgers(master: Path, place: Path, numbers: range) -> None:
    for number in numbers:
        rng = random.Random(number)  # noqa: S311
        copy = damaged(master, place, rng)
        believed, arguments = plain(rng.choice(TRUSTS))
        said = checked(copy, *arguments)
        expected, _ = custodys(copy, believed)
        # Unlike the ledger's own check, the checker holds an entry against the key in it.
        assert said.code == expected or (said.code, expected) == (10, 11), f"{number}: {said.text}"


def test_both_judges_agree_on_ledgers(masters: dict[str, Path], tmp_path: Path) -> None:
    """A ledger that lies alone gets the verdict of `custody ledger verify`."""
    ledgers(masters["ledger"], tmp_path / "place", range(SAMPLE))


@pytest.mark.full
def test_both_judges_agree_on_thousands_of_ledgers(
    masters: dict[str, Path], tmp_path: Path
) -> None:
    """The same, thousands of times."""
    ledgers(masters["ledger"], tmp_path / "place", range(SAMPLE, SAMPLE + WHOLE))


@pytest.mark.parametrize("kind", ["noted", "teleported"])
def test_a_signed_event_of_any_kind_is_taken(
    masters: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """An event type of a later version is no finding for either."""
    copy = Path(shutil.copytree(masters["plain"], tmp_path / "copy", symlinks=True))
    add(copy, layout.EVENTS, signed_event(kind), ".dsse.json")
    assert both(copy) == 0
    assert both(copy, replace(TRUST, signers=())) == CANNOT_VERIFY
