"""One piece of evidence before two judges: custody itself, and the checker in one file."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import verify_bench as bench

from custody import verifier
from custody.errors import NotFoundError, UnknownFormatError
from custody.identity.trust import Trust
from custody.verify import Verification, verify

CODES = {"ok": 0, "failed": 10, "cannot-verify": 11}


def load() -> ModuleType:
    """The checker, loaded from the very bytes that are handed out."""
    module = ModuleType("check")
    exec(compile(verifier.program(), "check.py", "exec"), vars(module))  # noqa: S102
    return module


CHECK = load()


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


def checked(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The checker's exit code and document."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = CHECK.main([str(path), "--json", *arguments])
    return code, json.loads(out.getvalue() or "{}")


def custodys(path: Path, trust: Trust, expect: str | None = None) -> tuple[int, Any]:
    """What custody says, as an exit code, and why."""
    named = [item.fingerprint for item in trust.signers]
    try:
        found: Verification = verify(path, trust, expect=expect, named=named, now=bench.NOW)
    except (UnknownFormatError, NotFoundError) as err:
        return 12, str(err)
    return CODES[found.verdict], found


def both(path: Path, trust: Trust = bench.TRUST, expect: str | None = None) -> int:
    """Require that the two agree, and return the exit code."""
    believed, arguments = plain(trust)
    arguments += [] if expect is None else ["--expect", expect]
    expected, why = custodys(path, believed, expect)
    code, said = checked(path, *arguments)
    if code != expected and not _is_open(code, said):
        told = why.findings[:5] if isinstance(why, Verification) else why
        left = [c for c in why.checks if c.status != "ok"] if isinstance(why, Verification) else ""
        raise AssertionError(f"custody {expected}, checker {code}\n{told}\n{left}\n{said}")
    return code


def _is_open(code: int, said: dict[str, Any]) -> bool:
    """Whether the checker leaves open what it says it cannot judge; it is never ok then."""
    cannot = "only custody can work the assessment out again"
    return code == 11 and any(cannot in check["detail"] for check in said["checks"])
