"""The look before the start: what there is, and whether it fits where it is to go."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from custody import durable, sets
from custody.acquire import answering, metadata, mounts, portable, sources, survey, tool
from custody.acquire.metadata import Accounts, Record
from custody.acquire.mounts import Mount
from custody.acquire.rules import Rules
from custody.acquire.sources import Sources
from custody.acquire.survey import Survey
from custody.bundle import leftover
from custody.collect import rooted
from custody.collect.destination import (
    Destination,
    existing,
    identities,
    own,
    refuse_inside,
    require_answer,
)
from custody.collect.request import Progress, Request, check_words
from custody.errors import StorageError
from custody.sets import Selection

_LARGEST_ON_FAT = (1 << 32) - 1
_RECORD_BYTES = 1_500  # room for a file's inventory record and manifest line, generously


@dataclass(frozen=True, slots=True)
class Plan:
    """What the look before the start found; :func:`run` carries it out.

    :ivar selection: the sets that were asked for, and what could not be resolved in them.
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
    selection: Selection = sets.NOTHING


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
    :raises StorageError: if there is not enough room for what was found, or nobody answers there.
    """
    check_words(request)
    target = destination or Destination(Path("."))
    chosen = sets.choose(request.sets)
    all_mounts = mounts.read()
    if destination is not None and destination.stream is None:
        require_answer(destination, all_mounts)
    image = rooted.image(request, destination)
    selection = sets.select(chosen, image)
    silent = answering.silent(request.sources, all_mounts) if image.is_host else {}
    found = sources.resolve(request.sources, selection.wanted, image, silent)
    written = destination is not None and destination.stream is None
    if destination is not None and written:
        refuse_inside(found, destination)
    named = frozenset(path for asked in found.asked for path in asked.paths)
    rules = Rules(
        exclude=tuple(request.exclude),
        max_size=request.max_size,
        since=request.since,
        rate=request.rate,
        one_file_system=request.one_file_system,
        destinations=own(destination) if destination else frozenset(),
        secrets=identities(request.secrets),
        mounts=mounts.beneath(image.root, all_mounts),
        named=named,
        silent=frozenset(silent.values()),
    )
    accounts = Accounts.read(image)
    seen = survey.look(
        found, rules, accounts, each, lambda files, size: progress(files, size, None, None)
    )
    plan = Plan(
        request, target, found, rules, accounts, seen, "", _remarks(found, selection), selection
    )
    if destination is not None and (altered := portable.remark(tool.PACKAGE)):
        plan = replace(plan, remarks=(*plan.remarks, altered))
    return _against_destination(plan, all_mounts) if written else plan


def _remarks(found: Sources, selection: Selection) -> tuple[str, ...]:
    remarks = []
    if found.asked and not (found.tree.wanted or found.tree.children):
        remarks.append("none of the sources is there; the bundle will record that and nothing else")
    return (*remarks, *remarks_on_sets(selection, found.avoided))


def remarks_on_sets(selection: Selection, avoided: Sequence[bytes]) -> list[str]:
    """What the user should know of the sets that were asked for, on this file system.

    :param avoided: the mounts that their patterns did not look into.
    """
    remarks = []
    absent = [lost for _, lost in selection.unresolved if lost.why == sets.NOT_INSTALLED]
    if absent:
        remarks.append(
            f"{sets.NOT_INSTALLED} (pip install custody[sets]): {len(absent)} of them are left"
            " out and recorded; the sets' own paths are collected"
        )
    others = [lost for _, lost in selection.unresolved if lost.why != sets.NOT_INSTALLED]
    remarks += [f"{lost.artifact} in a set says nothing here: {lost.why}" for lost in others[:20]]
    remarks += [f"a home is left out: {why}" for why in selection.homes.refused[:20]]
    remarks += [
        f"the sets do not look into {metadata.text(path)}, which is another machine's; name it to"
        " collect it"
        for path in avoided[:20]
    ]
    return remarks


def _against_destination(plan: Plan, all_mounts: Mapping[bytes, Mount]) -> Plan:
    """Room, file system and disk of the destination, against what was found."""
    place = existing(plan.destination.directory)
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
    if plan.request.resume:
        free += leftover.amount(plan.destination.incoming)
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
