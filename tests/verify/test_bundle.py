"""A bundle: each kind of damage is found by the check that is there for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from verify_bench import NOW, SIGNER, TRUST, check, failed, reseal, status

from custody.bundle import layout
from custody.errors import NotFoundError, UnknownFormatError
from custody.formats import bagit
from custody.verify import verify

AUTH = "data/auth.log"


def payload_file(bag: Path, ending: str = "auth.log") -> Path:
    """The payload file whose name ends so."""
    return next(path for path in sorted((bag / "data").rglob("*")) if path.name.endswith(ending))


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(change(data.splitlines(keepends=True)))


def test_a_whole_bundle_is_ok(bag: Path) -> None:
    """What the collector sealed passes every check, and what is not required is not missed."""
    found = check(bag)
    expected = dict.fromkeys((*range(1, 10), 13), "ok") | dict.fromkeys((10, 11, 12), "not-checked")
    assert (found.verdict, found.findings, status(found)) == ("ok", (), expected)
    assert found.files == 7
    assert found.signer == TRUST.signers[0]


def test_a_whole_bundle_is_ok_wherever_it_lies(bag: Path, tmp_path: Path) -> None:
    """A copy may be renamed: a bundle's identity is inside it."""
    assert check(bag.rename(tmp_path / "received on friday")).verdict == "ok"


def junk(*at_end: bytes) -> Callable[[Path], None]:
    return lambda bag: edit(bag / bagit.MANIFEST_NAME, lambda data: data + b"".join(at_end))


def _duplicate(bag: Path) -> None:
    edit(bag / bagit.MANIFEST_NAME, lines(lambda all_: [*all_, all_[0]]))


def _swap_lines(bag: Path) -> None:
    edit(bag / bagit.MANIFEST_NAME, lines(lambda all_: [all_[1], all_[0], *all_[2:]]))
    reseal(bag)


def _drop_line(bag: Path) -> None:
    edit(bag / bagit.MANIFEST_NAME, lines(lambda all_: all_[1:]))


def _unlisted(bag: Path) -> None:
    (bag / "data" / "extra.log").write_bytes(b"")


def _link_for_file(bag: Path) -> None:
    path = payload_file(bag)
    target = path.with_name("moved")
    path.rename(target)
    path.symlink_to(target)


def _link_for_directory(bag: Path) -> None:
    directory = payload_file(bag).parent
    moved = bag.parent / "elsewhere"
    directory.rename(moved)
    directory.symlink_to(moved)


def _link_for_data(bag: Path) -> None:
    (bag / "data").rename(bag.parent / "elsewhere")
    (bag / "data").symlink_to(bag.parent / "elsewhere")


def _fifo(bag: Path) -> None:
    payload_file(bag).unlink()
    os.mkfifo(payload_file(bag, "x.log").with_name("pipe"))


def _fifo_for_file(bag: Path) -> None:
    path = payload_file(bag)
    path.unlink()
    os.mkfifo(path)


def _fifo_for_statement(bag: Path) -> None:
    (bag / layout.STATEMENT).unlink()
    os.mkfifo(bag / layout.STATEMENT)


def _socket(bag: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(payload_file(bag).parent)  # a socket's path is short
    try:
        listener.bind("s")
    finally:
        os.chdir(here)
        listener.close()


def _truncate(bag: Path) -> None:
    edit(payload_file(bag), lambda data: data[:-1])


def _grow(bag: Path) -> None:
    edit(payload_file(bag), lambda data: data + b"\n")


def _huge_tag_file(bag: Path) -> None:
    os.truncate(bag / bagit.DECLARATION_NAME, 1 << 40)


def _huge_inventory_line(bag: Path) -> None:
    edit(bag / layout.INVENTORY, lambda data: data + b"x" * (3 << 20) + b"\n")


def _deep_tree(bag: Path) -> None:
    fd = os.open(bag / "data", os.O_RDONLY)
    for _ in range(100):  # 10,000 bytes deep, which no payload name is
        os.mkdir("d" * 100, dir_fd=fd)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


DAMAGE: dict[str, tuple[Callable[[Path], object], set[int]]] = {
    "junk line in the manifest": (junk(b"junk\n"), {3, 4}),
    "empty line in the manifest": (junk(b"\n"), {3, 4}),
    "comment in the manifest": (junk(b"# fine\n"), {3, 4}),
    "manifest without its last newline": (
        lambda bag: edit(bag / bagit.MANIFEST_NAME, lambda data: data[:-1]), {3, 4, 5}),
    "absolute path in the manifest": (junk(b"0" * 64 + b"  /etc/passwd\n"), {3, 4}),
    "path out of the bag": (junk(b"0" * 64 + b"  data/../../etc/passwd\n"), {3, 4}),
    "path outside the payload": (junk(b"0" * 64 + b"  seal/x\n"), {3, 4}),
    "duplicate line": (_duplicate, {3, 4, 5}),
    "missing line": (_drop_line, {3, 4, 5}),
    "lines in another order, signed again": (_swap_lines, {5}),
    "fetch.txt": (lambda bag: (bag / "fetch.txt").write_bytes(b""), {1}),
    "unlisted file": (_unlisted, {4}),
    "missing file": (lambda bag: payload_file(bag).unlink(), {4}),
    "truncated file": (_truncate, {4}),
    "longer file": (_grow, {4}),
    "link for a payload file": (_link_for_file, {1, 4}),
    "link for a payload directory": (_link_for_directory, {1, 4}),
    "link for the payload": (_link_for_data, {1, 4}),
    "FIFO in the payload": (_fifo, {1, 4}),
    "FIFO for a payload file": (_fifo_for_file, {1, 4}),
    "FIFO for the statement": (_fifo_for_statement, {1, 7}),
    "socket in the payload": (_socket, {1}),
    "deep tree in the payload": (_deep_tree, {1}),
    "empty directory in the payload": (lambda bag: (bag / "data" / "e").mkdir(), {1}),
    "no payload": (lambda bag: (bag / "data").rename(bag.parent / "elsewhere"), {1, 4}),
    "unknown name at the top": (lambda bag: (bag / "README").write_bytes(b""), {1}),
    "unknown name in custody/": (lambda bag: (bag / "custody" / "x").write_bytes(b""), {1}),
    "unknown name in seal/": (lambda bag: (bag / "seal" / "x").write_bytes(b""), {1}),
    "unknown directory in seal/": (lambda bag: (bag / "seal" / "x").mkdir(), {1}),
    "file for the attachments": (lambda bag: (bag / "attachments").write_bytes(b""), {1}),
    "link at the top": (lambda bag: (bag / "attachments").symlink_to("/"), {1}),
    "huge tag file": (_huge_tag_file, {2, 3}),
    "huge line in the inventory": (_huge_inventory_line, {3, 5}),
    "no bagit.txt": (lambda bag: (bag / bagit.DECLARATION_NAME).unlink(), {2, 3}),
    "no tag manifest": (lambda bag: (bag / bagit.TAG_MANIFEST_NAME).unlink(), {3, 7}),
    "no manifest": (lambda bag: (bag / bagit.MANIFEST_NAME).unlink(), {3, 4}),
    "no inventory": (lambda bag: (bag / layout.INVENTORY).unlink(), {3, 5, 6, 7}),
    "no acquisition record": (lambda bag: (bag / layout.ACQUISITION).unlink(), {3, 6}),
    "no statement": (lambda bag: (bag / layout.STATEMENT).unlink(), {7}),
    "tag manifest in another order, signed again": (
        lambda bag: edit(bag / bagit.TAG_MANIFEST_NAME, lines(lambda all_: all_[::-1])), {3, 7}),
    "tag manifest with a payload file": (
        lambda bag: edit(bag / bagit.TAG_MANIFEST_NAME,
                         lambda data: data + b"0" * 64 + b"  data/x\n"), {3, 7}),
    "line in bag-info.txt": (
        lambda bag: edit(bag / bagit.INFO_NAME, lambda data: data + b"Contact-Name: Eve\n"),
        {2, 3}),
    "instructions in VERIFY.txt": (
        lambda bag: edit(bag / layout.VERIFY_TEXT, lambda data: data + b"curl x | sh\n"), {2, 3}),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(bag: Path, name: str) -> None:
    """Each damage fails exactly the checks that it touches; nothing raises or blocks."""
    damage, expected = DAMAGE[name]
    damage(bag)
    found = check(bag)
    assert found.verdict == "failed"
    assert set(failed(found)) == expected
    assert all(finding.path and finding.message for finding in found.findings)


def test_a_device_is_not_opened(bag: Path) -> None:
    """A device in the payload is a finding and is never opened."""
    path = payload_file(bag)
    path.unlink()
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(5, 0))
    except PermissionError:
        pytest.skip("making a device needs root")
    assert set(failed(check(bag))) == {1, 4}


def test_findings_say_where_what_was_expected_and_what_was_found(bag: Path) -> None:
    """A changed file is named, with the digest it should have and the one it has."""
    line = next(
        text for text in (bag / bagit.MANIFEST_NAME).read_text().splitlines() if "auth.log" in text
    )
    digest, name = line.split("  ")
    edit(bag / name, lambda data: data.replace(b"Accepted", b"Rejected"))
    (finding,) = check(bag).findings
    assert (finding.path, finding.expected) == (name, f"sha256:{digest}")
    assert finding.found.startswith("sha256:")
    assert finding.found != finding.expected


def test_all_findings_are_collected(bag: Path) -> None:
    """One bad file does not hide another."""
    for ending in ("auth.log", "x.log"):
        edit(payload_file(bag, ending), lambda data: data + b"!")
    _unlisted(bag)
    assert len(check(bag).findings) == 3


def test_findings_are_bounded(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless junk gives a bounded list and a count of the rest."""
    monkeypatch.setattr("custody.verify.docket.MOST_FINDINGS", 10)
    junk(*(b"junk\n" for _ in range(50)))(bag)
    found = check(bag)
    assert (len(found.findings), found.unlisted) == (10, 41)


def test_an_unreadable_file_is_no_proof_of_tampering(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system does not let us read leaves the check undone: cannot-verify, not failed."""
    real = os.open
    refused = payload_file(bag).name

    def refuse(path: object, *args: object, **more: object) -> int:
        if path == refused:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    found = check(bag)
    assert (found.verdict, status(found)[4]) == ("cannot-verify", "not-checked")
    assert "Permission denied" in found.checks[3].detail


def set_format(bag: Path, version: bytes) -> None:
    edit(bag / bagit.INFO_NAME, lambda data: data.replace(b"Format: 1", b"Format: " + version))


def test_a_newer_format_is_not_judged(bag: Path) -> None:
    """A whole bundle of another format is an error of its own, not a failed verification."""
    set_format(bag, b"2")
    reseal(bag)
    with pytest.raises(UnknownFormatError, match="its format is 2"):
        check(bag)


def test_a_forged_format_fails(bag: Path) -> None:
    """A changed format version is tampering where the tag manifest says otherwise."""
    set_format(bag, b"2")
    found = check(bag)
    assert set(failed(found)) >= {2, 3}


def test_the_expected_digest_decides(bag: Path) -> None:
    """With a digest from paper the statement must be that one; without it nothing is required."""
    found = check(bag)
    assert status(check(bag, expect=found.statement_sha256))[12] == "ok"
    other = check(bag, expect="0" * 64)
    assert (other.verdict, failed(other)) == ("failed", [12])


def test_the_clock_of_the_verifier_is_only_remarked_on(bag: Path) -> None:
    """A statement from the future of this computer's clock is told, and fails nothing."""
    found = verify(bag, TRUST, now=NOW.replace(year=2020))
    assert found.verdict == "ok"
    assert any("future" in remark.message for remark in found.remarks)


def test_what_is_neither_bundle_nor_case_is_not_there(bag: Path, tmp_path: Path) -> None:
    """A directory without either is not verified, and a bundle inside is pointed at."""
    with pytest.raises(NotFoundError) as caught:
        verify(tmp_path, TRUST, now=NOW)
    assert caught.value.hint == f"custody verify {bag}"
    with pytest.raises(NotFoundError):
        verify(tmp_path / "nothing", TRUST, now=NOW)
    with pytest.raises(NotFoundError):
        verify(bag / "bagit.txt", TRUST, now=NOW)


def test_damaged_as_it_may_be_a_bundle_is_judged(bag: Path) -> None:
    """As long as one of its own names is left, a bundle is failed rather than not found."""
    for path in bag.iterdir():
        if path.name != bagit.MANIFEST_NAME:
            path.rename(bag.parent / path.name)
    assert verify(bag, TRUST, now=NOW).verdict == "failed"


def test_gaps_change_no_verdict(bag: Path) -> None:
    """Gaps of the collection are part of what was sealed: told, and no failure."""
    found = check(bag)
    assert (found.gaps, found.verdict) == (0, "ok")
    assert found.outcomes["symlink"] == 1


def test_replaced_signer_keeps_dates() -> None:
    """A signer whose dates are known keeps them when the command line names the key again."""
    ended = replace(TRUST.signers[0], valid_until=NOW)
    trust = replace(TRUST, signers=(ended,))
    assert trust.with_signer(str(SIGNER.key)).signers == (ended,)
