"""Taking bundles into a case: what is said of each, and the exit code of all."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli import exit_codes
from custody.cli.given import options
from custody.cli.terminal import console
from custody.cli.terminal.progress import Progress
from custody.errors import UsageError

if TYPE_CHECKING:
    from custody.bundle.inlet import Inlet
    from custody.cli.given.desk import Desk
    from custody.identity.passphrases import Passphrase
    from custody.identity.trust import Trust
    from custody.transfer.intake import Arrived, Terms
    from custody.verify import Verification

_SHOWN = 20


def take_in(
    paths: Sequence[Path],
    terms: Terms,
    believed: Trust,
    key: str | None,
    secret: Passphrase,
    timeout: float,
) -> int:
    """Copy, verify, publish and enter them; the exit code is the worst.

    :param timeout: for how many seconds a stream is waited for that brings next to nothing.
    """
    from custody.cli.given import desk

    _require_sense(paths, terms)
    stream = _stream(paths, terms, timeout)
    keeper = desk.ready('receive --from "NAME, TITLE, ORGANISATION" PATH...', key, secret)
    _warn_if_no_desk(keeper, terms, believed)
    keeper.enter_attachments()  # what a stopped run published and did not enter
    arrived = [
        *look(keeper, [] if stream else paths, terms, believed),
        *([_look_at(stream, keeper, terms, believed)] if stream else []),
    ]
    admit(keeper, arrived, terms, believed)
    show(arrived)
    return worst(arrived)


def _warn_if_no_desk(keeper: Desk, terms: Terms, believed: Trust) -> None:
    """Who vouches for the keys on paper forms should be a desk, at least in their own eyes."""
    from custody import certifying

    if not terms.fingerprints:
        return
    try:
        mine = keeper.signer.key.fingerprint()
        certifying.require_desk(believed, mine, "your trust folder")
    except UsageError as err:
        console.warning(f"nobody will believe the bundle on your word: {err.why}; {err.hint}")


def _require_sense(paths: Sequence[Path], terms: Terms) -> None:
    """An evidence number, or a copy, is one thing's."""
    if len(paths) == 1:
        return
    for option, value in (("--evidence-number", terms.evidence_number), ("--copy", terms.copy)):
        if value:
            why = f"it is of one bundle, and there are {len(paths)}; nothing was taken in"
            hint = "receive them one by one; collect gives a number, too"
            raise UsageError("read the command line", option, why, hint=hint)


def _stream(paths: Sequence[Path], terms: Terms, timeout: float) -> Inlet | None:
    """Where a bundle comes in as a stream (``receive -``), if it does."""
    from custody.bundle.inlet import Inlet
    from custody.transfer.intake import STREAM

    if STREAM not in paths:
        return None
    if len(paths) > 1:
        why = "a stream is received alone; nothing was taken in"
        raise UsageError("receive", "-", why, hint="receive the others by a run of their own")
    if terms.refuse:
        why = "what is to be refused lies somewhere, and a stream does not; nothing was entered"
        raise UsageError("read the command line", "--refuse", why)
    if sys.stdin is None or sys.stdin.isatty():
        why = "stdin is a terminal, and no stream comes from there; nothing was taken in"
        hint = "ssh HOST custody collect SOURCE... --output - | custody receive - --case DIR ..."
        raise UsageError("receive", "-", why, hint=hint)
    return Inlet(sys.stdin.fileno(), timeout)


def _look_at(stream: Inlet, keeper: Desk, terms: Terms, believed: Trust) -> Arrived:
    from custody import clock
    from custody.transfer import intake

    with Progress("receiving") as progress:
        return intake.look_at_stream(keeper.case, stream, believed, terms, clock.now, progress)


def look(keeper: Desk, paths: Sequence[Path], terms: Terms, believed: Trust) -> list[Arrived]:
    """Copy each into ``incoming/`` and verify the copy."""
    from custody import clock
    from custody.transfer import intake

    arrived = []
    for path in paths:
        with Progress("receiving") as progress:
            one = intake.look(keeper.case, path, believed, terms, clock.now(), progress)
        arrived.append(one)
    return arrived


def admit(keeper: Desk, arrived: Sequence[Arrived], terms: Terms, believed: Trust) -> None:
    """Publish and enter them together."""
    from custody import clock
    from custody.cli.given import ledger_where
    from custody.keeping import WAIT_SECONDS
    from custody.transfer import admitting

    wait = options.wait_seconds(WAIT_SECONDS)
    admitting.admit(keeper, arrived, believed, terms, clock.now(), wait)
    ledger_where.tell_troubles(keeper.case.memory)


def worst(arrived: Sequence[Arrived]) -> int:
    """The exit code: that something differs outweighs what could not be done or verified."""
    codes = {code_of(one) for one in arrived}
    if exit_codes.DIFFERS in codes:
        return exit_codes.DIFFERS
    others = codes - {exit_codes.OK, exit_codes.CANNOT_VERIFY}
    if others:
        return min(others)
    return max(codes, default=exit_codes.OK)


def code_of(one: Arrived) -> int:
    """The exit code that one of them alone would have."""
    if one.error is not None:
        return exit_codes.for_error(one.error)
    if one.outcome == "differs":
        return exit_codes.DIFFERS
    unknown = one.found is not None and one.found.verdict == "cannot-verify"
    return exit_codes.CANNOT_VERIFY if unknown and one.outcome != "refused" else exit_codes.OK


def show(arrived: Sequence[Arrived]) -> None:
    """One line of each, and what is wrong with those that differ."""
    if console.mode().json:
        console.result_json("intake", {"bundles": [document(one) for one in arrived]})
    else:
        for one in arrived:
            _line(one)
    for one in arrived:
        _warn(one)


def _line(one: Arrived) -> None:
    name = one.name or str(one.path)
    entered = "" if one.entry is None else f"  entry {one.entry}"
    console.result(f"{one.outcome:<13} ", name, entered)


def _warn(one: Arrived) -> None:
    for text in _troubles(one):
        console.warning(text)
    hint = _hint(one)
    if hint:
        console.remark(f"hint: {hint}")
    if one.outcome in ("differs", "refused") and one.found is not None:
        for finding in one.found.findings[:_SHOWN]:
            console.warning(f"{finding.path or '.'}: {finding.message}")
    for place, why in one.strange[:_SHOWN]:
        console.warning(f"not copied: {place}: {why}")


def _troubles(one: Arrived) -> Iterator[str]:
    what = "the stream" if one.path == Path("-") else one.path
    if one.outcome == "failed":
        yield f"{what} was not taken in: {one.why}"
    elif one.outcome == "differs":
        yield f"{what} is not what it should be, and is kept apart in {one.where}"
        if one.unlike:
            yield f"{what}: {one.unlike}"
    elif one.outcome == "not-verified":
        yield f"{what} was received, and not verified: {_what_is_missing(one)}"
    elif one.outcome == "held" and code_of(one) != exit_codes.OK:
        yield f"{what} is held already, and was not verified: {_what_is_missing(one)}"
    if one.why and one.outcome not in ("failed", "differs"):
        yield f"{what}: {one.why}"


def _what_is_missing(one: Arrived) -> str:
    checks = () if one.found is None else one.found.checks
    left = (check for check in checks if check.required and check.status == "not-checked")
    return next(
        (f"{check.name}: {check.detail}" for check in left), "nobody here trusts its signer"
    )


def document(one: Arrived) -> dict[str, Any]:
    """One of them, for ``--json``."""
    found = one.found
    return {
        "path": str(one.path),
        "outcome": one.outcome,
        "bundle": one.name or None,
        "verdict": None if found is None else found.verdict,
        "where": None if one.where is None else str(one.where),
        "entry": one.entry,
        "statement": None if found is None else found.statement_sha256 or None,
        "sha256": one.digest or None,
        "files": None if found is None else found.files,
        "bytes": None if found is None else found.bytes,
        "why": one.why or one.unlike or None,
        "hint": _hint(one),
        "findings": [] if found is None else [item.as_json() for item in found.findings],
        "not_copied": [{"path": place, "why": why} for place, why in one.strange],
        "exit": code_of(one),
    }


def _hint(one: Arrived) -> str | None:
    if one.error is not None:
        return options.hinted(one.error.hint) or None
    found = one.found
    if found is None:
        return None
    hint = _again(one) or _fingerprint_hint(one, found) or found.hint_at(one.where or found.path)
    return options.hinted(hint) or None


def _again(one: Arrived) -> str:
    """What to do where only the number was wrong; which one is right, the paper form must say."""
    from custody.transfer.intake import STREAM

    if one.outcome != "differs" or not one.misnamed:
        return ""
    path = one.where if one.path == STREAM and one.where is not None else one.path
    chosen = options.case()
    case = [] if chosen is None else ["--case", str(chosen.path)]
    typed = shlex.join(["custody", "receive", str(path), *case, "--from", "NAME", "--fingerprint"])
    return f"if the number was misread, give it again with that of the paper form: {typed} NUMBER"


def _fingerprint_hint(one: Arrived, found: Verification) -> str:
    """What to do about a key that was made for this one bundle: it will never sign another."""
    from custody.formats import vkey
    from custody.identity import signing
    from custody.transfer.intake import STREAM

    key = vkey.parse(found.claimed_key) if found.claimed_key else None
    wanted = one.outcome in ("not-verified", "held") and found.signer is None
    if not wanted or key is None or key.name != signing.ONE_TIME:
        return ""
    chosen = options.case()
    case = [] if chosen is None else ["--case", str(chosen.path)]
    command = ["receive", str(one.path), *case, "--from", "NAME", "--fingerprint"]
    if one.path == STREAM:
        command = ["key", "certify", "--bundle", str(one.where), *case]
    typed = shlex.join(["custody", *command, key.fingerprint()])
    return f"compare the fingerprint with the paper form first, then: {typed}"
