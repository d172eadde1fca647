"""The collection itself: read, read back, seal, publish, enter."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from custody import clock, durable, entering
from custody.acquire import host, outcomes
from custody.acquire.acquisition import acquire
from custody.acquire.metadata import Record
from custody.acquire.reader import Adopt, Create
from custody.bundle.draft import Draft
from custody.bundle.leftover import Leftovers
from custody.bundle.outflow import Outflow
from custody.bundle.renamed import require_kept
from custody.collect import records, volatile
from custody.collect.destination import Destination, own, refuse_shared, still_there
from custody.collect.journals import Journals
from custody.collect.planning import Plan
from custody.collect.request import Progress
from custody.collect.result import MOST_GAPS_KEPT, Collected, Gap
from custody.errors import (
    CustodyError,
    InterruptedCollection,
    KeyAccessError,
    NotFoundError,
    StorageError,
)
from custody.formats import statement
from custody.formats.statement import Actor
from custody.identity import signing
from custody.identity.signing import Signer

_TRIES = 50

Source = Callable[[Create], Generator[Record]]
"""Makes payload files with what it is given, and gives a record for every path."""
Beside = Callable[[Collected], Iterable[bytes]]
"""Gives signed events about a bundle that is about to be sealed."""


def run(
    plan: Plan,
    signer: Signer,
    actor: Actor,
    *,
    now: Callable[[], datetime],
    progress: Progress = lambda *_: None,
    published: Callable[[Collected], None] | None = None,
    source: Source | None = None,
    beside: Beside | None = None,
) -> Collected:
    """Collect, seal and enter.

    :param now: the clock; asked at the start, at the end of reading, and when sealing.
    :param source: reads and gives the records, in the walk's order; None reads every source whole.
    :param published: called when the bundle has its name, before anything is entered: whatever it
        attaches goes into the ledger together with the bundle.
    :param beside: gives signed events that a stream carries before the statement.
    :raises StorageError: if the destination cannot be written, or gives back other bytes.
    :raises KeyAccessError: if the key cannot sign any more: its token was pulled out.
    :raises InterruptedCollection: if interrupted; what is finished stays in ``incoming/``.
    :raises LockedError: if the case stays locked; the bundle is sealed and published by then.
    """
    started = now()
    image = plan.sources.image
    facts = host.facts() if image.is_host else host.facts_of(image)
    bundle_id = _bundle_id(started, facts.get("hostname", ""))
    collected = Collected(bundle_id, plan.destination.bundles / bundle_id)
    if plan.destination.stream is not None:
        return _stream(plan, collected, signer, actor, facts, started, now, progress, beside)
    staged = plan.destination.incoming / f"{plan.destination.staging}{bundle_id}"
    with durable.private_umask():
        begun = _begin(plan.destination, staged)
        # Known only now, where the directory is new: it may lie inside a source.
        plan = replace(plan, rules=replace(plan.rules, destinations=own(plan.destination)))
        try:
            with (
                begun as draft,
                durable.lock_directory(staged),
                still_there(plan.destination, staged),
            ):
                _fill(plan, draft, collected, progress, source)
                envelope = _seal(
                    plan, draft, collected, signer, actor, facts, started, now, progress
                )
        except (KeyboardInterrupt, InterruptedCollection) as err:
            raise _interrupted(collected, staged) from err
        except (KeyAccessError, StorageError) as err:  # no room, or the key's token pulled out
            if source is None:
                err.hint = _unsealed(err, staged)
            else:  # whoever reads piece by piece still has what could not be sealed
                durable.remove_unfinished(staged)
            raise
    collected.statement_sha256 = hashlib.sha256(envelope).hexdigest()
    _hand_in(plan, staged, collected, envelope, published)
    return collected


def _begin(destination: Destination, staged: Path) -> Draft:
    """Begin the bundle; the directory it grows in is made, where it is not there.

    Another collection that ends just now may take that directory away again, while it is empty.
    """
    for tries_left in reversed(range(_TRIES)):
        durable.ensure_directory(destination.incoming)
        try:
            refuse_shared(destination)
            return Draft(staged)
        except OSError as err:
            gone = isinstance(err, FileNotFoundError) or isinstance(
                err.__cause__, FileNotFoundError
            )
            if not gone or not tries_left:
                raise
    raise StorageError("collect into", destination.incoming, "it is taken away again and again")


def _stream(
    plan: Plan,
    collected: Collected,
    signer: Signer,
    actor: Actor,
    facts: Mapping[str, Any],
    started: datetime,
    now: Callable[[], datetime],
    progress: Progress,
    beside: Beside | None,
) -> Collected:
    """Collect into the destination's stream: nothing is written on this host's disks.

    :raises StorageError: if nobody reads the stream any more; nothing was sealed then.
    """
    if plan.destination.stream is None:
        raise StorageError("collect", None, "there is no stream")
    try:
        began = int(started.timestamp())
        with Outflow(
            plan.destination.stream,
            collected.bundle_id,
            began,
            lambda: beside(collected) if beside else (),
        ) as draft:
            _read(plan, draft, collected, progress, None)
            envelope = _seal(plan, draft, collected, signer, actor, facts, started, now, progress)
    except (KeyboardInterrupt, InterruptedCollection) as err:
        why = "interrupted; nothing was sealed; the stream is broken off"
        raise InterruptedCollection("collect", None, why, hint="run the whole pipe again") from err
    collected.statement_sha256 = hashlib.sha256(envelope).hexdigest()
    return collected


def _seal(
    plan: Plan,
    draft: Draft | Outflow,
    collected: Collected,
    signer: Signer,
    actor: Actor,
    facts: Mapping[str, Any],
    started: datetime,
    now: Callable[[], datetime],
    progress: Progress,
) -> bytes:
    """Everything that goes into the draft after the payload, the signed statement last."""
    finished = now()
    record = records.acquisition(plan, collected, actor, facts, started, finished)
    if isinstance(draft, Draft):  # what went into a stream is read back by who receives it
        _read_back(draft, progress)
    pinned = draft.close_bag(collected.bundle_id, clock.rfc3339(finished)[:10], record)
    collected.sealed_at = now()
    sealed = records.sealed_event(plan, collected, actor, record, pinned)
    envelope = signing.seal(signer, statement.dump(sealed))
    draft.seal(envelope)
    return envelope


def _hand_in(
    plan: Plan,
    staged: Path,
    collected: Collected,
    envelope: bytes,
    published: Callable[[Collected], None] | None,
) -> None:
    """Give the sealed bundle its name, and enter it."""
    try:
        _publish(plan, staged, collected, published)
        require_kept(collected.path, envelope)
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


def _publish(
    plan: Plan, staged: Path, collected: Collected, published: Callable[[Collected], None] | None
) -> None:
    """Give the bundle its name.

    It may have it although that could not be made durable: a watch must know, or it would put the
    same pieces into the next bundle, too.
    """
    try:
        durable.publish(staged, collected.path)
    except StorageError:
        in_place = collected.path.is_dir() and not os.path.lexists(staged)
        if in_place and published is not None and plan.request.watch_seconds is not None:
            published(collected)
        raise


def _bundle_id(started: datetime, hostname: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", hostname.partition(".")[0]).strip("-")[:32] or "host"
    return f"{clock.compact(started)}-{slug}-{secrets.token_hex(3)}"


def _fill(
    plan: Plan, draft: Draft, collected: Collected, progress: Progress, source: Source | None
) -> None:
    """Read everything into the draft, and take over what interrupted runs left, if asked to."""
    if not plan.request.resume:
        _read(plan, draft, collected, progress, source)
        return
    with Leftovers(plan.destination.incoming, draft.directory, draft.payload) as left:
        _read(plan, draft, collected, progress, source, left.adopt)
        collected.resumed = {"files": left.files, "bytes": left.bytes, "from": sorted(left.used)}


def _read(
    plan: Plan,
    draft: Draft | Outflow,
    collected: Collected,
    progress: Progress,
    source: Source | None,
    adopt: Adopt | None = None,
) -> None:
    seen = plan.survey

    def tick(of_this_file: int) -> None:
        done = draft.totals.bytes + of_this_file
        progress(draft.totals.files, done, seen.files, seen.bytes)

    if source is None:
        found = acquire(
            plan.sources, plan.rules, plan.accounts, draft.payload.create, tick, draft.pour, adopt
        )
    else:
        found = source(draft.payload.create)
    try:
        collected.facts = volatile.take(
            plan.request, draft.payload.create, partial(_add, draft, collected)
        )
        journals = Journals(plan.request, draft)
        for record in found:
            _add(draft, collected, record)
            tick(0)
            if source is None:
                journals.note(record)
        collected.journals = journals
        for record in journals.finish():
            _add(draft, collected, record)
    finally:
        found.close()
        collected.files, collected.bytes = draft.totals.files, draft.totals.bytes


def _add(draft: Draft | Outflow, collected: Collected, record: Record) -> None:
    draft.add(record)
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


def _unsealed(err: CustodyError, staged: Path) -> str:
    said = f"nothing was sealed; what was copied so far is in {staged}"
    if isinstance(err, StorageError):
        return err.hint or said
    return "; ".join(filter(None, (f"{said}; --resume takes it over", err.hint)))


def _interrupted(collected: Collected, staged: Path) -> InterruptedCollection:
    return InterruptedCollection(
        "collect",
        None,
        f"interrupted; nothing was sealed; {collected.files} finished files are in {staged}",
        hint="run the same command again, with --resume; what is in incoming/ may be removed then",
    )


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
    if not os.path.lexists(collected.path):
        return f"the disk is gone; the sealed bundle is in incoming/{staged.name} on it"
    sealed = f"the bundle is sealed in {collected.path}"
    in_case = plan.destination.case is not None
    return f"{sealed}; the next collect into this case enters it" if in_case else sealed


def _enter(destination: Destination, collected: Collected) -> None:
    if destination.case is None or destination.log_key is None:
        return
    name = collected.bundle_id
    entered, collected.refused = entering.enter_pending(
        destination.case, destination.log_key, destination.signers, destination.wait_seconds,
        name if destination.alone else None,
    )  # fmt: skip
    if name in collected.refused:
        raise NotFoundError("enter bundle", collected.path, collected.refused[name])
    # Another collection that came first enters what it finds, ours too.
    collected.ledger = entered.get(name) or entering.find(
        destination.case, name, destination.signers
    )
