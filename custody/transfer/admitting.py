"""What becomes of the bundles that arrived: decided, signed, published and entered together.

The case is locked throughout, so that two intakes at once cannot give one name to two bundles.
The outcomes are those of :mod:`custody.transfer.intake`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import certifying, durable, handover, intaken
from custody.bundle import layout
from custody.case import Case
from custody.errors import CustodyError, NotFoundError, StorageError, UsageError
from custody.formats import vkey
from custody.handover import ORIGINAL, RECEIVED, REFUSED
from custody.identity.trust import Trust
from custody.keeping import Keeper, Writing
from custody.ledger import entry as entries
from custody.transfer import release, standing, twice
from custody.transfer.intake import Arrived, Outcome, Terms
from custody.transfer.standing import Standing
from custody.verify import Verification

MOST_ATTACHMENTS = 200
_LONGEST_NUMBER = 200
_LIKE_A_COPY = re.compile(r".*/C[0-9]+\Z", re.ASCII | re.DOTALL)


@dataclass(slots=True)
class _Admission:
    """One bundle on its way in: the events about it, and where its copy goes.

    :ivar bearers: the bundles that bear an evidence number already, by the number.
    :ivar is_again: the very same was taken in just now, by this run.
    """

    arrived: Arrived
    found: Verification
    known: Standing
    bearers: Mapping[str, set[str]] = field(default_factory=dict)
    is_again: bool = False
    outcome: Outcome = "received"
    details: dict[str, Any] = field(default_factory=dict)
    event: bytes = b""
    certificate: bytes = b""
    target: Path | None = None

    @property
    def is_new(self) -> bool:
        """Whether it came into the case by this."""
        return self.outcome in ("received", "not-verified")

    @property
    def envelopes(self) -> list[bytes]:
        """What is entered, the event itself last."""
        return [item for item in (self.certificate, self.event) if item]


def admit(
    keeper: Keeper,
    arrived: Sequence[Arrived],
    trust: Trust,
    terms: Terms,
    now: datetime,
    wait_seconds: float,
) -> None:
    """Decide on all that arrived, and tell each what became of it.

    :raises LockedError: if another process keeps the case.
    :raises StorageError: if the ledger could not be written; what was published by then is
        entered by the next run.
    """
    there = [item for item in arrived if item.error is None and item.found is not None]
    if not there:
        return
    with keeper.writing(wait_seconds) as writing:
        admitted = _admit_each(writing, there, trust, terms, now)
        listed = [envelope for one in admitted for envelope in one.envelopes]
        if not listed:
            return
        try:
            index = writing.append(listed)
        except StorageError as err:
            hint = "make room; the next custody receive or collect into the case enters them"
            why = f"{err.why}; what was published is not entered yet"
            raise StorageError(err.what, err.thing, why, hint=hint) from err
    for one in admitted:
        index += len(one.envelopes)
        one.arrived.entry = index - 1
        _settle_second(keeper.case, one, trust, now)


def _admit_each(
    writing: Writing, arrived: Sequence[Arrived], trust: Trust, terms: Terms, now: datetime
) -> list[_Admission]:
    """One after the other, each beside what the ledger has and what was taken in just now."""
    case = writing.keeper.case
    known = standing.several(case, {item.name for item in arrived})
    numbers = {terms.evidence_number, *map(_own_number, arrived)}
    bearers = standing.bearers(case, numbers - {""})
    admitted: list[_Admission] = []
    next_index = int(writing.newest["size"])
    for item in arrived:
        if item.found is None:  # only what was looked at comes here
            continue
        one = _Admission(item, item.found, known[item.name], bearers)
        one.is_again = any(item.name == each.arrived.name for each in admitted if each.is_new)
        try:
            _admit(writing, one, trust, terms, now)
        except CustodyError as err:
            item.outcome, item.error, item.why = "failed", err, str(err)
            continue
        admitted.append(one)
        next_index += len(one.envelopes)
        if one.is_new:
            one.known.statements.setdefault(one.found.statement_sha256, next_index - 1)
            bearers.setdefault(str(one.details.get("evidence_number", "")), set()).add(item.name)
    return admitted


def _admit(writing: Writing, one: _Admission, trust: Trust, terms: Terms, now: datetime) -> None:
    """Decide on one, sign, and give its copy a name; entering it is the next step."""
    item = one.arrived
    _decide(writing, one, terms)
    _describe(one, terms, writing.keeper.case)
    one.event = writing.sign(
        REFUSED if one.outcome == "refused" else RECEIVED,
        now,
        digests={"received": item.digest} if item.digest else {},
        words=_words(writing, one, terms),
        details=one.details,
    )
    one.certificate = _certificate(writing, one, trust, terms, now)
    for envelope in one.envelopes:
        entries.require(envelope)
    _place(writing, one)
    item.outcome, item.where = one.outcome, one.target or item.path


def _settle_second(case: Case, one: _Admission, trust: Trust, now: datetime) -> None:
    """What was written to ``incoming/`` of a bundle that the case has already."""
    item = one.arrived
    if one.outcome == "held" and item.staged is not None:
        item.where = case.bundles / item.name
        item.why = twice.settle(item.where, item.staged, trust, now)


def _words(writing: Writing, one: _Admission, terms: Terms) -> dict[str, str]:
    words = {**terms.words, "item": one.arrived.name or writing.keeper.case.case}
    if terms.refuse:
        words["comment"] = terms.refuse
    return words


# ---- deciding


def _decide(writing: Writing, one: _Admission, terms: Terms) -> None:
    item, case = one.arrived, writing.keeper.case
    final = case.bundles / item.name
    if terms.refuse:
        one.outcome = "refused"
        return
    if terms.copy and not item.differs:
        _require_copy(one, terms.copy)
    others = one.known.statements.keys() - {one.found.statement_sha256}
    if not item.differs and others:
        index = min(one.known.statements[digest] for digest in others)
        item.unlike = f"ledger entry {index} has another bundle of this name"
    is_there = bool(item.name) and os.path.lexists(final)
    if not item.differs and is_there and not _is_same(final, item):
        item.unlike = "another bundle of this name lies in the case"
    if item.differs:
        one.outcome = "differs"
        token = item.staged.name.partition("-")[2] if item.staged else ""
        one.target = case.directory / "transfers" / f"differs-{token}"
        item.why = item.unlike or _first_finding(item)
    elif is_there and not one.known.statements:
        why = "it lies in the case already, and nobody entered it; nothing was entered"
        raise UsageError("receive", final, why, hint="move it out of bundles/, and receive it")
    elif is_there:
        one.outcome = "held"
    else:
        one.target = final
        if one.found.verdict == "cannot-verify":
            one.outcome = "not-verified"


def _require_copy(one: _Admission, copy: str) -> None:
    thing = one.known.things.get(copy)
    if thing is None:
        raise NotFoundError("receive", one.known.label(copy), "the ledger has no such copy")
    if thing.digest != one.arrived.digest:
        one.arrived.unlike = f"it is not what {one.known.label(copy)} was when it was made"


def _is_same(final: Path, item: Arrived) -> bool:
    try:
        return release.pinned(final) == item.digest
    except CustodyError:
        return False


def _first_finding(item: Arrived) -> str:
    if item.found is not None and item.found.findings:
        first = item.found.findings[0]
        return f"{first.path or '.'}: {first.message}"
    if item.strange:
        return f"{item.strange[0][0]}: {item.strange[0][1]}"
    return "it has no name that a bundle may have"


# ---- what is signed about it


def _describe(one: _Admission, terms: Terms, case: Case) -> None:
    item, found = one.arrived, one.found
    verdict = "failed" if one.outcome == "differs" else found.verdict
    details: dict[str, Any] = {
        "from": dict(terms.giver),
        "bundle": item.name,
        "statement": found.statement_sha256,
        "signer": _signer(found),
        "evidence_number": _number(one, terms, case),
        "files": found.files,
        "bytes": found.bytes,
        "verdict": verdict,
        "release": terms.release.paper.sha256 if terms.release else "",
        "label": terms.release.label if terms.release else "",
        "kept": f"transfers/{one.target.name}" if one.outcome == "differs" and one.target else "",
        "why": item.why if one.outcome == "differs" else "",
    }
    if one.outcome == "held":
        details["already_held"] = True
    if item.strange_count:
        details["not_copied"] = item.strange_count
    details |= _coming_back(one, terms)
    if one.outcome in ("received", "not-verified") and found.attachments:
        if len(found.attachments) > MOST_ATTACHMENTS:
            why = f"it has {len(found.attachments)}, at most {MOST_ATTACHMENTS} are taken in"
            raise UsageError("receive attachments of", item.path, why)
        details["attachments"] = list(found.attachments)
    one.details = {name: value for name, value in details.items() if value not in ("", {})}


def _coming_back(one: _Admission, terms: Terms) -> dict[str, Any]:
    """Which thing of ours it is, where one comes back."""
    if one.outcome == "differs":
        return {}
    if terms.copy:
        return {"copy": terms.copy, "label": one.known.label(terms.copy)}
    if one.known.things[ORIGINAL].out is not None and one.outcome != "refused":
        return {ORIGINAL: True}
    return {}


def _signer(found: Verification) -> str:
    return vkey.parse(found.claimed_key).fingerprint() if found.claimed_key else ""


def _number(one: _Admission, terms: Terms, case: Case) -> str:
    """The evidence number: what the desk gives it, else what it was collected with.

    That is the host's word, which may name another's evidence or a copy of it: it is taken over
    only if nothing here is called so, and by what comes into the case for the first time.
    """
    own = terms.evidence_number or _own_number(one.arrived)
    others = one.bearers.get(own, set()) - {one.arrived.name}
    if terms.evidence_number:
        if others:
            one.arrived.why = f"{own} is the evidence number of {min(others)}, too"
        return own
    if not one.is_new or one.known.statements:
        return ""
    is_other = own == case.case or bool(_LIKE_A_COPY.match(own))
    is_other |= handover.is_bundle_name(own) and os.path.lexists(case.bundles / own)
    if others or is_other:
        what = f"that of {min(others)}" if others else "the name of something else here"
        one.arrived.why = f"the evidence number that it brings, {own}, is {what}: it has none here"
        return ""
    return own


def _own_number(item: Arrived) -> str:
    own = "" if item.found is None else item.found.stated.get("evidence_number", "")
    return own if own.isprintable() and len(own) <= _LONGEST_NUMBER else ""


def _certificate(
    writing: Writing, one: _Admission, trust: Trust, terms: Terms, now: datetime
) -> bytes:
    """The desk's word for a key that the paper form named, for this one bundle."""
    fingerprint = _signer(one.found)
    # Not only where all is well: a second signature, or a time stamp, may have to come first.
    is_kept = one.outcome in ("received", "held", "not-verified")
    wanted = is_kept and one.found.verdict != "failed" and one.found.signer is not None
    if not wanted or fingerprint not in terms.fingerprints or trust.signer_for(fingerprint):
        return b""
    keeper = writing.keeper
    if one.is_again or intaken.is_vouched(keeper.case, one.arrived.name, fingerprint):
        return b""
    return certifying.certificate(
        keeper.signer,
        keeper.actor,
        fingerprint=fingerprint,
        now=now,
        bundle=one.arrived.name,
        key=one.found.claimed_key,
        ledger=writing.newest,
        case=keeper.case.case,
        comment="the fingerprint is that of the paper form",
    )


# ---- where it goes


def _place(writing: Writing, one: _Admission) -> None:
    """Lay the events into the bundle, and publish its copy."""
    item = one.arrived
    bundle = item.staged
    if one.outcome == "held":
        bundle = writing.keeper.case.bundles / item.name
        _lay(bundle, [one.certificate] if one.certificate else [])
    elif bundle is not None and one.target is not None:
        if one.outcome != "differs":
            _lay(bundle, one.envelopes)
        durable.ensure_directory(one.target.parent)
        durable.publish(bundle, one.target)


def _lay(bundle: Path, envelopes: Sequence[bytes]) -> None:
    for envelope in envelopes:
        path = bundle / layout.event(envelope)
        durable.ensure_directory(path.parent)
        durable.create_or_equal(path, envelope)
