"""Where ``custody collect`` puts a bundle, and who signs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli.given import desk, ledger_where, options
from custody.cli.terminal import console
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.collect import Destination, Request
    from custody.formats.statement import Actor
    from custody.identity.passphrases import Passphrase
    from custody.identity.signing import Signer

_LONGEST_PERSON = 1_000
_FIRST_WAIT = 2.0  # another collection enters its bundle in less; a watch or a check may not


def case_path(request: Request, output: Path | None, *, dry_run: bool) -> Path | None:
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
    more = "--volatile-commands" if request.volatile_commands else "--volatile"
    root += [more] if request.volatile else []
    shown = [*root, *sets[:6], *request.sources[:3]]
    return shlex.join(shown) + (" ..." if len(request.sources) > 3 or len(sets) > 6 else "")


def ready(
    case_at: Path | None,
    output: Path | None,
    key: str | None,
    collector: str,
    secret: Passphrase,
) -> tuple[Destination, Signer, Actor]:
    """Unlock and try every key before the first source is opened.

    :raises UsageError: if nothing says where to, or two things say who collects.
    """
    if collector and (key is not None or case_at is not None):
        raise UsageError(
            "read the command line", "--collector", "the key that signs says who collects",
            hint="custody key new NAME --person ... --title ... --organization ...",
        )  # fmt: skip
    if case_at is not None:
        return _into_case(case_at, key, secret)
    if output is None:  # case_path saw to it
        raise UsageError("collect", None, "neither --case nor --output is named")
    return _into_directory(output, key, collector, secret)


def _into_directory(
    output: Path, key: str | None, collector: str, secret: Passphrase
) -> tuple[Destination, Signer, Actor]:
    """With a key of one's own, or one that is made for this collection and thrown away."""
    from custody.cli.given import passphrase
    from custody.collect import Destination
    from custody.formats.statement import Actor
    from custody.identity import keys

    if key is not None:
        folder = keys.KeyFolder(options.home() / "keys")
        stored = folder.pick(key, "signer")
        return Destination(output), passphrase.unlock(folder, stored.name, secret), stored.actor()
    name, title, organization = _person(collector)
    if not name:
        console.warning('nobody is named as the collector: --collector "NAME, TITLE, ORGANISATION"')
    signer = keys.one_time()
    return Destination(output), signer, Actor(str(signer.key), name, title, organization)


def _into_case(
    path: Path, key: str | None, secret: Passphrase
) -> tuple[Destination, Signer, Actor]:
    from custody import case as cases
    from custody.cli.given import passphrase
    from custody.collect import WAIT_SECONDS, Destination
    from custody.identity import keys, trust

    case = cases.open_case(path, ledger_where.memory())
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
    destination = Destination(path, case, log_key, [signer.key, *others], wait)
    return destination, signer, stored.actor()


def _person(collector: str) -> tuple[str, str, str]:
    """``NAME, TITLE, ORGANISATION``; what is left out is empty."""
    if len(collector) > _LONGEST_PERSON:
        raise UsageError("collect", "--collector", f"longer than {_LONGEST_PERSON} characters")
    parts = [part.strip() for part in options.plain_text("--collector", collector).split(",", 2)]
    name, title, organization = [*parts, "", ""][:3]
    return name, title, organization
