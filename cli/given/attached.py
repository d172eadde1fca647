"""Assessments that are attached: put there, listed, compared with the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from custody.cli.terminal import console
from custody.errors import CustodyError

if TYPE_CHECKING:
    from custody.attaching import Attachment, Target
    from custody.case import Case
    from custody.formats.statement import Actor
    from custody.identity.passphrases import Passphrase
    from custody.identity.signing import Signer
    from custody.obligations.assess import Assessment
    from custody.obligations.attachment import Difference


def publish(target: Target, found: Assessment, signer: Signer, actor: Actor) -> Attachment:
    """Attach an assessment with its record and packs; entering it is the next step."""
    from custody import attaching, clock
    from custody.obligations import attachment, library

    made = attaching.publish(
        target,
        attachment.files(found, library.installed()),
        attachment.details(found),
        signer=signer,
        actor=actor,
        now=clock.now(),
    )
    console.remark(f"attached: {made.directory}")
    return made


def attach(
    command: str, found: Assessment, bundle: str, key: str | None, secret: Passphrase
) -> tuple[Attachment, int | None]:
    """Attach an assessment to a bundle, or to the case as a whole, and enter it.

    :param command: what the user typed, for a hint.
    :returns: what was attached, and the number of its entry.
    """
    from custody import attaching

    from . import desk

    keeper = desk.ready(command, key, secret)
    target = attaching.in_case(keeper.case, bundle)
    made = publish(target, found, keeper.signer, keeper.actor)
    keeper.enter_attachments()
    return made, keeper.case.ledger.find(made.envelope)


def history(case: Case) -> None:
    """List a case's assessments by entry, each with what changed since the one before."""
    from custody import attaching
    from custody.obligations.attachment import KIND

    items = [item for item in attaching.every(case) if item.kind == KIND]
    known = {item.sha256: item for item in items}
    shown = [_entry(item, known, case) for item in items]
    shown.sort(key=lambda one: (one["entry"] is None, one["entry"], one["time"]))
    if console.mode().json:
        console.result_json("obligations-history", {"assessments": shown})
        return
    if not shown:
        console.remark("no assessment is attached in this case")
    for one in shown:
        _show(one)


def _entry(item: Attachment, known: dict[str, Attachment], case: Case) -> dict[str, Any]:
    from custody import clock

    older = known.get(str(item.event.details.get("supersedes", "")))
    index = case.ledger.find(item.envelope)
    entry: dict[str, Any] = {
        "id": item.sha256,
        "time": clock.rfc3339(item.event.time),
        "actor": item.event.actor.name or item.event.actor.key,
        "bundle": item.bundle or None,
        "as_of": item.event.details.get("as_of"),
        "entry": index,
        "supersedes": older.sha256 if older else None,
    }
    return {**entry, **_judged(item, older)}


def _judged(item: Attachment, older: Attachment | None) -> dict[str, Any]:
    """Whether it can be worked out again, and what changed; trouble is said, not raised."""
    from custody.obligations import attachment

    try:
        files = item.files()
        again = attachment.recompute(files)
        facts, answers = attachment.differences(older.files(), files) if older else ((), ())
    except CustodyError as err:
        return {"recomputed": "damaged", "why": str(err), "facts": [], "answers": []}
    word = "same" if again.same else "differs" if again.is_finding else "other evaluator"
    return {
        "recomputed": word,
        "why": ", ".join(again.differences),
        "facts": [_difference(one) for one in facts],
        "answers": [_difference(one) for one in answers],
    }


def _difference(one: Difference) -> dict[str, str]:
    return {"name": one.name, "before": one.before, "after": one.after}


def _show(one: dict[str, Any]) -> None:
    where = f"bundle {one['bundle']}" if one["bundle"] else "the case"
    entered = "not entered" if one["entry"] is None else f"entry {one['entry']}"
    console.result(f"{one['time']}  {one['id'][:16]}  {where}, as of {one['as_of']}, {entered}")
    word = console.OK if one["recomputed"] == "same" else console.NOT_CHECKED
    if one["recomputed"] in {"differs", "damaged"}:
        word = console.FAIL
    console.result("  ", word, f" worked out again: {one['recomputed']} {one['why']}".rstrip())
    for kind in ("facts", "answers"):
        for change in one[kind]:
            text = f"  {change['name']}: {change['before']} -> {change['after']}"
            console.result(text)
