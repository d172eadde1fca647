"""What ``custody collect`` says at the end: where the bundle is, its gaps, what to write down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from custody.cli.given import stamping
from custody.cli.terminal import console, figures
from custody.counted import counted

from . import collect_journals

if TYPE_CHECKING:
    from custody.collect import Collected, Plan
    from custody.identity.signing import Signer

    from .collect_stamps import Stamps

_GAPS_SHOWN = 50


def show(collected: Collected, plan: Plan, signer: Signer, stamps: Stamps) -> None:
    for name, why in collected.refused.items():
        console.warning(f"the bundle {name} in this case was not entered: {why}")
    journals = collect_journals.tell(collected)
    fingerprint = signer.key.fingerprint()
    if console.mode().json:
        console.result_json("collection", _document(collected, plan, signer, stamps))
        return
    console.result("bundle   ", collected.path)
    console.result(
        f"read     {counted(collected.files, 'file')}, {figures.amount(collected.bytes)}"
        f" ({', '.join(f'{count} {name}' for name, count in sorted(collected.outcomes.items()))})"
    )
    if collected.resumed:
        taken = figures.amount(collected.resumed["bytes"])
        console.result(
            f"resumed  {counted(collected.resumed['files'], 'file')}, {taken}, were there already"
        )
    if collected.gap_count:
        console.result(f"gaps     {collected.gap_count}")
        for gap in collected.gaps[:_GAPS_SHOWN]:
            console.result(f"  {gap.outcome:<12} ", gap.path, f"  {gap.error}")
        if collected.gap_count > _GAPS_SHOWN:
            console.result("  ... the others are in custody/inventory.jsonl")
    if journals:
        console.result("journals ", journals)
    console.result("clock    ", _clock(collected))
    stamps.show()
    if collected.ledger is not None:
        console.result(f"ledger   entry {collected.ledger.index} of {collected.ledger.size}")
        console.result("root     ", collected.ledger.root)
    console.result("key      ", signer.key)
    for line in to_write_down(collected.statement_sha256, fingerprint):
        console.result(line)
    console.result("next:    ", _next(collected, fingerprint))


def to_write_down(statement: str, fingerprint: str) -> tuple[str, ...]:
    """What goes onto the paper form: two numbers, in the order in which the form has them.

    :param statement: the SHA-256 (hex) of the signed statement: ``verify --expect``.
    :param fingerprint: of the key: ``verify --signer``, ``receive --fingerprint``.
    """
    return "write this down:", f"  1 statement   {statement}", f"  2 fingerprint {fingerprint}"


def _clock(collected: Collected) -> str:
    seconds = int(collected.clock.get("utc_offset_seconds", 0))
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    return f"UTC{sign}{hours:02d}:{rest // 60:02d}, {collected.clock.get('ntp')} by NTP"


def _next(collected: Collected, fingerprint: str) -> str:
    import shlex

    command = f"custody verify {shlex.quote(str(collected.path))}"
    if collected.ledger:
        return command
    return f"{command} --signer {fingerprint} --expect sha256:{collected.statement_sha256}"


def _document(collected: Collected, plan: Plan, signer: Signer, stamps: Stamps) -> dict[str, Any]:
    from custody import clock

    entered = collected.ledger
    ledger = (
        {"index": entered.index, "size": entered.size, "root": entered.root} if entered else None
    )
    return {
        "bundle_id": collected.bundle_id,
        "path": str(collected.path.resolve()),
        "outcomes": dict(collected.outcomes),
        "files": collected.files,
        "bytes": collected.bytes,
        "sealed_at": clock.rfc3339(collected.sealed_at) if collected.sealed_at else None,
        "ledger": ledger,
        "gap_count": collected.gap_count,
        "gaps": [
            {"path": gap.path, "outcome": gap.outcome, "error": gap.error} for gap in collected.gaps
        ],
        "clock": dict(collected.clock),
        "timestamps": [stamping.document(answer) for answer in stamps.answers],
        "resumed": collected.resumed or None,
        "journals": collect_journals.document(collected),
        "same_disk": plan.same_disk or None,
        "statement_sha256": collected.statement_sha256,
        "signer": {"vkey": str(signer.key), "fingerprint": signer.key.fingerprint()},
    }
