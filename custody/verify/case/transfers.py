"""What lies in ``transfers/``: parts of checks (2) and (7).

The ledger holds every release, and every signed receipt whole, so a paper that is gone is a
remark: it can be written again.  A scan, and what was kept apart, are only here.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from custody import handover, reading
from custody.bundle import tree
from custody.errors import CustodyError
from custody.verify.case.checks import AGREEMENT, LAYOUT
from custody.verify.docket import Docket
from custody.verify.handovers import HandOvers

FOLDER = "transfers"
_RELEASE = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_KEPT = re.compile(r"differs-[0-9a-f]{16}\Z", re.ASCII)
_PAPER = re.compile(r"paper-[0-9a-f]{16}(\.[A-Za-z0-9]{1,8})?\Z", re.ASCII)
_FILES = {handover.RELEASE_FILE, handover.PROOF_FILE, handover.RECEIPT_FILE}


def check(path: Path, said: HandOvers, docket: Docket) -> None:
    """Hold the papers of a case against its entries.

    :param said: what the entries say, all of which were read.
    """
    there = _list(path, docket)
    if there is None:
        return
    releases, kept = there
    for name in sorted(releases):
        _papers(path, name, said, docket)
    for name, (digest, index) in said.papers.items():
        _scan(path, name, digest, index, docket)
    for where, index in said.kept.items():
        if where.removeprefix(f"{FOLDER}/") not in kept:
            why = f"what ledger entry {index} says was kept apart is gone"
            docket.found(AGREEMENT, where, "a directory", "nothing", why)
    for name in sorted(kept):
        if f"{FOLDER}/{name}" not in said.kept:
            docket.remark(f"{FOLDER}/{name}", "kept apart, and not entered: no evidence")
    for name, index in said.released.items():
        if name not in releases:
            docket.remark(f"{FOLDER}/{name}", f"the papers of ledger entry {index} are not there")


def _list(path: Path, docket: Docket) -> tuple[set[str], set[str]] | None:
    """(2) The names in it: the releases, and what was kept apart."""
    try:
        listing = tree.look(path, FOLDER)
    except CustodyError as err:
        if (path / FOLDER).exists():
            docket.trouble(LAYOUT, FOLDER, "a directory", err)
            return None
        return set(), set()
    releases = {name for name in listing.directories if _RELEASE.match(name)}
    kept = {name for name in listing.directories if _KEPT.match(name)}
    for name in {*listing.directories, *listing.files, *listing.others} - releases - kept:
        docket.remark(f"{FOLDER}/{name}", "not a hand-over's; it is not looked at")
    return releases, kept


def _papers(path: Path, name: str, said: HandOvers, docket: Docket) -> None:
    """(2) (7) The papers of one release: named so, and as they were entered."""
    where = f"{FOLDER}/{name}"
    try:
        listing = tree.look(path, where)
    except CustodyError as err:
        docket.trouble(LAYOUT, where, "a directory", err)
        return
    for file in listing.others:
        docket.found(LAYOUT, f"{where}/{file}", "a file", "a link or a device", "no paper is one")
    for file in (*listing.directories, *listing.files):
        if file not in _FILES and not _PAPER.match(file):
            docket.remark(f"{where}/{file}", "not a hand-over's; it is not looked at")
    if name not in said.released and name not in said.named:
        docket.remark(where, "papers of a release that no entry knows: no evidence")
    if handover.RELEASE_FILE in listing.files:
        why = "it is not the release that its directory is named after"
        _same(path, f"{where}/{handover.RELEASE_FILE}", name, why, docket)
    if handover.RECEIPT_FILE in listing.files and name in said.released:
        if name in said.receipts:
            digest, index = said.receipts[name]
            why = f"it is not the receipt of ledger entry {index}"
            _same(path, f"{where}/{handover.RECEIPT_FILE}", digest, why, docket)
        else:
            docket.remark(f"{where}/{handover.RECEIPT_FILE}", "a receipt that no entry knows")


def _scan(path: Path, name: str, digest: str, index: int, docket: Docket) -> None:
    """(7) A scan is there, and is the one that was entered."""
    where = f"{FOLDER}/{name}"
    try:
        files = tree.look(path, where).files
    except CustodyError:
        files = []
    wanted = handover.paper_name(digest, "")
    file = next((each for each in files if each.partition(".")[0] == wanted), None)
    if file is None:
        why = f"the paper of ledger entry {index} is gone"
        docket.found(AGREEMENT, f"{where}/{wanted}", "a scan", "nothing", why)
        return
    why = f"it is not the paper of ledger entry {index}"
    _same(path, f"{where}/{file}", digest, why, docket)


def _same(path: Path, where: str, digest: str, why: str, docket: Docket) -> None:
    try:
        with reading.open_beneath(path, where) as fd, open(fd, "rb", closefd=False) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except CustodyError as err:
        docket.trouble(AGREEMENT, where, f"sha256:{digest}", err)
        return
    if found != digest:
        docket.found(AGREEMENT, where, f"sha256:{digest}", f"sha256:{found}", why)
