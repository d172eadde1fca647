"""One piece of evidence before two judges: custody itself, and the checker in one file."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import verify_bench as bench

from custody import verifier
from custody.errors import CustodyError, NotFoundError, UnknownFormatError
from custody.identity.trust import Trust
from custody.ledger import check as ledger_check
from custody.ledger.believed import by_trust
from custody.verify import Verification, verify

OK, FAILED, CANNOT_VERIFY, NOTHING = 0, 10, 11, 12
CODES = {"ok": OK, "failed": FAILED, "cannot-verify": CANNOT_VERIFY}


def load() -> ModuleType:
    """The checker, loaded from the very bytes that are handed out."""
    module = ModuleType("check")
    exec(compile(verifier.program(), "check.py", "exec"), vars(module))  # noqa: S102
    return module


CHECK = load()


@dataclass(frozen=True)
class Said:
    """What the checker printed: its exit code, and status and reason of each numbered check."""

    code: int
    status: dict[int, str]
    reason: dict[int, str]
    text: str


def plain(trust: Trust) -> tuple[Trust, list[str]]:
    """As much of *trust* as a command line can say: for custody, and as arguments."""
    signers = [str(item.key) if item.key else item.fingerprint for item in trust.signers]
    believed, arguments = Trust(), []
    for text in signers:
        believed = believed.with_signer(text)
        arguments += ["--signer", text]
    for key in trust.logs:
        believed = believed.with_log(key)
        arguments += ["--log", str(key)]
    return believed, arguments


def checked(path: Path, *arguments: str) -> Said:
    """What the checker says."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = CHECK.main([str(path), *arguments])
    status, reason = {}, {}
    for line in out.getvalue().splitlines()[:-1]:
        number = line[12:15].strip()
        if number != "-":
            status[int(number)], reason[int(number)] = line[:12].strip(), line[34:]
    return Said(code, status, reason, out.getvalue())


def custodys(path: Path, trust: Trust, expect: str | None = None) -> tuple[int, Any]:
    """What custody says of a bundle, or of a ledger that lies alone: an exit code, and why."""
    if not is_bundle(path):
        return _custodys_ledger(path, trust)
    named = [item.fingerprint for item in trust.signers]
    try:
        found: Verification = verify(path, trust, expect=expect, named=named, now=bench.NOW)
    except (UnknownFormatError, NotFoundError) as err:
        return NOTHING, str(err)
    return CODES[found.verdict], [
        *found.findings[:5],
        *(c for c in found.checks if c.status != "ok"),
    ]


def _custodys_ledger(path: Path, trust: Trust) -> tuple[int, Any]:
    try:
        report = ledger_check.check(path, None, (), by_trust(trust), policy=trust.policy)
    except CustodyError as err:
        return NOTHING, str(err)
    return CODES[report.verdict], report


def is_bundle(path: Path) -> bool:
    """Whether one of the names of a bundle is there."""
    return any((path / name).exists() for name in ("bagit.txt", "bag-info.txt", "seal",
               "manifest-sha256.txt", "tagmanifest-sha256.txt"))  # fmt: skip


def parts(path: Path) -> list[Path]:
    """What the checker checks of this: a bundle or a ledger, and of a case each of those in it."""
    if is_bundle(path) or not (path / "ledger").is_dir():
        return [path]
    bundles = path / "bundles"
    found = sorted(bundles.iterdir()) if bundles.is_dir() and not bundles.is_symlink() else []
    return [path / "ledger", *(each for each in found if is_bundle(each))]


def both(path: Path, trust: Trust = bench.TRUST, expect: str | None = None) -> int:
    """Require that the two agree on a bundle or a ledger, and return the exit code."""
    code, how = _judged(path, trust, expect)
    assert not how, how
    return code


def differs(path: Path, trust: Trust = bench.TRUST, expect: str | None = None) -> str:
    """How the two judge this, or a part of this, differently; empty if they agree."""
    return next(filter(None, (_judged(part, trust, expect)[1] for part in parts(path))), "")


def _judged(path: Path, trust: Trust, expect: str | None) -> tuple[int, str]:
    believed, arguments = plain(trust)
    arguments += [] if expect is None else ["--expect", expect]
    expected, why = custodys(path, believed, expect)
    said = checked(path, *arguments)
    if said.code == expected:
        return said.code, ""
    return said.code, f"{path.name}: custody {expected}, checker {said.code}\n{why}\n{said.text}"
