"""Release: what is given away is looked at once more, signed for, entered, and papers go with it.

The order, while the case is locked: the release signed; its paper laid beside the copy; the
entries ``copied`` and ``released`` under one checkpoint; the proof of entry; the case's own copies
of both papers.  The copy gets its name last.  So a stopped run leaves a copy in ``incoming/`` and
perhaps a paper beside it.  If that paper is in the ledger, the same command finishes that release
and enters nothing again; if it is not, nobody was promised anything, and it is replaced.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable, handover, reading
from custody.bundle import layout
from custody.case import Case
from custody.errors import DifferenceError, ExistsError, NotFoundError, UsageError
from custody.formats import bagit
from custody.handover import ORIGINAL, RELEASED, Release
from custody.keeping import Keeper, Writing
from custody.transfer import copying, numbering, standing
from custody.transfer.copying import Copied, Plan
from custody.transfer.standing import Entry, Standing, Thing
from custody.verify import Verification


@dataclass(frozen=True, slots=True)
class Terms:
    """To whom something goes, and why.

    :ivar to: a person: ``name``, ``title``, ``organization``, ``key``.
    :ivar words: ``purpose``, ``authority``, ``place``, ``method`` and ``comment`` of the event.
    :ivar expires: after this nobody is to sign for it.
    """

    to: Mapping[str, str]
    words: Mapping[str, str]
    tracking: str = ""
    expires: datetime | None = None
    with_attachments: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """What was released, and its papers.

    :ivar path: what goes.
    :ivar note: the release that goes with it, and *proof*, its proof of entry.
    :ivar entry: the number of the entry ``released``.
    :ivar is_finished_now: an earlier run entered it, and this one only finished it.
    """

    release: Release
    path: Path
    note: Path
    proof: Path
    entry: int
    is_finished_now: bool = False


# ---- a copy that is made for it


def unfinished(case: Case, plan: Plan, terms: Terms) -> Release | None:
    """The release that a stopped run entered and did not finish at this destination.

    A paper of ours that was never entered is removed: it promises nothing.

    :raises UsageError: if the paper that lies there is another one.
    """
    note = plan.final.parent / handover.release_name(plan.bundle.name)
    if not os.path.lexists(note):
        return None
    found = handover.release_of(handover.read(note), note)
    is_ours = found.paper.event.words.get("case", "") == case.case and found.origin == case.origin
    if is_ours and case.log.find(found.paper.data) is None:
        durable.discard([note])
        return None
    if is_ours and os.path.lexists(plan.staged) and _says(found, terms):
        return found
    why = "there is a release already, of something else or to somebody else; nothing was written"
    raise UsageError("release to", note, why, hint="name another directory with --copy-to")


def _says(release: Release, terms: Terms) -> bool:
    event, details = release.paper.event, release.paper.event.details
    words = {name: text for name, text in terms.words.items() if text}
    same = all(event.words.get(name) == text for name, text in words.items())
    return (
        same
        and release.to == dict(terms.to)
        and release.expires == terms.expires
        and details.get("tracking", "") == terms.tracking
        and details.get("with_attachments") is terms.with_attachments
    )


def made_copy(
    keeper: Keeper,
    plan: Plan,
    copied: Copied,
    found: Verification,
    terms: Terms,
    now: datetime,
    wait_seconds: float,
) -> Released:
    """Number, enter, release and publish a copy that was made and verified for this.

    :raises NotFoundError: if the ledger of the case has no such bundle.
    :raises UsageError: if another release lies there.
    :raises StorageError: if something could not be written; what was entered by then stays, and
        the same command goes on from there.
    """
    name, folder = plan.bundle.name, plan.final.parent
    note, proof = folder / handover.release_name(name), folder / handover.proof_name(name)
    with keeper.writing(wait_seconds) as writing:
        earlier = unfinished(keeper.case, plan, terms)
        if earlier is None:
            known = _known(keeper.case, name, found)
            made = numbering.sign(writing, known, plan, copied, found.verdict,
                                  _of_copy(terms), now)  # fmt: skip
            what = {"copy": made.copy, "label": made.label}
            release = _sign(writing, name, copied.pinned, what, found, terms, now)
            _lay(note, release)
            entry = writing.append([made.envelope, release.paper.data]) + 1
        else:
            release, entry = earlier, keeper.case.log.find(earlier.paper.data) or 0
            if release.digest != copied.pinned:
                raise _changed(plan.staged)
        _papers(keeper.case, release, entry, proof)
    copying.publish(plan)
    return Released(release, plan.final, note, proof, entry, earlier is not None)


def _of_copy(terms: Terms) -> dict[str, str]:
    return {name: terms.words.get(name, "") for name in ("purpose", "authority", "place")}


# ---- what is there already


def existing(
    keeper: Keeper,
    path: Path,
    what: str,
    found: Verification,
    terms: Terms,
    now: datetime,
    wait_seconds: float,
) -> Released:
    """Release a copy that was made earlier, or the original; nothing is moved.

    :param path: where it lies, and was verified just now.
    :param what: ``C1``, ..., or :data:`custody.handover.ORIGINAL`.
    :raises NotFoundError: if the ledger of the case does not have it.
    :raises UsageError: if it is away, was disposed of, or a release lies beside it.
    :raises DifferenceError: if it is not what was entered.
    """
    case, name = keeper.case, found.bundle_id
    digest = pinned(path)
    with keeper.writing(wait_seconds) as writing:
        known = _known(case, name, found)
        half = _half_done(case, known.things.get(what), terms)
        if half is not None:
            return _finish(case, path, half)
        thing = known.require_here(what)
        if thing.digest not in ("", digest):
            raise _changed(path)
        about: dict[str, Any] = {ORIGINAL: True}
        if what != ORIGINAL:
            about = {"copy": what, "label": known.label(what)}
        release = _sign(writing, name, digest, about, found, terms, now)
        note, proof = _beside(case, path, release)
        if what != ORIGINAL:
            _lay(note, release)
        entry = writing.append([release.paper.data])
        _papers(case, release, entry, proof)
    return Released(release, path, note, proof, entry)


def _beside(case: Case, path: Path, release: Release) -> tuple[Path, Path]:
    """Where the release and its proof are laid; beside the original is bundles/, and no paper."""
    if not release.copy:
        kept = handover.folder(case, release.paper.sha256)
        return kept / handover.RELEASE_FILE, kept / handover.PROOF_FILE
    folder, name = path.parent, release.bundle
    return folder / handover.release_name(name), folder / handover.proof_name(name)


def _half_done(case: Case, thing: Thing | None, terms: Terms) -> Entry | None:
    """The release that a stopped run entered, on these terms, and wrote no papers of."""
    if thing is None or thing.out is None:
        return None
    kept = handover.folder(case, thing.out.sha256)
    if os.path.lexists(kept / handover.PROOF_FILE):
        return None
    name = f"ledger entry {thing.out.index}"
    release = handover.release_of(handover.parse(thing.out.data, name), name)
    return thing.out if _says(release, terms) else None


def _finish(case: Case, path: Path, entry: Entry) -> Released:
    name = f"ledger entry {entry.index}"
    release = handover.release_of(handover.parse(entry.data, name), name)
    if pinned(path) != release.digest:
        raise _changed(path)
    note, proof = _beside(case, path, release)
    if release.copy and not os.path.lexists(note):
        _lay(note, release)
    _papers(case, release, entry.index, proof)
    return Released(release, path, note, proof, entry.index, is_finished_now=True)


def pinned(bundle: Path) -> str:
    """The SHA-256 (hex) of a bundle's tag manifest, as it lies there."""
    data = reading.read_beneath(bundle, bagit.TAG_MANIFEST_NAME, layout.LARGEST_TAG_FILE)
    return hashlib.sha256(data).hexdigest()


def _known(case: Case, name: str, found: Verification) -> Standing:
    known = standing.of(case, name)
    if found.statement_sha256 in known.statements:
        return known
    why = "its statement is not entered in the ledger of this case; nothing was released"
    if known.statements:
        raise DifferenceError("release", name, f"another one is entered; {why}")
    raise NotFoundError("release", name, why, hint="custody ledger list shows what is entered")


def _changed(path: Path) -> DifferenceError:
    why = "it is not what the ledger says it was; nothing was released"
    return DifferenceError("release", path, why, hint=f"custody verify {path}")


# ---- the release itself


def _sign(
    writing: Writing,
    name: str,
    digest: str,
    what: Mapping[str, Any],
    found: Verification,
    terms: Terms,
    now: datetime,
) -> Release:
    details: dict[str, Any] = {
        "bundle": name,
        "statement": found.statement_sha256,
        **what,
        "to": dict(terms.to),
        "files": found.files,
        "bytes": found.bytes,
        "with_attachments": terms.with_attachments,
        "verdict": found.verdict,
    }
    if terms.tracking:
        details["tracking"] = terms.tracking
    if terms.expires is not None:
        details["expires"] = clock.rfc3339(terms.expires)
    envelope = writing.sign(
        RELEASED,
        now,
        digests={"original": digest, RELEASED: digest},
        words={**terms.words, "item": name},
        details=details,
    )
    return handover.release_of(handover.parse(envelope, name), name)


def _lay(note: Path, release: Release) -> None:
    try:
        durable.create(note, release.paper.data)
    except ExistsError as err:
        why = "there is one already, of an earlier release; nothing was released"
        raise UsageError(
            "write release", note, why, hint="move it away, if it is done with"
        ) from err


def _papers(case: Case, release: Release, entry: int, proof: Path) -> None:
    """The papers that follow from the entry: all of it could be made again from the ledger."""
    kept = handover.folder(case, release.paper.sha256)
    durable.ensure_directory(kept)
    durable.create_or_equal(kept / handover.RELEASE_FILE, release.paper.data)
    data = case.log.receipt(entry)
    for path in dict.fromkeys((kept / handover.PROOF_FILE, proof)):
        if not os.path.lexists(path):
            durable.create(path, data)
