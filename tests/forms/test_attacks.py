"""Forms of evidence that was made to break them, and where reading or writing is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody import clock
from custody.bundle import layout
from custody.errors import DifferenceError
from custody.formats import bagit, canonical, dsse, statement
from custody.formats.statement import Event, Subject
from custody.forms import certificate, form, gathering, page, qr
from custody.forms import item as items
from custody.forms.gathering import Verifier
from custody.identity import signing, trust
from custody.verify import verify_bundle


def reseal(office: Any, bag: Path, change: Callable[[Event], Event] = lambda event: event) -> None:
    """Pin the tag files as they are now and sign again: a collector who lies."""
    lines = []
    for name in layout.TAG_FILES:
        digest = hashlib.sha256((bag / name).read_bytes()).hexdigest()
        lines.append(bagit.manifest_line(digest, name))
    data = b"".join(lines)
    (bag / bagit.TAG_MANIFEST_NAME).write_bytes(data)
    event = statement.load(dsse.load((bag / layout.STATEMENT).read_bytes()).payload)
    pinned = Subject(bagit.TAG_MANIFEST_NAME, hashlib.sha256(data).hexdigest())
    event = change(replace(event, subjects=(pinned,)))
    envelope = signing.seal(office.keeper.signer, statement.dump(event))
    (bag / layout.STATEMENT).write_bytes(envelope)


def pages(custody: Any, office: Any, bundle: Path) -> None:
    """Make both pages, as the commands make them."""
    believed = trust.load(custody.home / "trust")
    found = gathering.gather(bundle, office.keeper.case, Verifier(believed, clock.now()))
    for name, document in (("form", form.document), ("certificate", certificate.document)):
        facts = {**document(found, clock.now()), "blank_rows": 1}
        json.dumps(facts)
        made = page.render(name, facts, ("a", "b", "c"))
        assert made.endswith(b"</html>\n")


ODD: tuple[Any, ...] = ([], {}, "text", 7, -1, True, None, [["x"]], [{"asked": 3, "paths": [1]}],
                        {"paths": "x"}, [None], "\u202e", 2**53 - 1)  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_record_of_other_kinds_breaks_no_form(
    custody: Any, office: Any, bundle: Path, odd: Any
) -> None:
    """Whatever a lying collector seals as host, clock, sources, tool: the pages are made."""
    path = bundle / layout.ACQUISITION
    record = json.loads(path.read_bytes())
    for name in ("host", "clock", "tool", "sources", "command", "exclude", "authority", "started"):
        record[name] = odd
    for name in ("hostname", "macs", "time_zone"):
        if isinstance(odd, dict):
            record["host"] = {name: [odd, name], **record["host"]}
    path.write_bytes(canonical.dump(record) + b"\n")
    reseal(office, bundle)
    pages(custody, office, bundle)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_statement_of_other_kinds_breaks_no_form(
    custody: Any, office: Any, bundle: Path, odd: Any
) -> None:
    """The same of what a statement says in its details, also where only a ledger has it."""
    names = ("bundle", "files", "bytes", "gaps", "outcomes", "host", "tool", "evidence_number")
    reseal(office, bundle, lambda event: replace(event, details=dict.fromkeys(names, odd)))
    pages(custody, office, bundle)


@pytest.mark.parametrize("kind", ["released", "received", "refused", "disposed", "corrected",
                                  "copied", "accessed", "nonsense"])  # fmt: skip
def test_an_entry_of_other_kinds_breaks_no_form(
    custody: Any, office: Any, bundle: Path, kind: str
) -> None:
    """Entries whose details are of other kinds than they should be are shown as far as they go."""
    names = ("to", "from", "tracking", "expires", "copy", "label", "received_by", "received_at",
             "receipt", "release", "witness", "verdict", "kept", "entry", "entry_sha256", "paper",
             "statement", "read_back", "disposed_at", "person", "original")  # fmt: skip
    for odd in ODD:
        details = dict.fromkeys(names, odd)
        office.enter(kind, {**details, "bundle": bundle.name}, comment="odd")
    pages(custody, office, bundle)


def test_a_changed_inventory_breaks_no_certificate(custody: Any, bundle: Path) -> None:
    """Where the inventory is malformed the list of files stops, and the draft failed."""
    path = bundle / layout.INVENTORY
    path.write_bytes(path.read_bytes() + b'{"path":1}\n\xff\n')
    done = custody("certificate", bundle, exit_code=10)
    assert "DO NOT SIGN" in done.stdout


def test_a_bundle_that_changes_meanwhile_gives_no_page(custody: Any, bundle: Path) -> None:
    """What was read for the page must be what was verified, or there is no page."""
    before = items.read(bundle)
    believed = trust.load(custody.home / "trust")
    found = verify_bundle(bundle, believed, now=clock.now())
    items.require_same(before, found)
    for other in (
        replace(before, statement=b"{}"),
        replace(before, pinned="0" * 64),
        replace(before, acquisition={}),
    ):
        with pytest.raises(DifferenceError, match="changed while it was being read"):
            items.require_same(other, found)
    unjudged = verify_bundle(bundle, trust.Trust(), now=clock.now())
    with pytest.raises(DifferenceError):
        items.require_same(replace(before, statement=b"{}"), unjudged)


def test_links_and_pipes_are_not_opened(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """A FIFO or a link where a part of the bundle should be is a finding, and blocks nothing."""
    secret = tmp_path / "secret"
    secret.write_text("SECRET-CONTENT")
    (bundle / layout.ACQUISITION).unlink()
    (bundle / layout.ACQUISITION).symlink_to(secret)
    (bundle / bagit.TAG_MANIFEST_NAME).unlink()
    os.mkfifo(bundle / bagit.TAG_MANIFEST_NAME)
    shutil.rmtree(bundle / layout.RECEIPTS)
    (bundle / layout.RECEIPTS).symlink_to(tmp_path)
    for verb in ("form", "certificate"):
        done = custody(verb, bundle, exit_code=10)
        assert "SECRET-CONTENT" not in done.stdout


def test_a_bundle_that_may_not_be_read_is_no_verdict(
    custody: Any, ordinary_user: Any, bundle: Path, tmp_path: Path
) -> None:
    """Somebody who may not read the bundle is told so with exit 11, and no page is left."""
    made = ordinary_user.home / "form.html"
    done = custody("form", bundle, "-o", made, user=ordinary_user, exit_code=11)
    assert "may not read" in done.stderr
    assert not made.exists()


def test_it_works_on_a_medium_that_is_only_read(
    custody: Any, ordinary_user: Any, case: Path, bundle: Path, tmp_path: Path
) -> None:
    """An ordinary user makes the form of a case that they may read and not change."""
    for path in (case, *case.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    key = json.loads(custody("verify", bundle, "--json", exit_code=0).stdout)["claimed_key"]
    folder = Path(shutil.copytree(custody.home / "trust", tmp_path / "trust"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    made = ordinary_user.home / "form.html"
    custody("form", bundle, "--signer", key, "--trust", folder, "-o", made,
            user=ordinary_user, exit_code=0)  # fmt: skip
    assert made.read_bytes().startswith(b"<!DOCTYPE html>")


def test_two_at_once_leave_one_page(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Of several that write the same file at the same time one succeeds, and its page is whole."""
    made = tmp_path / "form.html"
    running = [
        subprocess.Popen(
            custody.command("form", bundle, "-o", made), env=custody.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]  # fmt: skip
    codes = sorted(process.wait(timeout=120) for process in running)
    assert codes == [0, 2, 2]
    assert made.read_text(encoding="utf-8").endswith("</html>\n")


def test_a_full_disk_leaves_no_page(custody: Any, bundle: Path, tmp_path: Path) -> None:
    """Where the page does not fit, no part of it is left."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    inside = 'mount -t tmpfs -o size=4k tmpfs "$0"; "$@"; code=$?; ls -A "$0"; exit $code'
    done = custody("form", bundle, "-o", small / "form.html", "-q",
                   prefix=["unshare", "--mount", "sh", "-c", inside, str(small)])  # fmt: skip
    assert done.returncode == 1
    assert "form.html" not in done.stdout
    assert "the disk is full" in done.stderr


def test_the_case_of_the_bundle_goes_before_that_of_the_environment(
    custody: Any, bundle: Path, tmp_path: Path
) -> None:
    """A bundle that lies in a case is told by that case's ledger, whatever CUSTODY_CASE says."""
    other = tmp_path / "other"
    custody("init", other, "--no-passphrase", "--number", "OTHER", exit_code=0)
    done = custody("form", bundle, "--json", env={"CUSTODY_CASE": str(other)}, exit_code=0)
    assert json.loads(done.stdout)["item"]["case"] == "STL-2026-014"
    custody("form", bundle, "--case", other, exit_code=12)


def test_what_no_code_can_hold_is_left_as_text() -> None:
    """A checkpoint with very many witnesses is printed without a code, and does not fail."""
    assert qr.svg("x" * 2_000, "title").startswith("<svg")
    assert qr.svg("x" * 3_000, "title") == ""
