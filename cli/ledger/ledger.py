"""``custody ledger``: look into the ledger of a case, and check it.

Everything here only reads, and works on read-only media and on a copy of the ledger alone.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import ledger_where, options
from custody.cli.given.ledger_where import CheckpointOption, LedgerOption
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.counted import counted

from . import checkpoint, export, prove, receipt, witness

if TYPE_CHECKING:
    from custody.cli.given.ledger_where import Place
    from custody.findings import Finding
    from custody.identity.trust import Trust
    from custody.ledger.believed import Bound
    from custody.ledger.check import Report
    from custody.ledger.entry import EntryView

app = Verb("Look into the ledger of a case, and check it.")

NumberArgument = Annotated[
    int,
    typer.Argument(
        metavar="N", help="The entry's number, from 0.", parser=ledger_where.entry_number
    ),
]
ItemOption = Annotated[str, typer.Option(metavar="TEXT", help="Only entries about this item.")]
ActorOption = Annotated[str, typer.Option(metavar="TEXT", help="Only entries of this person.")]
TypeOption = Annotated[str, typer.Option("--type", metavar="TYPE", help="Only this type of event.")]
SinceOption = Annotated[
    str, typer.Option(metavar="TIME", help="Not before: 2026-11-22, or 2026-11-22T03:14:05Z.")
]
UntilOption = Annotated[
    str, typer.Option(metavar="TIME", help="Not after; a day alone counts to its end.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="With --since: read every entry, from the first one on.")
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Print the entry's bytes as they are in the ledger.")
]

_WORDS = {"ok": console.OK, "failed": console.FAIL, "cannot-verify": console.NOT_CHECKED}
_SIGNED = {
    "trusted": (console.OK, "signed by a key that is trusted"),
    "untrusted": (console.NOT_CHECKED, "signed by a key that nobody here trusts"),
    "undated": (
        console.NOT_CHECKED,
        "the signer's key has an end, and no trusted time shows that the entry is older",
    ),
    "late": (console.FAIL, "signed at a time at which the signer's key did not count"),
    "bad": (console.FAIL, "the entry is not what its signer signed"),
}
_EXITS = {
    "ok": exit_codes.OK,
    "failed": exit_codes.DIFFERS,
    "cannot-verify": exit_codes.CANNOT_VERIFY,
}


@app.command("list")
def list_(
    item: ItemOption = "",
    actor: ActorOption = "",
    type_: TypeOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    everything: AllOption = False,
    ledger: LedgerOption = None,
) -> int:
    """List the entries: who did what to which item.

    When is by their own clock.  Nothing is checked here; custody ledger verify does.  --since reads
    back from the end and stops at 256 entries that are all older by more than a day.  Exit 10 if
    what should be an entry is none; it is always listed, as damaged.
    """
    wanted = ledger_where.entry_filter(item, actor, type_, since, until)
    reader = ledger_where.find("ledger list", ledger).reader
    with ledger_where.damage():
        start = 0 if everything else ledger_where.start(reader, since)
        if start:
            console.remark(f"entries 0 to {start - 1} are older and were not read; --all does")
        damaged = 0
        rows = []
        for index, data in enumerate(reader.entries(start), start):
            view = ledger_where.view(index, data)
            if not wanted(view):
                continue
            damaged += view.type == ledger_where.DAMAGED
            if console.mode().json:
                console.result_json_line(view.as_json())
            else:
                fields = (str(index), view.type, view.time, view.actor, view.item, view.summary)
                rows.append(fields)
    if rows:
        console.table(rows, ("entry", "type", "time", "actor", "item", "summary"))
    elif not console.mode().json:
        console.remark("no such entry")
    if damaged:
        words = f"{counted(damaged, 'entry')} {'is' if damaged == 1 else 'are'}"
        console.warning(f"{words} damaged; custody ledger verify names all that is wrong")
    return exit_codes.DIFFERS if damaged else exit_codes.OK


@app.command()
def show(
    number: NumberArgument,
    raw: RawOption = False,
    ledger: LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Show one entry, and who signed it.

    Its fields, its signature, and whether the checkpoint covers it.
    Exit 10 if the signature is wrong or the entry is not in the tree.
    """
    from custody import certifying
    from custody.identity import trust as store

    place = ledger_where.find("ledger show", ledger)
    reader = place.reader
    with ledger_where.damage():
        ledger_where.require_entry(reader, number)
        data = reader.entry(number)
        if raw:
            console.result_bytes(data)
            return exit_codes.OK
        published = reader.checkpoint()
        reader.receipt(number)  # raises where the tiles do not lead from it to the root
    believed = store.load(options.trust_directory(trust))
    dated = _dated(place, believed)
    believed = certifying.believe_ledger(believed, place.reader, dated).trust
    document = _entry_document(number, data, believed, dated)
    document |= {"origin": published.checkpoint.origin, "size": published.size}
    view = ledger_where.view(number, data)
    if console.mode().json:
        console.result_json("ledger-entry", {**view.as_json(), **document})
    else:
        _show_entry(view, document)
    return exit_codes.DIFFERS if document["signature"] in ("bad", "late") else exit_codes.OK


def _dated(place: Place, believed: Trust) -> Bound:
    """By when each entry existed, as stamps and witnesses say that you believe."""
    from custody import clock
    from custody.verify.case.stamps import LedgerTime

    case = None if place.case is None else place.case.directory
    return LedgerTime(case, place.reader, believed, clock.now()).latest


def _entry_document(number: int, data: bytes, believed: Trust, dated: Bound) -> dict[str, Any]:
    import hashlib

    from custody.errors import FormatError
    from custody.formats import canonical, dsse
    from custody.ledger.believed import by_trust

    digest = hashlib.sha256(data).hexdigest()
    try:
        envelope = dsse.load(data)
    except FormatError:
        why = "these bytes are not an entry"
        return {"sha256": digest, "signature": "bad", "signers": [], "payload": None, "why": why}
    signers = []
    for item in envelope.signatures:
        known = believed.signer_for(item.keyid)
        signers.append({"key": item.keyid, "name": known.name if known else None})
    payload = None
    with suppress(FormatError):
        payload = canonical.load(envelope.payload)
    verdict = by_trust(believed, dated)(number, envelope)
    return {"sha256": digest, "signature": verdict, "signers": signers, "payload": payload}


def _show_entry(view: EntryView, document: dict[str, Any]) -> None:
    fields = view.as_json()
    console.result(f"{'entry':<10} {view.index} of ", document["origin"])
    for name in ("type", "time", "actor", "item", "summary"):
        if fields[name]:
            console.result(f"{name:<10} ", fields[name])
    console.result(f"{'sha256':<10} ", document["sha256"])
    for signer in document["signers"]:
        name = f" ({signer['name']})" if signer["name"] else ""
        console.result(f"{'signed by':<10} ", signer["key"], name)
    word, why = _SIGNED[document["signature"]]
    console.result(f"{'signature':<10} ", word, " ", document.get("why", why))
    console.result(f"{'in tree':<10} ", console.OK, f" of size {document['size']}")
    if document["payload"] is not None:
        for line in json.dumps(document["payload"], indent=2).splitlines():
            console.result(line)


@app.command()
def verify(
    checkpoint: CheckpointOption = None,
    ledger: LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Derive the whole ledger again from its entries, and compare.

    Also with what you saw of it before, and with any checkpoint that you hold.  Exit 0: every
    tile, signature and the root agree, and it only grew.  10: something differs.  11: a key that
    would be needed is not in the trust folder.
    """
    from dataclasses import replace

    from custody import certifying
    from custody.findings import Finding
    from custody.identity import trust as store
    from custody.ledger.believed import by_trust
    from custody.ledger.check import check

    place = ledger_where.find("ledger verify", ledger)
    believed = store.load(options.trust_directory(trust))
    given = [ledger_where.given_checkpoint(path) for path in checkpoint or ()]
    memory = ledger_where.memory()
    dated = _dated(place, believed)
    after = certifying.believe_ledger(believed, place.reader, dated)
    said = tuple(Finding(where, "", "", text) for where, text in after.said)
    with Progress("checking the ledger") as progress:
        report = check(
            place.reader.directory,
            place.reader.origin,
            (),
            by_trust(after.trust, dated),
            progress.entries,
            policy=believed.policy,
            memory=memory,
            given=given,
            workers=_cores(),
        )
    ledger_where.tell_troubles(memory)
    _show_report(replace(report, remarks=(*said, *report.remarks)))
    return _EXITS[report.verdict]


def _cores() -> int:
    import os

    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return 1


def _show_report(report: Report) -> None:
    root = report.root.hex() if report.root is not None else None
    if console.mode().json:
        document = {
            "origin": report.origin,
            "size": report.size,
            "root": root,
            "remembered": report.remembered,
            "cosigned": ledger_where.cosigned(report.cosigned),
            "verdict": report.verdict,
            "findings": [finding.as_json() for finding in report.findings],
            "not_checked": [finding.as_json() for finding in report.not_checked],
            "remarks": [finding.as_json() for finding in report.remarks],
        }
        console.result_json("ledger-verification", document)
        return
    if report.root is not None:
        console.result(f"{'ledger':<10} ", report.origin)
        console.result(f"{'entries':<10} ", report.size)
        console.result(f"{'root':<10} ", root)
    for name, moment in ledger_where.cosigned(report.cosigned).items():
        console.result(f"{'witness':<10} ", name, " signed it at ", moment)
    if report.remembered is not None:
        console.result(
            f"{'seen at':<10} ", f"{counted(report.remembered, 'entry')}, when last seen here"
        )
    console.result(f"{'verdict':<10} ", _WORDS[report.verdict])
    _tell(console.FAIL, report.findings)
    _tell(console.NOT_CHECKED, report.not_checked)
    for finding in report.remarks:
        console.remark(f"{finding.path}: {finding.message}")


def _tell(word: console.Word, findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        where = f"{finding.path}: " if finding.path else ""
        console.result(word, " ", where, finding.message)
        if finding.expected or finding.found:
            console.result("     expected: ", finding.expected or "nothing")
            console.result("     found:    ", finding.found or "nothing")


app.command()(checkpoint.checkpoint)
app.command()(prove.prove)
app.command()(receipt.receipt)
app.command()(export.export)
app.add_typer(witness.app, name="witness")
