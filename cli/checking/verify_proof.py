"""``custody verify PROOF``: a receipt or a proof of growth, with nothing else at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from custody.cli import exit_codes
from custody.cli.given import ledger_where
from custody.cli.terminal import console
from custody.counted import counted
from custody.errors import FormatError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from custody.identity.trust import Trust
    from custody.ledger.checkpoint import Checkpoint
    from custody.ledger.proving import ProofResult

_CODES = {
    "ok": exit_codes.OK,
    "failed": exit_codes.DIFFERS,
    "cannot-verify": exit_codes.CANNOT_VERIFY,
}
_WORDS = {"ok": console.OK, "fail": console.FAIL, "not-checked": console.NOT_CHECKED}


def run(path: Path, entry: Path | None, checkpoints: list[Path], believed: Trust) -> int:
    """Check the proof in the file *path*, say what it shows, and return the exit code.

    :param entry: the file with the entry that a receipt proves.
    :param checkpoints: files with checkpoints that the user holds, for a proof of growth.
    :raises NotFoundError: if it is no proof.
    :raises InputError: if another file is not what it was named for.
    """
    from custody.formats import dsse
    from custody.ledger import proving

    data = _read(path, proving.LARGEST_PROOF, "read proof")
    if not proving.is_proof(data):
        raise NotFoundError(
            "verify", path, "neither a bundle nor a case, nor a proof",
            hint="name the directory of a bundle or a case, or a file by custody ledger prove",
        )  # fmt: skip
    proved = None if entry is None else _read(entry, dsse.LARGEST_ENVELOPE, "read entry")
    held = [_held(file, believed) for file in checkpoints]
    memory = ledger_where.memory()
    if memory is not None:
        seen = (memory.recall(key) for key in believed.logs)
        held += [tree for tree in seen if tree is not None]
    result = proving.verify_proof(data, proved, believed.policy, held)
    ledger_where.tell_troubles(memory)
    _show(path, result)
    return _CODES[result.verdict]


def _read(path: Path, limit: int, doing: str) -> bytes:
    from custody import reading

    try:
        return reading.read_regular(path, limit)
    except (FormatError, NotFoundError) as err:
        raise InputError(doing, path, err.why or str(err)) from err


def _held(path: Path, believed: Trust) -> Checkpoint:
    """A checkpoint that the user vouches for; a wrong signature on it is not taken."""
    from custody.ledger.judge import judge

    given = ledger_where.given_checkpoint(path)
    judgement = judge(given.note, given.checkpoint, believed.logs)
    if judgement.verdict == "failed":
        raise UsageError("use checkpoint", path, judgement.detail)
    return given.checkpoint


def _show(path: Path, result: ProofResult) -> None:
    if console.mode().json:
        document = {
            "verdict": result.verdict,
            "kind": "proof",
            "path": str(path),
            "origin": result.origin,
            "size": result.size,
            "checks": [
                {
                    "number": step.number,
                    "name": step.name,
                    "status": step.status,
                    "detail": step.detail,
                    "required": True,
                }
                for step in result.steps
            ],
            "findings": [
                {"path": str(path), "expected": step.name, "found": "", "message": step.detail}
                for step in result.steps
                if step.status == "fail"
            ],
        }
        console.result_json("verification", document)
        return
    console.result(f"{'proof':<8} ", path)
    if result.origin is not None:
        console.result(f"{'ledger':<8} ", result.origin, f", {counted(result.size or 0, 'entry')}")
    width = max(len(step.name) for step in result.steps)
    for step in result.steps:
        word = _WORDS[step.status]
        gap = " " * (len(console.NOT_CHECKED) - len(word) + 2)
        console.result(word, gap, f"{step.number:>2}  {step.name:<{width}}  ", step.detail)
    console.result("verdict  ", result.verdict)
