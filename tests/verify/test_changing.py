"""A bundle that answers twice differently: what is parsed must be what was hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from verify_bench import check, failed, records, write_records

from custody import reading
from custody.bundle import layout
from custody.formats import bagit, canonical
from custody.verify.docket import CHANGED


class Medium:
    """Serves other bytes of a file once it was closed some times."""

    def __init__(self, bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bag = bag
        self._swaps: dict[str, list[bytes]] = {}
        self._open = reading.open_beneath
        monkeypatch.setattr(reading, "open_beneath", self._opened)

    def then(self, name: str, *data: bytes) -> None:
        """After each close of *name* the next of *data* is there."""
        self._swaps[name] = list(data)

    @contextmanager
    def _opened(self, root: Path, relative: str) -> Iterator[int]:
        with self._open(root, relative) as fd:
            yield fd
        if self._swaps.get(relative):
            (self._bag / relative).write_bytes(self._swaps[relative].pop(0))


@pytest.fixture
def medium(bag: Path, monkeypatch: pytest.MonkeyPatch) -> Medium:
    return Medium(bag, monkeypatch)


def forged(bag: Path) -> tuple[bytes, bytes]:
    """Another content for a payload file, and the manifest and the inventory that fit it."""
    path = next(path for path in (bag / "data").rglob("*") if path.name.endswith("auth.log"))
    old = path.read_bytes()
    new = old.replace(b"Accepted", b"Rejected")
    assert new != old
    path.write_bytes(new)
    before, after = (sha256(data).hexdigest().encode() for data in (old, new))
    manifest = (bag / bagit.MANIFEST_NAME).read_bytes().replace(before, after)
    return manifest, (bag / layout.INVENTORY).read_bytes().replace(before, after)


def changed(bag: Path) -> list[str]:
    """The files that verify says have changed; the checks 3 and 7 see nothing of it."""
    found = check(bag)
    assert found.verdict == "failed"
    assert not {2, 3, 7} & set(failed(found))
    return [item.path for item in found.findings if item.message == CHANGED]


def test_manifest_and_inventory_swapped_after_they_were_hashed(bag: Path, medium: Medium) -> None:
    """Forged payload with forged lists, which are served when they are opened again."""
    manifest, inventory = forged(bag)
    medium.then(bagit.MANIFEST_NAME, manifest)
    medium.then(layout.INVENTORY, inventory)
    assert changed(bag) == [bagit.MANIFEST_NAME, layout.INVENTORY]


def test_an_inventory_swapped_alone(bag: Path, medium: Medium) -> None:
    """Records without payload agree with any manifest, so only the digest tells."""
    listed = records(bag)
    link = next(record for record in listed if "link_target" in record)
    link["link_target"] = "elsewhere"
    medium.then(layout.INVENTORY, b"".join(canonical.dump(item) + b"\n" for item in listed))
    assert changed(bag) == [layout.INVENTORY]


def test_an_acquisition_record_swapped(bag: Path, medium: Medium) -> None:
    """The record that is told of is the one that is pinned."""
    data = (bag / layout.ACQUISITION).read_bytes()
    record = canonical.load_object(data.rstrip(b"\n"))
    medium.then(layout.ACQUISITION, canonical.dump(record | {"description": "forged"}) + b"\n")
    assert layout.ACQUISITION in changed(bag)


@pytest.mark.parametrize("name", [bagit.INFO_NAME, layout.VERIFY_TEXT, bagit.TAG_MANIFEST_NAME])
def test_what_is_read_once_cannot_change(bag: Path, medium: Medium, name: str) -> None:
    """These are hashed as they are parsed: what comes later is not looked at."""
    medium.then(name, b"forged\n")
    assert check(bag).verdict == "ok"


@pytest.mark.parametrize("name", [bagit.INFO_NAME, layout.VERIFY_TEXT])
def test_a_forged_file_that_is_put_right_is_judged_as_it_was_parsed(
    bag: Path, medium: Medium, name: str
) -> None:
    """The good bytes, served to the second reading, do not hide what was parsed."""
    good = (bag / name).read_bytes()
    (bag / name).write_bytes(good.replace(b"custody", b"Custody"))
    assert (bag / name).read_bytes() != good
    medium.then(name, good)
    assert 3 in failed(check(bag))


def test_a_list_that_agrees_only_when_it_is_read_again(bag: Path, medium: Medium) -> None:
    """An unlisted file stays one, though the manifest lists it by the time it is looked for."""
    (bag / "data" / "extra.log").write_bytes(b"")
    manifest = (bag / bagit.MANIFEST_NAME).read_bytes()
    line = bagit.manifest_line(sha256(b"").hexdigest(), "data/extra.log")
    medium.then(bagit.MANIFEST_NAME, manifest, manifest + line)
    assert changed(bag) == [bagit.MANIFEST_NAME]


def by_change(bag: Path, change: Callable[[Path], None]) -> list[str]:
    change(bag)
    return [item.message for item in check(bag).findings]


def test_a_file_that_is_only_damaged_has_not_changed(bag: Path) -> None:
    """Damage that was there from the start is told as damage."""
    said = by_change(bag, lambda bag: write_records(bag, records(bag)[1:]))
    assert said
    assert CHANGED not in said
