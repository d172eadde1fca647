"""``custody collect``: preserve logs in a sealed bundle."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import (
    certificates,
    desk,
    ledger_where,
    manners,
    options,
    record_file,
    said,
    source_options,
    stamping,
)
from custody.cli.terminal import console, figures
from custody.errors import UsageError

from . import collect_dry_run, collect_stream
from .collect_stamps import Stamps

if TYPE_CHECKING:
    from custody.collect import Collected, Destination, Plan, Request
    from custody.formats.statement import Actor
    from custody.identity.keys import Passphrase
    from custody.identity.signing import Signer
    from custody.obligations.assess import Assessment

app = Verb("Preserve logs in a sealed bundle.")

_GAPS_SHOWN = 50
_LONGEST_PERSON = 1_000
_FIRST_WAIT = 2.0  # another collection enters its bundle in less; a watch or a check may not

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Make a bundle here, without a ledger; - sends it to stdout as a stream.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be read, and write nothing.")
]
AuthorityOption = Annotated[
    str, typer.Option(metavar="TEXT", help="On whose authority, or why, it is collected.")
]
EvidenceOption = Annotated[
    str, typer.Option("--evidence-number", metavar="TEXT", help="Its number, such as E-003.")
]
CollectorOption = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help='Who collects, as "NAME, TITLE, ORGANISATION", where no key says it.',
    ),
]
MaxSizeOption = Annotated[
    str, typer.Option(metavar="SIZE", help="Leave out files over this size: 500M, 4G.")
]
IncidentOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Attach this incident record, and who must be told, to the bundle."
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume", help="Take over what an interrupted run wrote, where it is still the same."
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="Leave out files not changed since, such as 2026-11-21T21:14-06:00.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME",
        help="Collect what this set names (custody sets list), or a file with one. Repeatable.",
        show_default=False,
    ),
]
VolatileOption = Annotated[
    bool,
    typer.Option(
        "--volatile",
        help="First take what a reboot would end: processes, sockets, logins, mounts, clocks.",
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Look up sources in the file system mounted here, and never outside it.",
        show_default=False,
    ),
]


@app.command()
def collect(
    source: source_options.SourceArgument = None,
    sets: SetOption = None,
    root: RootOption = None,
    volatile: VolatileOption = False,
    output: OutputOption = None,
    key: options.KeyOption = None,
    note: source_options.NoteOption = "",
    authority: AuthorityOption = "",
    evidence_number: EvidenceOption = "",
    collector: CollectorOption = "",
    exclude: source_options.ExcludeOption = None,
    max_size: MaxSizeOption = "",
    since: SinceOption = "",
    one_file_system: source_options.OneFileSystemOption = False,
    rate: manners.RateOption = "",
    nice: manners.NiceOption = 0,
    resume: ResumeOption = False,
    incident: IncidentOption = None,
    tsa: stamping.TsaOption = None,
    tsa_timeout: stamping.TimeoutOption = stamping.SECONDS,
    dry_run: DryRunOption = False,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> int:
    """Preserve logs in a sealed bundle.

    Into a case (--case DIR): signed with your key and entered in its ledger.  Into a plain
    directory (--output DIR): signed with a key made for this one collection and thrown away.
    Exit 3 means: done, and some paths have recorded gaps.
    """
    from custody import clock
    from custody import collect as workflow
    from custody.cli.given import passphrase

    manners.be_nice(nice)
    request = _request(
        workflow.Request(
            sources=tuple(source or ()),
            sets=tuple(sets or ()),
            root=root,
            volatile=volatile,
            exclude=tuple(exclude or ()),
            max_size=options.size("--max-size", max_size),
            since=said.moment("--since", since, clock.now()) if since else None,
            rate=options.size("--rate", rate) or 0,
            nice=nice,
            resume=resume,
            one_file_system=one_file_system,
            note=options.plain_text("--note", note),
            authority=options.plain_text("--authority", authority),
            evidence_number=options.plain_text("--evidence-number", evidence_number),
            command=tuple(sys.argv),
            secrets=passphrase.secrets(passphrase_file, passphrase_fd),
        )
    )
    case_path = _case_path(request, output, dry_run=dry_run)
    if dry_run:
        return collect_dry_run.show(request, case_path or output, case_path)
    stream = None
    if output == collect_stream.STDOUT:
        stream = collect_stream.descriptor(
            {"--incident": incident is not None, "--tsa": bool(tsa), "--resume": resume}
        )
    found = None if incident is None else record_file.assessed(incident, None)
    authorities = stamping.addresses(tsa)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    destination, signer, actor = _ready(case_path, output, key, collector, secret)
    if stream is not None:
        return collect_stream.run(request, replace(destination, stream=stream), signer, actor)
    stamps = Stamps(authorities, tsa_timeout, destination, signer, actor)

    def published(done: Collected) -> None:
        certificates.lay(done.path, done.bundle_id, signer, done.sealed_at)
        _attach(done, found, destination, signer, actor)
        stamps.put(done)

    with console.Progress("looking") as progress:
        plan = workflow.prepare(request, destination, progress=progress)
    for text in plan.remarks:
        console.warning(text)
    with console.Progress("collecting") as progress:
        collected = workflow.run(
            plan,
            signer,
            actor,
            now=clock.now,
            progress=progress,
            published=published,
        )
    stamps.enter(collected)
    if destination.case is not None:
        ledger_where.tell_troubles(destination.case.memory)
    _show(collected, plan, signer, stamps)
    return exit_codes.GAPS if collected.gap_count else exit_codes.OK


def _attach(
    collected: Collected,
    found: Assessment | None,
    destination: Destination,
    signer: Signer,
    actor: Actor,
) -> None:
    if found is None:
        return
    from custody import attaching
    from custody.cli.given import attached

    target = attaching.Target(
        collected.path, destination.incoming, collected.bundle_id, destination.case
    )
    attached.publish(target, found, signer, actor)


def _request(request: Request) -> Request:
    if not (request.sources or request.sets or request.volatile):
        raise UsageError(
            "collect", None, "no source is named",
            hint="custody collect /var/log --output DIR, or custody sets list",
        )  # fmt: skip
    return request


def _case_path(request: Request, output: Path | None, *, dry_run: bool) -> Path | None:
    """The case to collect into; exactly one of it and --output must be named."""
    chosen = options.case()
    if output is not None and chosen is not None and not chosen.from_environment:
        raise UsageError(
            "collect",
            None,
            "both --case and --output are named; nothing was written",
            hint=f"custody collect {_words(request)} --case {chosen.path}",
        )
    if output is not None:
        return None
    if chosen is None:
        if dry_run:
            return None
        raise UsageError(
            "collect",
            None,
            "neither --case nor --output is named; nothing was written",
            hint=f"custody collect {_words(request)} --output DIR",
        )
    if chosen.from_environment:
        console.remark(f"case from CUSTODY_CASE: {chosen.path}")
    return chosen.path


def _words(request: Request) -> str:
    import shlex

    root = ["--root", str(request.root)] if request.root else []
    sets = [word for name in request.sets for word in ("--set", name)]
    root += ["--volatile"] if request.volatile else []
    shown = [*root, *sets[:6], *request.sources[:3]]
    return shlex.join(shown) + (" ..." if len(request.sources) > 3 or len(sets) > 6 else "")


def _ready(
    case_path: Path | None,
    output: Path | None,
    key: str | None,
    collector: str,
    secret: Passphrase,
) -> tuple[Destination, Signer, Actor]:
    """Unlock and try every key before the first source is opened."""
    from custody import case as cases
    from custody.cli.given import passphrase
    from custody.collect import WAIT_SECONDS, Destination
    from custody.formats.statement import Actor
    from custody.identity import keys, trust

    if collector and (key is not None or case_path is not None):
        raise UsageError(
            "read the command line", "--collector", "the key that signs says who collects",
            hint="custody key new NAME --person ... --title ... --organization ...",
        )  # fmt: skip
    if case_path is None:
        if output is None:  # _case_path saw to it
            raise UsageError("collect", None, "neither --case nor --output is named")
        if key is None:
            name, title, organization = _person(collector)
            if not name:
                console.warning(
                    'nobody is named as the collector: --collector "NAME, TITLE, ORGANISATION"'
                )
            signer = keys.one_time("one-time")
            return (
                Destination(output),
                signer,
                Actor(str(signer.key), name, title, organization),
            )
        folder = keys.KeyFolder(options.home() / "keys")
        stored = folder.pick(key, "signer")
        return Destination(output), passphrase.unlock(folder, stored.name, secret), stored.actor()
    case = cases.open_case(case_path, ledger_where.memory())
    folder = keys.KeyFolder(options.home() / "keys")
    stored = folder.pick(key, "signer")
    signer = passphrase.unlock(folder, stored.name, secret)
    log_key = desk.log_key(folder, case, secret)
    # Another writer is said now, not after the work.
    with case.locked(options.wait_seconds(_FIRST_WAIT)):
        case.log.require_believed(log_key)
    believed = trust.load(options.home() / "trust")
    others = [item.key for item in believed.signers if item.key is not None]
    wait = options.wait_seconds(WAIT_SECONDS)
    destination = Destination(case_path, case, log_key, [signer.key, *others], wait)
    return destination, signer, stored.actor()


def _person(collector: str) -> tuple[str, str, str]:
    """``NAME, TITLE, ORGANISATION``; what is left out is empty."""
    if len(collector) > _LONGEST_PERSON:
        raise UsageError("collect", "--collector", f"longer than {_LONGEST_PERSON} characters")
    parts = [part.strip() for part in options.plain_text("--collector", collector).split(",", 2)]
    name, title, organization = [*parts, "", ""][:3]
    return name, title, organization


def _show(collected: Collected, plan: Plan, signer: Signer, stamps: Stamps) -> None:
    for name, why in collected.refused.items():
        console.warning(f"the bundle {name} in this case was not entered: {why}")
    fingerprint = signer.key.fingerprint()
    if console.mode().json:
        console.result_json("collection", _document(collected, plan, signer, stamps))
        return
    console.result("bundle   ", collected.path)
    console.result(
        f"read     {collected.files} files, {figures.amount(collected.bytes)}"
        f" ({', '.join(f'{count} {name}' for name, count in sorted(collected.outcomes.items()))})"
    )
    if collected.resumed:
        taken = figures.amount(collected.resumed["bytes"])
        console.result(f"resumed  {collected.resumed['files']} files, {taken}, were there already")
    if collected.gap_count:
        console.result(f"gaps     {collected.gap_count}")
        for gap in collected.gaps[:_GAPS_SHOWN]:
            console.result(f"  {gap.outcome:<12} ", gap.path, f"  {gap.error}")
        if collected.gap_count > _GAPS_SHOWN:
            console.result("  ... the others are in custody/inventory.jsonl")
    console.result("clock    ", _clock(collected))
    stamps.show()
    if collected.ledger is not None:
        console.result(
            f"ledger   entry {collected.ledger.index} of {collected.ledger.size},"
            f" root {collected.ledger.root}"
        )
    console.result("key      ", signer.key)
    console.result(f"write this down: {collected.statement_sha256} {fingerprint}")
    console.result("          the first is the statement's digest (--expect), the second the")
    console.result("          key's fingerprint (--signer)")
    console.result("next:    ", _next(collected, fingerprint))


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
        "same_disk": plan.same_disk or None,
        "statement_sha256": collected.statement_sha256,
        "signer": {"vkey": str(signer.key), "fingerprint": signer.key.fingerprint()},
    }
