"""What verifying came to, as frozen values."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from custody import clock
from custody.findings import Finding
from custody.identity.signers import TrustedSigner
from custody.ledger.checkpoint import Checkpoint
from custody.verify.clocks import Clocks

Status = Literal["ok", "fail", "not-checked"]
Verdict = Literal["ok", "failed", "cannot-verify"]
MOST_GAPS = 10_000
Progress = Callable[[int, int, int | None, int | None], None]
"""Told files and bytes done, and how many of each there are, where known."""


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a numbered list and what it came to.

    :ivar detail: one sentence: what was shown, what is wrong, or why it was not checked.
    :ivar required: whether the verdict depends on its being done.
    """

    number: int
    name: str
    status: Status
    detail: str
    required: bool

    def as_json(self) -> dict[str, Any]:
        """Every field, for ``--json``."""
        return {
            "number": self.number,
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "required": self.required,
        }


@dataclass(frozen=True, slots=True)
class Remark:
    """What is worth knowing and changes no verdict; *path* is relative, or empty."""

    path: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Both fields, for ``--json``."""
        return {"path": self.path, "message": self.message}


@dataclass(frozen=True, slots=True)
class Gap:
    """A path that could not be collected whole: its exact bytes, and what became of it.

    :ivar bundle: the bundle's directory, where it is one of a case.
    """

    path: bytes
    outcome: str
    bundle: str = ""

    @property
    def shown(self) -> str:
        """The path as text; bytes that are not UTF-8 are written ``\\xNN``."""
        return self.path.decode("utf-8", "backslashreplace")

    def as_json(self) -> dict[str, str]:
        """The non-empty fields, for ``--json``; ``path_b64`` where the path is not UTF-8."""
        fields = {"path": self.shown, "outcome": self.outcome, "bundle": self.bundle}
        if self.shown.encode() != self.path:
            fields["path_b64"] = base64.b64encode(self.path).decode()
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a bundle or a case came to.

    :ivar kind: ``bundle`` or ``case``.
    :ivar findings: what is wrong, as far as it is listed; *unlisted* is the count of the rest.
    :ivar hint: the next step where something needed is missing.
    :ivar bundle_id: what the bundle calls itself; a case has none, nor the next five.
    :ivar signer: the trusted signer of the statement.
    :ivar countersigners: the other trusted signers whose signature over it counts.
    :ivar claimed_key: the verifier key that the statement names, trusted or not.
    :ivar sealed_at: the time in the statement, by its signer's clock.
    :ivar statement_sha256: the digest of the sealed statement's file.
    :ivar outcomes: how many paths came to which outcome, as the inventory says.
    :ivar not_before: the checkpoint that the statement names: it was signed after that.
    :ivar proved: the checkpoints of the receipts that prove the statement, under trusted keys.
    :ivar clocks: the host's time, and those of authorities and witnesses.
    :ivar attachments: the names of the attachments: the digests of their statements.
    :ivar gaps: how many paths have a gap; a gap is part of what was sealed, and no failure.
    :ivar gap_list: the first of them, at most :data:`MOST_GAPS`.
    :ivar stated: what the statement says: the ``bundle``, its ``host`` and its ``case``.
    :ivar is_forbidden: something in it was there that this user may not read.
    :ivar bundles: of a case: each of its bundles.
    :ivar ledger: of a case: origin, size and root of its ledger, the time of its last entry, and
        whether it was seen up to there elsewhere: remembered, given, or signed by a witness.
    """

    kind: Literal["bundle", "case"]
    path: Path
    verdict: Verdict
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    unlisted: int = 0
    remarks: tuple[Remark, ...] = ()
    hint: str = ""
    bundle_id: str = ""
    signer: TrustedSigner | None = None
    countersigners: tuple[TrustedSigner, ...] = ()
    claimed_key: str = ""
    sealed_at: datetime | None = None
    statement_sha256: str = ""
    files: int = 0
    bytes: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    gaps: int = 0
    gap_list: tuple[Gap, ...] = ()
    stated: Mapping[str, str] = field(default_factory=dict)
    not_before: Checkpoint | None = None
    proved: tuple[Checkpoint, ...] = ()
    clocks: Clocks = field(default_factory=Clocks)
    attachments: tuple[str, ...] = ()
    is_forbidden: bool = False
    bundles: tuple[Verification, ...] = ()
    ledger: Mapping[str, Any] | None = None

    def hint_at(self, path: Path) -> str:
        """The hint, for what was verified in one place and has its name in another by now."""
        return self.hint.replace(shlex.quote(str(self.path)), shlex.quote(str(path)))

    def as_json(self) -> dict[str, Any]:
        """The document of ``custody verify --json``, without its schema."""
        document: dict[str, Any] = {
            "verdict": self.verdict,
            "kind": self.kind,
            "path": str(self.path),
            "checks": [check.as_json() for check in self.checks],
            "findings": [finding.as_json() for finding in self.findings],
            "unlisted_findings": self.unlisted,
            "remarks": [remark.as_json() for remark in self.remarks],
            "hint": self.hint,
            "files": self.files,
            "bytes": self.bytes,
            "outcomes": dict(self.outcomes),
            "gap_count": self.gaps,
            "gaps": [gap.as_json() for gap in self.gap_list],
            "attachments": list(self.attachments),
            "clocks": self.clocks.as_json(),
        }
        if self.kind == "bundle":
            document |= {
                "bundle_id": self.bundle_id or None,
                "signer": None if self.signer is None else self.signer.as_json(),
                "countersigners": [item.as_json() for item in self.countersigners],
                "claimed_key": self.claimed_key or None,
                "stated": dict(self.stated),
                "sealed_at": None if self.sealed_at is None else clock.rfc3339(self.sealed_at),
                "statement_sha256": self.statement_sha256 or None,
                "not_before": None if self.not_before is None else _tree(self.not_before),
                "receipts": [_tree(tree) for tree in self.proved],
            }
        else:
            document |= {
                "bundles": [_brief(bundle) for bundle in self.bundles],
                "ledger": None if self.ledger is None else dict(self.ledger),
            }
        return document


def _tree(tree: Checkpoint) -> dict[str, Any]:
    return {"origin": tree.origin, "size": tree.size, "root": tree.root.hex()}


def _brief(bundle: Verification) -> dict[str, Any]:
    """A bundle within its case; its findings, remarks and gaps are among those of the case."""
    left_out = {"findings", "unlisted_findings", "remarks", "gaps"}
    return {key: value for key, value in bundle.as_json().items() if key not in left_out}


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The one rule: any check failed; else any required one not done; else all is well."""
    listed = list(checks)
    if any(check.status == "fail" for check in listed):
        return "failed"
    if any(check.required and check.status == "not-checked" for check in listed):
        return "cannot-verify"
    return "ok"
