"""Payload names: safe for every disk, different for different paths, and always the same."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.formats import bagit, names

DEVICES = [
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"com{digit}" for digit in range(10)), *(f"lpt{digit}" for digit in range(10)),
]  # fmt: skip
SAFE = re.compile(r"[A-Za-z0-9._\-+,@~() =]+\Z")
AWKWARD = (
    b".", b"..", b"...", b"a.", b"a ", b" ", b" a", b"-rf", b"=", b"=41", b"A", b"a", b"%41", b"\\",
    b"a\n", b"\n", b"\x1b[31m", b"\xff", b"\xc3\xa9", b"e\xcc\x81", b"con", b"CON", b"con.txt",
    b"COM1", b"com1 .log", b"nul.", b"CONIN$", b"a:b", b"a|b", b'a"b', b"a*b", b"a?b", b"~", b"=~",
    b"=~long", b"a" * 200, b"a" * 201, b"A" * 201, b"\xff" * 255, b"a" * 159 + b"\xff" * 40,
)  # fmt: skip

component = st.one_of(
    st.sampled_from(AWKWARD),
    st.binary(min_size=1, max_size=255).map(
        lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"-")
    ),
    st.text("aAbB.= ~con1CON", min_size=1, max_size=12).map(str.encode),
)


def windows_device(name: str) -> bool:
    """What Windows takes for a device: the part before the first dot, spaces at its end cut."""
    return name.partition(".")[0].rstrip(" ").lower() in DEVICES


@given(component, st.booleans())
def test_every_name_is_safe_everywhere(raw: bytes, marked: bool) -> None:
    """Any bytes become safe ASCII that no disk, shell of a BagIt tool or Windows trips over."""
    name = names.component_name(raw, marked=marked)
    assert SAFE.match(name)
    assert len(name) <= names.LONGEST_COMPONENT
    assert name not in (".", "..")
    assert not name.endswith((".", " "))
    assert not windows_device(name)
    assert bagit.is_inside(f"data/{name}")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("form", ["{}", "{}.txt", "{} .txt", "{}  ", "{}.", "{}.tar.gz"])
def test_no_windows_device_survives(device: str, form: str) -> None:
    """A device name is broken whatever its case and whatever follows its dot."""
    for text in (form.format(device), form.format(device.upper()), form.format(device.title())):
        assert not windows_device(names.component_name(text.encode()))
    longer = form.format(device + "x")
    assert names.component_name(longer.encode()).startswith(device[:3])


@given(st.lists(component, min_size=2, max_size=8, unique=True))
def test_siblings_get_different_names(raws: list[bytes]) -> None:
    """No two names of a directory become one, also on a disk that ignores case."""
    marked = names.colliding(raws)
    made = [names.component_name(raw, marked=raw in marked) for raw in raws]
    assert len({name.lower() for name in made}) == len(raws)


@given(component, component)
def test_different_components_never_share_a_name(one: bytes, other: bytes) -> None:
    """The encoding is injective, with and without the mark of a collision."""
    forms = [(raw, mark) for raw in {one, other} for mark in (False, True)]
    made = {(names.component_name(raw, marked=mark), raw) for raw, mark in forms}
    assert len({name for name, _ in made}) == len(made)


@given(component)
def test_the_encoding_can_be_read_back(raw: bytes) -> None:
    """As long as nothing is cut, the bytes can be read out of the name itself."""
    encoded = names.encode(raw)
    assert re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), encoded.encode()) == raw


@given(component.filter(lambda raw: len(names.encode(raw)) > names.LONGEST_COMPONENT))
def test_long_components_are_cut_at_a_whole_escape(raw: bytes) -> None:
    """A long component keeps 160 bytes at most, no half escape, and 32 digits of its digest."""
    kept, mark, digest = names.component_name(raw).rpartition("=~")
    assert mark
    assert digest == hashlib.sha256(raw).hexdigest()[:32]
    assert 158 <= len(kept) <= 160
    assert names.encode(raw).startswith(kept)
    assert not re.search(r"=[0-9A-F]?\Z", kept)


def test_lengths_at_the_limit() -> None:
    """200 bytes after encoding are kept as they are, 201 are cut."""
    assert names.component_name(b"a" * 200) == "a" * 200
    assert names.component_name(b"a" * 201).startswith("a" * 160 + "=~")
    assert names.component_name(b"\xff" * 66 + b"aa") == "=FF" * 66 + "aa"
    assert names.component_name(b"\xff" * 67).startswith("=FF" * 53 + "=~")


def test_long_paths_become_a_digest() -> None:
    """The name of a path that is too long as a whole is the digest of its raw bytes."""
    raw = b"/" + b"\xff/" * 1_000 + b"log"
    assert names.long_name(raw) == f"data/=~long/{hashlib.sha256(raw).hexdigest()}"
    assert names.component_name(b"=~long") == "=3D~long"


def brute_force(siblings: list[bytes]) -> frozenset[bytes]:
    groups = defaultdict(set)
    for name in siblings:
        groups[names.component_name(name).lower()].add(name)
    return frozenset(name for group in groups.values() if len(group) > 1 for name in group)


@given(st.lists(component, max_size=12))
@pytest.mark.parametrize("partition", [2, 100_000])
def test_collisions_are_those_of_comparing_all(partition: int, siblings: list[bytes]) -> None:
    """The quick search, whole or in parts, finds exactly the names that fold to one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_PARTITION", partition)
        assert names.colliding(siblings) == brute_force(siblings)


def test_a_name_given_twice_collides_with_nothing() -> None:
    """The same name twice is one name."""
    assert names.colliding([b"A", b"A", b"b"]) == frozenset()
    assert names.colliding([b"A", b"a", b"a", b"B"]) == {b"A", b"a"}
