"""Intake: bundles that come from hosts, or back, are copied, verified, published and entered.

Each is first copied to ``incoming/`` through descriptors that follow no link and never block, and
what is verified is that copy.  Then, with the case locked, all of them are decided on together:

=============  =======================================================================  ====
outcome        what became of it                                                        exit
=============  =======================================================================  ====
received       verified, published under ``bundles/``, entered                             0
held           the case has this very bundle: that it came again is entered            0, 11
not-verified   published and entered, but by a signer whom nobody here trusts             11
differs        it is not what was sealed, or another bundle of this name is entered:      10
               kept apart in ``transfers/differs-...``, and that is entered
refused        by ``--refuse``: looked at where it lies, and that is entered               0
failed         not taken in, for the reason given; nothing is entered
=============  =======================================================================  ====

All events are signed before anything is published, laid into their bundles' ``seal/events/``, and
entered under one checkpoint.  A run that is stopped after publishing is so finished by the next
one (:mod:`custody.entering`); one that is stopped before has only left something in ``incoming/``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from custody import certifying, durable, handover, reading
from custody.bundle import inflow, layout
from custody.bundle.inlet import Inlet
from custody.case import Case
from custody.errors import (
    CustodyError,
    DifferenceError,
    FormatError,
    NotFoundError,
    StorageError,
    UsageError,
)
from custody.formats import bagit
from custody.handover import Release
from custody.history.dating import Dating
from custody.identity.trust import Trust
from custody.transfer import copying, offered, planning, release
from custody.transfer.copying import Plan, Progress
from custody.verify import Verification, verify_bundle

Outcome = Literal["received", "held", "not-verified", "differs", "refused", "failed"]
STREAM = Path("-")
"""Stands for what comes on stdin, in place of a bundle's path."""

_MOST_STRANGE = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """From whom bundles come, and how.

    :ivar giver: a person: ``name``, ``title``, ``organization``, ``key``.
    :ivar words: ``place``, ``method``, ``comment``, ``authority`` of the events.
    :ivar fingerprints: of the keys that the paper form names, any of which may have sealed them.
    :ivar copy: the copy that comes back, as ``C1``; empty otherwise.
    :ivar refuse: why they are not taken; empty where they are.
    :ivar release: the release that a bundle came with.
    """

    giver: Mapping[str, str]
    words: Mapping[str, str]
    evidence_number: str = ""
    fingerprints: Collection[str] = ()
    copy: str = ""
    refuse: str = ""
    release: Release | None = None


@dataclass(slots=True)
class Arrived:
    """One bundle that was looked at, and its copy where one was made.

    :ivar path: what the user named.
    :ivar staged: the copy in ``incoming/``; None where it was looked at in place.
    :ivar digest: the SHA-256 (hex) of its tag manifest; empty if it cannot be read.
    :ivar strange: what was not copied, because no bundle has such: where, and why.
    :ivar unlike: why it is not what it should be beside its own seal; empty if nothing is known.
    :ivar misnamed: all that is wrong with it is that none of the keys named has sealed it.
    :ivar outcome: decided by :mod:`custody.transfer.admitting`, as are the ones after it.
    :ivar where: where it is now.
    :ivar entry: the number of the entry about it.
    """

    path: Path
    staged: Path | None = None
    found: Verification | None = None
    digest: str = ""
    strange: list[tuple[str, str]] = field(default_factory=list)
    strange_count: int = 0
    unlike: str = ""
    misnamed: bool = False
    outcome: Outcome = "failed"
    why: str = ""
    where: Path | None = None
    entry: int | None = None
    error: CustodyError | None = None

    @property
    def name(self) -> str:
        """The bundle's name, if it has one that a directory may have; else empty."""
        name = self.found.bundle_id if self.found is not None else ""
        return name if handover.is_bundle_name(name) else ""

    @property
    def differs(self) -> bool:
        """Whether it is, by itself, not what was sealed."""
        failed = self.found is None or self.found.verdict == "failed"
        return failed or bool(self.strange_count or self.unlike) or not self.name


def look(
    case: Case, path: Path, trust: Trust, terms: Terms, now: datetime, progress: Progress
) -> Arrived:
    """Copy one bundle and verify the copy; trouble with it is kept, not raised.

    One that the case holds already, or that is refused, is verified where it lies.
    """
    arrived = Arrived(path)
    try:
        real = offered.require_bundle(path)
        _refuse_exchanged(real, path, terms)
        if terms.refuse or _is_held(case, real):
            # What the case itself vouched for counts, as it does where the case is verified.
            believed = _believed(_after_entries(case, trust), terms)
            _verify(arrived, real, believed, terms, now, progress)
            if terms.refuse or not arrived.differs:
                return arrived
            arrived = Arrived(path)
        believed = _believed(trust, terms)
        staged = case.incoming / f"intake-{secrets.token_hex(8)}"
        _copy(arrived, real, staged, progress)
        _verify(arrived, staged, believed, terms, now, progress)
    except CustodyError as err:
        arrived.error, arrived.why = err, str(err)
    return arrived


def look_at_stream(
    case: Case,
    stream: Inlet,
    trust: Trust,
    terms: Terms,
    now: Callable[[], datetime],
    progress: Progress,
) -> Arrived:
    """Write the bundle that a stream holds into ``incoming/``, and verify that.

    Trouble with it is kept, not raised; so is what had come by then, where it was written.

    :param now: asked when all has come.
    """
    arrived = Arrived(STREAM)
    staged = case.incoming / f"intake-{secrets.token_hex(8)}"
    try:
        inflow.write(stream, staged, progress)
        arrived.staged = staged
        _refuse_exchanged(staged, STREAM, terms)
        if _is_held(case, staged):
            trust = _after_entries(case, trust)
        _forget(staged)
        _verify(arrived, staged, _believed(trust, terms), terms, now(), progress)
    except CustodyError as err:
        arrived.error, arrived.why = err, str(err)
    return arrived


def _after_entries(case: Case, trust: Trust) -> Trust:
    """What this verifier believes of keys after what desks entered in the case."""
    dated = Dating(case, case.ledger, trust).latest
    return certifying.believe_ledger(trust, case.ledger, dated).trust


def _refuse_exchanged(bundle: Path, named: Path, terms: Terms) -> None:
    """Notice where the two numbers on the paper form were taken for each other.

    What differs is entered for good, so that is said before anything is.
    """
    try:
        data = reading.read_beneath(bundle, layout.STATEMENT, handover.LARGEST_PAPER)
    except CustodyError:
        return
    if hashlib.sha256(data).hexdigest() in terms.fingerprints:
        why = "the number given as the key's fingerprint is the digest of this bundle's statement"
        hint = "nothing was entered; the fingerprint is the other number on the paper form"
        raise UsageError("receive", named, why, hint=hint)


def _believed(trust: Trust, terms: Terms) -> Trust:
    for fingerprint in terms.fingerprints:
        trust = trust.with_signer(fingerprint)
    return trust


def _is_held(case: Case, path: Path) -> bool:
    """Whether the case has a bundle of this name with this very statement."""
    try:
        data = reading.read_beneath(path, bagit.INFO_NAME, layout.LARGEST_TAG_FILE)
        name = bagit.load_info(data).get("External-Identifier", "")
        if not handover.is_bundle_name(name) or not (case.bundles / name).is_dir():
            return False
        mine, theirs = (
            reading.read_beneath(bundle, layout.STATEMENT, handover.LARGEST_PAPER)
            for bundle in (case.bundles / name, path)
        )
    except CustodyError:
        return False
    return mine == theirs


def _copy(arrived: Arrived, path: Path, staged: Path, progress: Progress) -> None:
    def strange(where: str, why: str) -> None:
        arrived.strange_count += 1
        if len(arrived.strange) < _MOST_STRANGE:
            arrived.strange.append((where, why))

    plan = _plan(path, staged)
    arrived.staged = staged
    try:
        copying.write(plan, strange, progress)
    except (FormatError, NotFoundError) as err:
        why = f"it was changed while it was copied: {err}; nothing was taken in"
        raise DifferenceError("receive", path, why) from err
    _forget(staged)


def _plan(path: Path, staged: Path) -> Plan:
    """How much it is, whether there is room for all of it, holes and all."""
    files = size = 0
    try:
        for name in planning.names(path, attachments=True, strange=lambda *_: None):
            files += 1
            size += (path / name).lstat().st_size
        space = os.statvfs(staged.parent)
        same = staged.parent.stat().st_dev == path.stat().st_dev
    except OSError as err:
        if isinstance(err, CustodyError):
            raise
        raise durable.storage_error("receive", path, err) from err
    free = space.f_bavail * space.f_frsize
    if size + files * space.f_frsize > free:
        why = f"{size} bytes are needed and {free} are free; nothing was taken in"
        raise StorageError("receive", path, why, hint="make room where the case lies")
    return Plan(path, staged, staged, True, files, size, same)


def _forget(staged: Path) -> None:
    """Let verifying read from the device where the system allows, and not from its cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    for name in planning.names(staged, attachments=True, strange=lambda *_: None):
        with reading.open_beneath(staged, name) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _verify(
    arrived: Arrived, path: Path, trust: Trust, terms: Terms, now: datetime, progress: Progress
) -> None:
    found = verify_bundle(path, trust, named=terms.fingerprints, now=now, progress=progress)
    arrived.found = replace(found, gap_list=())  # many bundles, each with many, would add up
    named = ", ".join(terms.fingerprints)
    arrived.misnamed = {item.expected for item in found.findings} == {named} and not found.unlisted
    try:
        arrived.digest = release.pinned(path)
    except (NotFoundError, FormatError):
        arrived.digest = ""
