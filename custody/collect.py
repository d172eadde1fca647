"""Collect: from sources on a live host to a sealed bundle, entered in a ledger.

The order is the order of what is promised, and each step is durable before the next:

1. The keys are ready; the case answers; nothing has been opened yet.
2. A look at the sources: how much there is, against the room at the destination.
3. Every path is read once; payload, manifest and inventory grow in ``incoming/``.
4. One sync; then the payload is read back from the device and compared.
5. Tag files, tag manifest, signed statement.
6. The bundle gets its final name, in one step.
7. Its statement is entered in the ledger; the checkpoint comes last; the receipt follows.

A crash before 6 leaves ``incoming/``, which nobody trusts.  A crash between 6 and 7 leaves a
sealed bundle that is not entered; the next ``collect`` into the case enters it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from custody import clock, durable, entering, reading
from custody.acquire import host, metadata, mounts, outcomes, sources, survey, tool
from custody.acquire.acquisition import acquire
from custody.acquire.metadata import Accounts, Record
from custody.acquire.mounts import Mount
from custody.acquire.rules import LARGEST_FILE, Rules
from custody.acquire.sources import Sources
from custody.acquire.survey import Survey
from custody.bundle import layout
from custody.bundle.draft import Draft
from custody.case import Case
from custody.entering import Entered
from custody.errors import (
    CustodyError,
    InterruptedCollection,
    NotFoundError,
    StorageError,
    UsageError,
)
from custody.formats import bagit, dsse, statement
from custody.formats.statement import Actor, Event, Subject
from custody.formats.vkey import VerifierKey
from custody.identity import protection, signing
from custody.identity.signing import Signer

ACQUISITION_SCHEMA = "custody.acquisition/v1"
LONGEST_WORDS = 4_000
MOST_GAPS_KEPT = 10_000
MOST_PATH_BYTES_KEPT = 4 << 20
_LARGEST_ON_FAT = (1 << 32) - 1
_RECORD_BYTES = 1_500  # room for a file's inventory record and manifest line, generously
_LOCK_SECONDS = 60.0

Progress = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done, and how many of each there are, where known."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be collected, and what is to be written about it.

    :ivar sources: files, directories and globs, as asked for.
    :ivar exclude: globs of what to leave out.
    :ivar max_size: the largest file to read, in bytes.
    :ivar one_file_system: leave out mounts below a source.
    :ivar command: the command line, without secrets, for the record.
    :ivar secrets: our own keys and passphrases, which are left out wherever they lie.
    """

    sources: Sequence[str]
    exclude: Sequence[str] = ()
    max_size: int | None = None
    one_file_system: bool = False
    note: str = ""
    authority: str = ""
    evidence_number: str = ""
    command: Sequence[str] = ()
    secrets: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where bundles go: a directory, or a case with the key of its ledger.

    :ivar signers: whose left-over bundles may be entered along with this one.
    """

    directory: Path
    case: Case | None = None
    log_key: Signer | None = None
    signers: Sequence[VerifierKey] = ()

    @property
    def bundles(self) -> Path:
        """Where the finished bundle is published."""
        return self.case.bundles if self.case else self.directory

    @property
    def incoming(self) -> Path:
        """Where it grows."""
        return self.case.incoming if self.case else self.directory / "incoming"


@dataclass(frozen=True, slots=True)
class Gap:
    """A path that could not be collected, and why."""

    path: str
    outcome: str
    error: str


@dataclass(slots=True)
class Collected:
    """What a collection came to."""

    bundle_id: str
    path: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    sealed_at: datetime | None = None
    ledger: Entered | None = None
    gaps: list[Gap] = field(default_factory=list)
    statement_sha256: str = ""
    clock: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap_count(self) -> int:
        """How many paths have a gap."""
        return sum(self.outcomes[outcome] for outcome in outcomes.GAPS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the look before the start found; :func:`run` carries it out.

    :ivar remarks: what the user should be warned of.
    """

    request: Request
    destination: Destination
    sources: Sources
    rules: Rules
    accounts: Accounts
    survey: Survey
    same_disk: str
    remarks: tuple[str, ...]


def prepare(
    request: Request,
    destination: Destination | None,
    *,
    each: Callable[[Record], None] | None = None,
    progress: Progress = lambda *_: None,
) -> Plan:
    """Look at the sources and the destination; nothing is written and no file is read.

    :param destination: None for a dry run without one.
    :param each: told about every path (for ``--dry-run``).
    :raises UsageError: if the request contradicts itself or the destination.
    :raises StorageError: if there is not enough room for what was found.
    """
    check_words(request)
    target = destination or Destination(Path("."))
    found = sources.resolve(request.sources)
    if destination is not None:
        _refuse_inside(found, destination)
    all_mounts = mounts.read()
    named = frozenset(path for asked in found.asked for path in asked.paths)
    rules = Rules(
        exclude=tuple(request.exclude),
        max_size=request.max_size,
        one_file_system=request.one_file_system,
        destinations=_identities([target.directory] if destination else []),
        secrets=_identities(request.secrets),
        mounts=all_mounts,
        named=named,
    )
    accounts = Accounts.read()
    seen = survey.look(
        found, rules, accounts, each, lambda files, size: progress(files, size, None, None)
    )
    remarks: tuple[str, ...] = ()
    if not found.tree.wanted and not found.tree.children:
        remarks = ("none of the sources is there; the bundle will record that and nothing else",)
    plan = Plan(request, target, found, rules, accounts, seen, "", remarks)
    return plan if destination is None else _against_destination(plan, all_mounts)


def run(
    plan: Plan,
    signer: Signer,
    actor: Actor,
    *,
    now: Callable[[], datetime],
    progress: Progress = lambda *_: None,
    published: Callable[[Collected], None] | None = None,
) -> Collected:
    """Collect, seal and enter.

    :param now: the clock; asked at the start, at the end of reading, and when sealing.
    :param published: called when the bundle has its name, before anything is entered: whatever it
        attaches goes into the ledger together with the bundle.
    :raises StorageError: if the destination cannot be written, or gives back other bytes.
    :raises InterruptedCollection: if interrupted; what is finished stays in ``incoming/``.
    :raises LockedError: if the case stays locked; the bundle is sealed and published by then.
    """
    started = now()
    facts = host.facts()
    bundle_id = _bundle_id(started, facts.get("hostname", ""))
    collected = Collected(bundle_id, plan.destination.bundles / bundle_id)
    staged = plan.destination.incoming / bundle_id
    with durable.private_umask():
        durable.ensure_directory(plan.destination.incoming)
        _refuse_shared(plan.destination)
        # Known only now, where the directory is new: it may lie inside a source.
        own = _identities([plan.destination.directory, plan.destination.incoming])
        plan = replace(plan, rules=replace(plan.rules, destinations=own))
        try:
            with Draft(staged) as draft:
                _read(plan, draft, collected, progress)
                finished = now()
                record = _acquisition(plan, collected, actor, facts, started, finished)
                _read_back(draft, progress)
                pinned = draft.close_bag(bundle_id, clock.rfc3339(finished)[:10], record)
                collected.sealed_at = now()
                sealed = _statement(plan, collected, actor, record, pinned)
                envelope = signing.seal(signer, statement.dump(sealed))
                draft.seal(envelope)
        except (KeyboardInterrupt, InterruptedCollection) as err:
            raise _interrupted(collected, staged) from err
        except StorageError as err:
            err.hint = err.hint or f"nothing was sealed; what was copied so far is in {staged}"
            raise
    collected.statement_sha256 = hashlib.sha256(envelope).hexdigest()
    try:
        durable.publish(staged, collected.path)
        _require_there(collected.path, envelope)
        if published is not None:
            published(collected)
        if not plan.destination.case:
            _tidy(plan.destination.incoming)
        _enter(plan.destination, collected)
    except KeyboardInterrupt as err:
        why = "interrupted when the bundle was sealed already"
        raise InterruptedCollection(
            "collect", None, why, hint=_standing(plan, staged, collected)
        ) from err
    except CustodyError as err:
        err.hint = "; ".join(filter(None, (_standing(plan, staged, collected), err.hint)))
        raise
    return collected


def check_words(request: Request) -> None:
    """Make sure that the request names something, in words that fit into a statement.

    :raises UsageError: otherwise.
    """
    if not request.sources:
        raise UsageError("collect", None, "no source is named", hint="custody collect SOURCE...")
    if not all(request.sources):
        raise UsageError(
            "collect", "", "a source's name is empty; nothing was written",
            hint="an unset variable on the command line?",
        )  # fmt: skip
    if request.max_size is not None and request.max_size > LARGEST_FILE:
        raise UsageError("collect", "--max-size", f"at most {LARGEST_FILE} bytes can be said")
    for name in ("note", "authority", "evidence_number"):
        text = getattr(request, name)
        if len(text.encode("utf-8", "surrogateescape")) > LONGEST_WORDS:
            option = "--" + name.replace("_", "-")
            raise UsageError("collect", option, f"longer than {LONGEST_WORDS} bytes")


def _refuse_inside(found: Sources, destination: Destination) -> None:
    """A source inside the destination would be evidence about ourselves, or grow while read."""
    home = os.fsencode(os.path.realpath(destination.directory))
    for asked in found.asked:
        for path in asked.paths:
            if path == home or path.startswith(home.rstrip(b"/") + b"/"):
                raise UsageError(
                    "collect",
                    asked.text,
                    f"it lies inside the destination {destination.directory}; nothing was written",
                    hint="to look at what is there already, use custody verify",
                )


def _identities(paths: Iterable[Path]) -> frozenset[tuple[int, int]]:
    """Device and inode of those that are there."""
    found = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _against_destination(plan: Plan, all_mounts: Mapping[bytes, Mount]) -> Plan:
    """Room, file system and disk of the destination, against what was found."""
    place = _existing(plan.destination.directory)
    seen = plan.survey
    if place != Path(os.path.abspath(plan.destination.directory)) and place != Path(
        os.path.abspath(plan.destination.directory.parent)
    ):
        new = f"nothing of {plan.destination.directory} is there; all of it is made below {place}"
        plan = replace(plan, remarks=(*plan.remarks, f"{new}: is the disk mounted?"))
    mount = mounts.of(os.fsencode(os.path.realpath(place)), all_mounts)
    on_fat = mount is not None and mount.kind in mounts.FAT
    if on_fat and mount and mount.kind != "exfat" and seen.largest > _LARGEST_ON_FAT:
        raise StorageError(
            "collect into", plan.destination.directory,
            f"a file of {seen.largest} bytes does not fit on {mount.kind}, which ends at 4 GiB;"
            " nothing was written",
            hint="use a disk with another file system, or leave it out with --max-size",
        )  # fmt: skip
    try:
        space = os.statvfs(place)
    except OSError as err:
        raise durable.storage_error("collect into", plan.destination.directory, err) from err
    free = space.f_bavail * space.f_frsize
    needed = (seen.bytes if on_fat else seen.allocated) + seen.files * _RECORD_BYTES
    if needed > free:
        raise StorageError(
            "collect into", plan.destination.directory,
            f"{needed} bytes are needed and {free} are free; nothing was written",
            hint="name another disk with --output, or leave something out with --exclude",
        )  # fmt: skip
    if place.stat().st_dev not in seen.devices:
        return plan
    device = mount.source if mount else "unknown"
    warning = f"destination is on the same disk as the source ({device})"
    return replace(plan, same_disk=device, remarks=(*plan.remarks, warning))


def _refuse_shared(destination: Destination) -> None:
    """Whoever else can write where a bundle grows could lead it elsewhere while it does.

    :raises StorageError: if ``incoming/`` is a link, another user's or writable for others, or
        the directory it is in lets everybody rename it.
    """
    found, above = destination.incoming.lstat(), destination.directory.stat()
    if protection.has_no_modes(found):
        return
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid())
    shared = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
    if not ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or shared:
        raise StorageError(
            "collect into",
            destination.incoming,
            "it is a link, another user's, or others can write there; nothing was collected",
            hint="name a directory of your own with --output",
        )


def _existing(directory: Path) -> Path:
    """The directory itself, or the nearest one above it that is there already."""
    place = Path(os.path.abspath(directory))
    while not os.path.exists(place):
        place = place.parent
    return place


def _bundle_id(started: datetime, hostname: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", hostname.partition(".")[0]).strip("-")[:32] or "host"
    return f"{clock.compact(started)}-{slug}-{secrets.token_hex(3)}"


def _read(plan: Plan, draft: Draft, collected: Collected, progress: Progress) -> None:
    seen = plan.survey

    def tick(of_this_file: int) -> None:
        done = draft.totals.bytes + of_this_file
        progress(draft.totals.files, done, seen.files, seen.bytes)

    records = acquire(plan.sources, plan.rules, plan.accounts, draft.payload.create, tick)
    try:
        for record in records:
            draft.add(record)
            _count(collected, record)
            tick(0)
    finally:
        records.close()
        collected.files, collected.bytes = draft.totals.files, draft.totals.bytes


def _count(collected: Collected, record: Record) -> None:
    outcome = record["outcome"]
    collected.outcomes[outcome] += 1
    if outcome in outcomes.GAPS and len(collected.gaps) < MOST_GAPS_KEPT:
        error = record["error"]["message"] if "error" in record else record.get("remark", "")
        collected.gaps.append(Gap(record["path"], outcome, error))


def _read_back(draft: Draft, progress: Progress) -> None:
    total = draft.totals

    def tick(files: int, size: int) -> None:
        progress(files, size, total.files, total.bytes)

    findings = draft.read_back(tick)
    if findings:
        first = findings[0]
        raise StorageError(
            "read back", first.path,
            f"{first.message} ({len(findings)} in all); the destination cannot be relied on",
            hint=f"nothing was sealed; collect onto another disk; the copies are in"
            f" {draft.directory}",
        )  # fmt: skip


def _acquisition(
    plan: Plan,
    collected: Collected,
    actor: Actor,
    facts: Mapping[str, Any],
    started: datetime,
    finished: datetime,
) -> dict[str, Any]:
    request, case = plan.request, plan.destination.case
    collected.clock = host.clock_facts(finished)
    record: dict[str, Any] = {
        "schema": ACQUISITION_SCHEMA,
        "bundle": collected.bundle_id,
        "case": case.case if case else "",
        "evidence_number": request.evidence_number,
        "description": request.note,
        "authority": request.authority,
        "collector": actor.as_json(),
        "host": dict(facts),
        "clock": dict(collected.clock),
        "tool": tool.facts(),
        "command": [metadata.text(os.fsencode(word)) for word in request.command],
        "sources": list(_asked(plan.sources.asked)),
        "exclude": [metadata.text(os.fsencode(glob)) for glob in request.exclude],
        "max_size": request.max_size,
        "one_file_system": request.one_file_system,
        "destination_on_source_disk": plan.same_disk,
        "started": clock.rfc3339(started),
        "finished": clock.rfc3339(finished),
        "outcomes": dict(collected.outcomes),
        "files": collected.files,
        "bytes": collected.bytes,
    }
    return {key: value for key, value in record.items() if value not in ("", [], None, {})}


def _asked(asked: Sequence[sources.Asked]) -> Iterator[dict[str, Any]]:
    """The sources as asked for; of a glob's millions of paths the first, the rest counted.

    All of them are in the inventory; this record has a limit for its readers.
    """
    room = MOST_PATH_BYTES_KEPT
    for one in asked:
        kept = []
        for path in one.paths:
            room -= len(path)
            if room < 0:
                break
            kept.append(metadata.path_fields(path))
        record = {"asked": metadata.text(os.fsencode(one.text)), "paths": kept}
        omitted = len(one.paths) - len(kept)
        yield {**record, "paths_omitted": omitted} if omitted else record


def _statement(
    plan: Plan, collected: Collected, actor: Actor, record: Mapping[str, Any], pinned: str
) -> Event:
    case = plan.destination.case
    details = {
        "bundle": collected.bundle_id,
        "bytes": collected.bytes,
        "files": collected.files,
        "gaps": collected.gap_count,
        "outcomes": dict(collected.outcomes),
        "started": record["started"],
        "finished": record["finished"],
        "host": _host(record),
        "tool": f"custody {record['tool']['version']}",
    }
    if plan.request.evidence_number:
        details["evidence_number"] = plan.request.evidence_number
    words = {
        "authority": plan.request.authority,
        "case": case.case if case else "",
        "comment": plan.request.note,
        "item": collected.bundle_id,
    }
    return Event(
        "sealed",
        collected.sealed_at or clock.parse_rfc3339(record["finished"]),
        actor,
        (Subject(bagit.TAG_MANIFEST_NAME, pinned),),
        words,
        _newest_checkpoint(case),
        details,
    )


def _host(record: Mapping[str, Any]) -> str:
    """The host name in an acquisition record."""
    return str(record.get("host", {}).get("hostname", ""))


def _newest_checkpoint(case: Case | None) -> dict[str, Any] | None:
    """The statement is not earlier than this checkpoint."""
    if case is None:
        return None
    tree = case.ledger.checkpoint().checkpoint
    return {"origin": tree.origin, "root": tree.root.hex(), "size": tree.size}


def _interrupted(collected: Collected, staged: Path) -> InterruptedCollection:
    return InterruptedCollection(
        "collect",
        None,
        f"interrupted; nothing was sealed; {collected.files} finished files are in {staged}",
        hint="run the same command again; what is in incoming/ may be removed then",
    )


def _require_there(bundle: Path, envelope: bytes) -> None:
    """Make sure that the rename kept what it moved: some drivers for FAT lose it.

    :raises StorageError: if it did not.
    """
    try:
        there = reading.read_beneath(bundle, layout.STATEMENT, dsse.LARGEST_ENVELOPE)
    except CustodyError as err:
        there = b""
        reason: CustodyError | None = err
    else:
        reason = None
    if there != envelope:
        why = "the file system lost its content when it was renamed"
        hint = "do not rely on this disk or its driver; collect onto another"
        raise StorageError("publish", bundle, why, hint=hint) from reason


def _tidy(incoming: Path) -> None:
    """An empty incoming/ beside a single bundle is no use to anybody."""
    try:
        incoming.rmdir()
    except OSError:
        return


def _standing(plan: Plan, staged: Path, collected: Collected) -> str:
    """What is true of a sealed bundle when something fails after that."""
    if os.path.lexists(staged):
        return f"nothing was published; the sealed bundle is in {staged}"
    sealed = f"the bundle is sealed in {collected.path}"
    in_case = plan.destination.case is not None
    return f"{sealed}; the next collect into this case enters it" if in_case else sealed


def _enter(destination: Destination, collected: Collected) -> None:
    if destination.case is None or destination.log_key is None:
        return
    entered, collected.refused = entering.enter_pending(
        destination.case, destination.log_key, destination.signers, _LOCK_SECONDS
    )
    name = collected.bundle_id
    if name in collected.refused:
        raise NotFoundError("enter bundle", collected.path, collected.refused[name])
    # Another collection that came first enters what it finds, ours too.
    collected.ledger = entered.get(name) or entering.find(
        destination.case, name, destination.signers
    )
