"""``record``: what came back after a release, a signed receipt or a paper, judged and entered.

1. The release is an entry of this ledger, and nobody has answered it yet.
2. A receipt is a whole one, signed by the key that the release names, or by a signer whom the
   desk trusts; and that key has not been revoked, nor ended.
3. It is about exactly what was released; one that refuses may say that it was changed on the way.

A receipt is kept whole in the entry, so that the ledger alone shows it.  Of a paper the scan is
kept beside the case's own release, and its digest is entered: it is not countersigned, and is
shown so ever after.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from custody import clock, durable, handover
from custody.case import Case
from custody.errors import DifferenceError, InputError, TrustError, UsageError
from custody.formats import vkey
from custody.handover import RECEIVED, REFUSED, RELEASED, Paper, Release
from custody.identity.trust import Trust
from custody.keeping import Keeper
from custody.transfer import standing

_KEPT = ("place", "method", "comment")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was entered: ``received`` or ``refused``, under which number, and by whom it was."""

    kind: str
    entry: int
    release: Release
    by: Mapping[str, str]
    at: datetime
    details: Mapping[str, Any]


def released(case: Case, sha256: str) -> Release:
    """(1) The release in the ledger of *case* whose envelope has this digest (hex), unanswered.

    :raises UsageError: if there is none, or it was answered already.
    """
    found = standing.entry_with(case, sha256)
    if found is None:
        why = "it is for a release that is not in this ledger; nothing was entered"
        raise UsageError("record", sha256, why, hint="name the case that released it: --case DIR")
    index, data = found
    name = f"ledger entry {index}"
    release = handover.release_of(handover.parse(data, name), name)
    for entry in standing.entries(case, [sha256]):
        details = entry.event.details
        if details.get("release") == sha256 and "received_by" in details:
            why = f"the release was answered already, by entry {entry.index}; nothing was entered"
            hint = f"custody ledger show {entry.index}"
            raise UsageError("record", release.bundle, why, hint=hint)
    return release


# ---- a receipt that is signed


def release_named(receipt: Paper, name: object) -> str:
    """The release that a receipt answers: the SHA-256 (hex) of its envelope.

    :raises InputError: if the paper is no receipt.
    """
    event = receipt.event
    if event.kind not in (RECEIVED, REFUSED) or "from" not in event.details:
        raise InputError("read receipt", name, f"it is an event of the type {event.kind}")
    named = event.details.get("release")
    if not isinstance(named, str):
        raise InputError("read receipt", name, "the field release is missing or wrong")
    return named


def judge(receipt: Paper, release: Release, trust: Trust) -> str:
    """Steps 2 and 3 of this module's list.

    :returns: what is worth a remark; empty if nothing is.
    :raises TrustError: if it is signed by a key that is neither named nor trusted.
    :raises UsageError: if it is about another bundle.
    :raises DifferenceError: if it is about something else than was released.
    """
    event, key = receipt.event, receipt.key
    remark = ""
    named = release.to.get("key", "")
    known = trust.with_signer(event.actor.key)  # with its end and revocation, listed or not
    if not named or not _is_same_key(named, key.fingerprint()):  # (2)
        if trust.signer_for(key.fingerprint()) is None:
            name = event.actor.name or key.name
            why = f"it is signed by a key that you do not trust: {key.fingerprint()}"
            hint = (
                "compare the fingerprint in another way first, then:"
                f" custody trust add signer {shlex.quote(event.actor.key)}"
                f" --name {shlex.quote(name)} --role examiner"
            )
            raise TrustError("record", name, f"{why}; nothing was entered", hint=hint)
        if named:
            remark = "it is signed by another key than the one that the release names"
    signer = known.signer_for(key.fingerprint())
    why = "" if signer is None else signer.why_not_valid_at(event.time)
    if why:
        raise DifferenceError("record", event.actor.name or key.name, f"{why}; nothing was entered")
    name, wanted = event.actor.name, release.to.get("name", "")
    if not remark and not named and name.casefold() != wanted.casefold():
        remark = (
            f"it was released to {wanted or 'nobody'}, and is signed by {name or 'a key alone'}"
        )
    details = event.details
    if details.get("bundle") != release.bundle:  # (3)
        why = f"the receipt is for {details.get('bundle')}, and this release for {release.bundle}"
        raise UsageError("record", release.bundle, f"{why}; nothing was entered")
    got = handover.subject(event, RECEIVED)
    same = got == release.digest and details.get("statement") == release.statement
    same = same and all(details.get(name) == value for name, value in release.what.items())
    if event.kind == RECEIVED and not same:
        why = f"it was signed for as sha256:{got or 'nothing'}, and released as {release.digest}"
        raise DifferenceError("record", release.bundle, f"{why}; nothing was entered")
    return remark


def _is_same_key(text: str, fingerprint: str) -> bool:
    return vkey.parse(text).fingerprint() == fingerprint


def enter(
    keeper: Keeper, receipt: Paper, trust: Trust, now: datetime, comment: str, wait_seconds: float
) -> tuple[Recorded, str]:
    """Judge a receipt, enter it, and keep it; returns a remark beside what was entered.

    Raises what :func:`released` and :func:`judge` raise.
    """
    event = receipt.event
    with keeper.writing(wait_seconds) as writing:
        release = released(keeper.case, release_named(receipt, "receipt"))
        remark = judge(receipt, release, trust)
        is_refusal = event.kind == REFUSED or event.details.get("verdict") == "failed"
        kind = REFUSED if is_refusal else RECEIVED
        person = handover.person_of(event)
        words = {name: event.words.get(name, "") for name in _KEPT}
        words |= {"item": release.bundle}
        if comment:
            words["comment"] = comment
        details = {
            **_about(release),
            "receipt": json.loads(receipt.data),
            "receipt_sha256": receipt.sha256,
            "received_by": person,
            "received_at": clock.rfc3339(event.time),
            "verdict": str(event.details.get("verdict", "")),
        }
        got = handover.subject(event, RECEIVED)
        digests = {RELEASED: release.digest} | ({RECEIVED: got} if got else {})
        entry = writing.sign(kind, now, digests=digests, words=words, details=details)
        index = writing.append([entry])
        folder = handover.folder(keeper.case, release.paper.sha256)
        durable.ensure_directory(folder)
        durable.create_or_equal(folder / handover.RELEASE_FILE, release.paper.data)
        durable.create_or_equal(folder / handover.RECEIPT_FILE, receipt.data)
    if not remark and event.time < release.paper.event.time:
        remark = "by its own time it was signed before the release was"
    return Recorded(kind, index, release, person, event.time, details), remark


# ---- a paper


@dataclass(frozen=True, slots=True)
class Scan:
    """A paper that somebody signed by hand.

    :ivar suffix: of its file, such as ``.pdf``.
    :ivar at: when it was signed, as it says: the first second of that.
    :ivar within: how many seconds that is: 60 where only the minute is said.
    :ivar refuse: why it was not taken, if it was not.
    """

    data: bytes
    sha256: str
    suffix: str
    by: Mapping[str, str]
    at: datetime
    within: int = 1
    refuse: str = ""

    @property
    def latest(self) -> datetime:
        """The last second at which it may have been signed."""
        return self.at + timedelta(seconds=self.within - 1)


def enter_paper(
    keeper: Keeper,
    release_sha256: str,
    scan: Scan,
    words: Mapping[str, str],
    now: datetime,
    wait_seconds: float,
) -> Recorded:
    """Keep the scan, and enter its digest and what it says; raises what :func:`released` does."""
    with keeper.writing(wait_seconds) as writing:
        release = released(keeper.case, release_sha256)
        kind = REFUSED if scan.refuse else RECEIVED
        details = {
            **_about(release),
            "received_by": dict(scan.by),
            "received_at": clock.rfc3339(scan.at),
            "paper": True,
        }
        if scan.within > 1:
            details["received_within"] = scan.within
        said = {**words, "item": release.bundle}
        if scan.refuse:
            said["comment"] = scan.refuse
        digests = {RELEASED: release.digest, "paper": scan.sha256}
        entry = writing.sign(kind, now, digests=digests, words=said, details=details)
        folder = handover.folder(keeper.case, release.paper.sha256)
        durable.ensure_directory(folder)
        durable.create_or_equal(folder / handover.RELEASE_FILE, release.paper.data)
        durable.create_or_equal(folder / handover.paper_name(scan.sha256, scan.suffix), scan.data)
        index = writing.append([entry])
    return Recorded(kind, index, release, scan.by, scan.at, details)


def _about(release: Release) -> dict[str, Any]:
    return {
        "release": release.paper.sha256,
        "bundle": release.bundle,
        "statement": release.statement,
        **release.what,
    }
