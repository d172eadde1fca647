"""The options that commands share, and the only reading of the environment.

A value from the environment is never an option's default, because ``--help`` would print it.

Every command has the global options (:func:`choose`), before and after the verb;
:mod:`custody.cli.frame` adds them.  The others are types for a command's own parameters.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from custody.cli.terminal import console
from custody.errors import FormatError, UsageError
from custody.formats import vkey

_SIZE = re.compile(r"([0-9]+)([KMGT]?)(?:i?B)?\Z", re.IGNORECASE)
_LONGEST_SIZE = 16
_TRUSTING = re.compile(
    r"(?:^|: )custody (?:trust add (?:signer|ledger|witness|tsa)|verify|receive)(?= )"
)

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="DIR",
        help="The folder that says whom to believe; otherwise the trust folder of your own.",
        show_default=False,
    ),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase from this file (or CUSTODY_PASSPHRASE_FILE names it).",
        show_default=False,
    ),
]
PassphraseFdOption = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd",
        metavar="N",
        help="Read the passphrase from this open file descriptor.",
        show_default=False,
    ),
]

KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Sign with this key of yours.", show_default=False),
]

BelievedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signer",
        metavar="VKEY|FINGERPRINT",
        help="Believe this signer too, this once. Repeatable.",
        show_default=False,
    ),
]
SealedByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signer",
        metavar="VKEY|FINGERPRINT",
        help="Who must have signed it, believed this once. Repeatable: one of them.",
        show_default=False,
    ),
]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        metavar="sha256:HEX",
        help="The digest of the statement, as it was written down.",
        show_default=False,
    ),
]
LogOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="VKEY",
        help="Believe this ledger too, this once. Repeatable.",
        show_default=False,
    ),
]
AttachmentsOption = Annotated[
    bool, typer.Option("--with-attachments", help="Copy what counsel attached, too.")
]


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """The case directory the user named, and whether ``CUSTODY_CASE`` did it for them."""

    path: Path
    from_environment: bool


class _State:
    case: Path | None = None
    wait: float | None = None
    trust: Path | None = None


def choose(name: str, value: Any) -> None:
    """Take one global option as given, before or after the verb.

    :raises UsageError: if it contradicts what was given before.
    """
    if name == "case":
        _choose_case(Path(value))
        return
    if name == "wait":
        _State.wait = _seconds(value)
        return
    before = console.mode()
    changes: dict[str, Any] = {name: value}
    if name == "verbose":
        changes = {name: before.verbose + int(value)}
    elif name == "no_progress":
        changes = {"progress": False}
    after = replace(before, **changes)
    if after.quiet and after.verbose:
        raise UsageError("read the command line", "-q and -v", "they contradict each other")
    console.set_mode(after)


def _choose_case(path: Path) -> None:
    if _State.case not in (None, path):
        raise UsageError("read the command line", "--case", "it is given twice, for two cases")
    if not path.parts:
        raise UsageError("read the command line", "--case", "the name is empty")
    _State.case = path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:  # so is what is no number at all
        why = f"{text!r} is not a number of seconds, such as 0 or 30"
        raise UsageError("read the command line", "--wait", why)
    return seconds


def wait_seconds(otherwise: float) -> float:
    """How long to wait while another process writes to the case: ``--wait``, else *otherwise*."""
    return otherwise if _State.wait is None else _State.wait


def case() -> ChosenCase | None:
    """The case directory from ``--case``, else from ``CUSTODY_CASE``, else none."""
    if _State.case is not None:
        return ChosenCase(_State.case, from_environment=False)
    named = os.environ.get("CUSTODY_CASE")
    return ChosenCase(Path(named), from_environment=True) if named else None


def needed_case(command: str) -> Path:
    """The case directory, for a command that cannot do without one.

    A case that the environment named is said aloud, so that nobody works in the wrong one.

    :param command: what to type, for the hint: ``ledger list``.
    :raises UsageError: if no case is named.
    """
    chosen = case()
    if chosen is None:
        raise UsageError(
            "find the case",
            None,
            "neither --case nor CUSTODY_CASE names it",
            hint=f"custody {command} --case DIR",
        )
    if chosen.from_environment:
        console.remark(f"case from CUSTODY_CASE: {chosen.path}")
    return chosen.path


def home() -> Path:
    """Where this user's keys, trust and memory lie: ``CUSTODY_HOME``, or the platform's place.

    :raises UsageError: if there is no home directory to put it in.
    """
    named = os.environ.get("CUSTODY_HOME")
    if named:
        return Path(named)
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "custody"
        if os.name == "nt":
            return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / "custody"
        # The XDG specification: a relative path there is to be ignored.
        xdg = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        return (xdg if xdg.is_absolute() else Path.home() / ".config") / "custody"
    except RuntimeError as err:
        raise UsageError(
            "find your keys",
            None,
            "you have no home directory",
            hint="set CUSTODY_HOME to a directory of your own",
        ) from err


def trust_directory(option: Path | None, *, must_exist: bool = True) -> Path:
    """The trust folder: what ``--trust`` says, else the one in :func:`home`.

    :param must_exist: whether a folder that ``--trust`` names must be there.
    :raises UsageError: if it must and is not.
    """
    if option is None:
        return home() / "trust"
    if must_exist and not option.is_dir():
        raise UsageError("read the trust folder", option, "there is no such directory")
    _State.trust = option
    return option


def hinted(text: str) -> str:
    """A hint, whose commands go on with the trust folder that ``--trust`` named, if it did."""
    if _State.trust is None:
        return text
    folder = shlex.quote(str(_State.trust))
    return _TRUSTING.sub(lambda found: f"{found[0]} --trust {folder}", text)


def verifier_key(text: str, option: str = "") -> vkey.VerifierKey:
    """A verifier key typed on the command line.

    :param option: which one it was given with, if there is more than one thing that it may be.
    :raises UsageError: if it is not one.
    """
    try:
        return vkey.parse(text.strip())
    except FormatError as err:
        raise UsageError(
            err.what,
            err.thing,
            f"{option}: {err.why}" if option else err.why,
            hint="the line is printed by custody key show, whole and on one line",
        ) from err


def user_name() -> str:
    """A name for the first key of whoever runs this: the account's and the machine's.

    An account alone, such as root, is called the same at the next desk.
    """
    import platform

    try:
        import pwd

        name = pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        name = os.environ.get("USERNAME", "")
    words = (name, platform.node().partition(".")[0])
    fit = [re.sub(r"[^A-Za-z0-9._-]", "", word).strip("._-")[:31] for word in words]
    return "@".join(filter(None, fit)) or "signer"


def size(option: str, text: str) -> int | None:
    """A number of bytes such as ``500M``; None for an empty text.

    :raises UsageError: if it is none.
    """
    if not text:
        return None
    match = _SIZE.match(text)
    if match is None:
        raise UsageError("read the command line", option, f"{text} is not a size like 500M")
    if len(match.group(1)) > _LONGEST_SIZE:
        raise UsageError("read the command line", option, "larger than any file")
    return int(match.group(1)) << (10 * " KMGT".index(match.group(2).upper() or " "))


def plain_text(option: str, text: str) -> str:
    """Return *text* if it may go into a signed or printed record: one line, valid UTF-8.

    :raises UsageError: otherwise.
    """
    if not text.isprintable():
        raise UsageError("read the command line", option, "it holds a character without a shape")
    return text
