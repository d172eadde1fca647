"""``custody collect``: preserve logs in a sealed bundle."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli import exit_codes
from custody.cli.frame import Verb
from custody.cli.given import (
    certificates,
    ledger_where,
    manners,
    options,
    record_file,
    said,
    source_options,
    stamping,
)
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.errors import UsageError

from . import collect_dry_run, collect_into, collect_journals, collect_shown, collect_stream
from .collect_stamps import Stamps

if TYPE_CHECKING:
    from custody.collect import Collected, Destination, Request
    from custody.formats.statement import Actor
    from custody.identity.signing import Signer
    from custody.obligations.assess import Assessment

app = Verb("Preserve logs in a sealed bundle.")

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
VolatileOption = Annotated[
    bool,
    typer.Option(
        "--volatile",
        help="First take what a reboot would end: processes, sockets, logins, mounts, clocks.",
    ),
]
VolatileCommandsOption = Annotated[
    bool,
    typer.Option(
        "--volatile-commands",
        help="--volatile, and then run a fixed list of the host's own programs, such as ss.",
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
    sets: source_options.SetOption = None,
    root: RootOption = None,
    volatile: VolatileOption = False,
    volatile_commands: VolatileCommandsOption = False,
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
    no_journal_verify: collect_journals.NoVerifyOption = False,
    journal_export: collect_journals.ExportOption = False,
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
            volatile=volatile or volatile_commands,
            volatile_commands=volatile_commands,
            exclude=tuple(exclude or ()),
            max_size=options.size("--max-size", max_size),
            since=said.moment("--since", since, clock.now(), "nothing was read") if since else None,
            rate=options.size("--rate", rate) or 0,
            nice=nice,
            resume=resume,
            journal_verify=not no_journal_verify,
            journal_export=journal_export,
            one_file_system=one_file_system,
            note=options.plain_text("--note", note),
            authority=options.plain_text("--authority", authority),
            evidence_number=options.plain_text("--evidence-number", evidence_number),
            command=tuple(sys.argv),
            secrets=passphrase.secrets(passphrase_file, passphrase_fd),
        )
    )
    case_path = collect_into.case_path(request, output, dry_run=dry_run)
    if dry_run:
        return collect_dry_run.show(request, case_path or output, case_path)
    stream = None
    if output == collect_stream.STDOUT:
        stream = collect_stream.descriptor(
            {
                "--incident": incident is not None,
                "--tsa": bool(tsa),
                "--resume": resume,
                "--journal-export": journal_export,
            }
        )
    found = None if incident is None else record_file.assessed(incident, None)
    authorities = stamping.addresses(tsa)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    destination, signer, actor = collect_into.ready(case_path, output, key, collector, secret)
    if stream is not None:
        return collect_stream.run(request, replace(destination, stream=stream), signer, actor)
    stamps = Stamps(authorities, tsa_timeout, destination, signer, actor)

    def published(done: Collected) -> None:
        certificates.lay(done.path, done.bundle_id, signer, done.sealed_at)
        _attach(done, found, destination, signer, actor)
        stamps.put(done)

    with Progress("looking") as progress:
        plan = workflow.prepare(request, destination, progress=progress)
    for text in plan.remarks:
        console.warning(text)
    with Progress("collecting") as progress:
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
    collect_shown.show(collected, plan, signer, stamps)
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
