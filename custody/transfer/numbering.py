"""Numbered copies: the entry ``copied``, under a number that nobody else can get.

The number is found and the entry made under one hold of the case's lock.  A copy that was entered
and never got its name, because the machine stopped, keeps its number; the next run has another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from custody.handover import COPIED
from custody.keeping import Writing
from custody.transfer.copying import Copied, Plan
from custody.transfer.standing import Standing

METHOD = "copied, read back and verified"


@dataclass(frozen=True, slots=True)
class Numbered:
    """A copy's number, what is written on it, and the signed event that says so."""

    copy: str
    label: str
    envelope: bytes


def sign(
    writing: Writing,
    known: Standing,
    plan: Plan,
    copied: Copied,
    verdict: str,
    words: Mapping[str, str],
    now: datetime,
) -> Numbered:
    """Sign the event of a copy under the next number; entering it is the next step.

    :param known: what the ledger says of the bundle, read while *writing* holds the lock.
    :param words: ``purpose``, ``authority``, ``place``.
    """
    name = known.next_copy
    details = {
        "bundle": plan.bundle.name,
        "copy": name,
        "label": known.label(name),
        "files": plan.files,
        "bytes": plan.bytes,
        "verdict": verdict,
        "read_back": copied.how,
        "with_attachments": plan.attachments,
    }
    envelope = writing.sign(
        COPIED,
        now,
        digests={"original": copied.pinned, "copy": copied.pinned},
        words={**words, "item": plan.bundle.name, "method": METHOD},
        details=details,
    )
    return Numbered(name, known.label(name), envelope)
