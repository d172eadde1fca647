"""The header of a journal, and the names of exports: pure, and sure of hostile input."""

from __future__ import annotations

import struct
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.formats import journal, names

GOOD = struct.pack(
    "<8sIIB7x16s16s16s16s15Q", b"LPKSHHRH", 1, 28, 2, b"f" * 16, b"m" * 16, b"b" * 16, b"s" * 16,
    264, 8_388_344, 1, 2, 3, 4, 5, 150, 24, 40, 17, 6, 1_000, 2_000, 7,
)  # fmt: skip


def test_a_header() -> None:
    """Each field is read at the place where JOURNAL_FILE_FORMAT has it."""
    found = journal.header(GOOD + b"more")
    assert found is not None
    assert asdict(found) == {
        "state": "archived", "sealed": True, "sealed_continuous": False, "compatible_flags": 1,
        "incompatible_flags": 28, "file_id": "66" * 16, "machine_id": "6d" * 16,
        "boot_id": "62" * 16, "seqnum_id": "73" * 16, "header_size": 264,
        "arena_size": 8_388_344, "objects": 150, "entries": 24, "tail_seqnum": 40,
        "head_seqnum": 17, "head_realtime": 1_000, "tail_realtime": 2_000,
    }  # fmt: skip
    assert found.problem(8_388_608) == ""
    assert "claims 8388608 bytes and has 4000000" in found.problem(4_000_000)


@pytest.mark.parametrize(
    ("data", "is_journal"),
    [(b"", False), (b"LPKSHHR", False), (b"KSHHRHLP" * 30, False), (b"LPKSHHRH", True),
     (GOOD[:207], True)],
)  # fmt: skip
def test_no_whole_header(data: bytes, is_journal: bool) -> None:
    """What has the magic bytes is a journal; a header that is cut off says nothing."""
    assert journal.is_journal(data) is is_journal
    assert journal.header(data) is None


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=1 << 70))
def test_any_bytes(data: bytes, size: int) -> None:
    """Whatever stands after the magic bytes is read, within bounds, and never raises."""
    found = journal.header(journal.MAGIC + data)
    assert (found is None) is (len(data) < 200)
    if found is not None:
        assert found.state in (*journal.STATES, "unknown")
        assert max(value for value in asdict(found).values() if isinstance(value, int)) < 1 << 64
        assert found.sealed is bool(data[0] & 1)
        assert isinstance(found.problem(size), str)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_names_of_exports(parts: list[bytes]) -> None:
    """Every payload name leads to a name that an export can have, within one component."""
    payload = "data/" + "/".join(map(names.component_name, parts))
    path = names.export_path(payload)
    assert names.is_export(path.encode())
    assert names.is_export_name(path.encode())
    assert len(path.removeprefix("=~journals/")) <= 255
    assert names.export_path(payload + "x") != path


@pytest.mark.parametrize(
    "name", ["", "x", "x=~0.export", f"x=~{'0' * 32}", f"=~{'0' * 32}.export", f"a/b=~{'0' * 32}",
             f"x=~{'0' * 32}.exports", f"x=~{'A' * 32}.export", f"{'x' * 161}=~{'0' * 32}.export",
             f"x\n=~{'0' * 32}.export"],
)  # fmt: skip
def test_no_names_of_exports(name: str) -> None:
    """No other name passes for that of an export."""
    assert not names.is_export_name(f"=~journals/{name}".encode())
