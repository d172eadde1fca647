"""``custody init``: open a case."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.frame import Verb
from custody.cli.given import ledger_where, options
from custody.cli.terminal import console
from custody.errors import UsageError

from . import init_stick

if TYPE_CHECKING:
    from datetime import datetime

    from custody.identity.key_record import StoredKey
    from custody.identity.keys import KeyFolder
    from custody.identity.passphrases import Passphrase

_LONGEST_WORDS = 4_000
_MOST_DESKS = 9
DESK = "desk"  # whoever opens a case keeps it, takes bundles in, and vouches for hosts' keys

app = Verb("Open a case: its directory, its ledger, its first entry.")

DirArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="The new case directory.", show_default=False),
]
OnStickOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Open no case, but lay out a stick for a responder: program, place, keys, card.",
        show_default=False,
    ),
]
ProgramOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="The portable build (make portable) that comes onto the stick.",
        show_default=False,
    ),
]
NumberOption = Annotated[str, typer.Option(metavar="TEXT", help="The case number.")]
TitleOption = Annotated[str, typer.Option(metavar="TEXT", help="What the case is about.")]
PersonOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Who you are, where a key is made for you.")
]
OrganizationOption = Annotated[
    str, typer.Option(metavar="TEXT", help="Whom you work for, where a key is made for you.")
]
QuorumOption = Annotated[
    int,
    typer.Option(
        "--key-quorum",
        metavar="N",
        help="How many desks must say the same of a key before it counts in this case.",
        show_default=True,
    ),
]
NoPassphraseOption = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave new keys unencrypted. Think twice.")
]


@app.command()
def init(
    directory: DirArgument = None,
    number: NumberOption = "",
    title: TitleOption = "",
    key: options.KeyOption = None,
    person: PersonOption = "",
    organization: OrganizationOption = "",
    key_quorum: QuorumOption = 1,
    on_stick: OnStickOption = None,
    program: ProgramOption = None,
    no_passphrase: NoPassphraseOption = False,
    passphrase_file: options.PassphraseFileOption = None,
    passphrase_fd: options.PassphraseFdOption = None,
) -> None:
    """Open a case: its directory, its ledger, its first entry.

    The ledger gets a key of its own, and you get a signing key if you have none.  Both stay in
    your own folder, outside the case.
    """
    import secrets

    from custody import case as cases
    from custody import clock
    from custody.cli.given import passphrase
    from custody.identity import trusting
    from custody.identity.keys import KeyFolder

    words = {"number": number, "title": title, "person": person, "organization": organization}
    for word, text in words.items():
        options.plain_text(f"--{word}", text)
    if on_stick is not None:
        init_stick.refuse_with(directory, words)
        init_stick.run(on_stick, program)
        return
    directory = _needed(directory, program)
    now = clock.now()
    number = number or console.safe(directory.resolve().name)
    if len(number) + len(title) > _LONGEST_WORDS:
        why = f"together longer than {_LONGEST_WORDS} characters"
        raise UsageError("open case", "--number and --title", why)
    if not 1 <= key_quorum <= _MOST_DESKS:
        raise UsageError("open case", "--key-quorum", f"a number from 1 to {_MOST_DESKS}")
    cases.refuse_taken(directory)
    home = options.home()
    folder = KeyFolder(home / "keys")
    if no_passphrase:
        passphrase.refuse_any(passphrase_file, passphrase_fd)
    secret = passphrase.source(passphrase_file, passphrase_fd)
    mine = _own_key(folder, key, person, organization, None if no_passphrase else secret, now)
    signer = passphrase.unlock(folder, mine.name, secret)
    origin = cases.origin_for(number, secrets.token_hex(4))
    log_name = f"log-{origin.rpartition('/')[2]}"[:64]
    made = folder.new(
        log_name,
        use="log",
        key_name=origin,
        passphrase=None if no_passphrase else secret(log_name, True),
        now=now,
    )
    log_key = passphrase.unlock(folder, made.stored.name, secret)
    for text in made.remarks:
        console.remark(text)
    _trust_own(home / "trust", mine)
    trusting.add_log(home / "trust", made.stored.key)
    memory = ledger_where.memory()
    case = cases.create(
        directory,
        number,
        title,
        log_key=log_key,
        signer=signer,
        actor=mine.actor(),
        now=now,
        memory=memory,
        key_quorum=key_quorum,
    )
    ledger_where.tell_troubles(memory)
    _say_what_root_means(home)
    if console.mode().json:
        document = {
            "path": str(case.directory.resolve()),
            "case": case.case,
            "origin": case.origin,
            "log_vkey": str(made.stored.key),
            "signer_vkey": str(mine.key),
        }
        console.result_json("case", document)
        return
    console.result("case          ", case.case)
    console.result("directory     ", case.directory)
    console.result("ledger        ", case.origin)
    console.result("ledger key    ", made.stored.key)
    console.result("your key      ", mine.key)
    console.remark(f"next: custody collect SOURCE... --case {shlex.quote(str(directory))}")


def _needed(directory: Path | None, program: Path | None) -> Path:
    if directory is None:
        raise UsageError("open case", None, "no directory is named", hint="custody init DIR")
    if program is not None:
        raise UsageError("open case", "--program", "it goes with --on-stick DIR alone")
    return directory


def _trust_own(folder: Path, mine: StoredKey) -> None:
    """Your own key is a desk's in your own trust folder, unless that says otherwise."""
    from custody.identity import trust, trusting

    listed = trust.load(folder).signer_for(mine.key.fingerprint())
    if listed is None:
        trusting.add_signer(folder, trusting.own_signer(mine, DESK))
    elif listed.role != DESK:
        said = f"your key {mine.name} is that of a {listed.role} in your own trust folder"
        console.remark(f'{said}; who takes bundles in from hosts is there with role = "{DESK}"')


def _own_key(
    folder: KeyFolder,
    name: str | None,
    person: str,
    organization: str,
    secret: Passphrase | None,
    now: datetime,
) -> StoredKey:
    """The signing key to use: the named one, the only one, or a new one if there is none."""
    if name is not None or any(stored.use == "signer" for stored in folder.list()):
        return folder.pick(name, "signer")
    name = options.user_name()
    made = folder.new(
        name,
        use="signer",
        person=person,
        organization=organization,
        passphrase=None if secret is None else secret(name, True),
        now=now,
    )
    console.remark(f"made a signing key for you: {folder.path(made.stored.name)}")
    if not person:
        console.warning(
            f'nobody is named as its holder: entries are signed by "{name}"; --person "..." and'
            " --organization with custody init, or custody key new first, say who that is"
        )
    if secret is None:
        console.warning("the keys are not encrypted: whoever can read them can sign as you")
    return made.stored


def _say_what_root_means(home: Path) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        console.warning(
            f"you are root: whoever controls this host controls the keys in {home}; on an"
            " affected host use custody collect --output DIR, which leaves no key behind"
        )
