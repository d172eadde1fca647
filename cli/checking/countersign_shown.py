"""What is said of a countersignature, and of a bundle that gets none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli.terminal import console

if TYPE_CHECKING:
    from custody.countersigning import Countersignature
    from custody.identity.trust import Trust
    from custody.verify import Verification

_SIGNATURE = 8


def failed(found: Verification) -> None:
    """Say what differs, and that nothing was signed."""
    if console.mode().json:
        console.result_json("verification", found.as_json())
    else:
        for finding in found.findings[:20]:
            console.result("finding   ", finding.path or ".", ": ", finding.message)
        console.result("verdict   ", found.verdict)
    console.warning("the bundle is not as it was sealed; nothing was signed")


def made(
    bundle: Path,
    found: Verification,
    new: Countersignature,
    believed: Trust,
    output: Path | None,
    entry: int | None,
    *,
    is_new: bool,
) -> None:
    """Say who countersigned what, where it lies, and what your trust folder still asks for."""
    path = bundle / new.name if output is None else output
    lacking = _lacking(found, new, believed)
    if console.mode().json:
        document: dict[str, Any] = {
            "path": str(path),
            "bundle": found.bundle_id,
            "statement": found.statement_sha256,
            "fingerprint": new.fingerprint,
            "sha256": new.sha256,
            "added": is_new and output is None,
            "lacking": list(lacking),
            "verdict": found.verdict,
            "entry": entry,
        }
        console.result_json("countersignature", document)
        return
    if not is_new:
        console.remark("nothing to do: this key has countersigned it already")
    console.result("countersigned  ", found.bundle_id)
    console.result("by key         ", new.fingerprint)
    console.result("file           ", path)
    if entry is not None:
        console.result(f"ledger         entry {entry}")
    for check in found.checks:
        if check.required and check.status == "not-checked" and check.number != _SIGNATURE:
            console.remark(f"not checked: {check.name}: {check.detail}")
    if lacking:
        console.remark(f"your trust folder still asks for: {', '.join(lacking)}")
    if output is not None:
        console.remark(f"next, at the desk: custody countersign BUNDLE --from {path} --case DIR")


def _lacking(found: Verification, made: Countersignature, believed: Trust) -> tuple[str, ...]:
    """The roles that the verifier's own folder still asks for."""
    from custody.verify import roles

    mine = believed.signer_for(made.fingerprint)
    signed = [item for item in (found.signer, *found.countersigners, mine) if item is not None]
    return roles.missing(believed.require_roles, signed)
