"""Verify: what is on disk against what was sealed, entered and expected.

The numbered lists are in :mod:`custody.verify.bundle` and :mod:`custody.verify.case`.  Nothing is
written, nothing in the evidence is executed or followed, and whom to believe comes from the
verifier alone.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from custody import durable
from custody.case import RECORD
from custody.errors import NotFoundError, UsageError
from custody.formats import bagit
from custody.identity.trust import Trust
from custody.ledger.memory import Memory
from custody.ledger.reader import Published
from custody.verify.bundle import silent, verify_bundle
from custody.verify.case import verify_case
from custody.verify.result import Check, Progress, Remark, Verification

__all__ = ["Check", "Remark", "Verification", "verify", "verify_bundle", "verify_case"]

_OF_A_BUNDLE = {
    bagit.DECLARATION_NAME, bagit.INFO_NAME, bagit.MANIFEST_NAME, bagit.TAG_MANIFEST_NAME, "seal",
}  # fmt: skip
_OF_A_CASE = {"bundles", "ledger"}


def verify(
    path: Path,
    trust: Trust,
    *,
    expect: str | None = None,
    memory: Memory | None = None,
    given: Sequence[Published] = (),
    named: Collection[str] = (),
    now: datetime,
    progress: Progress = silent,
) -> Verification:
    """Check whatever is at *path*, a bundle or a case.

    :param expect: the SHA-256 (hex) that a bundle's statement must have.
    :param memory: what this verifier has seen of ledgers before, for a case.
    :param given: checkpoints from paper, mail or another office, for a case.
    :param named: the fingerprints of signers who were named for this once: one of them must have
        signed the bundle's statement, or an entry of the case.
    :raises NotFoundError: if there is neither.
    :raises UsageError: if a digest is expected of a case, or a checkpoint is given with a bundle.
    :raises UnknownFormatError: if it is of a format that is not known here.
    :raises StorageError: if the directory itself cannot be read.
    """
    if kind_of(path) == "bundle":
        if given:
            why = "a checkpoint is compared with a ledger, and a bundle holds none"
            raise UsageError("verify", path, why, hint=_with_its_ledger(path))
        found = verify_bundle(path, trust, expect=expect, named=named, now=now, progress=progress)
        return _with_name(found)
    if expect is not None:
        there = shlex.quote(str(path / "bundles"))
        hint = f"custody verify {there}/BUNDLE --expect sha256:{expect}"
        raise UsageError("verify", path, "a digest can be expected of a bundle alone", hint=hint)
    return verify_case(
        path, trust, memory=memory, given=given, named=named, now=now, progress=progress
    )


def _with_its_ledger(bundle: Path) -> str:
    """Where a checkpoint can be compared with what the bundle was entered in."""
    case = Path(os.path.realpath(bundle)).parent.parent
    if (case / RECORD).is_file():
        return f"custody verify {shlex.quote(str(case))} --checkpoint FILE"
    return "custody ledger verify --ledger DIR --checkpoint FILE"


def _with_name(found: Verification) -> Verification:
    """The same, with a remark if the directory is not called what was sealed."""
    name, sealed = os.path.basename(os.path.abspath(found.path)), found.stated.get("bundle", "")
    if not sealed or name == sealed:
        return found
    remark = Remark(".", f"the directory is called {name}; what was sealed is bundle {sealed}")
    return replace(found, remarks=(*found.remarks, remark))


def kind_of(path: Path) -> Literal["bundle", "case"]:
    """Which of the two a directory is, by the names in it, however damaged it may be.

    :raises NotFoundError: if it is neither.
    :raises StorageError: if it cannot be read.
    """
    try:
        names = set(os.listdir(path))
    except FileNotFoundError as err:
        raise NotFoundError("verify", path, "it is not there") from err
    except NotADirectoryError as err:
        hint = "name the directory of one bundle, or of a case"
        raise NotFoundError("verify", path, "neither a bundle nor a case", hint=hint) from err
    except OSError as err:
        raise durable.storage_error("verify", path, err) from err
    if names & _OF_A_BUNDLE:
        return "bundle"
    if RECORD in names or names >= _OF_A_CASE:
        return "case"
    raise NotFoundError("verify", path, "neither a bundle nor a case", hint=_where(path, names))


def _where(path: Path, names: set[str]) -> str:
    for name in sorted(names):
        if (path / name / bagit.DECLARATION_NAME).is_file():
            return f"custody verify {shlex.quote(str(path / name))}"
    return "name the directory of one bundle, or of a case"
