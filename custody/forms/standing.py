"""How a bundle, and the ledger about it, stand at the moment at which a form is made.

The bundle is verified by every check of :mod:`custody.verify.bundle`; then:

1. ledger: derived again from its entries, all of which are signed by keys that count, and its
   checkpoint is signed by the key that the verifier trusts for it.
2. receipts: each receiver's countersignature on a hand-over of this item is by a key that counts.
3. agreement: the ledger has this bundle, once, and with exactly this statement.

The other bundles of the case are not read.  Without a ledger the bundle alone is judged, and the
form says that no ledger was consulted.
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.counted import counted
from custody.findings import Finding
from custody.forms.item import Item
from custody.history import register
from custody.history.values import Step, Timeline
from custody.verify import Check, Verification
from custody.verify.docket import Docket
from custody.verify.result import Verdict, verdict_of

CHECKS = {1: "ledger", 2: "receipts", 3: "agreement"}
LEDGER, RECEIPTS, AGREEMENT = CHECKS
NOT_HERE = "the bundle is not here, and was not verified"


@dataclass(frozen=True, slots=True)
class Standing:
    """What verifying came to.

    :ivar bundle: None where the bundle is not there to be verified.
    :ivar checks: those of the ledger; none where no ledger was consulted.
    :ivar findings: all that are listed, the bundle's first; *unlisted* counts the others.
    :ivar hint: the next step where something needed is missing.
    """

    verdict: Verdict
    bundle: Verification | None
    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    unlisted: int = 0
    hint: str = ""


def judge(
    item: Item,
    bundle: Verification | None,
    timeline: Timeline | None,
    *,
    name: str = "",
    damage: str = "",
) -> Standing:
    """Put together what verifying the bundle and reading its history came to.

    :param name: of the bundle's directory, where it lies in the case.
    :param damage: why there is a ledger and no history: it cannot be read.
    """
    docket = Docket(CHECKS if timeline is not None or damage else {})
    if damage:
        docket.found(LEDGER, "ledger", "a ledger", damage, "the ledger cannot be read")
        docket.left(RECEIPTS, "the ledger cannot be read")
        docket.left(AGREEMENT, "the ledger cannot be read")
    if timeline is not None:
        _ledger(timeline, docket)
        _receipts(timeline, docket)
        _agreement(item, name or item.bundle, timeline, docket)
    own = docket.checks()
    verdict = verdict_of([*(() if bundle is None else bundle.checks), *own])
    if bundle is None and verdict == "ok":
        verdict = "cannot-verify"
    hint = NOT_HERE if bundle is None else bundle.hint
    if not hint and any(check.status == "not-checked" for check in own):
        hint = "custody verify CASE says what is missing, and how to add it"
    return Standing(
        verdict=verdict,
        bundle=bundle,
        checks=own,
        findings=(*(() if bundle is None else bundle.findings), *docket.findings),
        unlisted=docket.unlisted + (0 if bundle is None else bundle.unlisted),
        hint=hint if verdict == "cannot-verify" else "",
    )


def _ledger(timeline: Timeline, docket: Docket) -> None:  # (1)
    report = timeline.ledger
    for finding in report.findings:
        docket.found(
            LEDGER, f"ledger/{finding.path}", finding.expected, finding.found, finding.message
        )
    if report.not_checked:
        docket.left(LEDGER, report.not_checked[0].message)
    docket.shown(LEDGER, f"{report.origin}: {counted(report.size or 0, 'entry')}, derived again")


def _receipts(timeline: Timeline, docket: Docket) -> None:  # (2)
    answered = 0
    for step in timeline.steps:
        said = step.countersignature
        if said is None:
            continue
        answered += 1
        where = f"ledger: entry {step.index}"
        if said.verdict in ("bad", "late"):
            docket.found(RECEIPTS, where, "a good signature", said.verdict, said.why)
        elif said.verdict in ("untrusted", "undated"):
            docket.left(RECEIPTS, f"{where}: {said.why}")
    docket.shown(RECEIPTS, f"{answered} countersigned, each by a key that counts")


def _agreement(item: Item, name: str, timeline: Timeline, docket: Docket) -> None:  # (3)
    where = f"bundles/{name}"
    if name != item.bundle:
        why = "the directory's name is not the bundle's"
        docket.found(AGREEMENT, where, item.bundle, name, why)
    entered = {digest: step for step in timeline.steps if (digest := pinned_by(step))}
    if len(entered) > 1:
        said = ", ".join(str(step.index) for step in entered.values())[:400]
        why = "the ledger has different bundles under one name: one was put in another's place"
        docket.found(AGREEMENT, where, "one sealed entry", f"entries {said}", why)
    elif not entered:
        why = "the ledger has no entry that seals this bundle or takes it in"
        docket.found(AGREEMENT, where, "an entry", "none", why)
    elif item.statement and item.statement_sha256 not in entered:
        why = "the ledger has another bundle under this name"
        docket.found(AGREEMENT, where, next(iter(entered)), item.statement_sha256, why)
    for step in entered.values():
        docket.shown(AGREEMENT, f"entered with exactly this statement, entry {step.index}")


def pinned_by(step: Step) -> str:
    """The SHA-256 of the statement of the bundle that this entry enters: by the collector who
    sealed it, or by the desk that took it in from a host; empty for any other.
    """
    if step.event is None or step.signature.verdict == "bad":
        return ""
    if not register.is_arrival(step.event) or step.details.get("verdict") == "failed":
        return ""
    if step.kind == register.SEALED:
        return step.sha256
    return register.text(step.details, "statement")
